"""Every command and every piece of code in README.md and docs/ is read by the program itself, or run."""

import ast
import importlib
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from objdisc.cli import COMMANDS, main
from objdisc.config.parser import parse
from objdisc.datasets import open_dataset
from tests.support.pages import PAGES, ROOT, Block, blocks

EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
TARGETS = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
LAUNCHERS = {"python", "torchrun"}
PYTHON_PAGES = [(page, list(found)) for page, found in groupby(blocks("python"), key=lambda block: block.page)]


def as_objdisc(words: list[str]) -> list[str] | None:
    """Return the words after ``objdisc``; None for a command of another program."""
    if words[0] == "objdisc":
        return words[1:]
    scripts = [place for place, word in enumerate(words) if re.fullmatch(r"tools/\w+\.py", word)]
    if words[0] in LAUNCHERS and scripts:
        script = ROOT / words[scripts[0]]
        assert script.is_file(), script
        return [script.stem, *words[scripts[0] + 1 :]]
    return None


def test_every_block_says_what_it_is_written_in() -> None:
    assert {block.language for block in blocks()} <= {"sh", "python", "yaml", "text"}
    assert len(blocks("sh")) > 15
    assert len(blocks("python")) > 4


@pytest.mark.parametrize("block", blocks("sh"), ids=str)
def test_the_program_takes_every_command(block: Block, monkeypatch: pytest.MonkeyPatch) -> None:
    """Flags, values and configs are those that there are; what they do, other tests show."""
    monkeypatch.chdir(ROOT)
    for words in block.commands():
        if (argv := as_objdisc(words)) is not None:
            module, options, _ = COMMANDS[argv[0]]
            if "--resume" not in argv:  # which reads the settings of a run that is not here
                parse(getattr(importlib.import_module(module), options), argv[1:], prog=f"objdisc {argv[0]}")
        elif words[:2] == ["pip", "install"]:
            named = re.findall(r"\[(.+?)\]", " ".join(words))
            assert {extra for found in named for extra in found.split(",")} <= set(EXTRAS), words
        else:
            assert words[0] in {"make", "open"}, f"{words}: nothing here says that such a command works"
            assert words[0] == "open" or words[1] in TARGETS, words


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_and_settings_that_a_page_names_are_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (page.parent / target).exists(), target
    for config in re.findall(r"configs/\w+\.yaml", text):
        assert (ROOT / config).is_file(), config


def test_messages_that_the_pages_explain_are_what_the_program_says() -> None:
    page = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
    messages = re.findall(r"^## `(.+)`$", page, re.MULTILINE)
    said = [text for path in (ROOT / "objdisc").rglob("*.py") for text in texts_of(path)]
    assert len(messages) > 5
    assert [message for message in messages if not any(message in text for text in said)] == []


def texts_of(path: Path) -> Iterator[str]:
    """Yield the texts of a module that are no docstrings, with ``*`` for what is filled in."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    owners = (node for node in ast.walk(tree) if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef))
    documentation = {ast.get_docstring(owner, clean=False) for owner in owners}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = (part.value if isinstance(part, ast.Constant) else "*" for part in node.values)
            yield "".join(map(str, parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value not in documentation:
            yield node.value


@pytest.fixture
def workplace(toy_city: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with photos and new photos, which are a few frames without their masks."""
    monkeypatch.chdir(tmp_path)
    for folder, split, count in (("photos", "train", 5), ("new_photos", "val", 2)):
        (tmp_path / folder).mkdir()
        dataset = open_dataset(toy_city, split)
        for number, sample in enumerate(dataset.samples[:count]):
            image = cv2.cvtColor(dataset.read_image(sample), cv2.COLOR_RGB2BGR)
            assert cv2.imwrite(str(tmp_path / folder / f"{number}.png"), image)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize(("page", "code"), PYTHON_PAGES, ids=lambda value: getattr(value, "name", ""))
def test_the_code_of_every_page_runs(page: Path, code: list[Block], workplace: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    names: dict[str, Any] = {
        "__name__": "__main__",
        "images": torch.rand(60, 3, 32, 32, generator=generator),
        "features": np.random.default_rng(0).normal(size=(60, 8)),
        "truth": np.arange(60) % 10,
    }
    if page.name == "naming.md":  # it goes on with a run
        flags = ["--num-clusters", "4", "--weights", "none", "--epochs", "1", "--scene", "none", "--workers", "0"]
        assert main(["discover", "photos", *flags]) == 0
        assert main(["export", "runs/photos_kmeans_memory_k4_s0"]) == 0
    for block in code:
        exec(compile(block.text, str(block), "exec"), names)
    shutil.rmtree("runs", ignore_errors=True)


@pytest.mark.slow
def test_the_pages_are_built_without_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = pytest.importorskip("mkdocs.config")
    commands = pytest.importorskip("mkdocs.commands.build")
    monkeypatch.setenv("NO_MKDOCS_2_WARNING", "1")
    commands.build(config.load_config(str(ROOT / "mkdocs.yml"), strict=True, site_dir=str(tmp_path / "site")))
    built = (tmp_path / "site/python/index.html").read_text(encoding="utf-8")
    assert "objdisc.discover" in built
    assert "GraphDegreeLinkage" in built


@pytest.mark.slow
@pytest.mark.parametrize("script", sorted((ROOT / "docs/examples").glob("*.py")), ids=lambda script: script.stem)
def test_every_example_runs(script: Path, tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, script], cwd=tmp_path, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout
