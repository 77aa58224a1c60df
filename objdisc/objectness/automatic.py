"""The choice of a source of regions where none is named."""

from objdisc.datasets.base import ImageDataset
from objdisc.objectness.base import ObjectnessSource
from objdisc.objectness.boxes import Boxes
from objdisc.objectness.coco import Coco
from objdisc.objectness.instances import Instances
from objdisc.objectness.labelme import Labelme
from objdisc.objectness.labels import Labels
from objdisc.objectness.megadetector import Megadetector
from objdisc.objectness.sam_json import SamJson
from objdisc.objectness.support.annotated import AnnotatedRegions
from objdisc.objectness.tree import Tree
from objdisc.objectness.union import Union
from objdisc.objectness.whole import Whole
from objdisc.objectness.yolo import Yolo

ANNOTATED: tuple[type[AnnotatedRegions], ...] = (Coco, SamJson, Labelme, Megadetector, Yolo, Boxes)
"""Sources that read annotation files, one for every format."""

AUTOMATIC: tuple[type[ObjectnessSource], ...] = (Instances, *ANNOTATED, Labels, Whole, Tree)
"""Sources that need no arguments, the most exact first: the first one that ``serves`` a data set is taken.

The last one serves any data set: it looks for objects without masks."""

BESIDE_SCENES: type[ObjectnessSource] = Union
"""The source that replaces the last one on other images of a run whose regions also came from scenes.

It is not the default: in 64 regions of 21 frames of CamVid train it finds 0.538 of 65 objects, as ``tree`` does."""


def automatic_source(dataset: ImageDataset, *, scenes: bool = False) -> type[ObjectnessSource]:
    """Return the source that is taken where none is named; annotations that the user has named come first.

    Args:
        dataset: The images.
        scenes: Whether regions also come from scenes if the images have no masks.
    """
    for source in ANNOTATED:
        annotations = source.annotations_of(dataset)
        if annotations is not None and annotations.asked:
            return source
    found = next(source for source in AUTOMATIC if source.serves(dataset))
    return BESIDE_SCENES if scenes and found is AUTOMATIC[-1] else found
