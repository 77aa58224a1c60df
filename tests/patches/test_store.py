"""PatchStore: what it holds, when it is reused, and what it does with bad input."""

import logging
import pickle
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from objdisc.datasets.cityscapes import Cityscapes
from objdisc.datasets.imagefolder import ImageFolder
from objdisc.errors import UnreadableImageError, UsageError
from objdisc.io import files
from objdisc.objectness.base import decode_mask
from objdisc.objectness.foreground import Foreground
from objdisc.objectness.instances import Instances
from objdisc.objectness.whole import Whole
from objdisc.objectness.windows import Windows
from objdisc.patches.store import PatchStore
from objdisc.patches.windows import PatchOptions, cut, object_window

from .conftest import OPTIONS, build, content


def test_rows_are_the_objects_then_the_background_of_each_image(toy_city: Path, tmp_path: Path) -> None:
    dataset = Cityscapes(toy_city)
    built = build(toy_city, tmp_path / "store")
    assert built.images.shape == (len(built), 24, 24, 4)
    assert built.images.dtype == np.uint8
    assert built.size == 24
    assert set(built.frames) == {sample.name for sample in dataset.samples}
    assert set(built.frames.values()) == {(128, 256)}
    row = 0
    for sample in dataset.samples:
        image = dataset.read_image(sample)
        expected = [r for r in Instances().regions(dataset, sample, image) if r.area >= OPTIONS.min_area]
        found = [patch.region for patch in built.patches if patch.sample == sample.name]
        assert found[: len(expected)] == expected
        assert not any(region.foreground for region in found[len(expected) :])
        assert len(found) - len(expected) <= max(1, len(expected))
        for region in found:
            patch = built.patch(row)
            assert patch.region == region
            assert patch.window == object_window(region, OPTIONS.context)
            assert patch.frame == (128, 256)
            assert built.foreground[row] == region.foreground
            np.testing.assert_array_equal(built.images[row], cut(image, patch.window, region, 24))
            row += 1
    assert row == len(built)


def test_patches_are_a_sequence(toy_city: Path, tmp_path: Path) -> None:
    built = build(toy_city, tmp_path)
    assert len(built.patches) == len(built)
    assert built.patches[-1] == built.patch(len(built) - 1)
    assert built.patches[1:4] == [built.patch(row) for row in (1, 2, 3)]
    with pytest.raises(IndexError):
        built.patches[len(built)]
    mask = built.patches[0].region.mask
    assert mask is not None
    assert decode_mask(mask).sum() == built.patches[0].region.area


def test_a_store_travels_to_other_processes_as_its_path(toy_city: Path, tmp_path: Path) -> None:
    built = build(toy_city, tmp_path)
    data = pickle.dumps(built)
    assert len(data) < 1000
    np.testing.assert_array_equal(pickle.loads(data).images, built.images)


def test_the_bytes_do_not_depend_on_the_number_of_workers(city: Path, tmp_path: Path) -> None:
    build(city, tmp_path / "one")
    build(city, tmp_path / "two", workers=2)
    assert content(tmp_path / "one") == content(tmp_path / "two")


def test_background_depends_on_seed_and_name_alone(city: Path, tmp_path: Path) -> None:
    all_of_it = build(city, tmp_path / "all")
    for path in sorted((city / "leftImg8bit" / "train" / "ulm").iterdir())[:30]:
        path.unlink()
    rest = build(city, tmp_path / "rest")
    names = set(rest.frames)
    assert list(rest.patches) == [patch for patch in all_of_it.patches if patch.sample in names]
    other = build(city, tmp_path / "other", seed=1)
    windows = [[patch.window for patch in one.patches if not patch.region.foreground] for one in (rest, other)]
    assert windows[0] != windows[1]


def test_an_unchanged_store_is_not_written_again(toy_city: Path, tmp_path: Path) -> None:
    build(toy_city, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.*")}
    build(toy_city, tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.*")} == before


@pytest.mark.parametrize("change", ["image", "mask", "options", "source", "seed", "classes", "damage"])
def test_a_store_is_rebuilt_when_something_changed(city: Path, tmp_path: Path, change: str) -> None:
    folder = tmp_path / "store"
    old = build(city, folder)
    dataset, source, options, seed = Cityscapes(city), Instances(), OPTIONS, 0
    sample = dataset.samples[3]
    if change == "image":
        Image.fromarray(np.full((48, 64, 3), 9, np.uint8)).save(sample.image_path)
    elif change == "mask":
        path = next(path for path in dataset.mask_paths(sample) if "instanceIds" in path.name)
        Image.fromarray(np.full((48, 64), 26000, np.uint16)).save(path)
    elif change == "options":
        options = PatchOptions(size=24, min_area=50, context=40.0)
    elif change == "source":
        source = Foreground()  # type: ignore[assignment]
    elif change == "seed":
        seed = 1
    elif change == "classes":
        dataset = Cityscapes(city, foreground=["person"])
        options = PatchOptions(size=24, min_area=1)
    else:
        (folder / "rows.npy").write_bytes(b"")
    new = PatchStore.build(dataset, source, options, folder, seed=seed, workers=0, progress=False)
    fresh = PatchStore.build(dataset, source, options, tmp_path / "fresh", seed=seed, workers=0, progress=False)
    assert content(folder) == content(tmp_path / "fresh")
    assert (new.key == old.key) == (change == "damage")
    assert fresh.key == new.key


@pytest.mark.parametrize("workers", [0, 2])
def test_unreadable_images_are_reported_counted_and_skipped(
    city: Path, tmp_path: Path, workers: int, caplog: pytest.LogCaptureFixture
) -> None:
    dataset = Cityscapes(city)
    broken, odd = dataset.samples[5], dataset.samples[40]
    broken.image_path.write_bytes(broken.image_path.read_bytes()[:200])
    mask = next(path for path in dataset.mask_paths(odd) if "instanceIds" in path.name)
    Image.fromarray(np.zeros((10, 10), np.uint16)).save(mask)
    with caplog.at_level(logging.WARNING, "objdisc"):
        built = build(city, tmp_path / "store", workers=workers)
    assert [path for path, _ in built.skipped] == [broken.image_path, mask]
    assert len(built.frames) == 68
    assert str(broken.image_path) in caplog.text
    assert "2 of 70 images skipped" in caplog.text
    with pytest.raises(UnreadableImageError, match="000005"):
        build(city, tmp_path / "store", workers=workers, strict=True)
    with pytest.raises(UnreadableImageError):
        build(city, tmp_path / "fresh", workers=workers, strict=True)


def test_nothing_found_says_what_to_change(city: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no object in 70 images.*10000 pixels; lower --patches.min-area"):
        PatchStore.build(
            Cityscapes(city), Instances(), PatchOptions(min_area=10_000), tmp_path, workers=0, progress=False
        )
    with pytest.raises(UsageError, match="no finished patch store"):
        PatchStore.open(tmp_path)


def test_when_no_image_can_be_used_the_first_reason_is_given(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.jpg").write_bytes(b"no image")
    with pytest.raises(UsageError, match=r"none of 1 images can be used; the first: .*a\.jpg"):
        PatchStore.build(ImageFolder(tmp_path / "images"), Whole(), OPTIONS, tmp_path / "store", workers=0)


def test_whole_images_keep_their_flag_and_get_no_margin(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images: dict[str, NDArray[np.uint8]] = {}
    for name in ("dog/1", "frog/2"):
        path = tmp_path / "images" / f"{name}.png"
        path.parent.mkdir(parents=True)
        images[name] = rng.integers(0, 256, size=(24, 24, 3), dtype=np.uint8)
        Image.fromarray(images[name]).save(path)
    dataset = ImageFolder(tmp_path / "images", foreground=["dog"])
    built = PatchStore.build(dataset, Whole(), OPTIONS, tmp_path / "store", workers=0)
    assert built.foreground.tolist() == [True, False]
    for patch, pixels in zip(built.patches, built.images, strict=True):
        np.testing.assert_array_equal(pixels[..., :3], images[patch.sample])
        assert (pixels[..., 3] == 255).all()


def test_windows_of_images_without_any_mask(toy_city: Path, tmp_path: Path) -> None:
    dataset = ImageFolder(toy_city / "leftImg8bit" / "val")
    source = Windows(scales=(0.3,), keep=5)
    source.scorer = lambda patches: patches[..., :3].mean(axis=(1, 2, 3)) / 255
    source.scorer_name, source.threshold = "brightness", 0.0
    built = PatchStore.build(dataset, source, OPTIONS, tmp_path / "store", workers=2)
    assert built.foreground.all()
    assert len(built) == 5 * len(dataset.samples)


def test_an_unfit_folder_and_another_format_are_usage_errors(
    toy_city: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="no finished patch store"):
        PatchStore.open(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be made"):
        build(toy_city, tmp_path / "file" / "store")
    build(toy_city, tmp_path / "store")
    manifest = files.read_json(tmp_path / "store" / "manifest.json")
    files.write_json(tmp_path / "store" / "manifest.json", {**manifest, "format": 0})
    with pytest.raises(UsageError, match="format 0, expected"):
        PatchStore.open(tmp_path / "store")
