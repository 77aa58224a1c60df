"""Regions that move: which frames are neighbours, what is found in known motion, and a moving toy city."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from objdisc.datasets.imagefolder import ImageFolder
from objdisc.datasets.toycity.sequence import render_sequence
from objdisc.errors import UsageError
from objdisc.imaging.masks import regions_from_map
from objdisc.imaging.overlaps import overlap
from objdisc.objectness.base import decode_mask
from objdisc.objectness.motion import Motion
from objdisc.types import Region


def texture(seed: int, size: tuple[int, int]) -> NDArray[np.uint8]:
    small = np.random.default_rng(seed).integers(0, 256, (size[1] // 6, size[0] // 6, 3), np.uint8)
    return np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_CUBIC), np.uint8)


def frame(number: int) -> NDArray[np.uint8]:
    """A camera that pans by 2 pixels a frame over a disc that moves by (5, 3) and a square that stands still."""
    world = texture(0, (240, 140))
    world[20:50, 40:70] = 255 - texture(2, (240, 140))[20:50, 40:70]
    disc = np.zeros(world.shape[:2], np.uint8)
    cv2.circle(disc, (110 + 5 * number, 70 + 3 * number), 20, 1, -1)
    shown = np.roll(texture(1, (240, 140)), (3 * number, 5 * number), axis=(0, 1))
    return np.where(disc[..., None] > 0, shown, world)[10:130, 10 + 2 * number : 190 + 2 * number]


def truth(number: int) -> NDArray[np.bool_]:
    disc = np.zeros((140, 240), np.uint8)
    cv2.circle(disc, (110 + 5 * number, 70 + 3 * number), 20, 1, -1)
    return disc[10:130, 10 + 2 * number : 190 + 2 * number].astype(np.bool_)


def written(folder: Path, images: Sequence[NDArray[np.uint8]], names: Sequence[str]) -> ImageFolder:
    for name, image in zip(names, images, strict=True):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / name), image[..., ::-1])
    return ImageFolder(folder)


def found(photos: ImageFolder, name: str) -> list[Region]:
    sample = next(sample for sample in photos.samples if sample.name == name)
    return Motion(superpixels=400).regions(photos, sample, photos.read_image(sample))


def iou(region: Region, mask: NDArray[np.bool_]) -> float:
    assert region.mask is not None
    pixels = decode_mask(region.mask)
    return float((pixels & mask).sum() / (pixels | mask).sum())


def test_what_moves_is_found_and_what_the_camera_moves_is_not(tmp_path: Path) -> None:
    photos = written(tmp_path, [frame(number) for number in range(3)], [f"walk_{number}.png" for number in range(3)])
    regions = found(photos, "walk_1")
    assert len(regions) == 1
    assert iou(regions[0], truth(1)) > 0.8
    assert 0.5 < regions[0].score < 1
    assert found(photos, "walk_1") == regions
    for end in (0, 2):  # one neighbour alone does not see what the disc hides there
        assert max(iou(region, truth(end)) for region in found(photos, f"walk_{end}")) > 0.6


def test_frames_are_in_the_order_of_the_numbers_that_their_names_end_with(tmp_path: Path) -> None:
    names = ["a/f9.png", "a/f10.png", "a/f11.png", "a/other.png", "b/f12.png", "a/g12.png"]
    photos = written(tmp_path, [frame(0)] * len(names), names)
    source, samples = Motion(), {sample.name: sample for sample in photos.samples}
    neighbors = {name: [path.stem for path in source.files(photos, sample)] for name, sample in samples.items()}
    assert neighbors == {
        "a/f9": ["f10"],
        "a/f10": ["f9", "f11"],
        "a/f11": ["f10"],
        "a/other": [],
        "b/f12": [],
        "a/g12": [],
    }


def test_no_neighbour_of_the_same_size_or_place_means_no_region(tmp_path: Path) -> None:
    sizes = [frame(0), frame(1)[:100], frame(2)]
    assert found(written(tmp_path / "sizes", sizes, ["f0.png", "f1.png", "f2.png"]), "f1") == []
    others = [texture(seed, (180, 120)) for seed in range(2)]
    assert found(written(tmp_path / "places", others, ["f0.png", "f1.png"]), "f0") == []
    small = [frame(number)[:8, :8] for number in range(2)]
    assert found(written(tmp_path / "small", small, ["f0.png", "f1.png"]), "f0") == []
    plain = [np.full((40, 50, 3), 90, np.uint8)] * 2
    assert found(written(tmp_path / "plain", plain, ["f0.png", "f1.png"]), "f0") == []


def test_single_photos_say_what_to_take(tmp_path: Path) -> None:
    photos = written(tmp_path, [frame(0), frame(1)], ["tree.png", "house.png"])
    with pytest.raises(UsageError, match=r"frames of a sequence.*\s--objectness tree"):
        Motion().check(photos)
    Motion().check(written(tmp_path, [frame(0), frame(1)], ["f1.png", "f2.png"]))


def test_the_key_tells_settings_apart() -> None:
    others = [Motion(least=2), Motion(alike=0.1), Motion(superpixels=99), Motion(most=3), Motion()]
    assert len({str(source.fingerprint()) for source in others}) == 5
    assert not Motion().in_process


@pytest.mark.parametrize("bad", [{"least": 0}, {"alike": 2}, {"superpixels": 1}, {"most": 0}])
def test_settings_out_of_range_say_what_to_give(bad: dict[str, int]) -> None:
    with pytest.raises(UsageError, match="start at 2"):
        Motion(**bad)


@pytest.mark.slow
def test_what_moves_in_the_toy_city_is_found_while_the_camera_moves(tmp_path: Path) -> None:
    best: list[float] = []
    for seed in range(5):
        frames = render_sequence(np.random.default_rng(seed), (1024, 512), 3)
        names = [f"walk_{number}.png" for number in range(3)]
        photos = written(tmp_path / str(seed), [shown.frame.image for shown in frames], names)
        regions = Motion().regions(photos, photos.samples[1], photos.read_image(photos.samples[1]))
        moving = [region for region in regions_from_map(frames[1].moving) if region.area >= 400]
        best += overlap(regions, moving, frames[1].moving.shape).max(axis=0, initial=0).tolist()
    assert len(best) >= 10
    assert np.mean(np.array(best) >= 0.5) >= 0.8
