"""The search is exact: scikit-learn's brute force says the same, whatever the chunks, the lengths and the backend."""

import logging
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from objdisc.retrieval.search import nearest_rows

Points = NDArray[np.float32]


def points(rows: int, columns: int, seed: int = 0, *, unit: bool = False) -> Points:
    found = np.random.default_rng(seed).normal(size=(rows, columns))
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True) if unit else found, np.float32)


class Watched(np.ndarray[tuple[int, int], np.dtype[np.float32]]):
    """Rows that remember the length of each block that was taken of them."""

    blocks: list[int]

    def __array_finalize__(self, whole: object) -> None:
        self.blocks = getattr(whole, "blocks", [])

    def __getitem__(self, key: Any) -> Any:
        found = super().__getitem__(key)
        if isinstance(key, slice):
            self.blocks.append(len(found))
        return found


def oracle(embeddings: Points, queries: Points, top: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    brute = NearestNeighbors(n_neighbors=top, algorithm="brute").fit(embeddings.astype(np.float64))
    distances, rows = brute.kneighbors(queries.astype(np.float64))
    return distances, rows


@pytest.mark.parametrize("unit", [True, False])
@pytest.mark.parametrize("num_queries", [1, 7])
@pytest.mark.parametrize("values", [1 << 25, 900])
def test_it_agrees_with_scikit_learn(unit: bool, num_queries: int, values: int) -> None:
    embeddings, queries = points(2345, 9, unit=unit), points(num_queries, 9, seed=1, unit=unit)
    distances, rows = oracle(embeddings, queries, 40)
    found = nearest_rows(embeddings, queries, 40, values_at_once=values)  # 900: 100 rows a chunk
    np.testing.assert_array_equal(found.rows, rows)
    np.testing.assert_allclose(found.distances, distances, rtol=1e-6)


def test_eligible_rows_alone_are_found() -> None:
    embeddings, queries = points(1000, 5), points(3, 5, seed=1)
    eligible = np.random.default_rng(2).random(1000) < 0.1
    there = np.flatnonzero(eligible)
    found = nearest_rows(embeddings, queries, 20, eligible=eligible)
    np.testing.assert_array_equal(found.rows, there[oracle(embeddings[eligible], queries, 20)[1]])
    everything = nearest_rows(embeddings, queries, 5000, eligible=eligible)
    assert sorted(everything.rows[0]) == there.tolist()


@pytest.mark.parametrize("faiss_from", [10, 10_000])
def test_nothing_eligible_finds_nothing(faiss_from: int) -> None:
    found = nearest_rows(points(20, 5), points(3, 5), 4, eligible=np.zeros(20, np.bool_), faiss_from=faiss_from)
    assert found.rows.shape == found.distances.shape == (3, 0)


def test_near_neighbours_keep_their_order_where_float32_products_lose_it() -> None:
    direction = points(1, 64, unit=True)
    steps = np.linspace(0, 1e-4, 12, dtype=np.float32)[:, None]
    embeddings = np.concatenate([100 * direction + steps, points(50, 64, seed=3)]).astype(np.float32)
    query = embeddings[:1]
    found = nearest_rows(embeddings, query, 12)
    exact = np.linalg.norm(embeddings.astype(np.float64) - query, axis=1)
    np.testing.assert_allclose(found.distances[0], np.sort(exact)[:12], rtol=1e-6)
    assert found.rows[0, 0] == 0


def test_equal_distances_come_in_the_order_of_the_rows() -> None:
    embeddings = np.repeat(points(3, 4), 10, axis=0)
    found = nearest_rows(embeddings, embeddings[15:16], 10)
    assert found.rows[0].tolist() == list(range(10, 20))


def test_memory_mapped_rows_are_searched_in_chunks(tmp_path: object) -> None:
    embeddings = points(5000, 16)
    np.save(f"{tmp_path}/x.npy", embeddings)
    mapped = np.load(f"{tmp_path}/x.npy", mmap_mode="r").view(Watched)
    found = nearest_rows(mapped, embeddings[:2], 3, values_at_once=1600)
    np.testing.assert_array_equal(found.rows, oracle(embeddings, embeddings[:2], 3)[1])
    assert max(mapped.blocks) == 100


def test_many_queries_bound_the_scores_of_a_chunk() -> None:
    embeddings, queries = points(1000, 4), points(5000, 4, seed=1)
    watched = embeddings.view(Watched)
    np.testing.assert_array_equal(nearest_rows(watched, queries, 5).rows, oracle(embeddings, queries, 5)[1])
    assert 5000 * max(watched.blocks) <= 2**22 < 5000 * 1000


def test_without_faiss_torch_searches_and_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    embeddings, queries = points(100, 5), points(2, 5, seed=1)
    with caplog.at_level(logging.INFO, logger="objdisc"):
        found = nearest_rows(embeddings, queries, 5, faiss_from=99)
    np.testing.assert_array_equal(found.rows, oracle(embeddings, queries, 5)[1])
    assert "faiss is not installed" in caplog.text
    caplog.clear()
    nearest_rows(embeddings, queries, 5, faiss_from=100)
    assert not caplog.text


def test_beyond_the_bound_faiss_is_asked_chunk_by_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def knn(asked: Points, rows: Points, top: int) -> tuple[Points, NDArray[np.int64]]:
        calls.append(len(rows))
        distances, places = oracle(rows, asked, top)
        return np.square(distances).astype(np.float32), places

    monkeypatch.setitem(sys.modules, "faiss", SimpleNamespace(knn=knn))
    embeddings, queries = points(1000, 5), points(4, 5, seed=1)
    found = nearest_rows(embeddings, queries, 30, faiss_from=999, values_at_once=1500)
    np.testing.assert_array_equal(found.rows, oracle(embeddings, queries, 30)[1])
    assert calls == [300, 300, 300, 100]
    eligible = np.arange(1000) % 3 == 0
    found = nearest_rows(embeddings, queries, 30, eligible=eligible, faiss_from=999, values_at_once=1500)
    np.testing.assert_array_equal(found.rows, 3 * oracle(embeddings[eligible], queries, 30)[1])


def test_the_real_faiss_agrees() -> None:
    pytest.importorskip("faiss", reason="faiss-cpu is not installed")
    embeddings, queries = points(3000, 24, unit=True), points(5, 24, seed=1, unit=True)
    found = nearest_rows(embeddings, queries, 25, faiss_from=0)
    np.testing.assert_array_equal(found.rows, oracle(embeddings, queries, 25)[1])
