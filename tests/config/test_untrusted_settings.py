"""No setting runs code of others, unless a flag allows it; arguments are plain values."""

import importlib
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest

from objdisc.cli import COMMANDS
from objdisc.config.components import Component, component_names, resolve_class_path
from objdisc.config.parser import dump, override
from objdisc.config.settings import setting_fields
from objdisc.errors import UsageError
from objdisc.methods.base import Method
from objdisc.objectness.base import ObjectnessSource

from ..support.job import POLYGON, STAR, job, strict_job

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
    "shape: {class_path: tests.support.job.Star, init_args: {points: {class_path: evil_module.Shape}}}",
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


def test_an_empty_path_is_not_the_current_folder(evil: Path) -> None:
    for argv in ([""], ["--output", ""], ["--output="], ["--config", ""]):
        with pytest.raises(UsageError, match="the path is empty"):
            job(*argv)
    Path("c.yaml").write_text("output: ''", encoding="utf-8")
    with pytest.raises(UsageError, match=r"c\.yaml: output: the path is empty"):
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


@pytest.mark.parametrize("command", COMMANDS)
def test_settings_of_commands_are_plain_values(command: str) -> None:
    module, options, _ = COMMANDS[command]
    plain = {"int", "float", "str", "bool", "NoneType", "Path", "Literal", "Union", "UnionType", "tuple", "list"}
    for name, item in setting_fields(getattr(importlib.import_module(module), options)).items():
        assert "base" in item.metadata or kinds_of(item.type) <= plain | {"dict", "Any"}, name


def kinds_of(annotation: Any) -> set[str]:
    if isinstance(annotation, type) and not get_args(annotation):
        return {annotation.__name__}
    origin = get_origin(annotation)
    inner = () if origin is Literal else get_args(annotation)
    name = getattr(origin, "__name__", None) or str(origin).rpartition(".")[2]
    return {name}.union(*map(kinds_of, (part for part in inner if part is not ...)))
