"""Pictures in a page: each once, the important ones first, never more than the budget."""

import base64
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from objdisc.errors import UnreadableImageError
from objdisc.report.embedding import THUMBNAIL, Budget, embed_frames, embed_patches, jpeg_uri


@pytest.fixture
def images() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (30, 64, 64, 4), np.uint8)


def _decoded(uri: str) -> NDArray[np.uint8]:
    stored = np.frombuffer(base64.b64decode(uri.removeprefix("data:image/jpeg;base64,")), np.uint8)
    picture = cv2.imdecode(stored, cv2.IMREAD_COLOR_RGB)
    assert picture is not None
    return np.asarray(picture, np.uint8)


def test_a_data_uri_is_the_picture() -> None:
    picture = np.zeros((40, 60, 3), np.uint8)
    picture[:, :30] = (200, 40, 90)
    assert np.abs(_decoded(jpeg_uri(picture, 95)).astype(int) - picture).mean() < 3


def test_walls_fill_evenly_until_the_budget_ends(images: NDArray[np.uint8]) -> None:
    walls = [list(range(12)), [5, 6], [], list(range(12, 30))]
    everything = embed_patches(walls, images, Budget(10**9), at_most=10)
    assert [[row for row, _ in wall] for wall in everything] == [walls[0][:10], [5, 6], [], walls[3][:10]]
    assert _decoded(everything[0][0][1]).shape == (THUMBNAIL, THUMBNAIL, 3)
    budget = Budget(sum(len(uri) for wall in everything for _, uri in wall) // 2)
    some = embed_patches(walls, images, budget, at_most=10)
    lengths = [len(wall) for wall in some]
    assert 0 <= lengths[0] - lengths[3] <= 1
    assert 0 < lengths[0] < 10
    assert lengths[1:3] == [2, 0]
    assert budget.left >= 0


def test_frames_are_embedded_once_until_the_budget_ends() -> None:
    read = []

    def frame(name: str) -> NDArray[np.uint8]:
        read.append(name)
        if name == "gone":
            raise UnreadableImageError(Path(name), "missing")
        return np.full((900, 1800, 3), int(name) * 20, np.uint8)

    names = ["3", "gone", "1", "3", "3", "2", "1", "gone", "4", "5"]
    embedded, missing = embed_frames(names, frame, Budget(10**9), at_most=5)
    assert list(embedded) == ["3", "1", "2", "4"]
    assert read == ["3", "gone", "1", "2", "4"]
    assert [error.path for error in missing] == [Path("gone")]
    assert _decoded(embedded["3"]).shape == (360, 720, 3)
    few, _ = embed_frames(names, frame, Budget(2 * len(embedded["3"]) + 100), at_most=5)
    assert list(few) == ["3", "1"]


def test_small_frames_keep_their_size() -> None:
    embedded, _ = embed_frames(["a"], lambda _: np.zeros((32, 32, 3), np.uint8), Budget(10**9), at_most=1)
    assert _decoded(embedded["a"]).shape == (32, 32, 3)
