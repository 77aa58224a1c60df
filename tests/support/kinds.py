"""Pictures of kinds that differ in texture alone, one object each, in class folders, and runs that take a moment."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 32
SEEN = ["--objectness", "whole", "--workers", "0", "--device", "cpu", "--overlays", "0"]
FIRST = [*SEEN, "--encoder", "vgg3x3", "--weights", "none", "--patches.size", "32", "--background", "keep"]
FIRST += ["--method", "classical", "--num-clusters", "3"]


def write_kinds(root: Path, kinds: Mapping[str, int] | Sequence[str], seed: int = 0) -> Path:
    """Write ``root/KIND/*.png``: as many of each kind as are asked for, 40 where no number is given."""
    counts = kinds if isinstance(kinds, Mapping) else dict.fromkeys(kinds, 40)
    random = np.random.default_rng(seed)
    for kind, count in counts.items():
        (root / kind).mkdir(parents=True)
        for number in range(count):
            pixels = 128 + 80 * _pattern(kind, random)[:, :, None] + random.normal(0, 8, (SIDE, SIDE, 3))
            Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(root / kind / f"{number}.png")
    return root


def _pattern(kind: str, random: np.random.Generator) -> NDArray[np.float64]:
    """Draw a kind, in [-1, 1]."""
    y, x = np.mgrid[:SIDE, :SIDE]
    phase, frequency = random.uniform(0, 6), random.uniform(0.9, 1.2)
    middle = random.uniform(13, 18, 2)
    if kind == "disc":
        return np.where((x - middle[0]) ** 2 + (y - middle[1]) ** 2 < 70, 1.0, -1.0)
    along = {"rows": y, "columns": x, "slopes": 0.7 * (x + y)}[kind]
    return np.asarray(np.sin(frequency * along + phase))
