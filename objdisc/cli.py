"""The console command ``objdisc``: it runs a command, and turns every failure into one line and an exit code."""

import errno
import importlib
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

from rich.console import Console
from rich.logging import RichHandler

from objdisc import __version__
from objdisc.errors import ObjdiscError

# Module (which has a function of the command's name), its options, what it does. Imported when asked for: torch takes
# seconds, --help should not
COMMANDS = {
    "discover": (
        "objdisc.commands.discover",
        "DiscoverOptions",
        "find object categories in a folder of images, end to end",
    ),
    "train": ("objdisc.commands.discover", "DiscoverOptions", "the training of discover, without maps and pictures"),
    "segment": ("objdisc.commands.segment", "SegmentOptions", "segment any folder of images with a finished run"),
    "inspect": ("objdisc.commands.inspect", "InspectOptions", "show what a folder is taken for, without any training"),
    "evaluate": (
        "objdisc.commands.evaluate",
        "EvaluateOptions",
        "score a finished run on a data set with ground truth",
    ),
    "compare": (
        "objdisc.commands.compare.command",
        "CompareOptions",
        "run several configs on one data set, and put them into one table",
    ),
    "reproduce": (
        "objdisc.commands.reproduce.command",
        "ReproduceOptions",
        "make the runs behind published figures again",
    ),
    "overclustering": (
        "objdisc.commands.supervised.overclustering",
        "OverclusteringOptions",
        "map clusters to classes with few labels",
    ),
    "probe": (
        "objdisc.commands.supervised.probe",
        "ProbeOptions",
        "train a linear classifier on each block of a run's network",
    ),
    "finetune": (
        "objdisc.commands.supervised.finetune",
        "FinetuneOptions",
        "train a run's network further with a share of the labels",
    ),
    "retrieve": (
        "objdisc.commands.retrieve",
        "RetrieveOptions",
        "find objects similar to an image, or typical of a cluster",
    ),
    "export": (
        "objdisc.commands.export",
        "ExportOptions",
        "write a run's predictions as COCO, Cityscapes, PNG, CSV or ONNX",
    ),
    "doctor": (
        "objdisc.commands.doctor",
        "DoctorOptions",
        "print versions, devices, disk and extras, to paste into a report",
    ),
    "benchmark": ("objdisc.commands.benchmark.command", "BenchmarkOptions", "measure speed and memory on this machine"),
}
EXIT_INTERRUPTED = 130

_ALIKE = {"segment", "compare", "reproduce"}  # the same command goes on
_KEEPING = {"discover", "train", *_ALIKE}  # what they have finished is of use to a second call


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: The words after ``objdisc``; those of the process where None.

    Returns:
        0 success, 1 failed on the way, 2 usage, config or data, 130 interrupted.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in {"-h", "--help"}:
        print(_overview(), file=sys.stdout if words else sys.stderr)
        return 0 if words else 2
    if words[0] == "--version":
        print(f"objdisc {__version__}")
        return 0
    if words[0] not in COMMANDS:
        return _fail(f"no command {words[0]!r}; there are {', '.join(COMMANDS)}.", 2)
    with _logging_to_stderr(), _terminate_as_interrupt():
        return _guarded(lambda: _run(words[0], words[1:]), _after_interrupt(words))


def _run(command: str, argv: Sequence[str]) -> None:
    from objdisc.pipeline.process import keep_freed_memory, let_waiting_threads_sleep

    let_waiting_threads_sleep()
    keep_freed_memory()
    from objdisc.config.parser import parse

    module_name, options_name, _ = COMMANDS[command]
    module = importlib.import_module(module_name)
    options = parse(getattr(module, options_name), argv, prog=f"objdisc {command}")
    if text := getattr(module, command)(options).summary():
        print(text)
    sys.stdout.flush()


def _after_interrupt(words: Sequence[str]) -> str:
    """Say what an interrupted command leaves, and how to continue it."""
    if words[0] not in _KEEPING:
        return "interrupted; existing files are unchanged."
    if words[0] in _ALIKE or "--overwrite" in words:
        return "interrupted; what was finished is kept, and the same command continues."
    return "interrupted; what was finished is kept, and --resume RUN continues."


def _guarded(job: Callable[[], None], interrupted: str = "interrupted.") -> int:
    """Run a command; a mistake in paths, config, data or disk gives the user one line instead of a traceback."""
    try:
        job()
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 0
    except KeyboardInterrupt:
        return _fail(interrupted, EXIT_INTERRUPTED)
    except BrokenPipeError:
        # The reader of stdout has left; without this, the interpreter would complain again on its way out
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (ObjdiscError, OSError) as error:
        if os.environ.get("OBJDISC_DEBUG") == "1":
            raise
        return _fail(_describe(error), error.exit_code if isinstance(error, ObjdiscError) else 1)
    return 0


def _describe(error: ObjdiscError | OSError) -> str:
    if isinstance(error, ObjdiscError):
        return " ".join(str(error).split())
    if error.errno == errno.ENOSPC:
        return f"{error.filename or 'a file'}: no space left on the disk; free some, or give another --output-dir."
    return f"{error.filename}: {error.strerror}." if error.filename else f"{error}."


def _fail(message: str, code: int) -> int:
    print(f"objdisc: {'' if code == EXIT_INTERRUPTED else 'error: '}{message}", file=sys.stderr)
    return code


def _overview() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}}  {text}" for name, (_, _, text) in COMMANDS.items()]
    return "\n".join(
        [
            "usage: objdisc COMMAND [PATH] [--flag VALUE ...]",
            "",
            *lines,
            "",
            "objdisc COMMAND --help lists its settings; objdisc --version tells the version.",
        ]
    )


@contextmanager
def _logging_to_stderr() -> Iterator[None]:
    """Send the package's log to stderr while a command runs, so that stdout holds results alone."""
    logger = logging.getLogger("objdisc")
    handler: logging.Handler
    if sys.stderr.isatty():
        handler = RichHandler(console=Console(stderr=True), show_time=False, show_path=False)
    else:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("objdisc: %(levelname)s: %(message)s"))
    logger.addHandler(handler)
    level = logger.level
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


@contextmanager
def _terminate_as_interrupt() -> Iterator[None]:
    """Treat SIGTERM as Ctrl-C: clean-up code runs, and the exit code says interrupted."""
    owner = os.getpid()

    def interrupt(number: int, frame: FrameType | None) -> Any:
        if os.getpid() != owner:  # a worker that was forked with this handler
            os._exit(128 + number)
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, interrupt)
    except ValueError:  # not the main thread, where a program that embeds the package may run it
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
