"""Normalised cuts: against scipy's dense solver of the weights as they are written, and cuts that are counted."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import eigh

from objdisc.clustering.normalized_cut import WEAK, SimilarityGraph
from objdisc.commands.benchmark.spectral import generated_features


def weights_of(features: NDArray[np.float32], threshold: float) -> NDArray[np.float64]:
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    return np.where(unit @ unit.T >= threshold, 1.0, WEAK).astype(np.float64)


def test_the_graph_is_the_thresholded_cosine() -> None:
    features = generated_features(36)  # more than one block of rows
    graph = SimilarityGraph.of_features(features, 0.3)
    expected = weights_of(features, 0.3)
    assert (np.where(graph.similar.toarray() > 0, 1, WEAK) == expected).mean() > 0.9999  # rounding at the threshold
    assert (graph.similar != graph.similar.T).nnz == 0
    np.testing.assert_allclose(graph.degrees(), expected.sum(axis=1), rtol=1e-3)


def test_points_without_length_are_similar_to_themselves_alone() -> None:
    graph = SimilarityGraph.of_features(np.array([[0, 0], [1, 0], [2, 0], [0, 0]], np.float32), 0.0)
    assert graph.similar.toarray().tolist() == [[1, 0, 0, 0], [0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 1]]


@pytest.mark.parametrize("side", [4, 12, 24])
def test_it_is_the_second_eigenvector_of_a_dense_solver(side: int) -> None:
    features = generated_features(side)
    weights = weights_of(features, 0.3)
    degrees = np.diag(weights.sum(axis=1))
    values, vectors = eigh(degrees - weights, degrees)
    found = SimilarityGraph.of_features(features, 0.3).second_eigenvector()
    assert found @ degrees @ found == pytest.approx(1, rel=1e-3)
    assert found @ (degrees - weights) @ found == pytest.approx(values[1], rel=1e-3)
    if values[2] - values[1] > 1e-3:  # else any mixture of both solves it
        expected = vectors[:, 1] * np.sign(vectors[:, 1] @ degrees @ found)
        np.testing.assert_allclose(found, expected, atol=1e-3 * np.abs(expected).max())


def test_the_split_is_the_smallest_of_all_cuts_between_neighbours_in_the_order() -> None:
    rng = np.random.default_rng(1)
    similar = sparse.csr_matrix(np.maximum(near := rng.random((40, 40)) < 0.1, near.T) | np.eye(40, dtype=bool))
    graph = SimilarityGraph(similar.astype(np.float32))
    weights, values = np.where(graph.similar.toarray() > 0, 1.0, WEAK), rng.random(40)
    cuts = {}
    for threshold in np.sort(values)[:-1].tolist():
        above = values > threshold
        cut = weights[above][:, ~above].sum()
        cuts[threshold] = cut / weights[above].sum() + cut / weights[~above].sum()
    best = min(cuts, key=lambda threshold: cuts[threshold])
    assert graph.split(values).tolist() == (values > best).tolist()


def test_closedness_is_the_share_of_similar_pairs_that_stay_inside() -> None:
    graph = SimilarityGraph.of_features(generated_features(10), 0.3)
    members, dense = np.arange(20, 50), graph.similar.toarray()
    assert graph.closedness(members) == pytest.approx(dense[20:50, 20:50].sum() / dense[20:50].sum())
    assert graph.closedness(np.arange(100)) == 1
    assert (graph.part(members).similar.toarray() == dense[20:50, 20:50]).all()
