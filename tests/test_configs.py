"""Every file in configs/ says what it costs and drives the real command for one epoch on generated data."""

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from numpy.typing import NDArray
from PIL import Image

from objdisc.cli import main
from objdisc.config.parser import load
from objdisc.pipeline.options import DiscoverOptions

CONFIGS = sorted((Path(__file__).parents[1] / "configs").glob("*.yaml"))
QUICK = ["--epochs", "1", "--batch-size", "32", "--weights", "none", "--workers", "0", "--device", "cpu"]
# Crops and a network that take a moment; of a config's own, only what is left out here is run
DENSE = ["--objectness.side", "32", "--objectness.stride", "32", "--patches.size", "32", "--method.half_t", "1"]
# Of a config made for millions of large images, what a hundred small ones can serve
SMALL = {
    "imagenet_deepcluster": [
        *("--method.overclusters", "20", "--num-clusters", "10"),
        *("--patches.size", "32", "--encoder", "vgg3x3"),
    ],
}
SMALL_NET = {3: "segnet:S,8,M,8", 4: "segnet:8,M,8"}
SIDE = 64


def name_of(path: Path) -> str:
    return path.stem


def is_dense(path: Path) -> bool:
    return load(DiscoverOptions, path).method.class_path.endswith("DenseIIC")


def stripes(ids: list[int], seed: int) -> NDArray[np.uint8]:
    """Draw label ids as upright stripes, in another order for each seed."""
    order = np.random.default_rng(seed).permutation(ids)
    return np.tile(order[np.arange(SIDE) * len(ids) // SIDE].astype(np.uint8), (SIDE, 1))


def picture(labels: NDArray[np.uint8], channels: int = 3) -> NDArray[np.uint8]:
    """Colour label ids, with noise."""
    colors = np.random.default_rng(0).integers(0, 256, (256, channels))
    noise = np.random.default_rng(1).normal(0, 10, (*labels.shape, channels))
    return np.clip(colors[labels] + noise, 0, 255).astype(np.uint8)


def save(path: Path, pixels: NDArray[np.uint8]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels), path


@pytest.fixture(scope="session")
def coco(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """COCO 2017 with stuffthingmaps: stripes of fine classes, of sky, road, tree, wall, sea and a person."""
    root = tmp_path_factory.mktemp("data") / "coco"
    for split, count in (("train2017", 9), ("val2017", 3)):
        for number in range(count):
            labels = stripes([156, 148, 168, 171, 154, 105, 123, 0], number)
            save(root / "images" / split / f"{number:012}.jpg", picture(labels))
            save(root / "annotations" / split / f"{number:012}.png", labels)
    return root


@pytest.fixture(scope="session")
def potsdam(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Potsdam: six labelled tiles of four bands and two without labels."""
    rasterio = pytest.importorskip("rasterio")
    root = tmp_path_factory.mktemp("data") / "potsdam"
    colors = np.array([(255, 255, 255), (255, 0, 0), (255, 255, 0), (0, 255, 0), (0, 255, 255), (0, 0, 255)], np.uint8)
    (root / "4_Ortho_RGBIR").mkdir(parents=True)
    for number, tile in enumerate(("2_10", "2_11", "2_12", "3_10", "3_11", "3_12", "2_13", "2_14")):
        labels = stripes([0, 1, 2, 3, 4, 5], number)
        profile = {"driver": "GTiff", "width": SIDE, "height": SIDE, "count": 4, "dtype": "uint8"}
        path = root / "4_Ortho_RGBIR" / f"top_potsdam_{tile}_RGBIR.tif"
        with rasterio.open(path, "w", **profile, photometric="RGB", ALPHA="NO") as file:
            file.write(picture(labels, 4).transpose(2, 0, 1))
        if number < 6:
            save(root / "5_Labels_all" / f"top_potsdam_{tile}_label.tif", colors[labels])  # blue, green, red
    return root


@pytest.fixture(scope="session")
def drone80(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight images with label maps beside them."""
    root = tmp_path_factory.mktemp("data") / "drone80"
    for number in range(8):
        labels = stripes([1, 3, 9, 4, 8, 10, 0], number)
        save(root / "images" / f"{number:03}.png", picture(labels))
        save(root / "labels" / f"{number:03}.png", labels)
    (root / "classes.json").write_text(json.dumps({str(label): f"class {label}" for label in range(24)}))
    return root


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
    named = path.stem.split("_", 1)[1]
    assert named.startswith(module) or module.startswith(named) or module in path.stem


def quick_stages(path: Path, folder: Path) -> list[str]:
    """Give the flags that make each stage of a chain as quick as a run of its own."""
    stages = yaml.safe_load(path.read_text(encoding="utf-8")).get("stages") or {}
    if not stages:
        return []
    changed = {name: {**changes, "epochs": 1, "batch_size": 32} for name, changes in stages.items()}
    file = folder / "stages.yaml"
    file.write_text(yaml.safe_dump({"stages": changed}, sort_keys=False), encoding="utf-8")
    return ["--config", str(file), "--patches.size", "32"]


@pytest.mark.parametrize("network", ["a small one", pytest.param("its own", marks=pytest.mark.slow)])
@pytest.mark.parametrize("path", [path for path in CONFIGS if not is_dense(path)], ids=name_of)
def test_config_runs(path: Path, network: str, toy_city: Path, class_folders: Path, tmp_path: Path) -> None:
    options = load(DiscoverOptions, path)
    whole = options.objectness is not None and options.objectness.class_path.endswith(".Whole")
    data, split = (class_folders, "test") if whole else (toy_city, "val")
    arguments = [str(data), "--config", str(path), *quick_stages(path, tmp_path), *QUICK, *SMALL.get(path.stem, [])]
    if network == "a small one" and "encoder:" in path.read_text(encoding="utf-8"):
        arguments += ["--patches.size", "32", "--encoder", "resnet18_3x3:8,2"]
    arguments += ["--output-dir", str(tmp_path / "run")]
    assert main(["discover", *arguments, "--train-split", "train", "--split", split]) == 0
    numbers = json.loads((tmp_path / "run/metrics.json").read_text(encoding="utf-8"))
    assert list(numbers.get("stages", {})) == list(options.stages or {})
    assert numbers["num_clusters"] == (10 if path.stem in SMALL else options.num_clusters)
    assert 0 <= numbers["nmi"] <= 1
    assert ("baseline" in numbers) == options.baseline


@pytest.mark.parametrize("path", [path for path in CONFIGS if is_dense(path)], ids=name_of)
def test_dense_config_runs(path: Path, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Data of the config's own layout, smaller; classes, splits, heads and schedule are the config's."""
    options = load(DiscoverOptions, path)
    layouts = {"cocostuff": "coco", "potsdam": "potsdam", "drone80": "drone80"}
    fixture = next((layouts[name] for name in layouts if path.stem.startswith(name)), "toy_city")
    arguments = [str(request.getfixturevalue(fixture)), "--config", str(path), *QUICK, *DENSE]
    arguments += ["--encoder", SMALL_NET[options.channels], "--output-dir", str(tmp_path)]
    arguments += ["--data.min-side", "0", "--data.min-share", "0.2"]
    assert main(["discover", *arguments]) == 0
    numbers = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    assert numbers["num_clusters"] == options.num_clusters
    assert numbers["accuracy_floor"] > 0
    assert 0 < numbers["accuracy_hungarian"] <= numbers["accuracy_majority"] <= 1
    assert len(numbers["baselines"]) == 4
