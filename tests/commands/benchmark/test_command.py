"""The benchmark measures what it names, and says it as ratios."""

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from objdisc.cli import main
from objdisc.commands.benchmark.building import building, first_images, memory
from objdisc.datasets import ImageDataset, open_dataset
from objdisc.objectness.instances import Instances
from objdisc.patches.windows import PatchOptions
from objdisc.types import Sample


def test_building_is_compared_with_decoding_the_same_images(toy_city: Path) -> None:
    numbers = building(open_dataset(toy_city, "val"), Instances(), PatchOptions(size=32))
    ratio = numbers["built_images_per_second"] / numbers["decoded_images_per_second"]
    assert numbers["building_to_decoding"] == pytest.approx(ratio)
    assert 0 < ratio < 1.5


def test_first_images_leaves_the_data_set_alone(toy_city: Path) -> None:
    dataset = open_dataset(toy_city, "train")
    assert first_images(dataset, 5).samples == dataset.samples[:5]
    assert len(dataset.samples) == 12


@pytest.mark.slow
def test_peak_memory_is_that_of_a_fresh_process(toy_city: Path) -> None:
    numbers = memory(open_dataset(toy_city, "train"), Instances(), PatchOptions(size=32))
    assert 50 < numbers["peak_mebibytes"] < 3000
    assert numbers["peak_when_images_double"] < 1.1


@pytest.mark.slow
def test_command_prints_and_writes_the_same_numbers_of_so_many_images(
    toy_city: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    read: set[Path] = set()
    decode = ImageDataset.read_image

    def noted(self: ImageDataset, sample: Sample) -> NDArray[np.uint8]:
        read.add(sample.image_path)
        return decode(self, sample)

    monkeypatch.setattr(ImageDataset, "read_image", noted)
    file = tmp_path / "numbers.json"
    network = ["--encoder", "nin", "--weights", "none", "--patches.size", "32", "--device", "cpu"]
    effort = ["--images", "4", "--epochs", "1", "--batch-size", "4", "--workers", "0"]
    assert main(["benchmark", str(toy_city), *network, *effort, "--output", str(file)]) == 0
    assert len(read) == 4
    numbers = json.loads(file.read_text(encoding="utf-8"))
    printed = dict(line.split() for line in capsys.readouterr().out.splitlines())
    assert printed == {name: f"{value:.3f}" for name, value in numbers.items()}
    assert {"building_to_decoding", "peak_mebibytes", "peak_when_images_double"} <= set(numbers)
    assert 0 <= numbers["data_waiting_share"] < 1
