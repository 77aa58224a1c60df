"""A program that gives an argument no word that it takes is told so, as a config is."""

import inspect
from typing import Any, Literal

import pytest

from objdisc.config.choices import with_checked_choices
from objdisc.errors import UsageError

Color = Literal["red", "green"]


class Ball:
    @with_checked_choices
    def __init__(self, size: int, color: Color = "red", *, bounces: Literal[1, 2] | None = None) -> None:
        """Take what is given."""
        self.given = size, color, bounces


@pytest.mark.parametrize("arguments", [{"color": "blue"}, {"color": ["red"]}, {"color": None}])
def test_a_value_that_is_not_listed_is_refused(arguments: dict[str, Any]) -> None:
    said = rf"^Ball: color is {arguments['color']!r}; expected one of 'red', 'green'$"
    with pytest.raises(UsageError, match=said.replace("[", r"\[").replace("]", r"\]")):
        Ball(3, **arguments)


def test_by_place_too() -> None:
    colors: list[Any] = ["green", "blue"]
    assert Ball(3, colors[0]).given == (3, "green", None)
    with pytest.raises(UsageError, match="color is 'blue'"):
        Ball(3, colors[1])


def test_all_else_is_left_to_the_constructor() -> None:
    sizes: list[Any] = ["large"]  # which the type checker would not let pass
    large: Any = Ball(sizes[0], bounces=2)
    assert large.given == ("large", "red", 2)
    with pytest.raises(TypeError, match="missing a required argument: 'size'"):
        Ball()  # type: ignore[call-arg]
    assert list(inspect.signature(Ball).parameters) == ["size", "color", "bounces"]
