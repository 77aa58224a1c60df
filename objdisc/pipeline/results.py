"""Folders of what commands make of a finished run."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from objdisc.frozen import FrozenRun, weights_name
from objdisc.io.claims import claimed
from objdisc.io.marks import Mark
from objdisc.run import Run


@contextmanager
def result_folder(
    command: str, frozen: FrozenRun, named: Path | None, usual: Path, *, data: Path | None = None, subject: str = ""
) -> Iterator[Path]:
    """Hold the folder of a command's results, as ``io.claims.claimed`` says.

    Args:
        command: Its name.
        frozen: The run that they are of.
        named: The folder that was asked for; None for the usual one.
        usual: The folder where none is asked for.
        data: Folder of the images.
        subject: What is asked for; see ``io.marks.Mark``.

    Yields:
        The folder.

    Raises:
        UsageError: It holds anything else, cannot be written, or another process writes to it.
    """
    run = frozen.run.path
    mark = Mark.now(command, data=data, subject=subject, run=run, weights=weights_name(frozen.run))
    inside = named is None and usual.is_relative_to(run)
    unmarked = inside and Mark.read(run) is None
    with claimed(named or usual, mark, other_weights=inside, unmarked=unmarked) as folder:
        yield folder


def beside(run: Run, command: str) -> Path:
    """Return the folder ``RUN_COMMAND`` beside a run."""
    path = run.path if run.path.name not in {"", ".."} else run.path.resolve()
    return path.with_name(f"{path.name}_{command}")
