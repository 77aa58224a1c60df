"""Regions from scene maps: which clusters behave like things, and which of their parts are regions."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from objdisc.datasets.imagefolder import ImageFolder
from objdisc.errors import UnreadableImageError, UsageError
from objdisc.io.run import Run
from objdisc.models.origin import IMAGENET_SUPERVISION, WeightsOrigin
from objdisc.objectness.base import decode_mask
from objdisc.objectness.segments import Segments
from objdisc.objectness.support.things import thing_clusters, write_things

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
    assert Segments(most=3).fingerprint() != Segments().fingerprint()


def test_the_scenes_of_a_run_are_known_by_weights_and_things_wherever_it_lies(
    photos: ImageFolder, tmp_path: Path
) -> None:
    source, scene = Segments(), Run(tmp_path / "run" / "scene")
    assert source.wants_scene
    source.read_scenes(scene, tmp_path / "maps", WeightsOrigin.imagenet())
    source.check(photos)  # the maps come later
    before = source.fingerprint()
    scene.path.mkdir(parents=True)
    scene.weights.write_bytes(b"weights")
    write_things(scene.things, {CAR: 0.5})
    known = source.fingerprint()
    assert known != before
    assert source.files(photos, photos.samples[0]) == ()
    assert source.supervision == IMAGENET_SUPERVISION
    moved = Run(tmp_path / "moved")
    shutil.copytree(scene.path, moved.path)
    source.read_scenes(moved, tmp_path / "elsewhere", WeightsOrigin.imagenet())
    assert source.fingerprint() == known
    write_things(moved.things, {CAR: 0.5, FENCE: 0.4})
    source.read_scenes(moved, tmp_path / "maps", WeightsOrigin.imagenet())
    assert source.fingerprint() != known


def test_what_a_thing_is_does_not_depend_on_the_images_that_are_looked_through(
    photos: ImageFolder, tmp_path: Path
) -> None:
    few = tmp_path / "few"
    few.mkdir()
    shutil.copy(tmp_path / "maps/a/0_sceneIds.png", few / "0_sceneIds.png")
    write_things(tmp_path / "scene" / "things.json", thing_clusters(sorted(tmp_path.glob("maps/a/*.png"))))
    images = ImageFolder(tmp_path / "photos" / "a")
    alone, kept = Segments(few), Segments()
    kept.read_scenes(Run(tmp_path / "scene"), few, WeightsOrigin())
    image = images.read_image(images.samples[0])
    assert len(kept.regions(images, images.samples[0], image)) == 2
    assert alone.regions(images, images.samples[0], image) == [], "two cars in one map are not repeated"


def test_the_key_of_given_maps_changes_with_what_they_say_of_things(photos: ImageFolder, tmp_path: Path) -> None:
    key = Segments(tmp_path / "maps").fingerprint()
    assert Segments(tmp_path / "maps").fingerprint() == key
    for number in range(1, 4):
        cv2.imwrite(str(tmp_path / f"maps/a/{number}_sceneIds.png"), np.full((HEIGHT, WIDTH), SKY, np.uint8))
    assert Segments(tmp_path / "maps").fingerprint() != key


def test_a_damaged_choice_says_what_to_do(photos: ImageFolder, tmp_path: Path) -> None:
    source = Segments()
    source.read_scenes(Run(tmp_path), tmp_path / "maps", WeightsOrigin())
    (tmp_path / "things.json").write_text('{"things": [1]}')
    with pytest.raises(UsageError, match=r"things\.json: damaged"):
        source.regions(photos, photos.samples[0], np.zeros((HEIGHT, WIDTH, 3), np.uint8))
