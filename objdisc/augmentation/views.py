"""Views of patches: seeded photometric and crop augmentation."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from objdisc.augmentation.chance import Seeds
from objdisc.augmentation.color import draw_colors, recolor
from objdisc.augmentation.crop import draw_crops, draw_flips, resized
from objdisc.augmentation.geometry import Geometry, draw, in_pixels, resample
from objdisc.augmentation.random_ops import cut_out, draw_cuts, draw_ops, random_ops
from objdisc.errors import UsageError


@dataclass(frozen=True)
class Augmentation:
    """How strongly a view may differ from its patch; the names have their standard meaning.

    Attributes:
        crop_scale: Smallest share of the patch's area that a random resized crop keeps; 1 crops nothing.
        flip: Probability of a horizontal flip.
        jitter: Range of brightness, contrast and saturation factors, 1 - jitter to 1 + jitter.
        grey: Probability of dropping colour.
        hue: Largest shift of the hue either way, as a share of the circle.
        geometry: Changes of a view's geometry, before all the others.
        repeat: Probability that a view shows two or three touching copies of the object; used only where encoded views
            are compared before training, and only on blanked backgrounds.
        first_crop: Side, as a share of the patch's, of a square crop at a random place that is the only change of a
            pair's first view, as in image IIC; 0 draws the first view like the others, 1 leaves it unchanged.
        ops: Number of random operations in a row, after all these, as in SCAN's strong augmentation (4).
        cutout: Side of a square that is greyed out at the end, as a share of the patch's; 0 cuts nothing.
    """

    crop_scale: float = 0.8
    flip: float = 0.5
    jitter: float = 0.4
    grey: float = 0.2
    hue: float = 0.0
    geometry: Geometry = field(default_factory=Geometry)
    first_crop: float = 0.0
    repeat: float = 0.25
    ops: int = 0
    cutout: float = 0.0

    def __post_init__(self) -> None:
        """Check the ranges that are checked nowhere else.

        Raises:
            UsageError: A value is out of its range.
        """
        if self.ops < 0 or not 0 <= self.cutout <= 1 or not 0 <= self.first_crop <= 1:
            raise UsageError("--augmentation: ops starts at 0, cutout and first_crop are shares between 0 and 1")


class Augmenter:
    """Draws views of patches; the same seed gives the same view, on any machine, in any batch and in any worker.

    The random numbers are drawn for all patches at once; then OpenCV changes one patch after the other in the cache.

    Args:
        augmentation: The augmentation.
        size: Side of patches in pixels.
    """

    def __init__(self, augmentation: Augmentation, size: int) -> None:
        self._augmentation, self._size = augmentation, size
        self._geometry = augmentation.geometry if augmentation.geometry != Geometry() else None
        self._first = Geometry(crops=(augmentation.first_crop,)) if augmentation.first_crop else None
        self._crops = augmentation.crop_scale < 1 or augmentation.flip > 0
        self._recolors = augmentation.jitter > 0 or augmentation.grey > 0

    def __call__(self, patches: Sequence[NDArray[np.uint8]], seeds: Seeds, first: bool = False) -> NDArray[np.uint8]:
        """Draw one view of each patch.

        Args:
            patches: N times ``(S, S, C + 1)``: RGB, any further channels such as infrared, and the region's mask.
            seeds: ``(N,)`` random seed of each view.
            first: Whether they are the first views of pairs.

        Returns:
            ``(N, S, S, C + 1)``; colour is changed in RGB only, geometry in all channels.
        """
        views = np.empty((len(patches), *np.shape(patches[0])), np.uint8) if len(patches) else np.empty(0, np.uint8)
        only_crop = self._first if first else None
        moved = self._moved(patches, seeds, only_crop or self._geometry)
        for number, view in enumerate(moved if only_crop is not None else self._cropped(moved, seeds)):
            views[number] = view
        if only_crop is None:
            self._recolor(views, seeds)
            self._change_strongly(views, seeds)
        return views

    def _moved(
        self, patches: Sequence[NDArray[np.uint8]], seeds: Seeds, geometry: Geometry | None
    ) -> Iterable[NDArray[np.uint8]]:
        """Yield the patches as a geometry shows them."""
        if geometry is None:
            return patches
        maps = in_pixels(draw(geometry, seeds), self._size)
        return (resample(np.ascontiguousarray(patch), pixels) for patch, pixels in zip(patches, maps, strict=True))

    def _cropped(self, patches: Iterable[NDArray[np.uint8]], seeds: Seeds) -> Iterable[NDArray[np.uint8]]:
        """Yield enlarged crops of patches, some mirrored."""
        if not self._crops:
            return patches
        crops = draw_crops(self._augmentation.crop_scale, self._size, seeds).tolist()
        flips = draw_flips(self._augmentation.flip, seeds).tolist()
        return (resized(*drawn) for drawn in zip(patches, crops, flips, strict=True))

    def _recolor(self, views: NDArray[np.uint8], seeds: Seeds) -> None:
        """Change the colours of views in place."""
        if not self._recolors:
            return
        colors = draw_colors(self._augmentation.jitter, self._augmentation.hue, self._augmentation.grey, seeds)
        drawn = zip(views, *(column.tolist() for column in colors), strict=True)
        for view, changed, factors, order, grey in drawn:
            if changed or grey:
                recolor(view, factors, order if changed else [], grey)

    def _change_strongly(self, views: NDArray[np.uint8], seeds: Seeds) -> None:
        """Apply random operations and cut-outs to views in place."""
        if self._augmentation.ops:
            which, strengths = (column.tolist() for column in draw_ops(self._augmentation.ops, seeds))
            for number, view in enumerate(views):
                views[number] = random_ops(view, which[number], strengths[number])
        if self._augmentation.cutout:
            squares = draw_cuts(self._size, self._augmentation.cutout, seeds).tolist()
            for view, square in zip(views, squares, strict=True):
                cut_out(view, square)
