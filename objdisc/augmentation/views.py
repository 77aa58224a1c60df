"""Views of patches: seeded photometric and crop augmentation."""

from dataclasses import dataclass, field, replace

import albumentations as A
import numpy as np
from numpy.typing import NDArray

from objdisc.augmentation.geometry import Geometry, draw, resample
from objdisc.augmentation.random_ops import cut_out, random_ops
from objdisc.errors import UsageError


@dataclass(frozen=True)
class Augmentation:
    """How strongly a view may differ from its patch; every field is the field's standard meaning.

    Attributes:
        crop_scale: Smallest share of the patch's area that a random resized crop keeps; 1 crops nothing.
        flip: Probability of a horizontal flip.
        jitter: Range of brightness, contrast and saturation factors, 1 - jitter to 1 + jitter.
        grey: Probability of dropping colour.
        hue: Largest shift of the hue either way, as a share of the circle.
        geometry: What happens to a view's geometry before all that.
        repeat: Probability that a view shows the object two or three times, touching; only where encoded views are
            compared before training, and only on blanked backgrounds.
        first_crop: The first view of a pair is a square crop of this share of the side at a random place and nothing
            else, as in image IIC; 0 draws it like the others, 1 leaves it as it is.
        ops: Random operations in a row, after all that, as in SCAN's strong augmentation (4).
        cutout: Side of a square that is greyed out at last, as a share of the patch's; 0 cuts nothing.
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
        """Check the ranges that nothing below checks.

        Raises:
            UsageError: A value is out of its range.
        """
        if self.ops < 0 or not 0 <= self.cutout <= 1 or not 0 <= self.first_crop <= 1:
            raise UsageError("--augmentation: ops starts at 0, cutout and first_crop are shares between 0 and 1")


class Augmenter:
    """Draws views of patches; the same seed gives the same view, on any machine and in any worker.

    Args:
        augmentation: What may change.
        size: Side of patches in pixels.
    """

    def __init__(self, augmentation: Augmentation, size: int) -> None:
        self._geometry = augmentation.geometry if augmentation.geometry != Geometry() else None
        self._first = Geometry(crops=(augmentation.first_crop,)) if augmentation.first_crop else None
        strength = augmentation.jitter
        factors = (1 - strength, 1 + strength)
        hue = (-augmentation.hue, augmentation.hue)
        self._ops, self._cutout = augmentation.ops, augmentation.cutout
        here = replace(augmentation, geometry=Geometry(), first_crop=0.0, ops=0, cutout=0.0)
        neutral = here == Augmentation(1.0, 0.0, 0.0, 0.0)
        # for small patches an empty list of transforms would cost more than the geometry
        self._compose = (
            None
            if neutral
            else A.Compose(
                [
                    A.RandomResizedCrop((size, size), scale=(augmentation.crop_scale, 1.0), ratio=(3 / 4, 4 / 3)),
                    A.HorizontalFlip(p=augmentation.flip),
                    A.ColorJitter(factors, factors, factors, hue=hue, p=0.8 if strength else 0),
                    A.ToGray(p=augmentation.grey),
                ]
            )
        )

    def __call__(self, patch: NDArray[np.uint8], seed: int, first: bool = False) -> NDArray[np.uint8]:
        """Draw one view.

        Args:
            patch: ``(S, S, C + 1)``: RGB, any further channels such as infrared, and the region's mask.
            seed: Random seed of every choice.
            first: Whether it is the first of a pair.

        Returns:
            ``(S, S, C + 1)``, colour changed in RGB only, geometry in all channels.
        """
        only_crop = self._first if first else None
        geometry = only_crop or self._geometry
        if geometry is not None:
            patch = resample(np.ascontiguousarray(patch), draw(geometry, np.random.default_rng(seed)))
        if only_crop is not None:
            return np.array(patch)
        return self._strongly(self._composed(patch, seed), seed)

    def _composed(self, patch: NDArray[np.uint8], seed: int) -> NDArray[np.uint8]:
        if self._compose is None:
            return np.array(patch)
        self._compose.set_random_seed(seed)
        view = self._compose(image=np.ascontiguousarray(patch[..., :3]), mask=np.ascontiguousarray(patch[..., 3:]))
        return np.concatenate([view["image"], view["mask"]], axis=2)

    def _strongly(self, view: NDArray[np.uint8], seed: int) -> NDArray[np.uint8]:
        rng = np.random.default_rng([seed, 1])  # the geometry's own stream is that of the seed alone
        view = random_ops(view, self._ops, rng) if self._ops else view
        return cut_out(view, self._cutout, rng) if self._cutout else view
