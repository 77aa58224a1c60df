"""A figure over seeds as tables show it."""

from objdisc.pipeline.seeds import Spread


def test_mean_and_range_of_what_there_is() -> None:
    spread = Spread.of([0.5, None, 0.25])
    assert spread == Spread(0.375, 0.25, 0.5)
    assert spread.text(2) == "0.38 (0.25–0.50)"


def test_the_spread_of_no_run_is_nothing_and_of_one_the_number() -> None:
    assert Spread.of([]) is None
    assert Spread.of([None]) is None
    one = Spread.of([0.25])
    assert one is not None
    assert one.text(3) == "0.250"
