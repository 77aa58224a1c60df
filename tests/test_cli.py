"""The command line: exit codes, one line for every mistake, results on stdout and nothing else there."""

import errno
import os
import runpy
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from objdisc import __version__
from objdisc.cli import COMMANDS, main
from objdisc.errors import ObjdiscError, UnreadableImageError, UsageError
from objdisc.io.files import write_image


def run(*argv: str | Path) -> int:
    return main([str(word) for word in argv])


def one_error_line(capsys: pytest.CaptureFixture[str]) -> str:
    out, err = capsys.readouterr()
    lines = [line for line in err.splitlines() if line.startswith("objdisc: error: ")]
    assert out == ""
    assert len(lines) == 1
    assert err.splitlines()[-1] == lines[0]
    assert "Traceback" not in err
    return lines[0]


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"objdisc {__version__}\n"


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert [command for command in COMMANDS if f"  {command} " not in text] == []


def test_nothing_asked_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage: objdisc" in capsys.readouterr().err


def test_unknown_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["discovr"]) == 2
    assert "no command 'discovr'; there are discover" in one_error_line(capsys)


@pytest.mark.parametrize("command", ["discover", "train", "segment", "evaluate"])
def test_help_of_every_command_explains_its_settings(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command, "--help") == 0
    text = " ".join(capsys.readouterr().out.split())
    assert f"usage: objdisc {command}" in text
    assert "--output-dir" in text
    assert "--batch-size" in text


def test_discover_spells_its_flags_as_torchvision_does(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("discover", "--help") == 0
    text = capsys.readouterr().out
    flags = "device batch-size epochs workers lr output-dir resume config seed num-clusters objectness weights baseline"
    for flag in [*flags.split(), "split", "encoder", "strict", "method"]:
        assert f"--{flag} " in text


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["nowhere"], "nowhere: no such folder"),
        (["empty"], "no image"),
        (["city", "--split", "tset"], "tset"),
        (["city", "--num-clusters", "1"], "--num-clusters 1: at least 2"),
        (["city", "--num-clusters", "two"], "num_clusters: expected int or 'auto', got 'two'."),
        (["city", "--epoch", "3"], "unknown setting 'epoch'; did you mean epochs?"),
        (["city", "--objectness", "magic"], "no ObjectnessSource is called 'magic'"),
        (["city", "--method", "magic"], "no Method is called 'magic'"),
        (["city", "--method.help", "DenseIIC"], "did you mean iic_dense?"),
        (
            ["city", "--method", "simclr", "--method.restart", "2"],
            "mean method.restarts? See objdisc discover --method.h",
        ),
        (
            ["city", "--method.init", "x"],
            "init: expected one of 'ward', 'kmeans', 'kmeans++', 'random', got 'x'",
        ),
        (["city", "--encoder", "magic"], "--encoder magic"),
        (["city", "--weights", "magic.pth"], "magic.pth: no such file"),
        (["city", "--objectness", "folder", "--objectness.masks", "nowhere"], "nowhere: no such folder of masks"),
        (["city", "--config", "magic.yaml"], "magic.yaml: the config cannot be read"),
        (["city", "--resume", "nowhere"], "--resume nowhere: no run there"),
        (["city", "--num-clusters", "5000"], "too few for 5000 clusters"),
        (["city", "--patches.min-area", "900000"], "lower --patches.min-area"),
    ],
)
def test_usage_errors_of_discover(
    argv: list[str],
    message: str,
    toy_city: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "city").symlink_to(toy_city)
    (tmp_path / "empty").mkdir()
    assert run("discover", *argv, "--workers", "0") == 2
    assert message in one_error_line(capsys)


def test_evaluate_needs_a_finished_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("evaluate", tmp_path / "runs/none") == 2
    assert "none: no such folder; give the folder of a run" in one_error_line(capsys)
    assert run("segment", tmp_path, tmp_path) == 2
    assert "not a run" in one_error_line(capsys)


def test_mask_of_another_size_stops_when_strict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_image(tmp_path / "images/a b.png", np.zeros((40, 60, 3), np.uint8))
    write_image(tmp_path / "masks/a b.png", np.ones((40, 61), np.uint8))
    folder = ("--objectness", "folder", "--objectness.masks", "masks", "--strict", "--workers", "0")
    assert run("discover", "images", *folder) in {1, 2}
    assert "masks/a b.png: 61x40 pixels" in one_error_line(capsys)


def failing(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    def job(options: object) -> None:
        raise error

    monkeypatch.setitem(sys.modules, "job", SimpleNamespace(fail=job, Options=object))
    monkeypatch.setattr("objdisc.config.parser.parse", lambda *args, **kwargs: None)
    monkeypatch.setitem(COMMANDS, "fail", ("job", "Options", ""))


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (ObjdiscError("two\nlines"), 1, "objdisc: error: two lines"),
        (UsageError("no such thing"), 2, "objdisc: error: no such thing"),
        (UnreadableImageError(Path("a.png"), "truncated"), 1, "objdisc: error: a.png: truncated"),
        (OSError(errno.ENOSPC, "No space", "big.npy"), 1, "objdisc: error: big.npy: no space left on the disk"),
        (PermissionError(errno.EACCES, "Permission denied", "x"), 1, "objdisc: error: x: Permission denied."),
        (KeyboardInterrupt(), 130, "objdisc: interrupted"),
    ],
)
def test_failures_become_a_line_and_a_code(
    error: BaseException,
    code: int,
    line: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    failing(error, monkeypatch)
    assert main(["fail"]) == code
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith(line)


def test_debugging_shows_the_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    failing(ObjdiscError("wrong"), monkeypatch)
    monkeypatch.setenv("OBJDISC_DEBUG", "1")
    with pytest.raises(ObjdiscError, match="wrong"):
        main(["fail"])


def test_a_mistake_of_the_program_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    failing(ZeroDivisionError(), monkeypatch)
    with pytest.raises(ZeroDivisionError):
        main(["fail"])


def test_a_reader_that_leaves_is_no_error() -> None:
    script = "import sys; from objdisc.cli import _guarded; sys.exit(_guarded(lambda: print('x' * 10**7, flush=True)))"
    writer = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert writer.stdout is not None
    assert writer.stderr is not None
    writer.stdout.read(1)
    writer.stdout.close()
    assert writer.stderr.read() == b""
    assert writer.wait(timeout=60) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_killed_command_says_interrupted(number: signal.Signals, tmp_path: Path) -> None:
    script = (
        "import sys, time, types; from objdisc import cli; from objdisc.config import parser\n"
        "def job(options): print('ready', flush=True); time.sleep(60)\n"
        "sys.modules['job'] = types.SimpleNamespace(job=job, Options=object)\n"
        "parser.parse = lambda *a, **k: None\n"
        "cli.COMMANDS['job'] = ('job', 'Options', '')\n"
        "sys.exit(cli.main(['job']))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # what runs in the background of a shell inherits that Ctrl-C is ignored
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    os.kill(process.pid, number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.startswith(b"objdisc: interrupted")


@pytest.mark.parametrize("tool", ["discover", "train", "segment", "evaluate", "retrieve"])
def test_tools_are_the_command(tool: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    shim = Path(__file__).parents[1] / "tools" / f"{tool}.py"
    monkeypatch.setattr(sys, "argv", [str(shim), "--nonsense", "1"])
    with pytest.raises(SystemExit) as left:
        runpy.run_path(str(shim), run_name="__main__")
    assert left.value.code == 2
    assert capsys.readouterr().err.startswith("objdisc: error: ")
