"""Regions of annotation files: all of them by default, and what may be left out of masks that overlap and nest."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from objdisc.annotations import index
from objdisc.datasets import DataOptions, ImageDataset, open_dataset
from objdisc.errors import UnreadableImageError, UsageError
from objdisc.imaging.masks import decode_mask
from objdisc.inference.streaming import cut_image
from objdisc.objectness.boxes import Boxes
from objdisc.objectness.coco import Coco
from objdisc.objectness.sam_json import SamJson
from objdisc.patches.store import PatchStore
from objdisc.patches.windows import PatchOptions

from ...support.annotated import run_lengths

FRAME = (40, 60)


def rectangle(x: int, y: int, width: int, height: int) -> NDArray[np.bool_]:
    mask = np.zeros(FRAME, np.bool_)
    mask[y : y + height, x : x + width] = True
    return mask


CAR, WHEEL = rectangle(10, 10, 30, 20), rectangle(12, 24, 6, 6)
ALMOST_CAR, ROAD = rectangle(11, 10, 29, 20), rectangle(0, 8, 60, 32)
SCORES = {"car": 0.95, "wheel": 0.9, "almost": 0.6, "road": 0.8}


@pytest.fixture
def nested(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ImageDataset:
    """One image with masks of a car, a wheel, the car once more but for a column, and the road."""
    monkeypatch.setattr(index, "CACHE", tmp_path / "cache")
    folder = tmp_path / "data"
    folder.mkdir()
    assert cv2.imwrite(str(folder / "a.png"), np.zeros((*FRAME, 3), np.uint8))
    masks = zip(SCORES.items(), (CAR, WHEEL, ALMOST_CAR, ROAD), strict=True)
    listed = [{"id": name, "segmentation": run_lengths(mask), "predicted_iou": score} for (name, score), mask in masks]
    (folder / "a.json").write_text(json.dumps(listed), encoding="utf-8")
    return open_dataset(folder, "")


def names(source: SamJson, dataset: ImageDataset) -> list[str | None]:
    image = dataset.read_image(dataset.samples[0])
    return [region.source_id for region in source.regions(dataset, dataset.samples[0], image)]


def test_all_are_regions_in_raster_order(nested: ImageDataset) -> None:
    assert names(SamJson(), nested) == ["road", "car", "almost", "wheel"]


@pytest.mark.parametrize(
    ("source", "kept"),
    [
        (SamJson(min_score=0.85), ["car", "wheel"]),
        (SamJson(max_share=0.5), ["car", "almost", "wheel"]),
        (SamJson(min_share=0.1), ["road", "car", "almost"]),
        (SamJson(max_share=0.5, max_overlap=0.8), ["car"]),
        (SamJson(max_share=0.5, min_score=0.7, max_overlap=0.99), ["car"]),
        (SamJson(max_overlap=0.8), ["road"]),
    ],
)
def test_what_is_left_out_by_score_size_and_overlap(nested: ImageDataset, source: SamJson, kept: list[str]) -> None:
    assert names(source, nested) == kept


def test_what_is_left_out_is_counted(nested: ImageDataset, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "objdisc")
    SamJson(max_share=0.5, min_score=0.7, max_overlap=0.9).check(nested)
    said = "\n".join(caplog.messages)
    for line in (
        "4 objects in 1 of 1 images",
        "1 regions left out: score below 0.7",
        "1 regions left out: share of the image not from 0 to 0.5",
        "1 regions left out: more than 0.9 of it in a larger region",
    ):
        assert line in said


def test_settings_are_in_the_key_and_checked(nested: ImageDataset) -> None:
    assert SamJson().fingerprint_on(nested) != SamJson(min_score=0.5).fingerprint_on(nested)
    with pytest.raises(UsageError, match="max_overlap 2 of"):
        SamJson(max_overlap=2)


def test_scaled_images_have_scaled_regions(nested: ImageDataset) -> None:
    half = nested.with_options(DataOptions(scale=0.5))
    image = half.read_image(half.samples[0])
    found = {region.source_id: region for region in SamJson().regions(half, half.samples[0], image)}
    assert found["car"].mask is not None
    np.testing.assert_array_equal(decode_mask(found["car"].mask), CAR[::2, ::2])


def test_files_of_another_format_are_named(nested: ImageDataset) -> None:
    assert not Coco.serves(nested)
    with pytest.raises(
        UsageError, match=r"no annotations for --objectness coco in it or beside it .found: Segment Anything"
    ):
        Coco().check(nested)


def test_an_image_of_another_size_is_skipped_by_name(nested: ImageDataset) -> None:
    assert cv2.imwrite(str(nested.samples[0].image_path), np.zeros((20, 30, 3), np.uint8))
    with pytest.raises(UnreadableImageError, match=r"annotations for 60x40 pixels, the image has 30x20"):
        names(SamJson(), nested)


def test_a_box_is_seen_as_its_ellipse_and_stays_a_box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In training and on other images alike: the corners of a box hold road and wall, which would decide otherwise."""
    monkeypatch.setattr(index, "CACHE", tmp_path / "cache")
    folder = tmp_path / "data"
    folder.mkdir()
    assert cv2.imwrite(str(folder / "a.png"), np.full((*FRAME, 3), 200, np.uint8))
    (folder / "boxes.csv").write_text("image_path,xmin,ymin,xmax,ymax\na.png,10,10,40,30\n", encoding="utf-8")
    dataset, options = open_dataset(folder, ""), PatchOptions(size=36, context=10)
    store = PatchStore.build(dataset, Boxes(), options, tmp_path / "store", workers=0)
    patch = store.patch(0)
    assert (patch.region.box, patch.region.area, patch.region.mask) == ((10, 10, 30, 20), 600, None)
    assert patch.window == (7, 2, 36)  # with the margin of outlines
    assert store.outlines
    rows, columns = np.ogrid[:36, :36]
    ellipse = ((columns - 17.5) / 15) ** 2 + ((rows - 17.5) / 10) ** 2 <= 1
    np.testing.assert_array_equal(store.images[0, ..., 3] == 255, ellipse)
    assert (store.images[0, 8:28, 3:33, :3] == 200).all()
    shown = cut_image(dataset, Boxes(), options, dataset.samples[0])
    np.testing.assert_array_equal(shown.patches[0], store.images[0])
    assert shown.regions == (patch.region,)
