"""``run.json``: the mark of a folder that this program writes, which says where its contents come from."""

import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Self

from objdisc import __version__
from objdisc.errors import UsageError
from objdisc.io.files import read_json, write_json

FORMAT_VERSION = 1
FILE = "run.json"

_PACKAGE = Path(__file__).parents[1]
_LIBRARIES = ("torch", "numpy")
_CODE = ("--", ".", ":(top)configs")  # what decides what a command does, as git is to be asked for it
_TEXTS = ("data", "subject", "run", "weights", "date", "host", "commit", "images")


@dataclass(frozen=True)
class Mark:
    """Which command a folder belongs to, and how the command was started.

    Attributes:
        command: Name of the command, such as ``segment``.
        argv: The command line.
        data: Folder of the images, absolute; None where a command reads none.
        images: Fingerprint of the images, which tells whether they are the same in another folder.
        subject: What was asked for, such as a split or a query, if a command can give several results for one run and
            images.
        run: Folder of the run that gave the results, absolute; None for a run itself.
        weights: Hash of that run's weights, which identifies it wherever it lies; None for a run itself.
        date: Start, in ISO 8601 with time zone.
        host: Name of the machine.
        commit: Commit of the checkout that the package was imported from; None if there is no checkout.
        versions: Versions of objdisc, Python, torch and numpy.
    """

    command: str
    argv: tuple[str, ...] = ()
    data: str | None = None
    images: str = ""
    subject: str = ""
    run: str | None = None
    weights: str | None = None
    date: str = ""
    host: str = ""
    commit: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def now(
        cls,
        command: str,
        *,
        data: Path | None = None,
        images: str = "",
        subject: str = "",
        run: Path | None = None,
        weights: str | None = None,
    ) -> Self:
        """Make the mark of a command that starts now.

        Args:
            command: Its name.
            data: Folder of the images.
            images: Their fingerprint.
            subject: What is asked for.
            run: Folder of the run that gives the results.
            weights: Hash of that run's weights.
        """
        return cls(
            command=command,
            argv=(Path(sys.argv[0]).name, *sys.argv[1:]),
            data=None if data is None else str(data.resolve()),
            images=images,
            subject=subject,
            run=None if run is None else str(run.resolve()),
            weights=weights,
            date=datetime.now(UTC).astimezone().isoformat(timespec="seconds"),
            host=socket.gethostname(),
            commit=current_commit(),
            versions={"objdisc": __version__, "python": ".".join(map(str, sys.version_info[:3])), **_versions()},
        )

    def write(self, folder: Path) -> None:
        """Write ``run.json`` into a folder."""
        write_json(folder / FILE, {"format": FORMAT_VERSION, **asdict(self)})

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """Read the mark of a folder; None where it bears none.

        Raises:
            UsageError: ``run.json`` is damaged, of another program, or of a later version.
        """
        path = folder / FILE
        if not path.is_file():
            return None
        values = read_json(path)
        if not isinstance(values.get("format"), int) or not isinstance(values.get("command"), str):
            raise UsageError(f"{path}: not written by objdisc; give another folder, or move the file away.")
        if values["format"] > FORMAT_VERSION:
            raise UsageError(
                f"{path}: format {values['format']}, this objdisc reads up to {FORMAT_VERSION}; use a later version."
            )
        known: dict[str, Any] = {name: values[name] for name in cls.__dataclass_fields__ if name in values}
        if not isinstance(known.get("argv", []), list) or not all(_is_text(known.get(name)) for name in _TEXTS):
            raise UsageError(f"{path}: damaged; give another folder, or move the file away.")
        return cls(**{**known, "argv": tuple(known.get("argv", ()))})


def is_marked(folder: Path) -> bool:
    """Whether a folder bears a mark that can be read."""
    try:
        return Mark.read(folder) is not None
    except UsageError:
        return False


def _is_text(value: object) -> bool:
    return value is None or isinstance(value, str)


def _versions() -> dict[str, str]:
    """Read versions from the installed packages, not from the modules: importing torch takes seconds."""
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def current_commit() -> str | None:
    """Return the commit of the checkout that the package lies in.

    ``-dirty`` is added where tracked files of the package, or the configs beside it, differ from that commit.
    """
    git = ["git", "-C", str(_PACKAGE)]
    try:
        # A package installed below some other checkout is not tracked there
        subprocess.run([*git, "ls-files", "--error-unmatch", "__init__.py"], check=True, capture_output=True)
        said = [
            subprocess.run([*git, *words], check=True, capture_output=True, text=True).stdout.strip()
            for words in (["rev-parse", "HEAD"], ["status", "--porcelain", "--untracked-files=no", *_CODE])
        ]
    except (OSError, subprocess.CalledProcessError):
        return None
    return f"{said[0]}{'-dirty' * bool(said[1])}" or None
