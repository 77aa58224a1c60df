"""A city of many small frames, and patch stores of it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from objdisc.datasets.cityscapes import Cityscapes
from objdisc.objectness.instances import Instances
from objdisc.patches.store import PatchStore
from objdisc.patches.windows import PatchOptions

OPTIONS = PatchOptions(size=24, min_area=50)


def build(root: Path, folder: Path, **keywords: object) -> PatchStore:
    """Build from the train split of a toy city, in this process."""
    settings: dict[str, object] = {"workers": 0, "progress": False, **keywords}
    return PatchStore.build(Cityscapes(root), Instances(), OPTIONS, folder, **settings)  # type: ignore[arg-type]


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != ".lock"}


@pytest.fixture
def city(tmp_path: Path, write_cityscapes_frame: Callable[..., Path]) -> Path:
    """70 small frames, enough for processes; each holds one square object and a speck."""
    rng = np.random.default_rng(0)
    for index in range(70):
        image = rng.integers(0, 256, size=(48, 64, 3), dtype=np.uint8)
        instances = np.full((48, 64), 7, np.uint16)
        y, x = rng.integers(0, 34), rng.integers(0, 50)
        instances[y : y + 12, x : x + 10] = 26000
        instances[0, 0] = 24000
        labels = (instances // 1000 + 7 * (instances == 7)).astype(np.uint8)
        write_cityscapes_frame(tmp_path / "city", f"ulm/ulm_000000_{index:06d}", image, labels, instances)
    return tmp_path / "city"
