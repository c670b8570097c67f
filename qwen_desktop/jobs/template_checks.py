"""Twelve fixed conversations, and what a chat template must make of them.

The checks ask for behaviour, not for one wording: default instructions, trimmed blanks and the words around tools may
differ between publishers; roles, marks, the user's own text and the thinking switch may not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from msgspec import Struct

from qwen_desktop.core.engine import ThinkingMode
from qwen_desktop.core.errors import UserFacing
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Source, Text
from qwen_desktop.engine.template_families import Family
from qwen_desktop.engine.templates import Template, ends_in_thinking

Message = dict[str, Any]

#: Code -> sentence, gravest first: a file is judged by the first one that is true.
FAULTS: dict[str, Source] = {
    "missing": QT_TRANSLATE_NOOP("library", "This file has no chat template of its own."),
    "syntax": QT_TRANSLATE_NOOP("library", "The chat template of this file has an error, so it cannot be used."),
    "endless": QT_TRANSLATE_NOOP("library", "The chat template of this file does not come to an end."),
    "foreign": QT_TRANSLATE_NOOP("library", "The chat template of this file is written for another kind of model."),
    "refuses": QT_TRANSLATE_NOOP("library", "The chat template of this file refuses an ordinary conversation."),
    "text": QT_TRANSLATE_NOOP("library", "The chat template of this file leaves out or changes what you write."),
    "roles": QT_TRANSLATE_NOOP("library", "The chat template of this file mixes up who said what."),
    "end": QT_TRANSLATE_NOOP("library", "The chat template of this file does not mark where a message ends."),
    "no_prompt": QT_TRANSLATE_NOOP("library", "The chat template of this file does not ask the model to answer."),
    "system_refused": QT_TRANSLATE_NOOP(
        "library", "The chat template of this file refuses instructions, so they go into your first question."
    ),
    "system_lost": QT_TRANSLATE_NOOP(
        "library", "The chat template of this file leaves instructions out, so they go into your first question."
    ),
    "always_prompt": QT_TRANSLATE_NOOP(
        "library", "The chat template of this file asks for an answer where none is wanted."
    ),
    "not_opened": QT_TRANSLATE_NOOP(
        "library", "The chat template of this file does not begin the thinking that this model needs."
    ),
    "switch_ignored": QT_TRANSLATE_NOOP("library", "The chat template of this file ignores the thinking switch."),
    "unasked": QT_TRANSLATE_NOOP(
        "library", "The chat template of this file makes the model think, which it was not trained for."
    ),
    "no_switch": QT_TRANSLATE_NOOP(
        "library", "The chat template of this file offers a thinking switch that this model does not have."
    ),
    "kept": QT_TRANSLATE_NOOP(
        "library", "The chat template of this file repeats the thinking of earlier answers, which fills the context."
    ),
    "tools_lost": QT_TRANSLATE_NOOP("library", "The chat template of this file leaves out the tools it is given."),
    "tools_system": QT_TRANSLATE_NOOP(
        "library", "The chat template of this file leaves instructions out when there are tools."
    ),
    "tool_form": QT_TRANSLATE_NOOP(
        "library", "The chat template of this file writes tool calls in another form than this model knows."
    ),
}


def sentence(code: str) -> Text:
    """The fault as a sentence for people."""
    return Text(f"template.fault.{code}", FAULTS[code])


class Case(Struct, frozen=True):
    """One conversation and how it is rendered; ``broken`` is the fault when the template refuses it."""

    messages: tuple[Message, ...]
    broken: str = "refuses"
    mode: ThinkingMode = ThinkingMode.AUTO
    answer: bool = True
    tools: tuple[Message, ...] = ()


def _say(*texts: str) -> tuple[Message, ...]:
    return tuple({"role": "assistant" if n % 2 else "user", "content": text} for n, text in enumerate(texts))


_PIRATE = {"role": "system", "content": "Answer like a pirate, in one line."}
_WEATHER: Message = {
    "type": "function",
    "function": {
        "name": "look_at_sky",
        "description": "Tells whether it rains in a town.",
        "parameters": {
            "type": "object",
            "properties": {"town": {"type": "string", "description": "Where to look"}},
            "required": ["town"],
        },
    },
}
_CALL: Message = {
    "role": "assistant",
    "content": "",
    "tool_calls": [{"type": "function", "function": {"name": "look_at_sky", "arguments": {"town": "Zürich"}}}],
}
_RAIN: Message = {"role": "tool", "content": '{"rain": "heavy"}'}
_THOUGHT = "Nine and eight make seventeen, I am sure."
_RIVER = _say("Which river is the longest?")

CASES: dict[str, Case] = {
    "plain": Case(_RIVER),
    "system": Case((_PIRATE, *_RIVER), "system_refused"),
    "empty_system": Case(({"role": "system", "content": ""}, *_RIVER), "system_refused"),
    "turns": Case(_say("First question", "First answer", "Second question", "Second answer", "Third question")),
    "unicode": Case(_say("中文，Ünïcödé, עברית, e\u0301, 🎉: <b>&amp; “quotes” 'and' \"more\"")),
    "markup": Case(_say("{{ 7 * 7 }} {% raw %} {# note #} ${HOME} %s \\n\n\n  two  blanks\tand a tab")),
    "closed": Case(_say("Say yes.", "Yes."), answer=False),
    "think": Case(_RIVER, mode=ThinkingMode.THINK),
    "direct": Case(_RIVER, mode=ThinkingMode.DIRECT),
    "earlier": Case(
        (
            {"role": "user", "content": "What is 9 + 8?"},
            {"role": "assistant", "content": "17", "reasoning_content": _THOUGHT},
            {"role": "user", "content": "And 9 + 9?"},
        )
    ),
    "tools": Case((_PIRATE, *_say("Does it rain in Zürich?")), "tools_lost", tools=(_WEATHER,)),
    "tool_use": Case((*_say("Does it rain in Zürich?"), _CALL, _RAIN), "tool_form", tools=(_WEATHER,)),
}


class PromptTurn(Struct, frozen=True):
    """A message as a prompt in ChatML has it; ``ended`` says that its end is marked."""

    role: str
    body: str
    ended: bool


def turns_of(prompt: str) -> list[PromptTurn]:
    """The messages of a prompt in ChatML. What stands before the first (a begin token) is left out."""
    found = []
    for piece in prompt.split("<|im_start|>")[1:]:
        role, _, rest = piece.partition("\n")
        body, mark, _ = rest.partition("<|im_end|>")
        found.append(PromptTurn(role.strip(), body, bool(mark)))
    return found


class Renderings:
    """The conversations as a template renders them, each once. ``broken`` collects the faults of refused ones.

    A template that meets a bound raises ``UserFacing`` at once: eleven more such conversations would take as long.
    """

    def __init__(self, template: Template) -> None:
        self.template = template
        self._made: dict[str, str | None] = {}
        self.broken: set[str] = set()

    def get(self, name: str) -> str | None:
        """The prompt of conversation ``name``, None when the template refuses it."""
        if name not in self._made:
            case = CASES[name]
            try:
                self._made[name] = self.template.render(case.messages, case.mode, answer=case.answer, tools=case.tools)
            except UserFacing as error:
                if error.problem.what.code == "template.endless":
                    raise
                self._made[name] = None
                self.broken.add(case.broken)
        return self._made[name]


def examine(template: Template, family: Family) -> list[str]:
    """The codes of all faults, gravest first. Raises ``UserFacing`` for a template that meets a bound."""
    made = Renderings(template)
    checks = _CHATML if family.chatml else _ANY
    plain = made.get("plain")
    if family.chatml and plain is not None and "<|im_start|>" not in plain:
        return ["foreign"]
    found = {code for check in checks for code in check(made, family)} | made.broken
    return [code for code in FAULTS if code in found]


# Checks for every form -----------------------------------------------------------------------------------------------


def _words(made: Renderings, _family: Family) -> Iterator[str]:
    for name in ("plain", "turns", "unicode", "markup"):
        prompt = made.get(name)
        if prompt is None:
            continue
        place = 0
        for message in CASES[name].messages:
            place = prompt.find(message["content"].strip(), place)
            if place < 0:
                yield "text"
                break


# Checks for ChatML ---------------------------------------------------------------------------------------------------


def _instructions(made: Renderings, _family: Family) -> Iterator[str]:
    """These models are trained with instructions of their own; for others the first question is a fine place."""
    if made.template.form.system != "own":
        yield f"system_{made.template.form.system}"


def _shape(made: Renderings, _family: Family) -> Iterator[str]:
    """Who speaks, in which order, each message with its end mark, and the model's turn last."""
    for name in ("plain", "system", "empty_system", "turns", "unicode", "markup", "closed"):
        prompt = made.get(name)
        if prompt is None:
            continue
        case = CASES[name]
        turns = turns_of(prompt)
        opened = turns.pop() if turns and not turns[-1].ended else None
        if case.answer and (opened is None or opened.role != "assistant"):
            yield "end" if opened is not None else "no_prompt"
        if not case.answer and opened is not None:
            yield "end" if opened.body.strip() else "always_prompt"
            continue
        if not all(turn.ended for turn in turns):
            yield "end"
            continue
        wanted = [m["role"] for m in case.messages if m["role"] != "system"]
        if [turn.role for turn in turns if turn.role != "system"] != wanted:
            yield "roles"
        systems = [number for number, turn in enumerate(turns) if turn.role == "system"]
        if systems != list(range(len(systems))):  # a template may set one of its own before the user's
            yield "roles"


def _thinking(made: Renderings, family: Family) -> Iterator[str]:
    prompts = [made.get(name) for name in ("plain", "think", "direct")]
    if None in prompts:
        return
    auto, think, direct = (str(prompt) for prompt in prompts)
    switch = "enable_thinking" in made.template.source
    states = [_opening(prompt) for prompt in (auto, think, direct)]
    if family.thinking in ("switch", "open", "shut"):
        if think == direct or states[2] != "shut" or states[1] == "shut":
            yield "switch_ignored"
        elif family.thinking == "open" and states[1] != "open":
            yield "not_opened"
    elif family.thinking == "always":
        if states[0] != "open":
            yield "not_opened"
    elif family.thinking == "none":
        if "open" in states:
            yield "unasked"
        if switch:
            yield "no_switch"
    elif switch and think == direct:
        yield "switch_ignored"


def _opening(prompt: str) -> str:
    """How the model's turn begins: "open" inside thinking, "shut" after an empty one, "" without."""
    if ends_in_thinking(prompt):
        return "open"
    return "shut" if "</think>" in prompt[prompt.rfind("<|im_start|>") :] else ""


def _earlier(made: Renderings, family: Family) -> Iterator[str]:
    prompt = made.get("earlier")
    if prompt is None:
        return
    if "17" not in prompt.split("And 9 + 9?", maxsplit=1)[0]:
        yield "text"
    if family.drops and _THOUGHT in prompt:
        yield "kept"


def _tools(made: Renderings, family: Family) -> Iterator[str]:
    if not family.tools:
        return
    offered = made.get("tools")
    if offered is not None:
        turns = turns_of(offered)
        head = turns[0].body if turns and turns[0].role == "system" else ""
        spoken = "".join(turn.body for turn in turns if turn.role == "user")
        if "look_at_sky" not in head or "Tells whether it rains" not in head:
            yield "tools_lost"
        if _PIRATE["content"] not in offered:
            yield "tools_system"
        if "Does it rain in Zürich?" not in spoken:
            yield "text"
    used = made.get("tool_use")
    if used is None:
        return
    calls = [turn.body for turn in turns_of(used) if turn.role == "assistant" and turn.ended]
    results = [turn.body for turn in turns_of(used) if turn.role != "assistant"]
    known = _is_xml_call if family.tools == "xml" else _is_json_call
    answered = any(re.search(r"<tool_response>\s*\{\"rain\": \"heavy\"\}\s*</tool_response>", r) for r in results)
    if not any(known(call) for call in calls) or not answered:
        yield "tool_form"


def _is_json_call(text: str) -> bool:
    found = re.search(r"<tool_call>\s*(\{.*\})\s*</tool_call>", text, re.DOTALL)
    try:
        call = json.loads(found[1]) if found else None
    except ValueError:
        return False
    return bool(call == {"name": "look_at_sky", "arguments": {"town": "Zürich"}})


def _is_xml_call(text: str) -> bool:
    form = (
        r"<tool_call>\s*<function=look_at_sky>\s*<parameter=town>\s*Zürich\s*</parameter>\s*</function>\s*</tool_call>"
    )
    return re.search(form, text) is not None


Check = Callable[[Renderings, Family], Iterator[str]]
_ANY: tuple[Check, ...] = (_words,)
_CHATML: tuple[Check, ...] = (_words, _instructions, _shape, _thinking, _earlier, _tools)
