"""Starting worker processes from a script or notebook of somebody else's."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def main_module_left_out() -> Iterator[None]:
    """Within the block, a process that starts does not run the calling script again.

    Python's spawned processes import the script first, for the sake of classes that it defines. A script that calls
    this package without ``if __name__ == "__main__":`` would call it again in each of them, and all would wait.
    What workers of this package need is imported by name from the package; see ``is_of_main_module`` for the rest.
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
