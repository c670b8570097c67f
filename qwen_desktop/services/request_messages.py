"""What the model gets to read: the branch as typed messages, tidy enough for any chat template. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from msgspec import Struct, structs

from qwen_desktop.core import settings
from qwen_desktop.core.chat import NO_BUDGET, Message, Status
from qwen_desktop.core.engine import Adapter, ChatMessage, GenerateRequest, Sampling
from qwen_desktop.core.model_ref import GuideRef, ModelRef
from qwen_desktop.core.parts import Part, Role, TextPart, ThinkingPart, ToolResultPart, visible_text

#: The id of the system prompt in a request; it is stored with the conversation, not as a message.
SYSTEM_ID = "system"


def asked_sampling(chosen: settings.SamplingSettings | Sampling, own: Sampling | None = None) -> Sampling:
    """What is ``chosen`` (by the settings, say), except what a conversation's or an answer's ``own`` values say. What a
    model makes of it is the engine's to decide, for all faces alike."""
    values = {name: getattr(chosen, name) for name in Sampling.__struct_fields__}
    return Sampling(**values | {name: value for name, value in _values(own) if value is not None})


def thought_budget(*asked: int | None) -> int | None:
    """How many tokens a thought may have: what the first one says that says anything; None for as many as it likes."""
    tokens = next((tokens for tokens in asked if tokens is not None), NO_BUDGET)
    return None if tokens < 0 else tokens


def adapters_asked(chosen: Sequence[Adapter], ref: ModelRef) -> tuple[Adapter, ...]:
    """The adapters of a request to ``ref``: those of a conversation that count at all. The guide, which answers while
    there is nothing else, has none: they were chosen for another model."""
    if isinstance(ref, GuideRef):
        return ()
    return tuple(Adapter(each.path, each.scale) for each in chosen if each.scale)


def as_then(request: GenerateRequest, original: Message) -> GenerateRequest:
    """The request with what made ``original``, which has a recipe, so that it is made again."""
    recipe = original.provenance.recipe if original.provenance is not None else None
    then = {name: value for name, value in _values(recipe) if name in GenerateRequest.__struct_fields__}
    return structs.replace(request, **then, again=recipe)


def _values(struct: Struct | None) -> Iterator[tuple[str, Any]]:
    return ((name, getattr(struct, name)) for name in (struct.__struct_fields__ if struct is not None else ()))


def usable(entry: Message) -> bool:
    """Whether a message is sent to the model: failed and empty answers are not."""
    if entry.role is Role.USER:
        return bool(entry.parts)
    return entry.status not in (Status.FAILED, Status.STREAMING) and bool(visible_text(entry.parts).strip())


def request_messages(branch: Sequence[Message], system_prompt: str) -> tuple[ChatMessage, ...]:
    """The messages of a request, oldest first; the last one of ``branch`` is the user's.

    Roles alternate, since some templates refuse anything else: questions whose answer failed are joined to the next
    one (under the first one's id), and an answer that stands first, its question being left out, is dropped. What was
    thought for an earlier answer is left out, as Qwen asks for all of its models, whatever the template would do.
    """
    found: list[ChatMessage] = []
    for entry in branch:
        if entry.role not in (Role.USER, Role.ASSISTANT) or not usable(entry):
            continue
        if not found and entry.role is Role.ASSISTANT:
            continue
        parts = tuple(part for part in entry.parts if not isinstance(part, ThinkingPart))
        told = (ChatMessage(entry.role, parts, entry.id),)
        for message in answer_messages(parts, entry.id) if entry.role is Role.ASSISTANT else told:
            if found and found[-1].role is message.role:
                last = found.pop()
                found.append(ChatMessage(last.role, _joined(last.parts, message.parts), last.id))
            else:
                found.append(message)
    if system_prompt.strip():
        found.insert(0, ChatMessage(Role.SYSTEM, (TextPart(system_prompt),), SYSTEM_ID))
    return tuple(found)


def answer_messages(parts: Sequence[Part], message_id: str) -> tuple[ChatMessage, ...]:
    """An answer as the model gets it: what tools gave back is not said by the model but told to it."""
    return tuple(
        ChatMessage(Role.TOOL if tool else Role.ASSISTANT, tuple(group), message_id)
        for tool, group in groupby(parts, lambda part: isinstance(part, ToolResultPart))
    )


def _joined(first: tuple[Part, ...], second: tuple[Part, ...]) -> tuple[Part, ...]:
    if first and second and isinstance(first[-1], TextPart) and isinstance(second[0], TextPart):
        return (*first[:-1], TextPart(f"{first[-1].text}\n\n{second[0].text}"), *second[1:])
    return (*first, *second)


def cut_of(branch: Sequence[Message], messages: Sequence[ChatMessage]) -> str | None:
    """The cut that the newest earlier answer kept, where its message is still among those sent."""
    for entry in reversed(branch):
        if entry.role is Role.ASSISTANT and entry.context_cut is not None:
            return entry.context_cut if any(m.id == entry.context_cut for m in messages) else None
    return None
