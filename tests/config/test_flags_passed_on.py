"""Flags of another command are taken and passed on to it."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from objdisc.config.components import passed_on, positional
from objdisc.config.parser import parse
from objdisc.errors import UsageError

from ..support.job import Job, job, write


@dataclass(frozen=True)
class Series:
    """Do the job several times.

    Attributes:
        places: Where.
        seeds: How random.
        quick: Whether to hurry.
        flags: Flags of the job.
    """

    places: tuple[Path, ...] = positional(several="PLACE...")
    seeds: tuple[int, ...] = (0,)
    quick: bool = False
    flags: tuple[str, ...] = passed_on(Job)


def series(*argv: str) -> Series:
    return parse(Series, argv, prog="objdisc series")


def test_flags_of_another_command_are_kept_as_they_are_for_it() -> None:
    """A switch of the job takes no word that follows it; what the job understands, it still does."""
    options = series("a", "--batch-size", "7", "--baseline", "b", "--quick", "--no-baseline", "c", "--shape.count=5")
    assert options.places == (Path("a"), Path("b"), Path("c"))
    assert options.quick
    assert options.flags == ("--batch_size=7", "--baseline=true", "--baseline=false", "--shape.count=5")
    passed = job(*options.flags)
    assert (passed.steps.batch_size, passed.baseline, passed.shape.init_args["count"]) == (7, False, 5)


def test_several_positionals_want_one_at_least(capsys: pytest.CaptureFixture[str]) -> None:
    assert series("a", "--seeds", "1,2").seeds == (1, 2)
    with pytest.raises(UsageError, match="places"):
        series("--quick")
    with pytest.raises(SystemExit):
        series("--help")
    assert "usage: objdisc series PLACE... [--flag VALUE ...]" in capsys.readouterr().out


def test_no_flag_of_another_command_is_the_defaults(tmp_path: Path) -> None:
    assert series("a") == Series((Path("a"),))
    file = write(tmp_path / "a.yaml", seeds=[4, 5], places=["b", "c"])
    assert series("--config", file) == Series((Path("b"), Path("c")), seeds=(4, 5))
