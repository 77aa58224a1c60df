"""Components are chosen by name or class, and have arguments of their own."""

import importlib
import re
import sys
from pathlib import Path

import pytest

from objdisc.config.components import Component, component_names, resolve_class_path
from objdisc.errors import UsageError
from objdisc.objectness.base import ObjectnessSource

from ..support.job import POLYGON, STAR, Polygon, Shape, job, write


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


def test_short_name_is_the_one_class_of_its_module() -> None:
    package = "objdisc.objectness"
    assert resolve_class_path("windows", ObjectnessSource, package) == "objdisc.objectness.windows.Windows"
    assert resolve_class_path("my.own.Source", ObjectnessSource, package, allow_import=True) == "my.own.Source"
    assert {"folder", "foreground", "instances", "whole", "windows"} <= set(component_names(ObjectnessSource, package))
    with pytest.raises(UsageError, match=r"no ObjectnessSource is called 'base'; there are .*windows"):
        resolve_class_path("base", ObjectnessSource, package)


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


def test_of_one_command_line_a_class_is_named_before_its_arguments(tmp_path: Path) -> None:
    assert job("--shape.points", "6", "--shape", STAR).shape.init_args == {"regular": False, "points": 6}
    file = write(tmp_path / "a.yaml", shape={"init_args": {"points": 7}, "class_path": STAR})
    assert job("--config", file).shape.init_args == {"regular": False, "points": 7}
    with pytest.raises(UsageError, match=r"source\.points: name the class too, such as --source NAME"):
        job("--source.points", "6")
    assert job("--source", STAR, "--source", "auto").source is None


def test_a_misspelt_argument_is_put_right_and_the_help_of_the_class_named() -> None:
    said = f"did you mean shape.regular? See objdisc job --shape.help {POLYGON}."
    with pytest.raises(UsageError, match=re.escape(said)):
        job("--shape.regula", "true")


@pytest.mark.parametrize(("wrong", "meant"), [("windos", "windows"), ("Folder", "folder"), ("DatasetFolder", "folder")])
def test_a_misspelt_name_is_put_right_as_is_that_of_a_class(wrong: str, meant: str) -> None:
    with pytest.raises(UsageError, match=rf"'{wrong}'; did you mean {meant}\? There are .*windows"):
        resolve_class_path(wrong, ObjectnessSource, "objdisc.objectness")


def test_help_of_a_component_shows_its_summary_and_its_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    for argv in (["--shape.help", STAR], ["--shape", STAR, "--help"]):
        with pytest.raises(SystemExit):
            job(*argv)
        text = " ".join(capsys.readouterr().out.split())
        assert "or a class by import path. job: A star. --shape.regular" in text
        assert "--shape.points POINTS Points." in text
        assert "--shape.count" not in text
        assert "--shape.color" not in text


def test_two_classes_in_a_module_have_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "sources").mkdir()
    kind = "from objdisc.objectness import base\nclass {}(base.ObjectnessSource): regions = fingerprint = None\n"
    for module, text in (("__init__", ""), ("base", ""), ("one", kind.format("One"))):
        (tmp_path / f"sources/{module}.py").write_text(text, encoding="utf-8")
    assert component_names(ObjectnessSource, "sources") == {"one": "sources.one.One"}
    (tmp_path / "sources/two.py").write_text(kind.format("First") + kind.format("Second"), encoding="utf-8")
    importlib.invalidate_caches()
    for look_up in (component_names, lambda *where: resolve_class_path("one", *where)):
        with pytest.raises(UsageError, match=r"sources\.two defines First and Second"):
            look_up(ObjectnessSource, "sources")
    for name in ("", ".base", ".one", ".two"):
        sys.modules.pop(f"sources{name}", None)
