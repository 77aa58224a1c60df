"""Pictures of a split: frames drawn when they are asked for, and images that are gone at the end of a run."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from objdisc.datasets import ImageDataset, open_dataset
from objdisc.errors import UnreadableImageError
from objdisc.imaging.colors import cluster_colors
from objdisc.inference.predict import Predictions
from objdisc.io.run import Run
from objdisc.objectness.instances import Instances
from objdisc.patches.store import PatchStore
from objdisc.patches.windows import PatchOptions
from objdisc.pipeline.maps import frame_painter, write_maps


@pytest.fixture
def city(toy_city: Path, tmp_path: Path) -> ImageDataset:
    shutil.copytree(toy_city, tmp_path / "city")
    return open_dataset(tmp_path / "city", "val")


@pytest.fixture
def store(city: ImageDataset, tmp_path: Path) -> PatchStore:
    return PatchStore.build(city, Instances(), PatchOptions(size=32), tmp_path / "patches", workers=0)


@pytest.fixture
def predictions(store: PatchStore) -> Predictions:
    probabilities = np.random.default_rng(0).dirichlet(np.ones(3), len(store)).astype(np.float32)
    return Predictions(probabilities, np.zeros((len(store), 2), np.float32), None)


def test_a_frame_is_the_image_with_its_objects_in_their_clusters_colours(
    city: ImageDataset, store: PatchStore, predictions: Predictions
) -> None:
    painted = frame_painter(city, store, predictions)
    colors = cluster_colors(3).astype(float)
    sample = city.samples[0]
    image, instances = city.read_image(sample).astype(float), city.read_instances(sample)
    assert instances is not None
    picture = painted(sample.name).astype(float)
    nearest = min(
        (row for row in np.flatnonzero(store.foreground) if store.patch(int(row)).sample == sample.name),
        key=lambda row: -store.patch(int(row)).region.area,
    )
    x, y, width, height = store.patch(int(nearest)).region.box
    center = instances[y + height // 2, x + width // 2]
    inside = cv2.erode((instances == center).astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
    assert center > 0
    mixed = 0.58 * image[inside] + 0.42 * colors[predictions.probabilities[nearest].argmax()]
    assert np.abs(picture[inside] - mixed).max() <= 1
    away = cv2.dilate((instances > 0).astype(np.uint8), np.ones((7, 7), np.uint8)) == 0
    assert np.array_equal(picture[away], image[away])


def test_an_image_that_is_gone_or_another_is_named(
    city: ImageDataset, store: PatchStore, predictions: Predictions
) -> None:
    painted = frame_painter(city, store, predictions)
    gone, other = city.samples[:2]
    gone.image_path.unlink()
    cv2.imwrite(str(other.image_path), np.zeros((64, 64, 3), np.uint8))
    with pytest.raises(UnreadableImageError, match=gone.image_path.name):
        painted(gone.name)
    with pytest.raises(UnreadableImageError, match="64x64 pixels, but its patches were cut from 256x128"):
        painted(other.name)


def test_a_run_ends_well_without_the_overlay_of_an_image_that_is_gone(
    city: ImageDataset,
    store: PatchStore,
    predictions: Predictions,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    run = Run.create(tmp_path / "run")
    gone = city.samples[0]
    gone.image_path.unlink()
    mapped = write_maps(run, city, store, predictions)
    assert len(mapped) == len(list(run.cluster_ids.rglob("*.png"))) == 6
    assert len(list(run.overlays.rglob("*.jpg"))) == 5
    assert f"no overlay of {gone.image_path}" in caplog.text
