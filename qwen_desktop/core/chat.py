"""Conversations as stored and shown: messages form trees (parent ids); what made each answer stays with it."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable
from enum import StrEnum
from typing import Any

from msgspec import Struct, field, structs

from qwen_desktop.core.engine import Adapter, FinishReason, Recipe, Sampling, Stats, ThinkingMode, UsedAdapter
from qwen_desktop.core.errors import Problem, UserFacing
from qwen_desktop.core.model_ref import ModelRef
from qwen_desktop.core.parts import Part, Role
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text

#: Longest message, in characters; a frame to the worker has room for 64 MiB.
LONGEST_MESSAGE = 8_000_000
#: The budget of a conversation whose thoughts may be as long as they like, whatever the settings say.
NO_BUDGET = -1
#: So many adapters may count at once, and each one at most so strongly where that is chosen in the window; what engines
#: take (``core.gguf.adapters``) comes from the command line and in files, too.
MOST_ADAPTERS, STRONGEST, LARGEST_SCALE = 8, 2.0, 8.0
#: A path that leads to another computer, however it is written.
_ELSEWHERE = re.compile(r"[\\/]{2}|[\w.+-]{2,}:")
_SHA256 = re.compile("[0-9a-f]{64}")


#: What the ids of a temporary conversation, of its messages and of its queued prompts begin with; no other id does.
TEMPORARY = "t"
#: Characters of an id of something temporary.
_LONG = 33


def new_id(like: str = "") -> str:
    """An id for a conversation or a message; with that of a temporary one as ``like``, for something of it."""
    return (TEMPORARY if is_temporary(like) else "") + uuid.uuid4().hex


def new_temporary_id() -> str:
    """An id for a temporary conversation."""
    return TEMPORARY + uuid.uuid4().hex


def is_temporary(identity: str) -> bool:
    """Whether a conversation, or what an id of one of its messages names, is kept in memory only."""
    return len(identity) == _LONG and identity.startswith(TEMPORARY)


def kept_id(identity: str) -> str:
    """The id that something of a temporary conversation has once that is kept on the disk."""
    return identity.removeprefix(TEMPORARY) if is_temporary(identity) else identity


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


def leads_elsewhere(path: str) -> bool:
    """Whether a path that a stranger wrote would have another computer asked for the file, or is none at all."""
    return _ELSEWHERE.match(path) is not None or "\x00" in path


def adapters_of_a_file(found: Iterable[Adapter]) -> tuple[Adapter, ...]:
    """Adapters that a file of any origin names, as far as they can be here: each path once, none in a network that
    would be asked for it, none stronger than may be."""
    kept = {
        adapter.path: Adapter(adapter.path, adapter.scale, adapter.sha256 * bool(_SHA256.fullmatch(adapter.sha256)))
        for adapter in found
        if adapter.path and not leads_elsewhere(adapter.path) and abs(adapter.scale) <= LARGEST_SCALE
    }
    return tuple(kept.values())[:MOST_ADAPTERS]


class Again(Struct, frozen=True):
    """What came of making the answer ``of`` again, exactly: whether it is ``equal``, letter for letter (thinking too;
    one that was stopped, as far as it came; None while it is not known), and what ``differs`` from how it was made."""

    of: str
    equal: bool | None = None
    differs: tuple[Text, ...] = ()


class Provenance(Struct, frozen=True):
    """What made an answer, so that it can be run again.

    ``model_sha256`` hashes the file's header, tensor table and size (see ``core.gguf.fingerprint``), not the whole
    file. ``settings`` are the load settings in force; ``seed`` is the one really used, also when it was drawn.
    ``recipe`` is what a local model needs to say the same again, exactly; of an answer that it made in several
    generations, for the last one.
    ``budget_spent`` and ``stopped_loop`` say how the engine stepped in, as in ``GenerateResult``. ``edited``: a person
    changed the words. ``again`` is set where another answer was to be made again. ``adapters`` are those that it was
    made with.
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
    budget_spent: bool = False
    stopped_loop: bool = False
    edited: bool = False
    again: Again | None = None
    adapters: tuple[UsedAdapter, ...] = ()


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

    @property
    def at_its_end(self) -> bool:
        """Whether it is an answer that came to its end by itself, so that it cannot go on."""
        by_itself = self.status is Status.DONE and self.finish_reason is FinishReason.STOP
        return by_itself and not (self.provenance is not None and self.provenance.stopped_loop)


class Conversation(Struct, frozen=True):
    """A conversation as the side list shows it. ``leaf_id`` is the last message of the branch on show.

    ``titled`` is true when a person chose the title, so that no automatism changes it. ``model`` answers here, where
    it is None the one that is chosen for the app. ``thinking_budget`` is how many tokens a thought may have here, None
    as the settings say, ``NO_BUDGET`` for as many as it likes; ``sampling`` how tokens are chosen here, where it says
    anything, and ``context`` how many tokens the model is to remember. ``adapters`` change what makes its next answers,
    all of them at once.

    ``folder_id`` is the folder that it lies in, "" for none, as one that is not there any more; ``tags`` are in
    alphabetical order, each once. One that is ``archived`` is not in the list, but found. ``assistant_id`` is the
    assistant that it was begun with, "" for none: what it asks for was copied into the conversation then, and may have
    been changed here since.
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
    thinking_budget: int | None = None
    folder_id: str = ""
    tags: tuple[str, ...] = ()
    archived: bool = False
    assistant_id: str = ""
    sampling: Sampling | None = None
    context: int | None = None
    adapters: tuple[Adapter, ...] = ()


class Setup(Struct, frozen=True):
    """What somebody has chosen for a chat that is not begun yet. None is as the settings say; they name no adapters."""

    system_prompt: str | None = None
    sampling: Sampling | None = None
    context: int | None = None
    adapters: tuple[Adapter, ...] | None = None

    def __bool__(self) -> bool:
        return self != Setup()

    def over(self, other: Setup) -> Setup:
        """This, and where it says nothing the other one."""
        return structs.replace(
            other, **{name: value for name, value in structs.asdict(self).items() if value is not None}
        )

    def apart_from(self, other: Setup) -> Setup:
        """What this says that the other one does not."""
        return Setup(**{name: value for name, value in structs.asdict(self).items() if value != getattr(other, name)})


class Folder(Struct, frozen=True):
    """A folder of conversations, in the folder ``parent_id`` or, for "", beside all others."""

    id: str
    name: str
    parent_id: str = ""


class Names(Struct, frozen=True):
    """What conversations can be told apart by: the names of folders by id, tags, and models that have answered."""

    folders: dict[str, str] = {}
    tags: tuple[str, ...] = ()
    models: tuple[str, ...] = ()


class Versions(Struct, frozen=True):
    """A message's place among its siblings (other answers to the same question): ``index`` counts from 0."""

    ids: tuple[str, ...]
    index: int


class Node(Struct, frozen=True):
    """A message in the tree of a conversation's versions, with the beginning of its ``text`` on one line."""

    id: str
    parent_id: str | None
    role: Role
    text: str
    created: float
    status: Status = Status.DONE
