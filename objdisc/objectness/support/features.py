"""How a source of regions sees a plain photo: its size, the encoder, and the way back to full size."""

import math
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from objdisc.imaging.masks import region_from_mask
from objdisc.io.hashing import digest
from objdisc.models.encoder import Encoder, build_encoder
from objdisc.types import Region

_LONGEST = 1024  # pixels of the longer side at which regions are outlined; larger photos are shrunk
_LEAST_SEEN = 32  # pixels a side that the encoder sees, however thin the image: it halves them five times
_FLAT = 2  # grey levels: an image that varies no more is of one colour


def working_image(image: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """Return an image ``(H, W, C)`` as RGB ``(h, w, 3)`` of at most 1024 pixels a side; None if it has one colour.

    Bands after the first three are left out; with one or two bands, the first is taken as grey.
    """
    color = image[..., :3] if image.shape[2] >= 3 else image[..., :1].repeat(3, axis=2)
    work = resized(color, min(1.0, _LONGEST / max(image.shape[:2])))
    return None if int(np.ptp(work, axis=(0, 1)).max()) <= _FLAT else work


def resized(image: NDArray[np.uint8], factor: float, least: int = 1) -> NDArray[np.uint8]:
    """Scale an image ``(H, W, 3)`` by a factor, to at least ``least`` pixels a side."""
    if factor == 1 and least == 1:
        return np.ascontiguousarray(image)
    size = (max(round(image.shape[1] * factor), least), max(round(image.shape[0] * factor), least))
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(np.ascontiguousarray(image), size, interpolation=how), np.uint8)


def full_size_region(mask: NDArray[np.bool_], frame: tuple[int, int], score: float) -> Region | None:
    """Make the region of a mask ``(h, w)`` at the size of an image; None if nothing of it is left.

    Args:
        mask: Mask at the size of ``working_image``.
        frame: ``(H, W)`` of the image in pixels.
        score: Score of the region, 0 to 1.
    """
    full = mask
    if mask.shape != frame:
        grey = mask.astype(np.uint8) * np.uint8(255)
        full = np.asarray(cv2.resize(grey, frame[::-1], interpolation=cv2.INTER_LINEAR) > 127)
    return region_from_mask(full, score=score) if full.any() else None


def fixed_encoder(name: str, weights: str) -> Encoder:
    """Build an encoder that is not trained; random weights are the same each time.

    Args:
        name: As ``--encoder`` takes it.
        weights: As ``--weights`` takes them.

    Returns:
        The encoder, in evaluation mode, on the CPU.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # whatever else was drawn before
        return build_encoder(name, weights).eval().requires_grad_(False)


def encoder_fingerprint(network: Encoder) -> dict[str, Any]:
    """Return an encoder's part in the key of a ``PatchStore``: name, origin, and a hash of the weights."""
    state = network.body.state_dict()
    return {
        "encoder": network.name,
        "weights": network.origin.source,
        "values": digest(part for name, value in state.items() for part in (name, value.numpy().tobytes())),
    }


@torch.no_grad()
def block_maps(network: Encoder, image: NDArray[np.uint8], side: int) -> list[NDArray[np.float32]]:
    """Return the maps ``(F, h, w)`` of an encoder's blocks, the deepest last.

    Args:
        network: From ``fixed_encoder``.
        image: ``(H, W, 3)`` uint8 RGB.
        side: Shorter side, in pixels, of the image that the encoder sees; less for very long images.

    Raises:
        UsageError: The encoder has no maps.
    """
    height, width = image.shape[:2]
    factor = min(side / min(height, width), side * math.sqrt(2 / (height * width)))
    seen = torch.from_numpy(resized(image, factor, _LEAST_SEEN)).permute(2, 0, 1)[None].float() / 255
    mean, std = (torch.tensor(values)[:, None, None] for values in (network.mean, network.std))
    return [found[0].float().numpy() for found in network.block_maps((seen - mean) / std)]
