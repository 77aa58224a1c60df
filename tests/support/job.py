"""The options of a made-up command, with a component, sections and switches, and how tests read them."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from objdisc.config.components import Component, component, flag_only, flat, positional
from objdisc.config.parser import parse


class Shape(ABC):
    """Something drawn."""

    @abstractmethod
    def sides(self) -> int:
        """Return the number of sides."""


class Polygon(Shape):
    """A polygon.

    Args:
        color: What the program gives.
        count: Sides.
        regular: Whether all are equal.
    """

    def __init__(self, color: str, count: int = 3, regular: bool = True) -> None:
        self.color, self.count, self.regular = color, count, regular

    def sides(self) -> int:
        return self.count


class Star(Shape):
    """A star.

    Args:
        color: What the program gives.
        regular: Whether all points are equal.
        points: Points.
    """

    def __init__(self, color: str, regular: bool = False, points: int = 5) -> None:
        self.color, self.regular, self.points = color, regular, points

    def sides(self) -> int:
        return 2 * self.points


@dataclass(frozen=True)
class Cut:
    """Cutting.

    Attributes:
        size: Pixels of a side.
    """

    size: int = 96


@dataclass(frozen=True)
class Steps:
    """Training.

    Attributes:
        batch_size: Patches a step.
        lr: Learning rate.
    """

    batch_size: int = 64
    lr: float = 0.1


POLYGON, STAR = f"{__name__}.Polygon", f"{__name__}.Star"


@dataclass(frozen=True)
class Job:
    """Do the job.

    Attributes:
        path: Folder of images.
        num_clusters: How many clusters.
        names: Chosen names, with
            a comma between them.
        baseline: Compare.
        resume: Run to go on with.
        allow_import: Import classes of others.
        output: Where to.
        anything: Whatever.
        source: Where shapes come from.
        shape: What is drawn.
        cut: How it is cut.
        steps: How it is trained.
    """

    path: Path | None = positional(default=None)
    num_clusters: int = 8
    names: tuple[str, ...] | None = None
    baseline: bool = False
    resume: str | None = None
    allow_import: bool = flag_only()
    output: Path | None = None
    anything: dict[str, Any] | None = None
    source: Component | None = component(Shape, "objdisc.objectness")
    shape: Component = component(Shape, "objdisc.objectness", default=Component(POLYGON), given=["color"])
    cut: Cut = field(default_factory=Cut)
    steps: Steps = flat(Steps)


def job(*argv: str) -> Job:
    """Read a command line; the shapes of this file lie outside of the package."""
    return strict_job("--allow-import", *argv)


def strict_job(*argv: str) -> Job:
    return parse(Job, argv, prog="objdisc job")


def write(file: Path, **values: object) -> str:
    file.write_text(yaml.safe_dump(values), encoding="utf-8")
    return str(file)
