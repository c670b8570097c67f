"""``--continue ID|last``: the stored conversation that a question goes on with."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from msgspec import structs

from qwen_desktop.core.chat import Conversation, Message, Status
from qwen_desktop.core.errors import Failure, UserFacing
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, shown
from qwen_desktop.services.history import History

LAST = "last"
#: So many characters name a conversation, where no other begins with them.
SHORTEST = 6
#: So many of an id are printed, and so many conversations.
_SHOWN, _MOST = 8, 5
#: An answer that another process writes is saved at least once in this time while it grows, in seconds.
WATCH_S = 1.0

# fmt: off
_none = Failure(
    UserFacing, "continue.none", "", QT_TRANSLATE_NOOP("cli", "There is no chat to continue yet."),
    QT_TRANSLATE_NOOP("cli", "Begin one in the window, or with --save."),
)
_unknown = Failure(
    UserFacing, "continue.unknown", "id chats", QT_TRANSLATE_NOOP("cli", "There is no chat with the id {id}."),
    QT_TRANSLATE_NOOP("cli", "These changed last: {chats}."),
)
_short = Failure(
    UserFacing, "continue.short", "id n chats",
    QT_TRANSLATE_NOOP("cli", "{id} is too short for the id of a chat: write its first %n character(s) at least."),
    QT_TRANSLATE_NOOP("cli", "These changed last: {chats}."),
)
_several = Failure(
    UserFacing, "continue.several", "id n chats",
    QT_TRANSLATE_NOOP("cli", "The ids of %n chat(s) begin with {id}."),
    QT_TRANSLATE_NOOP("cli", "Write more of one of them: {chats}."),
)
_running = Failure(
    UserFacing, "continue.running", "", QT_TRANSLATE_NOOP("cli", "An answer is still being written in this chat."),
    QT_TRANSLATE_NOOP("cli", "Wait for it, or stop it in the program that writes it."),
)
# fmt: on


async def find(history: History, wanted: str) -> Conversation:
    """The one conversation that ``wanted`` means: its id or the beginning of it, or ``last`` for the one that changed
    last. Raises ``UserFacing`` where there is none, more than one, or an answer is being written in it."""
    chosen = await choose(history, wanted)
    (leaf,) = await history.tail(chosen.id, 1) or (None,)
    if leaf is not None and leaf.status is Status.STREAMING:
        await _settle(history, leaf)
    return chosen


async def choose(history: History, wanted: str) -> Conversation:
    """As ``find``, also while an answer is being written there."""
    found = sorted(await history.list(), key=lambda entry: entry.updated, reverse=True)
    if not found:
        raise _none()
    return found[0] if wanted == LAST else _named(found, wanted)


def _named(found: Sequence[Conversation], wanted: str) -> Conversation:
    prefix = wanted.strip().lower()
    if whole := next((entry for entry in found if entry.id == wanted.strip()), None):
        return whole  # an imported one may have an id of another form
    fitting = [entry for entry in found if entry.id.lower().startswith(prefix)]
    if len(prefix) < SHORTEST:
        raise _short(shown(wanted) or "“”", SHORTEST, _listed(found))
    if not fitting:
        raise _unknown(shown(wanted), _listed(found))
    if len(fitting) > 1:
        raise _several(shown(wanted), len(fitting), ", ".join(entry.id for entry in fitting[:_MOST]))
    return fitting[0]


def _listed(found: Sequence[Conversation]) -> str:
    return ", ".join(f"{entry.id[:_SHOWN]} ({shown(entry.title)})" for entry in found[:_MOST])


async def _settle(history: History, answer: Message) -> None:
    """An answer that was not ended: another process writes it, or was killed while it did. One that does not grow
    counts as interrupted, as it would at the window's next start, so that the model gets to read what it said; where it
    is written after all, its end is saved over that."""
    await asyncio.sleep(WATCH_S)
    now = await history.message(answer.id)
    if now is not None and now.status is Status.STREAMING:
        if now != answer:
            raise _running()
        await history.save(structs.replace(now, status=Status.INTERRUPTED), durable=True)
