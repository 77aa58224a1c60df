"""Agglomeration of parts that touch, against scipy's Ward linkage and scikit-learn's with a graph of neighbours."""

import itertools

import numpy as np
import pytest
from scipy.cluster.hierarchy import linkage
from scipy.sparse import coo_matrix
from sklearn.cluster import ward_tree

from objdisc.clustering.adjacent import MergeTree, merge_adjacent


def held_by(children: list[tuple[int, int]], leaves: int) -> list[frozenset[int]]:
    held = [frozenset({leaf}) for leaf in range(leaves)]
    for one, other in children:
        held.append(held[one] | held[other])
    return held


def nodes_of(tree: MergeTree) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(row).tolist()) for row in tree.members()}


def grid_pairs(height: int, width: int) -> np.ndarray:
    numbers = np.arange(height * width).reshape(height, width)
    beside = [numbers[:, :-1].ravel(), numbers[:, 1:].ravel()]
    below = [numbers[:-1].ravel(), numbers[1:].ravel()]
    return np.concatenate([np.stack(beside, axis=1), np.stack(below, axis=1)])


def test_where_all_touch_it_is_wards_linkage() -> None:
    points = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    pairs = np.array(list(itertools.combinations(range(20), 2)))
    tree = merge_adjacent(points, np.full(20, 7.0), pairs, np.ones(len(pairs)), np.zeros(len(pairs)))
    expected = linkage(points.astype(np.float64), "ward")
    assert nodes_of(tree) == set(held_by([(int(one), int(other)) for one, other in expected[:, :2]], 20))
    # scipy's height is the root of twice the growth of the sum of squares
    np.testing.assert_allclose(tree.formed[20:], expected[:, 2] ** 2 / 2, rtol=1e-4)


def test_on_a_grid_it_is_scikit_learns_ward_tree() -> None:
    points = np.random.default_rng(1).normal(size=(30, 4)).astype(np.float32)
    pairs = grid_pairs(5, 6)
    tree = merge_adjacent(points, np.ones(30), pairs, np.ones(len(pairs)), np.zeros(len(pairs)))
    graph = coo_matrix((np.ones(len(pairs)), pairs.T), (30, 30))
    children = ward_tree(points.astype(np.float64), connectivity=graph + graph.T)[0]
    assert nodes_of(tree) == set(held_by([(int(one), int(other)) for one, other in children], 30))


def test_levels_rise_from_leaf_to_root() -> None:
    points = np.random.default_rng(2).normal(size=(30, 4)).astype(np.float32)
    pairs = grid_pairs(5, 6)
    tree = merge_adjacent(points, np.ones(30), pairs, np.ones(len(pairs)), np.zeros(len(pairs)))
    assert (tree.formed <= tree.joined).all()
    assert tree.joined[-1] == tree.formed[-1] == tree.formed.max()
    for node, parts in enumerate(tree.children.tolist(), start=30):
        assert (tree.joined[parts] == tree.formed[node]).all()


def test_a_penalty_along_a_border_keeps_it_and_borders_add_up_by_length() -> None:
    points = np.zeros((4, 1), np.float32)  # in a row: 0 1 | 2 3, and 0 and 3 touch along a short strong edge
    pairs = np.array([[0, 1], [0, 3], [1, 2], [2, 3]])
    tree = merge_adjacent(points, np.ones(4), pairs, np.array([5, 1, 3, 5]), np.array([1, 8, 4, 1.0]))
    assert tree.children.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert tree.formed[-1] == pytest.approx((1 * 8 + 3 * 4) / 4 * (2 * 2 / 4))


def test_parts_that_nothing_joins_stay_trees_of_their_own() -> None:
    pairs = np.array([[0, 1]])
    tree = merge_adjacent(np.zeros((3, 1), np.float32), np.ones(3), pairs, np.ones(1), np.ones(1))
    assert tree.members().tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]]
    assert merge_adjacent(np.zeros((1, 1), np.float32), np.ones(1), pairs[:0], np.ones(0), np.ones(0)).formed == [0]
