"""Categories out of clusters: names, merges by name, rejections and moved patches."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from objdisc.datasets import open_dataset
from objdisc.errors import UsageError
from objdisc.io.run import Run
from objdisc.naming.categories import Category, Names, run_identity
from objdisc.objectness.instances import Instances
from objdisc.patches.building import MANIFEST, ROWS
from objdisc.patches.store import PatchStore
from objdisc.patches.windows import PatchOptions

RED, BLUE, GREEN = (255, 0, 0), (0, 0, 255), (0, 255, 0)
COLORS = np.array([RED, BLUE, GREEN], np.uint8)


@pytest.fixture(scope="module")
def store(toy_city: Path, tmp_path_factory: pytest.TempPathFactory) -> PatchStore:
    folder = tmp_path_factory.mktemp("patches")
    return PatchStore.build(open_dataset(toy_city, "val"), Instances(), PatchOptions(size=16), folder, workers=0)


def test_by_default_each_cluster_is_a_category_with_its_number_as_name() -> None:
    names = Names.default(COLORS)
    assert names.categories == (
        Category(1, "cluster_0", RED, (0,)),
        Category(2, "cluster_1", BLUE, (1,)),
        Category(3, "cluster_2", GREEN, (2,)),
    )
    assert names.categories_of(np.array([2, 0, 1, 0])).tolist() == [3, 1, 2, 1]


def test_clusters_of_the_same_name_are_one_category_in_the_first_ones_color() -> None:
    names = Names.of([("car", RED), ("person", BLUE), ("car", GREEN)])
    assert names.categories == (Category(1, "car", RED, (0, 2)), Category(2, "person", BLUE, (1,)))
    assert names.categories_of(np.array([0, 1, 2])).tolist() == [1, 2, 1]


def test_rejected_clusters_have_no_category_and_leave_no_gap_in_the_ids() -> None:
    names = Names.of([None, ("person", BLUE), ("car", GREEN)])
    assert [category.id for category in names.categories] == [1, 2]
    assert names.rejected == (0,)
    assert names.categories_of(np.array([0, 1, 2])).tolist() == [-1, 1, 2]


def test_all_clusters_may_be_rejected() -> None:
    names = Names.of([None, None])
    assert names.categories == ()
    assert names.categories_of(np.array([0, 1])).tolist() == [-1, -1]
    assert names.confidence_of(np.array([[0.3, 0.7]], np.float32)).tolist() == [0]


def test_moves_win_over_clusters_and_rejections_over_moves() -> None:
    names = Names.of([("car", RED), ("person", BLUE), None], moved={0: 1, 1: -1, 2: 2})
    assert names.categories_of(np.array([0, 0, 0, 0])).tolist() == [2, -1, -1, 1]
    assert names.clusters_of(np.array([0, 0, 0, 0])).tolist() == [1, -1, 2, 0]


def test_what_was_in_no_cluster_is_in_no_category() -> None:
    assert Names.default(COLORS).categories_of(np.array([-1, -2, 2])).tolist() == [-1, -1, 3]


def test_nothing_is_changed_in_place() -> None:
    clusters = np.array([0, 1])
    replace(Names.default(COLORS), moved={0: 2}).categories_of(clusters)
    assert clusters.tolist() == [0, 1]


def test_confidence_is_that_of_all_clusters_of_the_category() -> None:
    names = Names.of([("car", RED), ("person", BLUE), ("car", GREEN), None], moved={2: 1, 3: -1})
    probabilities = np.array([[0.4, 0.3, 0.2, 0.1]] * 4 + [[0.1, 0.6, 0.2, 0.1], [0, 0, 0, 1]], np.float32)
    confidence = names.confidence_of(probabilities)
    assert confidence == pytest.approx([0.6, 0.6, 1, 0, 0.6, 0])


def test_identity_changes_with_weights_and_with_patches(store: PatchStore, tmp_path: Path) -> None:
    run = Run.create(tmp_path)
    run.weights.write_bytes(b"weights")
    first = run_identity(run, store)
    assert first == run_identity(run, store)
    assert len(first) == 32
    run.weights.write_bytes(b"other weights")
    second = run_identity(run, store)
    moved = tmp_path / "moved"
    shutil.copytree(store.folder, moved)
    assert run_identity(run, PatchStore.open(moved)) == second
    rows = np.load(moved / ROWS)
    rows["window"][0, 0] += 1
    np.save(moved / ROWS, rows)
    third = run_identity(run, PatchStore.open(moved))
    manifest = moved / MANIFEST
    name = PatchStore.open(moved).patch(0).sample
    manifest.write_text(manifest.read_text(encoding="utf-8").replace(name, f"{name}b"), encoding="utf-8")
    assert len({first, second, third, run_identity(run, PatchStore.open(moved))}) == 4


def test_identity_of_a_run_without_weights(store: PatchStore, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"weights\.safetensors: cannot be read .* not finished"):
        run_identity(Run.create(tmp_path), store)
