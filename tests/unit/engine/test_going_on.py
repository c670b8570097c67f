"""The prompt of an answer that goes on, letter for letter, with each family's template."""

from __future__ import annotations

import pytest

from qwen_desktop.core.engine import ThinkingMode
from qwen_desktop.core.parts import Part, TextPart, ThinkingPart
from qwen_desktop.engine.going_on import Writings, Written, behind
from qwen_desktop.engine.template_families import FAMILIES, reference
from qwen_desktop.engine.templates import Template, ends_in_thinking

ASKED = "<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\n"
HM, SO = ThinkingPart("Hm, "), TextPart("So it is")
AUTO, THINK, DIRECT = ThinkingMode.AUTO, ThinkingMode.THINK, ThinkingMode.DIRECT


def prompt(family: str, mode: ThinkingMode, *parts: Part) -> tuple[str, bool]:
    """What follows the default instructions, and whether it ends in a thought."""
    template = Template(reference(FAMILIES[family]))
    asked = template.render([{"role": "user", "content": "Why?"}], mode)
    text, opened = behind(
        asked, parts, opened=ends_in_thinking(asked), thinks=bool(template.thinking), hide=lambda text: f"[{text}]"
    )
    return text[text.index(ASKED) + len(ASKED) :], opened


@pytest.mark.parametrize("family", ["qwen2.5", "qwen3-instruct", "qwen3-coder"])
def test_models_that_never_think(family: str) -> None:
    assert prompt(family, AUTO) == ("", False)
    assert prompt(family, AUTO, SO) == ("[So it is]", False)


@pytest.mark.parametrize("mode", ThinkingMode)
@pytest.mark.parametrize("family", ["qwen3", "qwen3-thinking", "qwq", "qwen3.5", "qwen3.5-small", "qwen3.6"])
def test_models_that_think(family: str, mode: ThinkingMode) -> None:
    """Whatever the prompt says by now, the answer goes on as it was: in its thought, behind it, or without one."""
    assert prompt(family, mode, HM) == ("<think>\n[Hm, ]", True)
    assert prompt(family, mode, HM, SO) == ("<think>\n[Hm, ]\n</think>\n\n[So it is]", False)
    assert prompt(family, mode, SO) == ("<think>\n\n</think>\n\n[So it is]", False)
    assert prompt(family, mode, HM, SO, TextPart(""), ThinkingPart("")) == prompt(family, mode, HM, SO)
    assert prompt(family, mode, HM, TextPart("")) == ("<think>\n[Hm, ]\n</think>\n\n", False)


def test_what_is_remembered_is_only_what_was_said_behind_this_prompt() -> None:
    writings = Writings()
    writings.keep("c", Written((1, 2), (3, 4), (ThinkingPart("Hm", 1.0, 2), SO), thinking=False, pending=b""))
    assert writings.find("c", [1, 2], (ThinkingPart("Hm"), SO)) is not None
    assert writings.find("c", [1, 2], (ThinkingPart("Hm"), TextPart("So it was"))) is None  # somebody edited it
    assert writings.find("c", [1, 3], (ThinkingPart("Hm"), SO)) is None
    assert writings.find("d", [1, 2], (ThinkingPart("Hm"), SO)) is None
    for number in range(8):
        writings.keep(str(number), Written((), (1,), (SO,), thinking=False, pending=b""))
    assert writings.find("c", [1, 2], (ThinkingPart("Hm"), SO)) is None
    writings.keep("7", None)
    assert writings.find("7", [], (SO,)) is None and writings.find("6", [], (SO,)) is not None
