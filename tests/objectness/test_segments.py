"""Regions from scene maps: which clusters behave like things, and which of their parts are regions."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from objdisc.datasets.imagefolder import ImageFolder
from objdisc.errors import UnreadableImageError, UsageError
from objdisc.objectness.base import decode_mask
from objdisc.objectness.segments import Segments

SKY, ROAD, CAR, FENCE, LONE, NOTHING = 0, 1, 2, 3, 4, 255
HEIGHT, WIDTH = 100, 160


def scene(number: int) -> NDArray[np.uint8]:
    """Sky over road, two cars and a speck of one, a fence across the image, and one thing that no other image has."""
    ids = np.full((HEIGHT, WIDTH), SKY, np.uint8)
    ids[50:] = ROAD
    for x in (20 + 5 * number, 90):
        cv2.ellipse(ids, (x, 70), (14, 9), 0, 0, 360, CAR, -1)
    ids[60, 150] = CAR
    ids[40:44] = FENCE
    ids[0:10, 0:10] = NOTHING
    if number == 0:
        ids[10:30, 60:80] = LONE
    return ids


@pytest.fixture
def photos(tmp_path: Path) -> ImageFolder:
    for number in range(4):
        (tmp_path / "photos" / "a").mkdir(parents=True, exist_ok=True)
        (tmp_path / "maps" / "a").mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / f"photos/a/{number}.png"), np.zeros((HEIGHT, WIDTH, 3), np.uint8))
        cv2.imwrite(str(tmp_path / f"maps/a/{number}_sceneIds.png"), scene(number))
    return ImageFolder(tmp_path / "photos")


def test_parts_of_clusters_that_behave_like_things_are_regions(photos: ImageFolder, tmp_path: Path) -> None:
    source = Segments(tmp_path / "maps")
    source.check(photos)
    for number, sample in enumerate(photos.samples):
        regions = source.regions(photos, sample, photos.read_image(sample))
        count, parts = cv2.connectedComponents((scene(number) == CAR).astype(np.uint8))
        sizes = np.bincount(parts.ravel(), minlength=count)
        expected = {(parts == part).tobytes() for part in range(1, count) if sizes[part] > 1}
        masks = [region.mask for region in regions]
        assert {decode_mask(mask).tobytes() for mask in masks if mask is not None} == expected
        assert len(regions) == 2
        assert all(0 < region.score < 1 for region in regions)
        assert source.files(photos, sample) == (tmp_path / f"maps/a/{number}_sceneIds.png",)
    first = photos.samples[0]
    assert len(Segments(tmp_path / "maps", most=1).regions(photos, first, photos.read_image(first))) == 1
    assert not source.in_process


def test_an_image_without_a_map_and_one_of_another_size_are_named(photos: ImageFolder, tmp_path: Path) -> None:
    image = np.zeros((HEIGHT, WIDTH + 1, 3), np.uint8)
    with pytest.raises(UnreadableImageError, match="160x100 pixels"):
        Segments(tmp_path / "maps").regions(photos, photos.samples[0], image)
    (tmp_path / "maps/a/1_sceneIds.png").unlink()
    with pytest.raises(UnreadableImageError, match="no scene map"):
        Segments(tmp_path / "maps").regions(photos, photos.samples[1], image)
    assert Segments(tmp_path / "maps").files(photos, photos.samples[1]) == ()


def test_a_folder_without_maps_says_where_they_come_from(photos: ImageFolder, tmp_path: Path) -> None:
    for source in (Segments(tmp_path / "none"), Segments()):
        with pytest.raises(UsageError, match=r"--objectness\.maps"):
            source.check(photos)
    with pytest.raises(UsageError, match=r"expected for instance .*a/0_sceneIds.png"):
        Segments(tmp_path / "photos").check(photos)
    with pytest.raises(UsageError, match="at least 1"):
        Segments(most=0)
    awaited = Segments(tmp_path / "none")
    awaited.awaited = True
    awaited.check(photos)
    assert Segments(most=3).fingerprint() != Segments().fingerprint()
