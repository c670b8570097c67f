"""The tables of failures: every place is filled, and whoever makes an error gives all that its sentences name."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import qwen_desktop
from qwen_desktop.core.errors import Failure

ROOT = Path(qwen_desktop.__file__).parent
FILES = {
    ".".join(("qwen_desktop", *file.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__"): file
    for file in sorted(ROOT.rglob("*.py"))
    if file.relative_to(ROOT).parts[0] != "ui"
}
TEXTS = {name: file.read_text(encoding="utf-8") for name, file in FILES.items()}
_ROW = re.compile(r"^\s*\S.*[=:] Failure\(", re.MULTILINE)
TABLES = [importlib.import_module(name) for name, text in TEXTS.items() if _ROW.search(text)]


def rows(table: ModuleType) -> list[Failure]:
    found = [value for value in vars(table).values() if isinstance(value, Failure)]
    return [*found, *getattr(table, "_BY_NUMBER", {}).values()]


@pytest.mark.parametrize("row", [row for table in TABLES for row in rows(table)], ids=lambda row: row.code)
def test_a_row_fills_its_places_and_no_others(row: Failure) -> None:
    named = set(re.findall(r"(?:{|%(?=n\b))(\w+)", row.what + (row.hint or "")))
    assert named == set(row.places.split())
    values = {name: 4321 if name == "n" else f"<{name}>" for name in row.places.split()}
    sentence = row(*values.values()).problem.sentence()
    assert not re.search(r"%n|{", sentence)
    assert all(("4,321" if name == "n" else f"<{name}>") in sentence for name in named)


def test_whoever_makes_an_error_gives_as_many_values_as_it_has_places() -> None:
    calls = 0
    names = {table.__name__: table for table in TABLES}
    doors = {*names, *(f"from {name.rpartition('.')[0]} import" for name in names)}
    for name, text in TEXTS.items():
        if name not in names and not any(door in text for door in doors):
            continue
        tree = ast.parse(text)
        known = {**(vars(names[name]) if name in names else {}), **imported(tree)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                row = meant(node.func, known)
                if isinstance(row, Failure) and not any(isinstance(value, ast.Starred) for value in node.args):
                    calls += 1
                    assert len(node.args) == len(row.places.split()), f"{name}:{node.lineno}"
    assert calls > 60


def imported(tree: ast.Module) -> dict[str, Any]:
    """Tables and rows that a file imports, by the names that it gives them."""
    found: dict[str, Any] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                for table in TABLES:
                    if f"{node.module}.{alias.name}" == table.__name__:
                        found[alias.asname or alias.name] = table
                    elif node.module == table.__name__:
                        found[alias.asname or alias.name] = getattr(table, alias.name)
    return found


def meant(function: ast.expr, known: dict[str, Any]) -> Any:
    """What a call calls, as far as it is a row."""
    if isinstance(function, ast.Name):
        return known.get(function.id)
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
        return getattr(known.get(function.value.id), function.attr, None)
    return None
