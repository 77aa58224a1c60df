"""Cityscapes' own evaluator scores maps that it could not read itself: three channels, trainIds, polygons."""

from pathlib import Path

import numpy as np
import pytest

from objdisc.datasets import open_dataset
from objdisc.evaluation.segmentation import official_score, segmentation_score
from objdisc.evaluation.truth import damaged_labels, labels_of
from tests.support.layouts import SIZE, photo, polygons, put, street, write_json

FRAME = "ulm/ulm_000000_000019"


def write_truth(root: Path, kind: str) -> None:
    start = root / f"gtFine/val/{FRAME}_gtFine"
    if kind == "three channels":
        put(start.with_name(f"{start.name}_labelIds.png"), np.repeat(street()[..., None], 3, 2))
    elif kind == "polygons":
        write_json(start.with_name(f"{start.name}_polygons.json"), polygons())
    else:
        table = np.full(256, 255, np.uint8)
        table[[7, 24, 26]] = [0, 11, 13]
        put(start.with_name(f"{start.name}_labelTrainIds.png"), table[street()])


@pytest.mark.parametrize("kind", ["three channels", "polygons", "train ids"])
def test_both_scores_agree_on_maps_of_any_kind(tmp_path: Path, kind: str) -> None:
    put(tmp_path / f"leftImg8bit/val/{FRAME}_leftImg8bit.png", photo())
    write_truth(tmp_path, kind)
    predicted = street()
    predicted[:, :16] = 7  # one of the cars is missed in part
    put(tmp_path / f"run/{FRAME}_labelIds.png", predicted)
    dataset = open_dataset(tmp_path, "val")
    official = official_score(tmp_path / "run", dataset)
    ours = segmentation_score(tmp_path / "run", dataset)
    assert official.num_images == ours.num_images == 1
    assert official.mean_iou == pytest.approx(ours.mean_iou, abs=1e-9)
    car = (street() == 26) & (predicted == 26)
    assert official.iou["car"] == pytest.approx(car.sum() / (street() == 26).sum())


def test_a_map_that_is_damaged_is_told_and_a_sound_one_is_read(tmp_path: Path) -> None:
    for name, pixels in (("ulm/ulm_000000_000019", street()), ("ulm/ulm_000001_000019", np.full(SIZE, 99, np.uint8))):
        put(tmp_path / f"leftImg8bit/val/{name}_leftImg8bit.png", photo())
        put(tmp_path / f"gtFine/val/{name}_gtFine_labelIds.png", pixels)
    dataset = open_dataset(tmp_path, "val")
    found = damaged_labels(dataset)
    assert list(found) == ["ulm/ulm_000001_000019"]
    assert "holds the id 99" in str(found["ulm/ulm_000001_000019"])
    np.testing.assert_array_equal(labels_of(dataset, dataset.samples[0]), street())
    sound = dataset.without_labels(frozenset(found))
    assert labels_of(sound, sound.samples[1]) is None
    assert labels_of(dataset, dataset.samples[0]) is not None
