"""Docstrings and help texts are whole sentences: no description is a fragment that leans on the name before it."""

import ast
import inspect
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import docstring_parser
import pytest

import objdisc

PACKAGE = Path(objdisc.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
FRAGMENT = re.compile(r"^(Of|Likewise|Ditto|Of these|The same (of|for|with|by|as|from))\b")


def docstrings_of(path: Path) -> Iterator[tuple[str, str]]:
    """Yield what has a docstring, and the docstring; constants are described by the string below them."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            if text := ast.get_docstring(node):
                yield getattr(node, "name", "module"), text
            for before, after in pairwise(node.body):
                if isinstance(before, ast.Assign | ast.AnnAssign) and isinstance(after, ast.Expr):
                    yield ast.unparse(before).partition("=")[0], inspect.cleandoc(ast.unparse(after).strip("'\""))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_description_begins_with_of(path: Path) -> None:
    for name, text in docstrings_of(path):
        assert not FRAGMENT.match(text), f"{name}: {text.splitlines()[0]}"
        for described in docstring_parser.parse(text).params:
            said = described.description or ""
            assert not FRAGMENT.match(said), f"{name}, {described.arg_name}: {said}"
            assert ". Of " not in said, f"{name}, {described.arg_name}: {said}"
