"""Objectness from label maps: the union of the foreground classes, never class by class."""

from objdisc.datasets.base import ImageDataset
from objdisc.errors import UsageError
from objdisc.imaging.masks import regions_from_binary
from objdisc.objectness.base import DatasetMasks
from objdisc.types import Region, Sample

_NAMED = 12  # classes in a message


class Labels(DatasetMasks):
    """8-connected components of the foreground map; objects that touch become one region."""

    mask_name = "label map"
    fingerprint_name = "foreground"  # its name in version 0.1, by which patches that are there are known

    @classmethod
    def serves(cls, dataset: ImageDataset) -> bool:
        """Whether any image has a mask file."""
        return any(dataset.mask_paths(sample) for sample in dataset.samples)

    def read_regions(self, dataset: ImageDataset, sample: Sample) -> list[Region] | None:
        """Make one region of each component, in raster order of their first pixels."""
        foreground = dataset.read_foreground(sample)
        return None if foreground is None else regions_from_binary(foreground)

    def has_mask(self, dataset: ImageDataset, sample: Sample) -> bool:
        """Whether the sample's foreground is known: from files, or because the whole image is an object or none is."""
        return super().has_mask(dataset, sample) or dataset.is_foreground(sample) is not None

    def check(self, dataset: ImageDataset) -> None:
        """Check before any work that the data set has label maps, and classes in them that are objects.

        Raises:
            UsageError: Either is missing.
        """
        if dataset.has_ground_truth and not any(self.has_mask(dataset, sample) for sample in dataset.samples):
            names = ", ".join(list(dataset.class_names.values())[:_NAMED])
            raise UsageError(
                f"{dataset.root}: it has label maps, but it is not known which classes are objects; name some with "
                f"--foreground, of {names}{', ...' if len(dataset.class_names) > _NAMED else ''}."
            )
        super().check(dataset)
