"""Patches in memory: images of a notebook in the form that training and prediction read."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from objdisc.errors import UsageError

_WHOLE = 255


class Pixels(Protocol):
    """The pixels of patches, a row at a time: an array in memory or on disk, or some rows of one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """``(N, S, S, C + 1)``."""
        ...

    def __getitem__(self, row: int, /) -> NDArray[np.uint8]: ...


class Patches(Protocol):
    """Patches for training and prediction: a ``PatchStore`` on disk, a ``PatchArray``, or a sample of either."""

    @property
    def images(self) -> Pixels:
        """``(N, S, S, C + 1)`` uint8: C image channels, RGB first, and the mask of the region."""
        ...

    @property
    def foreground(self) -> NDArray[np.bool_]:
        """``(N,)`` bool, False for background patches."""
        ...

    @property
    def size(self) -> int:
        """Side of a patch in pixels."""
        ...

    def __len__(self) -> int: ...


@dataclass(frozen=True, eq=False)
class PatchArray:
    """Patches as one array.

    Attributes:
        images: ``(N, S, S, C + 1)`` uint8: C image channels, RGB first, and the mask of the region.
        foreground: ``(N,)`` bool, False for background patches.
    """

    images: NDArray[np.uint8]
    foreground: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.images)

    @property
    def size(self) -> int:
        """Side of a patch in pixels."""
        return int(self.images.shape[1])

    @classmethod
    def of(cls, images: Tensor | NDArray[Any], masks: Tensor | None = None) -> "PatchArray":
        """Take whole images, or the objects in them.

        Args:
            images: ``(N, C, S, S)`` tensor, or ``(N, S, S, C)`` array; uint8, or floating point in [0, 1].
            masks: ``(N, S, S)`` bool, True where the object is; None for everywhere.

        Raises:
            UsageError: There is no image, or shapes or values are not as described.
        """
        pixels = torch.as_tensor(images)
        if not isinstance(images, Tensor) and pixels.ndim == 4:
            pixels = pixels.permute(0, 3, 1, 2)
        if pixels.ndim != 4 or not len(pixels) or pixels.shape[2] != pixels.shape[3]:
            raise UsageError(
                f"images of shape {tuple(images.shape)}: expected a tensor (N, C, S, S) or an array (N, S, S, C) of "
                "square images of one size; resize them, or write them to a folder and use objdisc.discover"
            )
        if pixels.is_floating_point():
            if not bool(((pixels >= 0) & (pixels <= 1)).all()):
                raise UsageError("images in floating point: expected values in [0, 1], before any normalisation")
            pixels = (pixels * 255).round()
        elif pixels.dtype != torch.uint8:
            raise UsageError(f"images of type {pixels.dtype}: expected uint8, or floating point in [0, 1]")
        if masks is not None and masks.shape != (len(pixels), *pixels.shape[2:]):
            raise UsageError(f"masks of shape {tuple(masks.shape)} for images of shape {tuple(pixels.shape)}")
        whole = torch.full((len(pixels), 1, *pixels.shape[2:]), _WHOLE, dtype=torch.uint8)
        inside = whole if masks is None else masks[:, None].to(torch.uint8).cpu() * _WHOLE
        joined = torch.cat([pixels.to(torch.uint8).cpu(), inside], dim=1).permute(0, 2, 3, 1)
        return cls(np.ascontiguousarray(joined.numpy()), np.ones(len(pixels), np.bool_))

    @classmethod
    def from_dataset(cls, dataset: Dataset[Any]) -> "PatchArray":
        """Read all images of a PyTorch data set once; their labels are not used.

        Args:
            dataset: A data set with a length that gives ``(C, S, S)`` tensors, or tuples that begin with one.

        Raises:
            UsageError: An item is not such an image, or sizes differ.
        """
        found: list[Tensor] = []
        for item in (dataset[index] for index in range(len(dataset))):  # type: ignore[arg-type]
            image = item[0] if isinstance(item, Sequence) else item
            if not isinstance(image, Tensor) or (found and image.shape != found[0].shape):
                raise UsageError("the data set must give image tensors (C, S, S) of one size; transform them")
            found.append(image)
        if not found:
            raise UsageError("the data set is empty; give images")
        return cls.of(torch.stack(found))


def as_patches(images: "Patches | Tensor | NDArray[Any] | Dataset[Any]") -> Patches:
    """Convert a tensor, an array or a PyTorch data set of images to patches; patches are returned as they are.

    Raises:
        UsageError: They are not images of one size.
    """
    if isinstance(images, Tensor | np.ndarray):
        return PatchArray.of(images)
    if isinstance(images, Dataset):
        return PatchArray.from_dataset(images)
    return images
