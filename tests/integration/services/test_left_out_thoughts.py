"""What was thought for earlier answers is in no later prompt, through whatever template the request goes."""

from __future__ import annotations

from pathlib import Path

import dev_cache
import pytest

from qwen_desktop.core.chat import Message, Status
from qwen_desktop.core.engine import ThinkingMode
from qwen_desktop.core.parts import Part, Role, TextPart, ThinkingPart, ToolCallPart, ToolResultPart
from qwen_desktop.engine.prompt import Renderer
from qwen_desktop.engine.template_families import FAMILIES, reference
from qwen_desktop.engine.templates import Template
from qwen_desktop.services.request_messages import answer_messages, request_messages

#: The templates of llama.cpp's sources, read where they lie.
REAL = sorted(dev_cache.folder().glob("installers/source/*/vendor/llama.cpp/models/templates/Qwen*.jinja"))
FAMILY = sorted(name for name, family in FAMILIES.items() if family.chatml)
#: Shows each thought that it is given, of all turns.
KEEPING = """{%- for message in messages %}{{ '<|im_start|>' + message.role + '\\n' }}
{%- if message.reasoning_content %}{{ '<think>' + message.reasoning_content + '</think>' }}{% endif %}
{{- message.content + '<|im_end|>\\n' }}{% endfor %}{{ '<|im_start|>assistant\\n' }}"""


def chat(*, thoughts: bool) -> list[Message]:
    parent, found = None, []
    for number in range(3):
        found.append(Message(f"u{number}", "c", parent, Role.USER, (TextPart(f"question {number}"),), 0.0))
        thought = (ThinkingPart(f"<secret {number}>"),) if thoughts else ()
        said: tuple[Part, ...] = (*thought, TextPart(f"answer {number}"))
        if number == 1:  # a call of a tool after a thought, and another thought behind it
            said = (*thought, ToolCallPart("1", "look_up", "{}"), ToolResultPart("1", "found"), *said)
        found.append(Message(f"a{number}", "c", found[-1].id, Role.ASSISTANT, said, 0.0, Status.DONE))
        parent = found[-1].id
    return [*found, Message("u9", "c", parent, Role.USER, (TextPart("last question"),), 0.0)]


def prompts(source: str, *, now: tuple[Part, ...] = ()) -> list[str]:
    """The prompts of a chat with thoughts and of the same without them; ``now`` is what the answer has said so far."""
    renderer = Renderer(Template(source), lambda *_: [], (), "")
    told = [request_messages(chat(thoughts=thoughts), "Be brief.") for thoughts in (True, False)]
    return [renderer.text(messages + answer_messages(now, "a9"), ThinkingMode.AUTO) for messages in told]


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.stem)
def test_real_templates(path: Path) -> None:
    with_thoughts, without = prompts(path.read_text(encoding="utf-8"))
    assert "secret" not in with_thoughts and "answer 2" in with_thoughts
    assert with_thoughts == without


@pytest.mark.parametrize("name", FAMILY)
def test_our_own_of_each_family(name: str) -> None:
    source = reference(FAMILIES[name])
    assert source is not None
    with_thoughts, without = prompts(source)
    assert "secret" not in with_thoughts and "answer 2" in with_thoughts
    assert with_thoughts == without


def test_one_that_would_keep_them() -> None:
    with_thoughts, without = prompts(KEEPING)
    assert "secret" not in with_thoughts and "answer 2" in with_thoughts
    assert with_thoughts == without


def test_what_is_thought_for_the_answer_that_goes_on_stays() -> None:
    now = (ThinkingPart("for now"), ToolCallPart("2", "look_up", "{}"), ToolResultPart("2", "found"))
    for source in (KEEPING, reference(FAMILIES["qwen3"]) or ""):
        with_thoughts, _ = prompts(source, now=now)
        assert "for now" in with_thoughts and "secret" not in with_thoughts
