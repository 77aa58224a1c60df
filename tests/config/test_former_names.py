"""Settings under a former name are read as those of today, and said."""

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest

from objdisc.config.components import flat
from objdisc.config.parser import parse
from objdisc.errors import UsageError
from objdisc.pipeline.options import DiscoverOptions

from ..support.job import POLYGON, STAR, Cut, Shape, Steps, job, write


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


class Kite(Shape):
    """A kite.

    Args:
        span: Its width.
    """

    renamed: ClassVar[dict[str, str]] = {"width": "span"}

    def __init__(self, span: int = 1) -> None:
        self.span = span

    def sides(self) -> int:
        return 4


KITE = f"{__name__}.Kite"


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


@pytest.mark.parametrize(
    ("values", "argv"),
    [
        ({"shape": {"class_path": KITE, "init_args": {"width": 7}}}, []),
        ({"shape": {"init_args": {"width": 7}, "class_path": KITE}}, []),
        ({"shape": KITE, "shape.width": 7}, []),
        ({"shape": KITE}, ["--shape.width", "7"]),
        ({}, ["--shape.width=7", "--shape", KITE]),
    ],
)
def test_a_former_argument_of_a_class_is_read_as_the_one_of_today(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, values: dict[str, Any], argv: list[str]
) -> None:
    caplog.set_level(logging.WARNING, "objdisc")
    file = write(tmp_path / "a.yaml", **values)
    assert job("--config", file, *argv).shape.init_args == {"span": 7}
    assert [line.removeprefix(f"{file}: ") for line in caplog.messages] == ["--shape.width is now called --shape.span"]


def test_a_former_argument_is_that_of_one_class_alone() -> None:
    for path in (POLYGON, STAR):
        with pytest.raises(UsageError, match="unknown setting 'width' of shape"):
            job("--shape", path, "--shape.width", "7")


@pytest.mark.parametrize(
    ("method", "former", "value", "current"),
    [("jule", "answer", "sf", "prediction"), ("deepcluster", "answer_dimensions", 3, "prediction_dimensions")],
)
def test_former_arguments_of_methods_are_read(method: str, former: str, value: object, current: str) -> None:
    options = parse(DiscoverOptions, ["--method", method, f"--method.{former}", str(value)], "objdisc discover")
    assert options.method.init_args[current] == value
    assert former not in options.method.init_args
