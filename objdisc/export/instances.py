"""Objects for the Cityscapes evaluator of instances, and the Cityscapes class of each category.

Each image has a text file with a line ``mask.png labelId confidence`` for each object, the format that
``cityscapesscripts/evaluation/evalInstanceLevelSemanticLabeling.py`` describes.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from objdisc.datasets.cityscapes import LABEL_IDS
from objdisc.export.cityscapes import write_label_ids
from objdisc.export.objects import Frame, NamedObjects, Objects
from objdisc.inference.stitching import footprint
from objdisc.io.files import atomic_write, write_image
from objdisc.types import Patch


@dataclass(frozen=True, slots=True)
class LabelChoice:
    """The Cityscapes class as which a category is written.

    Attributes:
        label: Label id, 0 for none.
        by_name: Whether the category has the class's name; otherwise the run's evaluation matched it, with labels.
    """

    label: int
    by_name: bool


def choose_labels(named: NamedObjects, matched: Mapping[int, int]) -> dict[int, LabelChoice]:
    """Choose the label id as which each category is written.

    A category with the name of a Cityscapes class, in upper or lower case, is that class. Any other is the class that
    the evaluation matched most of its objects' clusters to.

    Args:
        named: The objects.
        matched: Cluster to label id, as the run's evaluation fitted it; empty without one.
    """
    by_name = {name.casefold(): label for name, label in LABEL_IDS.items()}
    chosen = {}
    for category in named.names.categories:
        label = by_name.get(category.name.casefold())
        if label is not None:
            chosen[category.id] = LabelChoice(label, by_name=True)
            continue
        sizes = Counter(named.clusters[named.categories == category.id].tolist())
        votes: Counter[int] = Counter()
        for cluster in category.clusters:
            votes[matched.get(cluster, 0)] += sizes[cluster]
        chosen[category.id] = LabelChoice(votes.most_common(1)[0][0], by_name=False)
    return chosen


def write_cityscapes(
    folder: Path,
    named: NamedObjects,
    labels: Mapping[int, LabelChoice],
    below: Callable[[str], NDArray[np.uint8] | None] | None = None,
) -> Path:
    """Write ``labelIds/`` for the pixel evaluator, and ``instances/`` for the instance evaluator.

    Images that are one object as a whole get no files. Objects whose category stands for no class are left out.

    Args:
        folder: Where they go; either subfolder is the folder of results for its evaluator.
        named: The objects.
        labels: Category id to label id.
        below: Image name to the label ids ``(H, W)`` of its scene, which fill the pixels without objects; None for
            none.

    Raises:
        ObjdiscError: A file cannot be written.
    """
    table = np.zeros(len(named.names.categories) + 1, np.uint8)
    for category, choice in labels.items():
        table[category] = choice.label
    for frame, objects in named.outlined():
        known = [(row, patch) for row, patch in objects if table[named.categories[row]]]
        painted = table[named.category_map(frame, known)]
        scene = None if below is None else below(frame.sample)
        if scene is not None and scene.shape == painted.shape:
            painted = np.where(painted > 0, painted, scene)
        write_label_ids(folder / "labelIds", frame.sample, painted)
        _write_instances(folder / "instances", named, frame, known, table)
    return folder


def _write_instances(
    folder: Path, named: NamedObjects, frame: Frame, objects: Objects, table: NDArray[np.uint8]
) -> None:
    """Write the masks of one frame, then the file that lists them, also for frames without objects."""
    path = folder / f"{frame.sample}.txt"
    lines = []
    for number, (row, patch) in enumerate(objects):
        # The evaluator splits lines at spaces, and resolves masks beside the text file
        mask = f"masks/{quote(path.stem, safe='')}_{number:03d}.png"
        write_image(path.parent / mask, _full_mask(patch))
        lines.append(f"{mask} {table[named.categories[row]]} {named.score(row, patch):.6f}\n")
    with atomic_write(path) as file:
        file.write("".join(lines))


def _full_mask(patch: Patch) -> NDArray[np.uint8]:
    mask = np.zeros(patch.frame, np.uint8)
    rows, columns, inside = footprint(patch.region, patch.frame)
    mask[rows, columns][inside] = 255
    return mask
