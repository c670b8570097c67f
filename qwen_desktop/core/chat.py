"""Conversations as stored and shown: messages form trees (parent ids); what made each answer stays with it."""

from __future__ import annotations

import uuid
from enum import StrEnum
from typing import Any

from msgspec import Struct, field

from qwen_desktop.core.engine import FinishReason, Recipe, Sampling, Stats, ThinkingMode
from qwen_desktop.core.errors import Problem, UserFacing
from qwen_desktop.core.model_ref import ModelRef
from qwen_desktop.core.parts import Part, Role
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text

#: Longest message, in characters; a frame to the worker has room for 64 MiB.
LONGEST_MESSAGE = 8_000_000


def new_id() -> str:
    """An id for a conversation or a message."""
    return uuid.uuid4().hex


def message_too_long() -> UserFacing:
    """A message that is longer than any may be."""
    return UserFacing(
        Text(
            "prompt.huge",
            QT_TRANSLATE_NOOP("chat", "The message is longer than %n character(s)."),
            {"n": LONGEST_MESSAGE},
        ),
        Text("prompt.huge.hint", QT_TRANSLATE_NOOP("chat", "Shorten it, or send it in parts.")),
    )


class Provenance(Struct, frozen=True):
    """What made an answer, so that it can be run again.

    ``model_sha256`` hashes the file's header, tensor table and size (see ``core.gguf.fingerprint``), not the whole
    file. ``settings`` are the load settings in force; ``seed`` is the one really used, also when it was drawn.
    ``recipe`` is what a local model needs to say the same again, exactly; of an answer that it made in several
    generations, for the last one.
    """

    model_path: str
    model_name: str
    model_sha256: str
    template_sha256: str
    sampling: Sampling
    seed: int
    thinking: ThinkingMode
    engine: str
    settings: dict[str, Any] = field(default_factory=dict)
    guide: bool = False
    recipe: Recipe | None = None


class Status(StrEnum):
    """Where a message is in its life. ``STREAMING`` found on disk at start means that the app was killed."""

    DONE = "done"
    STREAMING = "streaming"
    STOPPED = "stopped"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


class Message(Struct, frozen=True):
    """One message of a conversation's tree. Times are seconds since the epoch, UTC."""

    id: str
    conversation_id: str
    parent_id: str | None
    role: Role
    parts: tuple[Part, ...]
    created: float
    status: Status = Status.DONE
    finish_reason: FinishReason | None = None
    provenance: Provenance | None = None
    stats: Stats | None = None
    problem: Problem | None = None
    #: id of the first message that was still sent to the model; earlier ones were left out (context full).
    context_cut: str | None = None


class Conversation(Struct, frozen=True):
    """A conversation as the side list shows it. ``leaf_id`` is the last message of the branch on show.

    ``titled`` is true when a person chose the title, so that no automatism changes it. ``model`` answers here, where
    it is None the one that is chosen for the app.
    """

    id: str
    title: str
    created: float
    updated: float
    leaf_id: str | None = None
    titled: bool = False
    thinking: ThinkingMode = ThinkingMode.AUTO
    system_prompt: str = ""
    pinned: bool = False
    model: ModelRef | None = None


class Versions(Struct, frozen=True):
    """A message's place among its siblings (other answers to the same question): ``index`` counts from 0."""

    ids: tuple[str, ...]
    index: int
