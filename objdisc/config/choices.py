"""A check of ``Literal`` arguments that a program gives, as a config's are checked when it is read."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, Literal, ParamSpec, get_args, get_origin, get_type_hints

from objdisc.errors import UsageError

Given = ParamSpec("Given")


def with_checked_choices(constructor: Callable[Given, None]) -> Callable[Given, None]:
    """Let a constructor refuse a value that its argument's ``Literal`` does not list.

    Args:
        constructor: An ``__init__``.

    Returns:
        The same, of the same signature; calling it raises ``UsageError`` for such a value.
    """
    signature = inspect.signature(constructor)

    @wraps(constructor)
    def checked(*args: Given.args, **kwargs: Given.kwargs) -> None:
        hints = _hints_of(constructor)
        for name, value in signature.bind(*args, **kwargs).arguments.items():
            if get_origin(hints.get(name)) is Literal and value not in get_args(hints[name]):
                listed = ", ".join(map(repr, get_args(hints[name])))
                raise UsageError(f"{type(args[0]).__name__}: {name} is {value!r}; expected one of {listed}")
        constructor(*args, **kwargs)

    return checked


def _hints_of(constructor: Callable[..., None]) -> dict[str, Any]:
    try:
        return get_type_hints(constructor)
    except NameError:  # a type that its module imports for the type checker alone
        return {}
