"""Images of three shades of grey in class folders, and runs on them that take a moment."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from objdisc.cli import main

QUICK = ["--objectness", "whole", "--encoder", "vgg3x3", "--weights", "none", "--epochs", "1", "--batch-size", "16"]
QUICK += ["--patches.size", "16", "--workers", "0", "--device", "cpu", "--overlays", "0", "--background", "keep"]
QUICK += ["--augmentation.jitter", "0", "--augmentation.grey", "0", "--background-share", "0"]
QUICK += ["--num-clusters", "3", "--method", "deepcluster", "--method.overclusters", "8"]


def write_shades(root: Path, splits: Mapping[str, int]) -> Path:
    """Write ``root/SPLIT/CLASS/*.png``, as many of each class as the split has; a split of no name adds no folder."""
    rng = np.random.default_rng(0)
    for split, count in splits.items():
        for number, name in enumerate(("dark", "grey", "light")):
            (root / split / name).mkdir(parents=True)
            for image in range(count):
                pixels = np.clip(rng.normal(40 + 80 * number, 8, (24, 24, 3)), 0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(root / split / name / f"{image}.png")
    return root


def train_on_shades(folder: Path, splits: Mapping[str, int], *arguments: str) -> Path:
    """Write images into ``folder/shades`` and train on their first split; the run is ``folder/run``."""
    data = write_shades(folder / "shades", splits)
    scored = ["--split", "test"] if "test" in splits else []
    assert main(["train", str(data), *QUICK, *scored, *arguments, "--output-dir", str(folder / "run")]) == 0
    return folder / "run"
