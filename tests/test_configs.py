"""Every file in configs/ says what it costs and drives the real command for one epoch on generated data."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from objdisc.cli import main
from objdisc.config import load
from objdisc.inputs import DiscoverOptions

CONFIGS = sorted((Path(__file__).parents[1] / "configs").glob("*.yaml"))
QUICK = ["--epochs", "1", "--batch-size", "32", "--weights", "none", "--workers", "0", "--device", "cpu"]


def name_of(path: Path) -> str:
    return path.stem


@pytest.fixture(scope="session")
def class_folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small images in the layout of CIFAR-10: root/split/class/*.png; each class has its colour."""
    root = tmp_path_factory.mktemp("data") / "classes"
    rng = np.random.default_rng(0)
    for split, count in (("train", 12), ("test", 4)):
        for name in ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"):
            color = rng.integers(40, 200, 3)
            (root / split / name).mkdir(parents=True)
            for number in range(count):
                pixels = np.clip(rng.normal(color, 30, (32, 32, 3)), 0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(root / split / name / f"{number}.png")
    return root


def test_there_are_configs() -> None:
    assert CONFIGS


@pytest.mark.parametrize("path", CONFIGS, ids=name_of)
def test_header_says_command_machine_time_and_score(path: Path) -> None:
    header = "".join(line for line in path.read_text(encoding="utf-8").splitlines(True) if line.startswith("#"))
    assert re.search(rf"configs/{path.name}", header), "the header holds the command"
    assert re.search("machine", header, re.IGNORECASE)
    assert re.search("wall time", header, re.IGNORECASE)
    assert re.search("score", header, re.IGNORECASE)


@pytest.mark.parametrize("path", CONFIGS, ids=name_of)
def test_config_is_flat_and_named_after_data_and_method(path: Path) -> None:
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert not {"defaults", "base", "include", "extends"} & set(values)
    module = load(DiscoverOptions, path).method.class_path.split(".")[-2]
    assert path.stem.split("_", 1)[1].startswith(module) or module in path.stem


@pytest.mark.parametrize("path", CONFIGS, ids=name_of)
def test_config_runs(path: Path, toy_city: Path, class_folders: Path, tmp_path: Path) -> None:
    options = load(DiscoverOptions, path)
    whole = options.objectness is not None and options.objectness.class_path.endswith(".Whole")
    data, split = (class_folders, "test") if whole else (toy_city, "val")
    arguments = [str(data), "--config", str(path), *QUICK, "--output-dir", str(tmp_path)]
    assert main(["discover", *arguments, "--train-split", "train", "--split", split]) == 0
    numbers = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    assert numbers["num_clusters"] == options.num_clusters
    assert 0 <= numbers["nmi"] <= 1
    assert ("baseline" in numbers) == options.baseline
