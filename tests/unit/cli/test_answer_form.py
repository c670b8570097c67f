"""``chat --schema`` and ``--grammar``: what reaches the engine, and what is said of files that are no such thing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qwen_desktop.core.engine import Grammar
from tests.scripted_engine import Script

Command = Callable[..., Any]
SCHEMA = '{"type": "object", "properties": {"имя": {"type": "string"}}}'


@pytest.mark.parametrize(("option", "text"), [("--schema", SCHEMA), ("--grammar", 'root ::= "да" | "нет"')])
def test_the_file_reaches_the_engine(command: Command, tmp_path: Path, option: str, text: str) -> None:
    file = tmp_path / "форма.txt"
    file.write_text("\ufeff" + text, encoding="utf-8")  # as editors on Windows write it
    ended = command("chat", "Who?", option, str(file), script=Script(text='{"имя": "x"}'))
    assert (ended.code, ended.out) == (0, '{"имя": "x"}\n')
    kind = "json_schema" if option == "--schema" else "gbnf"
    assert ended.engine.requests[0].grammar == Grammar(kind, text)


def test_without_them_nothing_is_asked(command: Command) -> None:
    assert command("chat", "Who?").engine.requests[0].grammar is None


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"{", "No answer can be made to this JSON schema: it is no JSON"),
        (b"[]", "No answer can be made to this JSON schema: it is no object"),
        (b"\xff\xfe\x00", "is no text in UTF-8."),
        (b" " * 2_000_000, "is too large for a schema or a grammar."),
        (None, "does not exist."),
    ],
)
def test_a_bad_file_is_said_before_anything_is_loaded(
    command: Command, tmp_path: Path, content: bytes | None, sentence: str
) -> None:
    file = tmp_path / "schema.json"
    if content is not None:
        file.write_bytes(content)
    ended = command("chat", "Who?", "--schema", str(file))
    assert (ended.code, ended.out) == (1, "") and sentence in ended.err and len(ended.err.splitlines()) == 1
    assert not ended.engine.requests
    shown = command("chat", "Who?", "--schema", str(file), "--json")
    assert shown.code == 1 and json.loads(shown.out)["finish_reason"] == "error"


def test_a_folder_and_a_broken_grammar(command: Command, tmp_path: Path) -> None:
    assert command("chat", "Who?", "--schema", str(tmp_path)).code == 1
    file = tmp_path / "a.gbnf"
    file.write_text("root ::= x")
    ended = command("chat", "Who?", "--grammar", str(file))
    assert ended.code == 1 and "No answer can be made by this grammar: there is no rule x." in ended.err


def test_one_form_is_enough(command: Command, tmp_path: Path) -> None:
    ended = command("chat", "Who?", "--schema", "a", "--grammar", "b")
    assert ended.code == 2 and "not both" in ended.err
