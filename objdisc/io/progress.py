"""A progress bar on stderr if that is a terminal; stdout holds only results."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class Advance(Protocol):
    """Moves a progress bar forward."""

    def __call__(self, steps: int, note: str = "") -> None:
        """Move forward by a number of steps, and set the note beside the bar."""


@contextmanager
def progress_bar(
    title: str, total: int, *, done: int = 0, shown: bool | None = None, transient: bool = True
) -> Iterator["Advance"]:
    """Draw a bar while a block runs.

    Args:
        title: What is being done.
        total: Steps of all.
        done: Steps that were done before.
        shown: Whether to draw it; None to draw it if stderr is a terminal.
        transient: Whether it vanishes at the end.

    Yields:
        A function that moves the bar forward by a number of steps, and sets the note beside it.
    """
    console = Console(stderr=True)
    columns = (TextColumn(title), BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    visible = (console.is_terminal if shown is None else shown) and total > 0
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=transient, disable=not visible) as bar:
        task = bar.add_task("", total=total, completed=done)

        def advance(steps: int, note: str = "") -> None:
            bar.update(task, advance=steps, description=note)

        yield advance
