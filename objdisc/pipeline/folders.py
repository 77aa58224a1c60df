"""Folders for the results of commands on a finished run."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from objdisc.datasets import ImageDataset
from objdisc.errors import UsageError
from objdisc.io.claims import claimed
from objdisc.io.marks import Mark
from objdisc.io.paths import is_inside
from objdisc.io.run import Run
from objdisc.pipeline.images import fingerprint
from objdisc.pipeline.loading import LoadedRun, weights_name


@contextmanager
def result_folder(
    command: str,
    loaded: LoadedRun,
    named: Path | None,
    usual: Path,
    *,
    dataset: ImageDataset | None = None,
    subject: str = "",
) -> Iterator[Path]:
    """Hold the folder of a command's results, as ``io.claims.claimed`` does.

    Args:
        command: Its name.
        loaded: The run that the results belong to.
        named: The folder that the user named; None for the usual one.
        usual: The folder if none is named.
        dataset: The images; None if none are read.
        subject: What is asked for; see ``io.marks.Mark``.

    Yields:
        The folder.

    Raises:
        UsageError: It holds anything else, cannot be written, or another process writes to it.
    """
    run = loaded.run.path
    inside = named is None and usual.is_relative_to(run)
    if inside and not is_inside(usual / "results", run):
        raise UsageError(f"{usual}: lies behind a link that leads out of {run}; give another --output-dir.")
    data, images = (None, "") if dataset is None else (dataset.root, fingerprint(dataset))
    weights = weights_name(loaded.run)
    mark = Mark.now(command, data=data, images=images, subject=subject, run=run, weights=weights)
    with claimed(named or usual, mark, other_weights=inside) as folder:
        yield folder


def beside(run: Run, command: str) -> Path:
    """Return the folder ``RUN_COMMAND`` beside a run."""
    path = run.path if run.path.name not in {"", ".."} else run.path.resolve()
    return path.with_name(f"{path.name}_{command}")
