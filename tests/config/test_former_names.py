"""Settings under a former name are read as those of today, and said."""

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest

from objdisc.config.components import flat
from objdisc.config.parser import parse
from objdisc.errors import UsageError

from ..support.job import Cut, Steps, write


@dataclass(frozen=True)
class Renamed:
    """Do the job under new names.

    Attributes:
        cutting: How it is cut.
        steps: How it is trained.
        quick: Whether to hurry.
    """

    renamed: ClassVar[dict[str, str]] = {"cut": "cutting", "old.rate": "lr", "old.hurry": "quick"}

    cutting: Cut = field(default_factory=Cut)
    steps: Steps = flat(Steps)
    quick: bool = False


@pytest.mark.parametrize(
    ("values", "argv", "notices"),
    [
        ({"cut": {"size": 3}}, [], ["--cut is now called --cutting"]),
        ({"cut.size": 3}, [], ["--cut is now called --cutting"]),
        ({}, ["--cut.size", "3"], ["--cut is now called --cutting"]),
        ({}, ["--cut={size: 3}"], ["--cut is now called --cutting"]),
        ({"cutting": {"size": 3}}, [], []),
    ],
)
def test_a_former_name_is_read_as_the_name_of_today(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, values: dict[str, Any], argv: list[str], notices: list[str]
) -> None:
    caplog.set_level(logging.WARNING, "objdisc")
    file = write(tmp_path / "a.yaml", **values)
    assert parse(Renamed, ["--config", file, *argv], "objdisc renamed") == Renamed(cutting=Cut(3))
    assert [line.removeprefix(f"{file}: ") for line in caplog.messages] == notices


def test_a_former_section_may_have_gone_to_several_places(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = write(tmp_path / "a.yaml", old={"rate": 2.0, "hurry": True})
    expected = Renamed(steps=Steps(lr=2.0), quick=True)
    assert parse(Renamed, ["--config", file], "objdisc renamed") == expected
    assert parse(Renamed, ["--old.hurry", "--old.rate=2"], "objdisc renamed") == expected
    assert len(caplog.messages) == 4
    with pytest.raises(UsageError, match="unknown setting 'size' of old"):
        parse(Renamed, ["--old.size=2"], "objdisc renamed")
