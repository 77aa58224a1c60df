"""Objectness from the union of the foreground classes: one region per connected component."""

from objdisc.datasets.base import ImageDataset
from objdisc.imaging.masks import regions_from_binary
from objdisc.objectness.base import DatasetMasks
from objdisc.types import Region, Sample


class Foreground(DatasetMasks):
    """8-connected components of the foreground map; objects that touch become one region."""

    mask_name = "label map"
    fingerprint_name = "foreground"

    @classmethod
    def serves(cls, dataset: ImageDataset) -> bool:
        """Whether any image has a mask file."""
        return any(dataset.mask_paths(sample) for sample in dataset.samples)

    def read_regions(self, dataset: ImageDataset, sample: Sample) -> list[Region] | None:
        """Make one region of each component, in raster order of their first pixels."""
        foreground = dataset.read_foreground(sample)
        return None if foreground is None else regions_from_binary(foreground)

    def has_mask(self, dataset: ImageDataset, sample: Sample) -> bool:
        """Whether the sample's foreground is known: from files, or because all of the image is, or nothing."""
        return super().has_mask(dataset, sample) or dataset.is_foreground(sample) is not None
