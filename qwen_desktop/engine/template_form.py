"""The form in which a chat template wants a conversation, found once with a conversation whose words are marked.

Templates differ in what they read: content as a text or as typed parts, instructions as a message of their own or not
at all. One that is given the other form often says nothing and leaves the words out, and the model answers a question
that it never saw. Engine and template doctor both ask here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

from msgspec import Struct

from qwen_desktop.core.errors import Failure, UserFacing
from qwen_desktop.core.text import QT_TRANSLATE_NOOP

Message: TypeAlias = Mapping[str, Any]

_EVERYBODY = ("system", "user", "assistant", "tool")
#: Whose content may have to be typed parts, in the order in which it is tried.
_PARTS: tuple[tuple[str, ...], ...] = ((), _EVERYBODY, ("user",))

_SYSTEM = "Instructions marked amber seventeen."
_TALK: tuple[Message, ...] = (
    {"role": "system", "content": _SYSTEM},
    {"role": "user", "content": "A first question marked cedar twenty-three."},
    {"role": "assistant", "content": "An answer marked ivory thirty-one."},
    {"role": "user", "content": "A last question marked onyx forty-seven."},
)


#: Typed parts as Python or JSON writes them: the template has put down what it could not read.
_UNREAD = re.compile(r"""\{\s*["']type["']\s*:""")

# fmt: off
_loses = Failure(
    UserFacing, "template.loses", "",
    QT_TRANSLATE_NOOP("engine", "The chat template of this model leaves out what you write."),
    QT_TRANSLATE_NOOP(
        "engine",
        "The model would answer without your question, so it is not loaded; choose another file of this model.",
    ),
)
# fmt: on


class Form(Struct, frozen=True):
    """How messages are handed to a template.

    ``parts`` are the roles whose content goes as typed parts. ``system`` says what the template does with
    instructions: reads them as its "own" message, has "refused" or "lost" them; then they go into the first question.
    """

    parts: tuple[str, ...] = ()
    system: Literal["own", "refused", "lost"] = "own"

    def shape(self, messages: Sequence[Message]) -> list[dict[str, Any]]:
        """``messages`` (content as text) in this form."""
        shaped = [dict(message) for message in messages]
        if self.system != "own":
            shaped = _merged(shaped)
        for message in shaped:
            if message["role"] in self.parts and isinstance(message.get("content"), str):
                message["content"] = [{"type": "text", "text": message["content"]}]
        return shaped


def _merged(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    told = [str(m["content"]) for m in messages if m["role"] == "system" and m["content"]]
    rest = [m for m in messages if m["role"] != "system"]
    if not told:
        return rest
    first = next((m for m in rest if m["role"] == "user"), None)
    if first is None:
        return [{"role": "user", "content": "\n\n".join(told)}, *rest]
    first["content"] = "\n\n".join([*told, str(first["content"])])
    return rest


def form_of(render: Callable[[list[dict[str, Any]]], str]) -> Form:
    """The form in which nothing of a conversation is lost. ``render`` makes a prompt of shaped messages.

    Raises ``UserFacing`` where there is none: with the template's own words when it refuses every form, and at once
    when it meets a bound.
    """
    refusal: UserFacing | None = None

    def lost(form: Form) -> list[str] | None:
        """What is not in the prompt; None when the template refuses the conversation."""
        nonlocal refusal
        try:
            return _lost(render(form.shape(_TALK)))
        except UserFacing as error:
            if error.problem.what.code != "template.raised":
                raise
            if form.system != "own":
                refusal = refusal or error
            return None

    for parts in _PARTS:
        missing = lost(Form(parts))
        if missing == []:
            return Form(parts)
        if missing is None or missing == [_SYSTEM]:
            form = Form(parts, "refused" if missing is None else "lost")
            if lost(form) == []:
                return form
    raise refusal or _loses()


def _lost(prompt: str) -> list[str]:
    if _UNREAD.search(prompt) is not None:
        return [message["content"] for message in _TALK]
    return [message["content"] for message in _TALK if message["content"] not in prompt]
