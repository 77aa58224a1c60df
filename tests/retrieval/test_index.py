"""The index gives back what was written, trusts no half of itself, and says how to make it again."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from objdisc.errors import UsageError
from objdisc.io.run import Run
from objdisc.retrieval import Index


@pytest.fixture
def run(tmp_path: Path) -> Run:
    (tmp_path / "config.yaml").write_text("num_clusters: 3\n", encoding="utf-8")
    return Run(tmp_path)


def unit(rng: np.random.Generator, rows: int, columns: int) -> NDArray[np.float32]:
    points = rng.normal(size=(rows, columns))
    return np.asarray(points / np.linalg.norm(points, axis=1, keepdims=True), np.float32)


def write(run: Run, embeddings: NDArray[np.float32], num_clusters: int = 3) -> NDArray[np.float32]:
    rng = np.random.default_rng(1)
    probabilities = rng.dirichlet(np.ones(num_clusters), len(embeddings)).astype(np.float32)
    Index.write(
        run,
        embeddings,
        probabilities,
        np.arange(len(embeddings)) % 4 != 3,
        split="val",
        store_key="abc",
        weights="def",
        root=Path("bilder"),
        image_paths={"stadt/straße 1": Path("bilder/straße 1.png")},
    )
    return probabilities


def test_it_gives_back_what_was_written(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(run.path)
    embeddings = unit(np.random.default_rng(0), 10, 5)
    probabilities = write(run, embeddings)
    index = Index.open(run.path)
    np.testing.assert_array_equal(index.embeddings, embeddings)
    np.testing.assert_array_equal(index.probabilities, probabilities)
    np.testing.assert_array_equal(index.clusters, probabilities.argmax(axis=1))
    np.testing.assert_array_equal(index.confidence, probabilities.max(axis=1))
    assert index.foreground.tolist() == [True, True, True, False, True, True, True, False, True, True]
    assert (len(index), index.split, index.store_key, index.weights) == (10, "val", "abc", "def")
    assert index.root == run.path / "bilder"
    assert index.image_paths == {"stadt/straße 1": run.path / "bilder/straße 1.png"}


def test_it_is_mapped_not_read(run: Run) -> None:
    write(run, unit(np.random.default_rng(0), 10, 5))
    assert isinstance(Index.open(run).embeddings, np.memmap)


@pytest.mark.parametrize(("factor", "normalized"), [(1.0, True), (1.0005, True), (1.01, False)])
def test_it_tells_unit_length_from_other_lengths(run: Run, factor: float, normalized: bool) -> None:
    embeddings = unit(np.random.default_rng(0), 10, 5)
    embeddings[7] *= factor
    write(run, embeddings)
    assert Index.open(run).normalized is normalized


def test_a_later_write_replaces_an_earlier_one(run: Run) -> None:
    rng = np.random.default_rng(0)
    write(run, unit(rng, 10, 5))
    write(run, unit(rng, 4, 2))
    assert Index.open(run).embeddings.shape == (4, 2)
    assert not [path for path in run.index.iterdir() if path.suffix == ".tmp"]


@pytest.mark.parametrize("name", ["index.json", "embeddings.npy", "clusters.npy"])
def test_a_missing_file_is_one_line_with_the_fix(run: Run, name: str) -> None:
    write(run, unit(np.random.default_rng(0), 10, 5))
    (run.index / name).unlink()
    with pytest.raises(UsageError, match=re.escape(f"objdisc discover --resume {run.path}")) as caught:
        Index.open(run)
    assert "\n" not in str(caught.value)


def test_files_of_two_writes_are_refused(run: Run, tmp_path: Path) -> None:
    write(run, unit(np.random.default_rng(0), 10, 5))
    np.save(run.index / "confidence.npy", np.zeros(9, np.float32))
    with pytest.raises(UsageError, match="do not belong together"):
        Index.open(run)


def test_another_version_and_pickles_are_refused(run: Run) -> None:
    write(run, unit(np.random.default_rng(0), 10, 5))
    manifest = run.index / "index.json"
    values = json.loads(manifest.read_text(encoding="utf-8"))
    manifest.write_text(json.dumps(values | {"format": 99}), encoding="utf-8")
    with pytest.raises(UsageError, match="format 99, expected 1"):
        Index.open(run)
    manifest.write_text(json.dumps(values), encoding="utf-8")
    np.save(run.index / "clusters.npy", np.array([{}] * 10, dtype=object), allow_pickle=True)
    with pytest.raises(UsageError, match="no usable index"):
        Index.open(run)


def test_arrays_of_different_length_are_a_mistake_of_the_program(run: Run) -> None:
    with pytest.raises(ValueError, match="10 embeddings, 9"):
        Index.write(
            run,
            np.zeros((10, 2), np.float32),
            np.ones((9, 3), np.float32),
            np.ones(10, np.bool_),
            split="",
            store_key="",
            weights="",
            root=Path("bilder"),
            image_paths={},
        )


@pytest.mark.parametrize("cluster", [None, 1])
def test_a_query_finds_what_scikit_learn_finds_among_the_objects(run: Run, cluster: int | None) -> None:
    rng = np.random.default_rng(0)
    embeddings, queries = unit(rng, 400, 8), unit(rng, 3, 8)
    write(run, embeddings)
    index = Index.open(run)
    chosen = index.foreground if cluster is None else index.foreground & (index.clusters == cluster)
    there = np.flatnonzero(chosen)
    brute = NearestNeighbors(n_neighbors=9, algorithm="brute").fit(embeddings[there])
    distances, rows = brute.kneighbors(queries)
    found = index.query(queries, 9, cluster=cluster)
    np.testing.assert_array_equal(found.rows, there[rows])
    np.testing.assert_allclose(found.distances, distances, atol=1e-6)
    one = index.query(5 * queries[1], 9, cluster=cluster)  # directions count, where embeddings have unit length
    np.testing.assert_array_equal(one.rows, there[rows[1]])


def test_a_query_may_ask_for_more_than_there_is(run: Run) -> None:
    write(run, unit(np.random.default_rng(0), 10, 5))
    assert Index.open(run).query(np.ones(5, np.float32), 1000).rows.shape == (8,)


def test_queries_that_cannot_be_are_refused(run: Run) -> None:
    write(run, unit(np.random.default_rng(0), 10, 5))
    index = Index.open(run)
    with pytest.raises(ValueError, match="top is 0"):
        index.query(np.ones(5, np.float32), 0)
    with pytest.raises(ValueError, match="expected 5 finite numbers"):
        index.query(np.ones(4, np.float32), 1)
    with pytest.raises(ValueError, match="expected 5 finite numbers"):
        index.query(np.full(5, np.nan, np.float32), 1)
    with pytest.raises(UsageError, match="no cluster 3; this run's go from 0 to 2"):
        index.query(np.ones(5, np.float32), 1, cluster=3)
