"""The confusion matrix as a picture: the stronger a cell, the larger its share, and agreement is a diagonal."""

import numpy as np
import pytest

from objdisc.render.confusion_matrix import confusion_picture


def darkness(picture: np.ndarray, classes: int, clusters: int) -> np.ndarray:
    """Read the corner of each cell, where no digit stands; cells end 14 pixels before the border."""
    side = 46
    bottom = picture.shape[0] - 14
    filled = (picture != 255).any(axis=2)
    left = int(np.flatnonzero(filled[bottom - side * classes + 1])[0]) if filled.any() else 0
    return np.array(
        [
            [
                765 - int(picture[bottom - side * (classes - row) + 2, left + side * column + 2].astype(int).sum())
                for column in range(clusters)
            ]
            for row in range(classes)
        ]
    )


def test_clusters_stand_in_the_order_of_their_classes() -> None:
    counts = {"cat": [1, 9, 0], "dog": [0, 1, 9], "eel": [10, 0, 0]}
    picture = confusion_picture(counts, ["eel", "cat", "dog"])
    shades = darkness(picture, 3, 3)
    assert (shades.argmax(axis=1) == [0, 1, 2]).all()
    assert shades[2, 2] > shades[0, 0] > shades[0, 2] > shades[0, 1] == 0


def test_a_picture_takes_any_number_of_clusters_and_names_of_any_length() -> None:
    counts = {"x" * 90: [3] * 30, "空": [0] * 30}
    picture = confusion_picture(counts, ["空", *[None] * 29])
    assert picture.shape[1] > 30 * 46
    assert picture.dtype == np.uint8


@pytest.mark.parametrize("clusters", [2, 5])
def test_a_class_without_patches_is_no_error(clusters: int) -> None:
    empty = confusion_picture({"cat": [0] * clusters}, [None] * clusters)
    full = confusion_picture({"cat": [1] * clusters}, [None] * clusters)
    assert empty.shape == full.shape
    assert (empty != full).any()
