"""Text in pictures."""

import numpy as np
import pytest

from objdisc.imaging.text import put_text, shorten, text_width


def _drawn(text: str) -> np.ndarray:
    canvas = np.full((40, 200, 3), 255, np.uint8)
    put_text(canvas, text, 5, 20, 24, (0, 0, 0))
    return canvas


@pytest.mark.parametrize("letter", ["ß", "é", "ł", "ж", "人", "–"])
def test_letters_beyond_ascii_have_a_shape_of_their_own(letter: str) -> None:
    assert _drawn(letter).min() < 100
    assert not np.array_equal(_drawn(letter), _drawn("\uffff"))  # a code point that no font draws
    assert not np.array_equal(_drawn(letter), _drawn("?"))


def test_width_is_what_is_drawn_and_grows_with_height() -> None:
    columns = np.flatnonzero((_drawn("bicycle") < 200).any(axis=(0, 2)))
    assert abs((np.ptp(columns) + 1) - text_width("bicycle", 24)) <= 4
    assert text_width("bicycle", 48) == pytest.approx(2 * text_width("bicycle", 24), rel=0.06)


def test_text_is_centred_on_its_middle() -> None:
    rows = np.flatnonzero((_drawn("H") < 128).any(axis=(1, 2)))
    assert abs((rows.min() + rows.max()) / 2 - 20) <= 1.5


def test_shorten_cuts_only_what_does_not_fit() -> None:
    assert shorten("bus", 20, 200) == "bus"
    cut = shorten("Straßenbahnhaltestelle", 20, 100)
    assert cut.endswith("…")
    assert "Straßenbahnhaltestelle".startswith(cut[:-1])
    assert 60 < text_width(cut, 20) <= 100
