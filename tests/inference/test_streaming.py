"""Images stream through in order, a few at a time, and each gets the prediction it would get alone."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch

from objdisc.datasets import ImageDataset, open_dataset
from objdisc.inference.predict import Predictions
from objdisc.inference.streaming import CutImage, cut_image, cut_images, predict_images, stream
from objdisc.objectness.instances import Instances
from objdisc.objectness.windows import Windows
from objdisc.patches.store import PatchStore
from objdisc.patches.windows import PatchOptions
from objdisc.types import Sample

OPTIONS = PatchOptions(size=16)


def mean_colour(patches: torch.Tensor) -> Predictions:
    """A method of two clusters, dark and bright, whose embedding is the mean colour."""
    assert patches.dtype == torch.uint8
    colour = patches[..., :3].float().mean(dim=(1, 2)) / 255
    bright = colour.mean(dim=1, keepdim=True)
    return Predictions(torch.cat([1 - bright, bright], dim=1).numpy(), colour.numpy(), bright[:, 0].numpy())


@pytest.fixture
def city(toy_city: Path) -> ImageDataset:
    return open_dataset(toy_city, "train")


def test_patches_are_those_of_a_patch_store_without_its_background(city: ImageDataset, tmp_path: Path) -> None:
    store = PatchStore.build(city, Instances(), OPTIONS, tmp_path, workers=0, progress=False)
    objects = [store.patch(int(row)) for row in np.flatnonzero(store.foreground)]
    cut = list(cut_images(city, Instances(), OPTIONS, city.samples, 2))
    assert [image.sample for image in cut] == list(city.samples)
    assert [(image.sample.name, region) for image in cut for region in image.regions] == [
        (patch.sample, patch.region) for patch in objects
    ]
    np.testing.assert_array_equal(np.concatenate([image.patches for image in cut]), store.images[store.foreground])
    assert {image.sample.name: image.frame for image in cut} == store.frames


@pytest.mark.parametrize(("workers", "batch_size"), [(0, 1), (0, 7), (3, 16), (1, 1000)])
def test_each_image_gets_the_prediction_it_would_get_alone(city: ImageDataset, workers: int, batch_size: int) -> None:
    sizes: list[int] = []

    def ask(patches: torch.Tensor) -> Predictions:
        sizes.append(len(patches))
        return mean_colour(patches)

    predictions = stream(city, Instances(), OPTIONS, city.samples, ask, workers=workers, batch_size=batch_size)
    for image, said in predictions:
        assert said is not None
        alone = mean_colour(torch.from_numpy(image.patches))
        np.testing.assert_array_equal(said.features, alone.features)
        np.testing.assert_array_equal(said.probabilities, alone.probabilities)
        assert said.foreground is not None
        assert len(said.foreground) == len(image.regions)
    assert max(sizes) <= batch_size


def test_unreadable_images_and_images_without_objects_pass_through(toy_city: Path, tmp_path: Path) -> None:
    good = next(toy_city.rglob("*_leftImg8bit.png")).read_bytes()
    for name, data in (("a", good), ("b", good[:300]), ("c", good)):
        (tmp_path / f"{name}.png").write_bytes(data)
    dataset = open_dataset(tmp_path, "")
    source = Windows(scales=(0.5,), keep=3)
    first, broken, last = stream(dataset, source, OPTIONS, dataset.samples, mean_colour, workers=2, batch_size=4)
    assert broken[0].problem is not None
    assert broken[0].problem.path == tmp_path / "b.png"
    assert broken[1] is None
    assert first[0].problem is last[0].problem is None
    assert first[1] is not None
    assert len(first[1].probabilities) == 3
    nothing = PatchOptions(size=16, min_area=10**9)
    for image, said in stream(dataset, Instances(), nothing, (), mean_colour, workers=0, batch_size=4):
        raise AssertionError((image, said))


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_cutting_runs_only_a_little_ahead(city: ImageDataset, workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    original = type(city).read_image

    def noted(self: ImageDataset, sample: Sample) -> object:
        read.append(sample.name)
        return original(self, sample)

    monkeypatch.setattr(type(city), "read_image", noted)
    images = cut_images(city, Instances(), OPTIONS, city.samples, workers)
    for taken, _ in enumerate(images, start=1):
        assert len(read) <= taken + 2 * workers + 1
    assert len(read) == len(city.samples)


def test_images_wait_for_a_full_batch_and_no_longer() -> None:
    alive: list[int] = []

    def images() -> Iterator[CutImage]:
        for number in range(9):
            alive.append(number)
            patches = np.full((4, 2, 2, 4), number, np.uint8)
            yield CutImage(Sample(str(number), Path()), (2, 2), (None,) * 4, patches)  # type: ignore[arg-type]

    predictions = predict_images(images(), mean_colour, 10)
    assert next(predictions)[0].sample.name == "0"
    assert alive == [0, 1, 2]
    assert [image.sample.name for image, _ in predictions] == [str(number) for number in range(1, 9)]


def test_leaving_early_stops_the_threads(city: ImageDataset) -> None:
    predictions = stream(city, Instances(), OPTIONS, city.samples, mean_colour, workers=2, batch_size=1)
    assert isinstance(predictions, Iterator)
    next(predictions)
    predictions.close()  # type: ignore[attr-defined]


class Guessed(Instances):
    """Masks that are taken for guesses."""

    guesses: ClassVar[bool] = True


def test_guessed_regions_stay_where_the_method_is_sure_of_an_object(city: ImageDataset) -> None:
    """The stand-in is as sure as a patch is bright."""

    def ask(patches: torch.Tensor) -> Predictions:
        said = mean_colour(patches)
        assert said.foreground is not None
        return replace(said, foreground=(said.foreground > 0.4) * np.float32(0.95))

    all_of_them = stream(city, Instances(), OPTIONS, city.samples, ask, workers=0, batch_size=16)
    sure = stream(city, Guessed(), OPTIONS, city.samples, ask, workers=0, batch_size=16)
    dropped = 0
    for (image, said), (kept, of_kept) in zip(all_of_them, sure, strict=True):
        assert said is not None
        assert said.foreground is not None
        rows = np.flatnonzero(said.foreground > 0)
        assert kept.regions == tuple(image.regions[row] for row in rows)
        assert (of_kept is None) == (len(rows) == 0)
        if of_kept is not None:
            np.testing.assert_array_equal(of_kept.probabilities, said.probabilities[rows])
            np.testing.assert_array_equal(kept.patches, image.patches[rows])
        dropped += len(image.regions) - len(rows)
    assert dropped > 0


def test_guessed_regions_stay_where_half_is_expected_on_objects(city: ImageDataset) -> None:
    """The expected share decides where there is one, whatever the foreground head says."""

    def ask(patches: torch.Tensor) -> Predictions:
        said = mean_colour(patches)
        assert said.foreground is not None
        return replace(said, foreground=np.zeros_like(said.foreground), inside=said.foreground + np.float32(0.1))

    for image, said in stream(city, Guessed(), OPTIONS, city.samples, ask, workers=0, batch_size=16):
        whole = cut_image(city, Guessed(), OPTIONS, image.sample)
        bright = mean_colour(torch.from_numpy(whole.patches)).foreground
        assert bright is not None
        rows = np.flatnonzero(bright + np.float32(0.1) >= 0.5)
        assert image.regions == tuple(whole.regions[row] for row in rows)
        assert (0 if said is None else len(said.probabilities)) == len(rows)


def test_without_a_foreground_head_every_guess_stays(city: ImageDataset) -> None:
    def ask(patches: torch.Tensor) -> Predictions:
        return replace(mean_colour(patches), foreground=None)

    both = [
        stream(city, source, OPTIONS, city.samples, ask, workers=0, batch_size=16)
        for source in (Instances(), Guessed())
    ]
    assert [len(image.regions) for image, _ in both[0]] == [len(image.regions) for image, _ in both[1]]
