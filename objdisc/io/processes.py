"""Starting worker processes from a user's script or notebook."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def main_module_left_out() -> Iterator[None]:
    """Keep processes that start within the block from running the calling script again.

    Python's spawned processes first import the script, because it may define classes. A script that calls this package
    without ``if __name__ == "__main__":`` would call it again in each of them, and all would wait. Workers of this
    package import everything they need from the package; see ``is_of_main_module`` for the rest.
    """
    main = sys.modules["__main__"]
    absent = object()
    before = {name: getattr(main, name, absent) for name in ("__file__", "__spec__")}
    for name, value in before.items():
        if value is not absent:
            setattr(main, name, None)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is not absent:
                setattr(main, name, value)


def is_of_main_module(*things: object) -> bool:
    """Whether the class of any of these is defined in the calling script, which worker processes do not see."""
    return any(type(thing).__module__ == "__main__" for thing in things)
