"""An experiment, no test: hide a class from a first run, grow that run on images with the class, and count.

    python tests/experiments/hidden_class.py hide CITY HIDDEN 26
    objdisc discover HIDDEN --num-clusters 7 --output-dir RUN
    objdisc discover NEW_CITY --init-from RUN --grow --output-dir GROWN
    python tests/experiments/hidden_class.py score RUN GROWN 26

Folders are in Cityscapes layout, classes its label ids. Objects of a hidden class leave the maps of HIDDEN, where they
are background; images are linked. ``score`` reads classes only to count.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from objdisc.datasets import open_dataset
from objdisc.evaluation.annotated import labelled
from objdisc.evaluation.counts import patch_labels
from objdisc.inference.predict import predict
from objdisc.patches.store import PatchStore
from objdisc.pipeline.loading import LoadedRun, load_run

_INSTANCE = 1000  # instanceIds hold this times the class, plus a number


def hide(source: Path, target: Path, hidden: list[int]) -> None:
    """Copy a folder without the objects of some classes.

    Args:
        source: Folder in Cityscapes layout.
        target: Folder to fill.
        hidden: Label ids.
    """
    root = source.resolve()
    for path in sorted(root.rglob("*_gtFine_*Ids.png")):  # polygons and colours would show them
        ids = np.asarray(cv2.imread(str(path), cv2.IMREAD_UNCHANGED))
        whole = ids.astype(np.int64)
        ids[np.isin(np.where(whole >= _INSTANCE, whole // _INSTANCE, whole), hidden)] = 0
        copy = target / path.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(copy), ids)
    for path in sorted(root.rglob("*_leftImg8bit.*")):
        copy = target / path.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.symlink_to(path.resolve())


def score(before: Path, grown: Path, hidden: list[int]) -> dict[str, dict[str, float]]:
    """Count, for each split of the grown run, where objects went.

    Args:
        before: The first run.
        grown: The run that was grown from it.
        hidden: Label ids that the first run has not seen; none where nothing was hidden.

    Returns:
        Split to: objects, hidden ones, the share of these in new categories, the share of the others that keep the id
        which the first run gives them, the lowest share over hidden classes, and how many categories are new.
    """
    first, after = load_run(before).on("cpu", workers=0), load_run(grown).on("cpu", workers=0)
    found: dict[str, dict[str, float]] = {}
    for folder in sorted(after.run.patches.iterdir()):
        store = PatchStore.open(folder)
        options = after.options
        assert options.path is not None
        dataset = open_dataset(options.path, folder.name, options.foreground, options.data, options.files)
        classes = patch_labels(labelled(dataset), store.patches)[store.foreground]
        ids = [_ids(loaded, store) for loaded in (first, after)]
        known, new = ~np.isin(classes, hidden), ids[1] >= first.options.k
        found[folder.name] = {
            "objects": len(classes),
            "hidden": int((~known).sum()),
            "hidden_in_new": float(new[~known].mean()) if (~known).any() else float("nan"),
            "others_keep_id": float((ids[0] == ids[1])[known].mean()),
            "worst_hidden": min((float(new[classes == label].mean()) for label in hidden), default=float("nan")),
            "new_categories": after.options.k - first.options.k,
        }
    return found


def _ids(loaded: LoadedRun, store: PatchStore) -> NDArray[np.int64]:
    said = predict(loaded.method, store, replace(loaded.options.training, workers=0))
    return np.asarray(said.probabilities.argmax(axis=1)[store.foreground])


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["hide", "score"])
    parser.add_argument("folders", nargs=2, type=Path)
    parser.add_argument("classes", help="label ids with commas between, or none")
    given = parser.parse_args()
    first, second = given.folders
    classes = [] if given.classes == "none" else [int(each) for each in given.classes.split(",")]
    if given.what == "hide":
        hide(first, second, classes)
    else:
        print(json.dumps(score(first, second, classes), indent=1))


if __name__ == "__main__":
    main()
