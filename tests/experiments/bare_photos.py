"""An experiment, no test: a run trained with masks segments images without theirs; count the pixels that are right.

    python tests/experiments/bare_photos.py strip CITY SPLIT BARE
    objdisc segment RUN BARE --output-dir MAPS
    python tests/experiments/bare_photos.py score CITY SPLIT MAPS --run RUN --class car

CITY is in Cityscapes layout. ``strip`` links the images alone into the folder BARE; ``--match TEXT`` takes those with a
text in their names and ``--every N`` every n-th of them. A cluster counts as the class that most of its objects in the
run's evaluation split belong to. ``score`` reads classes only to count.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from objdisc.datasets.cityscapes import LABEL_IDS
from objdisc.io.files import read_json
from objdisc.io.run import Run

_NOTHING, _UNKNOWN = 255, 254  # in maps of up to 254 clusters


def strip(city: Path, split: str, bare: Path, match: str, every: int) -> None:
    """Link the images of a split into a folder, without anything else.

    Args:
        city: Folder in Cityscapes layout.
        split: Its split.
        bare: Folder to fill.
        match: Text that the names must contain.
        every: Every how many-th image is taken.
    """
    bare.mkdir(parents=True, exist_ok=True)
    images = sorted(path for path in (city / "leftImg8bit" / split).rglob("*_leftImg8bit.*") if match in path.name)
    for path in images[::every]:
        (bare / path.name.replace("_leftImg8bit", "")).symlink_to(path.resolve())


def score(city: Path, split: str, maps: Path, run: Run, wanted: str) -> dict[str, Any]:
    """Count the pixels of all images of a split that have a map.

    Args:
        city: Folder in Cityscapes layout.
        split: Its split.
        maps: What ``segment`` wrote.
        run: The run that segmented.
        wanted: Name of the class whose pixels are counted.

    Returns:
        Precision and recall of the class, precision and recall of all objects whatever their classes, and the shares of
        the pixels without any object that lie in a category, and in a category or an unknown object.
    """
    metrics = read_json(run.metrics)
    labels = np.zeros(256, np.int64)  # label id of each value of a map; 0 for nothing and for unknown objects
    for cluster, name in enumerate(metrics["majority"]):
        labels[cluster] = LABEL_IDS.get(name, 0)
    objects = [LABEL_IDS[name] for name in metrics["counts"]]
    counts = dict.fromkeys(("images", "both", "painted", "true", "on_objects", "all_painted", "objects"), 0)
    counts |= dict.fromkeys(("bare", "bare_painted", "bare_found"), 0)
    for path in sorted((city / "gtFine" / split).rglob("*_gtFine_labelIds.png")):
        found = maps / "clusterIds" / f"{path.name.split('_gtFine_')[0]}_clusterIds.png"
        if not found.is_file():
            continue
        truth = np.asarray(cv2.imread(str(path), cv2.IMREAD_UNCHANGED))
        values = np.asarray(cv2.imread(str(found), cv2.IMREAD_UNCHANGED))
        painted, is_class, is_object = labels[values], truth == LABEL_IDS[wanted], np.isin(truth, objects)
        shown = ~np.isin(values, (_NOTHING, _UNKNOWN))
        counts["images"] += 1
        counts["both"] += int((is_class & (painted == LABEL_IDS[wanted])).sum())
        counts["painted"] += int((painted == LABEL_IDS[wanted]).sum())
        counts["true"] += int(is_class.sum())
        counts["on_objects"] += int((shown & is_object).sum())
        counts["all_painted"] += int(shown.sum())
        counts["objects"] += int(is_object.sum())
        counts["bare"] += int((~is_object).sum())
        counts["bare_painted"] += int((shown & ~is_object).sum())
        counts["bare_found"] += int(((values != _NOTHING) & ~is_object).sum())
    return {
        "images": counts["images"],
        "precision": counts["both"] / max(counts["painted"], 1),
        "recall": counts["both"] / max(counts["true"], 1),
        "precision_of_objects": counts["on_objects"] / max(counts["all_painted"], 1),
        "recall_of_objects": counts["on_objects"] / max(counts["objects"], 1),
        "background_painted": counts["bare_painted"] / max(counts["bare"], 1),
        "background_painted_or_unknown": counts["bare_found"] / max(counts["bare"], 1),
    }


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["strip", "score"])
    parser.add_argument("city", type=Path)
    parser.add_argument("split")
    parser.add_argument("folder", type=Path, help="BARE or MAPS")
    parser.add_argument("--match", default="")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--run", type=Path)
    parser.add_argument("--class", dest="wanted", default="car")
    given = parser.parse_args()
    if given.what == "strip":
        strip(given.city, given.split, given.folder, given.match, given.every)
    elif given.run is None:
        parser.error("score: give --run")
    else:
        print(json.dumps(score(given.city, given.split, given.folder, Run(given.run), given.wanted), indent=1))


if __name__ == "__main__":
    main()
