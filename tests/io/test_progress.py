"""A bar goes to stderr, and only where somebody looks."""

import pytest

from objdisc.io.progress import progress_bar


@pytest.mark.parametrize(
    ("shown", "total", "drawn"), [(True, 3, True), (None, 3, False), (False, 3, False), (True, 0, False)]
)
def test_a_bar_is_drawn_where_it_is_wanted(
    capsys: pytest.CaptureFixture[str], shown: bool | None, total: int, drawn: bool
) -> None:
    with progress_bar("cutting patches", total, shown=shown, transient=False) as advance:
        advance(2, "loss 0.5")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert ("cutting patches" in captured.err) == drawn
    assert ("2/3" in captured.err) == drawn
