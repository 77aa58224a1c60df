"""Which images of a data set are used: listed, large enough, and with enough valid pixels."""

import json
import logging
from pathlib import Path

import pytest

from objdisc.datasets import selection
from objdisc.datasets.grouping import DataOptions
from objdisc.datasets.selection import Measures, select_samples
from objdisc.errors import UnreadableImageError, UsageError
from objdisc.types import Sample


class Images:
    """Ten images 0 to 9: number n has sides of 10 + n pixels and a share of n / 10; counts how often it is asked."""

    remember_from = 1000

    def __init__(self, folder: Path) -> None:
        self.samples = [Sample(str(number), folder / f"{number}.png") for number in range(10)]
        for sample in self.samples:
            sample.image_path.touch()
        self.asked = 0

    def measures(self) -> Measures:
        return Measures(lambda sample: (10 + int(sample.name), 99), self._share, lambda sample: (sample.image_path,))

    def _share(self, sample: Sample) -> float:
        self.asked += 1
        return int(sample.name) / 10

    def chosen(self, reading: DataOptions) -> str:
        found = select_samples(self.samples, reading, self.measures(), "the set", remember_from=self.remember_from)
        return "".join(sample.name for sample in found)


@pytest.fixture
def images(tmp_path: Path) -> Images:
    (tmp_path / "maps").mkdir()
    return Images(tmp_path / "maps")


def test_size_and_share_are_lower_bounds(images: Images) -> None:
    assert images.chosen(DataOptions()) == "0123456789"
    assert images.chosen(DataOptions(min_side=14)) == "456789"
    assert images.chosen(DataOptions(min_side=14, min_share=0.7)) == "789"
    assert images.asked == 6, "small images are not looked into"
    with pytest.raises(UsageError, match=r"the set: no image has sides of 14 pixels and a share of 0\.95 of valid"):
        images.chosen(DataOptions(min_side=14, min_share=0.95))


def test_a_list_chooses_by_name(images: Images, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("7\n\n3 \n5\n")
    assert images.chosen(DataOptions(only=str(tmp_path / "list.txt"))) == "357"
    assert images.chosen(DataOptions(only=str(tmp_path / "list.txt"), min_share=0.5)) == "57"
    (tmp_path / "list.txt").write_text("7\nmoon\nsun\n")
    with pytest.raises(UsageError, match=r"list\.txt: 2 of 3 names, such as moon, belong to no image of the set; give"):
        images.chosen(DataOptions(only=str(tmp_path / "list.txt")))
    (tmp_path / "list.txt").write_text("")
    for name in ("list.txt", "gone.txt"):
        with pytest.raises(UsageError, match=name):
            images.chosen(DataOptions(only=str(tmp_path / name)))


def test_unreadable_images_are_left_out_and_named(images: Images, caplog: pytest.LogCaptureFixture) -> None:
    def share(sample: Sample) -> float:
        if sample.name == "8":
            raise UnreadableImageError(Path("8.png"), "cannot be decoded")
        return 1.0

    measures = Measures(images.measures().size, share, images.measures().label_paths)
    with caplog.at_level(logging.WARNING, "objdisc"):
        chosen = select_samples(images.samples, DataOptions(min_share=0.5), measures, "the set")
    assert [sample.name for sample in chosen] == list("012345679")
    assert "left out: 8.png: cannot be decoded" in caplog.text


def test_many_images_are_looked_into_once_until_a_map_changes(
    images: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images.remember_from = 10
    monkeypatch.setattr(selection, "CACHE", tmp_path / "cache")
    reading = DataOptions(classes={"sky": [3, 1]}, min_share=0.7)
    assert images.chosen(reading) == images.chosen(reading) == "789"
    assert images.asked == 10
    assert images.chosen(DataOptions(classes={"a": [1], "b": [3]}, min_share=0.7)) == "789"
    assert images.asked == 10, "how classes are grouped does not matter"
    assert images.chosen(DataOptions(classes={"sky": [3, 1]}, min_share=0.8)) == "89"
    images.samples[0].image_path.write_text("changed")
    assert images.chosen(reading) == "789"
    assert images.asked == 30
    for path in (tmp_path / "cache").iterdir():
        path.write_text(json.dumps({"other": 1}))
    assert images.chosen(reading) == "789"
    assert images.asked == 40, "a damaged file is made again"
