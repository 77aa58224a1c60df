"""The class of each patch, and the counts on disk."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from unittest.mock import patch as mock_patch

import numpy as np
from numpy.typing import NDArray

from objdisc.datasets.cityscapes import Cityscapes
from objdisc.datasets.grouping import DataOptions
from objdisc.datasets.imagefolder import ImageFolder
from objdisc.evaluation.counts import patch_labels, write_counts
from objdisc.evaluation.metrics import cluster_metrics
from objdisc.imaging.masks import region_from_mask
from objdisc.io.files import write_image
from objdisc.types import Patch, Region

FRAME = (48, 96)


def patch_of(region: Region, sample: str, frame: tuple[int, int] = FRAME) -> Patch:
    x, y, width, height = region.box
    return Patch(sample, (x, y, max(width, height)), frame, region)


def blob(seed: int) -> NDArray[np.bool_]:
    rng = np.random.default_rng(seed)
    mask = np.zeros(FRAME, np.bool_)
    x, y = rng.integers(0, 70), rng.integers(0, 30)
    mask[y : y + 15, x : x + 20] = rng.random((15, 20)) < 0.7
    return mask


def test_a_patch_has_the_most_frequent_label_of_its_mask(label_city: Path) -> None:
    dataset = Cityscapes(label_city, "val")
    truths = {sample.name: dataset.read_labels(sample) for sample in dataset.samples}
    masks = [(name, blob(seed)) for seed in range(8) for name in truths]
    labels = patch_labels(dataset, [patch_of(region_from_mask(mask), name) for name, mask in masks])
    for label, (name, mask) in zip(labels, masks, strict=True):
        truth = truths[name]
        if truth is None:
            assert label == -1, "no ground truth"
        else:
            values, counts = np.unique(truth[mask], return_counts=True)
            assert label == values[counts.argmax()]


def test_an_instance_has_its_own_class(label_city: Path) -> None:
    dataset = Cityscapes(label_city, "val")
    sample = dataset.samples[0]
    instances, truth = dataset.read_instances(sample), dataset.read_labels(sample)
    assert instances is not None
    assert truth is not None
    masks = [instances == number for number in range(1, int(instances.max()) + 1)]
    labels = patch_labels(dataset, [patch_of(region_from_mask(mask), sample.name) for mask in masks])
    assert labels.tolist() == [np.unique(truth[mask]).item() for mask in masks]
    assert len(set(labels.tolist())) > 3


def test_a_region_without_mask_is_its_box_inside_the_frame(label_city: Path) -> None:
    dataset = Cityscapes(label_city, "val")
    truth = dataset.read_labels(dataset.samples[0])
    assert truth is not None
    region = Region((-40, -40, 46, 45), 46 * 45)
    outside = Region((FRAME[1], 0, 5, 5), 25)
    labels = patch_labels(dataset, [patch_of(item, dataset.samples[0].name) for item in (region, outside)])
    assert labels.tolist() == [truth[2, 2], -1]


def test_background_patches_and_foreign_images_have_no_class(label_city: Path) -> None:
    dataset = Cityscapes(label_city, "val")
    background = patch_of(Region((0, 0, 8, 8), 64, foreground=False), dataset.samples[0].name)
    foreign = patch_of(Region((0, 0, 8, 8), 64), "nowhere/nowhere_000000_000000")
    assert patch_labels(dataset, [background, foreign]).tolist() == [-1, -1]
    assert patch_labels(dataset, []).tolist() == []


def test_a_patch_of_pixels_that_no_group_holds_has_no_class(label_city: Path) -> None:
    dataset = Cityscapes(label_city, "val").with_options(DataOptions(classes={"vehicle": [26, 27, 28]}))
    truth = dataset.read_labels(dataset.samples[0])
    assert truth is not None
    regions = [Region((8 * x, 8 * y, 8, 8), 64) for y in range(6) for x in range(12)]  # one block of one id each
    labels = patch_labels(dataset, [patch_of(region, dataset.samples[0].name) for region in regions])
    assert labels.tolist() == [-1 if truth[8 * y, 8 * x] == 255 else 0 for y in range(6) for x in range(12)]
    assert set(labels.tolist()) == {-1, 0}


def test_each_label_map_is_read_once_whatever_the_order(label_city: Path) -> None:
    dataset = Cityscapes(label_city, "val")
    names = [sample.name for sample in dataset.samples[:3]] * 5
    patches: Sequence[Patch] = [patch_of(region_from_mask(blob(seed)), name) for seed, name in enumerate(names)]
    with mock_patch.object(dataset, "read_labels", wraps=dataset.read_labels) as reader:
        labels = patch_labels(dataset, patches)
    assert reader.call_count == 3
    shuffled = np.random.default_rng(0).permutation(len(patches))
    assert (patch_labels(dataset, [patches[row] for row in shuffled]) == labels[shuffled]).all()


def test_whole_images_have_the_class_of_their_folder(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        write_image(tmp_path / "train" / name / "one.png", np.zeros((6, 5, 3), np.uint8))
    dataset = ImageFolder(tmp_path, "train", ["dog"])
    whole = Region((0, 0, 5, 6), 30)
    labels = patch_labels(dataset, [patch_of(whole, sample.name, (6, 5)) for sample in dataset.samples])
    assert [dataset.class_names[int(label)] for label in labels] == ["cat", "dog"]


def test_counts_on_disk_hold_method_and_baseline(tmp_path: Path) -> None:
    labels = np.array([24, 24, 26, 26, 26])
    names = {24: "person", 26: "car, red"}
    method = cluster_metrics(labels, np.array([0, 1, 2, 2, 2]), 3, names)
    baseline = cluster_metrics(labels, np.array([0, 0, 0, 0, 1]), 2, names)
    write_counts(tmp_path / "counts.csv", tmp_path / "counts.json", method, baseline)
    with (tmp_path / "counts.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["class", "cluster 0", "cluster 1", "cluster 2", "baseline 0", "baseline 1"],
        ["person", "1", "1", "0", "2", "0"],
        ["car, red", "0", "0", "3", "2", "1"],
    ]
    document = json.loads((tmp_path / "counts.json").read_text(encoding="utf-8"))
    assert document["counts"] == method.counts
    assert document["majority"] == ["person", "person", "car, red"]
    assert document["baseline"]["counts"] == baseline.counts
    assert document["baseline"]["num_clusters"] == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["counts.csv", "counts.json"]


def test_counts_without_baseline_have_no_baseline_columns(tmp_path: Path) -> None:
    method = cluster_metrics(np.array([24]), np.array([0]), 2, {24: "Fußgänger"})
    write_counts(tmp_path / "counts.csv", tmp_path / "counts.json", method)
    assert (tmp_path / "counts.csv").read_bytes() == "class,cluster 0,cluster 1\nFußgänger,1,0\n".encode()
    assert "baseline" not in json.loads((tmp_path / "counts.json").read_text(encoding="utf-8"))
