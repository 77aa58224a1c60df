"""A trained method as a function of whole images: patch by patch, or pixel by pixel."""

from objdisc.methods.base import Method
from objdisc.pipeline.segmenters.base import FolderOptions, SegmentedFolder, SegmentedSplit, Segmenter, Split
from objdisc.pipeline.segmenters.patchwise import PatchSegmenter
from objdisc.pipeline.segmenters.per_pixel import PixelSegmenter

__all__ = ["FolderOptions", "SegmentedFolder", "SegmentedSplit", "Segmenter", "Split", "segmenter_for"]


def segmenter_for(method: Method) -> type[Segmenter]:
    """Return the form that suits a method."""
    return PixelSegmenter if method.per_pixel else PatchSegmenter
