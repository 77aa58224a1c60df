"""Objects from label maps of any kind: components of the union of the foreground classes, by its old name as well."""

from pathlib import Path

import numpy as np
import pytest

from objdisc.config.components import resolve_class_path
from objdisc.datasets import open_dataset
from objdisc.errors import UsageError
from objdisc.objectness.base import ObjectnessSource
from objdisc.objectness.foreground import Foreground
from objdisc.objectness.labels import Labels
from tests.support.layouts import objects, photo, put


def test_components_of_the_union_are_regions_and_classes_that_touch_are_one(tmp_path: Path) -> None:
    put(tmp_path / "images/a.png", photo())
    put(tmp_path / "labels/a.png", objects())
    dataset = open_dataset(tmp_path, "", ["class 1", "class 2", "class 3"])
    for source in (Labels(), Foreground()):
        found = source.regions(dataset, dataset.samples[0], photo())
        assert [region.box for region in found] == [(2, 4, 16, 6), (22, 8, 4, 12)]
        assert source.fingerprint() == {"source": "foreground"}, "patches of version 0.1 are known"
        assert source.files(dataset, dataset.samples[0]) == (tmp_path / "labels/a.png",)
    with pytest.raises(UsageError, match=r"it is not known which classes are objects; .* class 0, class 1"):
        Labels().check(open_dataset(tmp_path, ""))
    put(tmp_path / "photo.png", np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(UsageError, match="no label maps"):
        Labels().check(open_dataset(tmp_path / "images", ""))


@pytest.mark.parametrize("name", ["labels", "foreground"])
def test_both_names_are_found(name: str) -> None:
    path = resolve_class_path(name, ObjectnessSource, "objdisc.objectness")
    assert path.startswith(f"objdisc.objectness.{name}.")
