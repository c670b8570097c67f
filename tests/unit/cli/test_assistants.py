"""``qwen-desktop assistants``, and ``chat --assistant``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qwen_desktop.core.engine import ThinkingMode
from qwen_desktop.core.parts import Role, visible_text

Command = Callable[..., Any]


def asked(ending: Any) -> tuple[str, Any]:
    """The instructions of the request, and the request."""
    request = ending.engine.requests[-1]
    return "".join(visible_text(m.parts) for m in request.messages if m.role is Role.SYSTEM), request


def test_an_assistant_answers_with_its_fields_filled(command: Command, home: Path) -> None:
    ending = command(
        "chat", "--assistant", "translator", "--field", "Language=deutsch", "--field", "glossary=a={b}", "Hi"
    )
    prompt, request = asked(ending)
    assert ending.code == 0 and ending.err == ""
    assert "into Deutsch" in prompt and "Always use these words: a={b}" in prompt
    assert request.thinking is ThinkingMode.DIRECT
    assert not home.exists()


def test_several_languages_are_named_once_or_repeatedly(command: Command) -> None:
    for fields in (("languages=français, English",), ("languages=Français", "languages=English")):
        arguments = [part for field in fields for part in ("--field", field)]
        prompt, _ = asked(command("chat", "--assistant", "Many", *arguments, "Hi"))
        assert [line for line in prompt.splitlines() if line.startswith("## ")] == ["## Français", "## English"]


def test_what_the_command_says_itself_wins(command: Command) -> None:
    ending = command(
        "chat", "--assistant", "steps", "--system", "Mine.", "--no-think", "--thinking-budget", "9",
        "--temperature", "0", "--seed", "5", "Hi",
    )  # fmt: skip
    prompt, request = asked(ending)
    assert prompt == "Mine."
    assert (request.thinking, request.thinking_budget) == (ThinkingMode.DIRECT, 9)
    assert (request.sampling.temperature, request.sampling.seed) == (0.0, 5)
    prompt, request = asked(command("chat", "--assistant", "steps", "Hi"))
    assert "## Check" in prompt
    assert (request.thinking, request.thinking_budget) == (ThinkingMode.THINK, 4096)


def test_a_kept_chat_has_the_assistant_and_goes_on_with_it(command: Command) -> None:
    first = json.loads(command("chat", "--save", "--json", "--assistant", "General", "Hi").out)
    prompt, _ = asked(command("chat", "--continue", first["conversation"], "More"))
    assert "Never make up facts" in prompt


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("--assistant", "Translatr"), 1, "There is no assistant called “Translatr”. Did you mean Translator?"),
        (("--assistant", ""), 1, "There is no assistant called “”."),
        (
            ("--assistant", "Coder", "--field", "x=1"),
            1,
            "Coder has no field “x”. Its fields are: language, constraints,",
        ),
        (("--assistant", "General", "--field", "x=1"), 1, "General has no field “x”. There is nothing to fill in."),
        (("--assistant", "Coder", "--field", "language"), 1, "“language” does not fill a field. Write its name, =,"),
        (("--assistant", "Coder", "--field", "language=Klingon"), 1, "“Klingon” is none of the choices of Language."),
        (("--field", "language=Go"), 2, "A field belongs to an assistant"),
        (("--assistant", "Coder", "--continue", "last"), 2, "A chat keeps the assistant that it began with"),
    ],
)
def test_mistakes_are_said_before_a_model_is_loaded(
    command: Command, arguments: tuple[str, ...], code: int, sentence: str
) -> None:
    ending = command("chat", *arguments, "Hi")
    assert (ending.code, ending.out) == (code, "")
    assert sentence in " ".join(ending.err.replace("│", " ").split())
    assert not ending.engine.loads


def test_the_list_names_fields_for_people_and_programs(command: Command) -> None:
    ending = command("assistants", "list")
    assert ending.code == 0 and "Translator: Keeps tone, names and formatting." in ending.out
    assert "  --field language=Python  (Python, TypeScript," in ending.out
    found = json.loads(command("assistants", "list", "--json").out)["assistants"]
    assert len(found) == 8 and found[0]["id"] == "shipped.general"
    coder = next(entry for entry in found if entry["name"] == "Coder")
    assert coder["fields"][0]["default"] == ["Python"] and coder["model"] == "Qwen3 Coder 30B-A3B"


def test_assistants_move_as_files_and_answer_without_anything_being_kept(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "some.qwen-assistant.json"
    assert command("assistants", "export", "General", "Coder", "--out", str(file)).code == 0
    ending = command("assistants", "import", str(file))
    assert (ending.code, ending.out) == (0, "Imported General (2).\nImported Coder (2).\n")
    prompt, _ = asked(command("chat", "--assistant", "General (2)", "Hi"))
    assert "Never make up facts" in prompt
    file.write_bytes(file.read_bytes()[:-40])
    ending = command("assistants", "import", str(file))
    assert ending.code == 1 and "holds no assistants" in ending.err and "Traceback" not in ending.err
    assert command("assistants", "import", str(tmp_path / "none.json")).code == 1
    assert command("assistants", "export", "General", "--out", str(tmp_path / "a" / "b")).code == 0
