"""The table of sentences about GGUF files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from qwen_desktop.core.errors import Failure
from qwen_desktop.core.gguf import Kind, NotChat, refusals

ROWS = [value for value in vars(refusals).values() if isinstance(value, Failure)]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.code)
def test_a_sentence_fills_its_places_and_no_others(row: Failure) -> None:
    places = row.places.split()
    assert places[0] == "file" and set(places) == set(re.findall(r"(?:{|%(?=n\b))(\w+)", row.what + row.hint))
    problem = row(*(4321 if name == "n" else f"<{name}>" for name in places)).problem
    assert problem.hint is not None and problem.action
    assert not re.search(r"%n|{", problem.sentence())
    assert all(("4,321" if name == "n" else f"<{name}>") in problem.sentence() for name in places)


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.CHAT])
def test_each_kind_of_file_has_its_sentence(kind: Kind) -> None:
    problem = NotChat(Path("/m/a.gguf"), kind, told="stylus").problem
    assert "a.gguf" in str(problem.what) and "{" not in problem.sentence() and problem.hint
    assert ("stylus" in str(problem.what)) == (kind is Kind.OTHER)
    beside = NotChat(Path("/m/a.gguf"), kind, model="b.gguf").problem
    assert beside.what.code == problem.what.code and "b.gguf" in str(beside.hint)


def test_codes_are_told_apart() -> None:
    others = [NotChat(Path("/m/a.gguf"), kind).problem.what.code for kind in Kind if kind is not Kind.CHAT]
    codes = [*(row.code for row in ROWS), *others]
    assert len(set(codes)) == len(codes) > 30
