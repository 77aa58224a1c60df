"""A run that was trained with masks learns from its training images which guessed regions lie on objects."""

import logging
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from objdisc.config.components import Component
from objdisc.datasets import ImageDataset, open_dataset
from objdisc.imaging.masks import decode_mask, region_from_mask
from objdisc.imaging.overlaps import share_inside
from objdisc.inference.predict import Predictor
from objdisc.inference.streaming import cut_image
from objdisc.io.files import read_json, write_json
from objdisc.io.run import Run
from objdisc.objectness.instances import Instances
from objdisc.pipeline.acceptance import acceptance_file, acceptance_of
from objdisc.pipeline.loading import LoadedRun, load_run
from objdisc.types import Region, Sample


class Shifted(Instances):
    """Guesses every object, and its outline once more where it is not: a quarter of the image to the right."""

    guesses: ClassVar[bool] = True

    def regions(self, dataset: ImageDataset, sample: Sample, image: NDArray[np.uint8]) -> list[Region]:
        found = super().regions(dataset, sample, image)
        masks = [decode_mask(region.mask) for region in found if region.mask is not None]
        return [*found, *(region_from_mask(np.roll(mask, mask.shape[1] // 4, axis=1)) for mask in masks)]

    def fingerprint(self) -> dict[str, Any]:
        return {"source": "shifted"}


@pytest.fixture
def run(small_run: Run, tmp_path: Path) -> LoadedRun:
    shutil.copytree(small_run.path, tmp_path / "run")
    return load_run(tmp_path / "run", device="cpu").on("cpu", workers=0)


def predictor(run: LoadedRun) -> Predictor:
    return Predictor(run.method, run.options.training)


def test_it_tells_objects_from_other_places_on_images_it_has_not_seen(run: LoadedRun, toy_city: Path) -> None:
    ask = predictor(run)
    learned = acceptance_of(run, Shifted(), ask)
    assert learned is not None
    assert learned.facts["images"] == 12
    assert 0 < learned.facts["on_objects"] < learned.facts["regions"]
    ask.acceptance = learned
    val = open_dataset(toy_city, "val")
    expected, true = [], []
    for sample in val.samples:
        cut = cut_image(val, Shifted(), run.options.patches, sample)
        said = ask(torch.from_numpy(cut.patches))
        assert said.inside is not None
        expected += said.inside.tolist()
        objects = Instances().regions(val, sample, val.read_image(sample))
        true += share_inside(cut.regions, objects, cut.frame).tolist()
    right = (np.array(expected) > 0.5) == (np.array(true) > 0.5)
    assert right.mean() > max(np.mean(np.array(true) > 0.5), 0.5)


def test_it_is_kept_and_learned_again_only_for_something_else(
    run: LoadedRun, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, "objdisc")
    learned = acceptance_of(run, Shifted(), predictor(run))
    assert learned is not None
    assert caplog.text.count("learning once") == 1
    again = acceptance_of(run, Shifted(), predictor(run))
    assert again is not None
    assert again.key == learned.key
    np.testing.assert_array_equal(again.weight, learned.weight)
    assert caplog.text.count("learning once") == 1
    assert "acceptance.safetensors" in run.run.files()
    monkeypatch.setattr(Shifted, "fingerprint", lambda self: {"source": "shifted", "by": "another way"})
    other = acceptance_of(run, Shifted(), predictor(run))
    assert other is not None
    assert other.key != learned.key
    assert caplog.text.count("learning once") == 2


def test_without_the_training_images_or_masks_the_foreground_head_decides(
    run: LoadedRun, toy_city: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "objdisc")
    gone = replace(run, options=replace(run.options, path=tmp_path / "gone"))
    write_json(run.run.path / "run.json", read_json(run.run.path / "run.json") | {"data": str(tmp_path / "gone")})
    assert acceptance_of(gone, Shifted(), predictor(run)) is None
    assert "training images cannot be used" in caplog.text
    guessed = replace(run.options, path=toy_city, objectness=Component("objdisc.objectness.windows.Windows"))
    assert acceptance_of(replace(run, options=guessed), Shifted(), predictor(run)) is None
    assert not acceptance_file(run.run).exists()


def test_images_are_found_from_any_folder(run: LoadedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    elsewhere = replace(run, options=replace(run.options, path=Path("data/city")))
    assert acceptance_of(elsewhere, Shifted(), predictor(run)) is not None


def test_too_few_regions_on_objects_teach_nothing(
    run: LoadedRun, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, "objdisc")
    monkeypatch.setattr("objdisc.pipeline.acceptance.share_inside", lambda regions, *_: np.zeros(len(regions)))
    assert acceptance_of(run, Shifted(), predictor(run)) is None
    assert acceptance_of(run, Shifted(), predictor(run)) is None
    assert caplog.text.count("lie on objects") == 2
    assert caplog.text.count("too few of these") == 1
