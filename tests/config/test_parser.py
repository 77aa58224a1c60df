"""Options come from defaults, YAML and flags, in this order; mistakes end in one line that names the cause."""

import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
import yaml

from objdisc.config.components import (
    Component,
    component,
    component_names,
    flag_only,
    flat,
    passed_on,
    positional,
    resolve_class_path,
)
from objdisc.config.parser import dump, load, override, parse
from objdisc.errors import UsageError
from objdisc.methods.base import Method
from objdisc.objectness.base import ObjectnessSource


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


def job(*argv: str) -> Job:
    """Read a command line; the shapes of this file lie outside of the package."""
    return strict_job("--allow-import", *argv)


def strict_job(*argv: str) -> Job:
    return parse(Job, argv, prog="objdisc job")


def series(*argv: str) -> Series:
    return parse(Series, argv, prog="objdisc series")


def write(file: Path, **values: object) -> str:
    file.write_text(yaml.safe_dump(values), encoding="utf-8")
    return str(file)


def test_nothing_given_is_the_defaults_with_the_class_default_arguments() -> None:
    assert strict_job() == Job(shape=Component(POLYGON, {"count": 3, "regular": True}))


@pytest.mark.parametrize("flag", ["--batch-size", "--batch_size"])
def test_dashes_and_underscores_are_the_same_flag(flag: str) -> None:
    assert job(flag, "7").steps.batch_size == job(f"{flag}=7").steps.batch_size == 7


def test_positional_is_a_path_and_may_stand_anywhere() -> None:
    assert job("my city", "--num-clusters", "3").path == job("--num-clusters", "3", "my city").path == Path("my city")


def test_flags_win_over_yaml_wherever_they_stand(tmp_path: Path) -> None:
    file = write(tmp_path / "a.yaml", batch_size=5, lr=0.5, cut={"size": 32}, path="city")
    options = job("--lr", "2", "--config", file)
    assert (options.steps, options.cut, options.path) == (Steps(batch_size=5, lr=2.0), Cut(32), Path("city"))


def test_later_yaml_wins_over_earlier(tmp_path: Path) -> None:
    first, second = write(tmp_path / "a.yaml", lr=1.0, batch_size=5), write(tmp_path / "b.yaml", lr=2.0)
    assert job("--config", first, "--config", second).steps == Steps(batch_size=5, lr=2.0)


def test_positional_on_the_command_line_wins_over_yaml(tmp_path: Path) -> None:
    assert job("here", "--config", write(tmp_path / "a.yaml", path="there")).path == Path("here")


def test_switch_needs_no_value() -> None:
    assert job("--baseline").baseline is True
    assert job("--baseline", "false").baseline is False
    assert job("--baseline", "--no-baseline").baseline is False
    assert job("--baseline", "city").path == Path("city")


def test_list_is_written_with_commas() -> None:
    assert job("--names", "dog,automobile").names == ("dog", "automobile")
    assert job("--names", "[dog]").names == ("dog",)


def test_arguments_of_a_component_are_dotted_flags() -> None:
    assert job("--shape.count", "5").shape.init_args == {"count": 5, "regular": True}


def test_component_is_built_with_what_the_program_gives() -> None:
    shape = job("--shape.count=6").shape.build(Shape, color="red")
    assert isinstance(shape, Polygon)
    assert (shape.color, shape.sides()) == ("red", 6)


def test_what_the_program_gives_is_no_setting(tmp_path: Path) -> None:
    file = write(tmp_path / "a.yaml", shape={"class_path": POLYGON, "init_args": {"color": "red"}})
    with pytest.raises(UsageError, match=r"a\.yaml: unknown setting 'color'"):
        job("--config", file)


def test_building_another_kind_of_class_is_refused() -> None:
    with pytest.raises(UsageError, match=r"pathlib\.Path: not a Shape"):
        Component("pathlib.Path", {}).build(Shape)
    with pytest.raises(UsageError, match="no such class"):
        Component("objdisc.nothing.Here").build(Shape)


def test_dumped_options_load_as_themselves(tmp_path: Path) -> None:
    options = job("süd stadt", "--names", "a,b", "--shape.count", "4", "--cut.size", "17", "--lr", "1e-3")
    saved = tmp_path / "config.yaml"
    saved.write_text(dump(options), encoding="utf-8")
    assert load(Job, saved, allow_import=True) == options


def test_resume_starts_from_the_configuration_of_the_run(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(dump(job("city", "--lr", "3")), encoding="utf-8")
    options = job("--resume", str(tmp_path), "--batch-size", "2")
    assert (options.path, options.steps, options.resume) == (Path("city"), Steps(2, 3.0), str(tmp_path))


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--nothing", "3"], "unknown setting 'nothing'"),
        (["--batch-sise", "3"], "did you mean batch_size"),
        (["--batch-size", "many"], "batch_size: expected int, got 'many'"),
        (["--shape.nothing", "3"], "unknown setting 'nothing' of shape"),
        (["--shape", "nowhere"], "no Shape is called 'nowhere'"),
        (["--batch-size"], "expected one argument"),
        (["a", "b"], "'b'"),
        (["--config", "missing.yaml"], r"missing\.yaml: the config cannot be read \(No such file"),
    ],
)
def test_mistakes_end_in_one_line(argv: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        job(*argv)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epocs: 3", r"a\.yaml: unknown setting 'epocs'"),
        ("lr: fast", r"a\.yaml: lr: expected float, got 'fast'"),
        ("cut: {width: 3}", r"a\.yaml: unknown setting 'width'"),
        ("[1, 2]", r"a\.yaml: holds a list"),
        ("lr: [", r"a\.yaml: not valid YAML"),
        ("shape: 3", r"a\.yaml: shape is 3; expected a name"),
    ],
)
def test_mistakes_in_a_file_name_the_file(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=message) as caught:
        job("--config", str(tmp_path / "a.yaml"))
    assert "\n" not in str(caught.value)


def test_help_shows_flags_with_dashes_and_the_docstrings(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        job("--help")
    text = " ".join(capsys.readouterr().out.split())
    assert caught.value.code == 0
    assert "usage: objdisc job [PATH]" in text
    assert "--batch-size BATCH_SIZE Patches a step." in text
    assert "Chosen names, with a comma between them." in text
    assert "batch_size " not in text


def test_short_name_is_the_one_class_of_its_module() -> None:
    package = "objdisc.objectness"
    assert resolve_class_path("windows", ObjectnessSource, package) == "objdisc.objectness.windows.Windows"
    assert resolve_class_path("my.own.Source", ObjectnessSource, package, allow_import=True) == "my.own.Source"
    assert {"folder", "foreground", "instances", "whole", "windows"} <= set(component_names(ObjectnessSource, package))
    with pytest.raises(UsageError, match=r"no ObjectnessSource is called 'base'; there are .*windows"):
        resolve_class_path("base", ObjectnessSource, package)


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


def test_a_component_has_its_own_defaults_not_those_of_the_one_it_replaces(tmp_path: Path) -> None:
    """Both have an argument ``regular``; what is said of one class holds for that class alone."""
    config = write(tmp_path / "c.yaml", shape={"class_path": STAR, "init_args": {"points": 7}})
    said = write(tmp_path / "d.yaml", shape={"class_path": POLYGON, "init_args": {"regular": True}})
    assert job("--shape", STAR).shape.init_args == {"regular": False, "points": 5}
    assert job("--config", config).shape.init_args == {"regular": False, "points": 7}
    assert job("--config", said, "--shape", STAR).shape.init_args == {"regular": False, "points": 5}
    assert job("--config", said, "--config", config).shape.init_args == {"regular": False, "points": 7}
    assert job("--config", config, "--shape", POLYGON).shape.init_args == {"count": 3, "regular": True}
    assert job("--config", config, "--shape.points", "8").shape.init_args == {"regular": False, "points": 8}
    assert job("--shape.regular", "false").shape.init_args == {"count": 3, "regular": False}


EVIL = """
import pathlib
pathlib.Path("executed").touch()
class Shape: pass
"""

SETTINGS = [
    "shape: evil_module.Shape",
    "shape: {class_path: evil_module.Shape}",
    "shape.class_path: evil_module.Shape",
    "source: {class_path: evil_module.Shape, init_args: {}}",
    "shape: {class_path: tests.config.test_parser.Star, init_args: {points: {class_path: evil_module.Shape}}}",
    "cut: {class_path: evil_module.Shape}",
    "cut: evil_module.Shape",
    "cut.class_path: evil_module.Shape",
    "names: [{class_path: evil_module.Shape}]",
    "anything: {a: '{class_path: evil_module.Shape}'}",
    "anything: \"{a: '{class_path: evil_module.Shape}'}\"",
    "anything: {a: '{\"class\\u005fpath\": evil_module.Shape}'}",
    "anything: {a: ['[{class_path: evil_module.Shape}]']}",
    'anything: {a: "d: 2001-99-99\\nx: {class_path: evil_module.Shape}"}',
    'anything: {a: "d: 2001-99-99\\nx: {\\"class\\\\u005fpath\\": evil_module.Shape}"}',
    'anything: {a: "[{class_path: evil_module.Shape}"}',
    "config: other.yaml",
    "config: {shape: evil_module.Shape}",
]
FLAGS = [
    ["--shape", "evil_module.Shape"],
    ["--shape={class_path: evil_module.Shape}"],
    ["--shape.class_path", "evil_module.Shape"],
    ["--shape.help", "evil_module.Shape"],
    ["--source", "evil_module.Shape"],
    ["--cut", "evil_module.Shape"],
    ["--cut={class_path: evil_module.Shape}"],
    ["--names=[{class_path: evil_module.Shape}]"],
    ["--anything={a: '{class_path: evil_module.Shape}'}"],
]


@pytest.fixture
def evil(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give a folder with a module that leaves a trace when it is imported, on the path of imports."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "evil_module.py").write_text(EVIL, encoding="utf-8")
    (tmp_path / "other.yaml").write_text("shape: {class_path: evil_module.Shape}", encoding="utf-8")
    yield tmp_path / "executed"
    sys.modules.pop("evil_module", None)


@pytest.mark.parametrize("text", SETTINGS)
def test_no_config_runs_a_module_of_others(evil: Path, text: str) -> None:
    Path("c.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=r"^c\.yaml: "):
        strict_job("--config", "c.yaml")
    assert not evil.exists()


@pytest.mark.parametrize("argv", FLAGS, ids=" ".join)
def test_no_flag_runs_a_module_of_others(evil: Path, argv: list[str]) -> None:
    with pytest.raises(UsageError):
        strict_job(*argv)
    assert not evil.exists()


def test_a_class_of_others_is_imported_where_that_is_allowed(evil: Path) -> None:
    Path("c.yaml").write_text(f"shape: {STAR}", encoding="utf-8")
    with pytest.raises(UsageError, match=r"c\.yaml: .*Star.*--allow-import"):
        strict_job("--config", "c.yaml")
    assert strict_job("--config", "c.yaml", "--allow-import").shape.class_path == STAR
    assert strict_job("--shape", STAR, "--allow-import").shape.class_path == STAR
    with pytest.raises(UsageError, match="Shape"):  # it runs, and is then found to be none of the kind
        strict_job("--shape", "evil_module.Shape", "--allow-import")
    assert evil.exists()


def test_no_config_can_allow_itself_to_import(evil: Path) -> None:
    Path("c.yaml").write_text("allow_import: true\nshape: evil_module.Shape", encoding="utf-8")
    for more in ([], ["--allow-import"]):
        with pytest.raises(UsageError, match="allow_import is a flag, not a setting"):
            strict_job("--config", "c.yaml", *more)
    assert not evil.exists()
    assert "allow_import" not in dump(job())


def test_settings_that_are_changed_later_are_held_to_the_same(evil: Path) -> None:
    options = strict_job("--shape", STAR, "--allow-import")
    assert override(options, {"shape": POLYGON}, "stages.a").shape.class_path == POLYGON
    with pytest.raises(UsageError, match=r"stages\.a: "):
        override(replace(options, allow_import=False), {"shape": "evil_module.Shape"}, "stages.a")
    assert not evil.exists()


def test_a_date_that_is_none_is_a_text_like_another(tmp_path: Path) -> None:
    assert job("--output", "2024-13-45").output == Path("2024-13-45")
    for text in ("num_clusters: 2001-99-99", "[" * 3000):
        (tmp_path / "c.yaml").write_text(text, encoding="utf-8")
        with pytest.raises(UsageError, match=r"c\.yaml: not valid YAML"):
            job("--config", str(tmp_path / "c.yaml"))


def test_an_empty_path_is_not_the_current_folder(evil: Path) -> None:
    for argv in ([""], ["--output", ""], ["--output="], ["--config", ""]):
        with pytest.raises(UsageError, match="the path is empty"):
            job(*argv)
    Path("c.yaml").write_text("output: ''", encoding="utf-8")
    with pytest.raises(UsageError, match=r"c\.yaml: output is empty"):
        job("--config", "c.yaml")


def test_arguments_of_components_are_plain_values() -> None:
    """What takes a class, or a function, as an argument could be told to import one."""
    plain = {"int", "float", "str", "bool", "NoneType", "Path", "Literal", "Union", "UnionType"}
    plain |= {"tuple", "list", "dict", "Sequence"}
    for base, package in ((Method, "objdisc.methods"), (ObjectnessSource, "objdisc.objectness")):
        for name in component_names(base, package):
            found = Component(resolve_class_path(name, base, package)).find(base)
            hints = get_type_hints(found.__init__)
            for argument in set(hints) - {"encoder", "num_clusters", "seed", "return"}:
                assert kinds_of(hints[argument]) <= plain, f"{name}.{argument}"


def kinds_of(annotation: Any) -> set[str]:
    if isinstance(annotation, type) and not get_args(annotation):
        return {annotation.__name__}
    origin = get_origin(annotation)
    inner = () if origin is Literal else get_args(annotation)
    name = getattr(origin, "__name__", None) or str(origin).rpartition(".")[2]
    return {name}.union(*map(kinds_of, (part for part in inner if part is not ...)))
