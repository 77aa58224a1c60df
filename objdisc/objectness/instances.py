"""Objectness from a data set's own instance masks: one region per instance; classes are not read."""

from objdisc.datasets.base import ImageDataset
from objdisc.imaging.masks import regions_from_runs
from objdisc.objectness.base import DatasetMasks
from objdisc.types import Region, Sample


class Instances(DatasetMasks):
    """Instance masks of the data set (Cityscapes: instanceIds of the foreground classes)."""

    mask_name = "instance mask"
    fingerprint_name = "instances"

    @classmethod
    def serves(cls, dataset: ImageDataset) -> bool:
        """Whether any image has instance masks."""
        return dataset.has_instances

    def read_regions(self, dataset: ImageDataset, sample: Sample) -> list[Region] | None:
        """Make one region of each instance, in raster order of their first pixels."""
        runs = dataset.read_instance_runs(sample)
        if runs is None:
            return None
        regions = regions_from_runs(runs)
        return [regions[number] for number in runs.order]
