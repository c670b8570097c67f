"""Branches: what is done with messages, an edit in place, all versions at the side, and what is noted of an answer."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

from msgspec import structs
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from qwen_desktop.core.chat import Again, Status
from qwen_desktop.core.engine import FinishReason, Stats
from qwen_desktop.core.parts import FilePart, ThinkingPart
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text
from qwen_desktop.store import conversations, messages
from qwen_desktop.store.connection import transaction
from tests.shots import seeds, words
from tests.shots.chat_states import read
from tests.shots.parts import show_chat, transcript
from tests.shots.seeds import MADE, Chat, assistant, message_id, user
from tests.shots.stage import MODEL
from tests.shots.table import state

if TYPE_CHECKING:
    from tests.shots.stage import Stage

LEASE = Chat(
    "lease",
    "Summary of lease.pdf",
    0.1 * seeds.HOUR,
    (
        user("What does the lease say about pets?"),
        assistant("Clause 7 forbids dogs over 10 kg, and allows one small pet with the landlord's consent."),
        user(
            FilePart("", "application/pdf", "lease.pdf", 180_000),
            "Write to the landlord about clause 7, politely, and ask for the deposit to be explained.",
        ),
        assistant(
            ThinkingPart(words.THOUGHT, 9.4, 512),
            "Dear Ms Weber,\n\nclause 7 of our lease allows one small pet. Could you please explain how the deposit of "
            "1,800 € is kept, and with what interest?",
            provenance=structs.replace(MADE, budget_spent=True, stopped_loop=True),
            stats=Stats(completion_tokens=210, decode_tokens_per_s=18.4, ttft_s=0.4),
        ),
    ),
)  # fmt: skip

#: Other versions: under which message of the chat they stand, and what they say.
_OTHERS = (
    (0, assistant("It allows one small pet if the landlord agrees.")),
    (1, user("And what about the deposit?")),
    (2, assistant("To whom it may concern.")),
    (2, assistant("Dear landlord, I hope that this letter finds you well.")),
)


def _add(connection: sqlite3.Connection) -> None:
    with transaction(connection, durable=False):
        for number, (above, entry) in enumerate(_OTHERS):
            key, parent = f"lease-other-{number}", message_id(LEASE, above)
            fresh = structs.replace(entry, id=key, conversation_id="lease", parent_id=parent, created=seeds.NOW - 900)
            messages.insert(connection, fresh)
        conversations.touch(connection, "lease", seeds.NOW, message_id(LEASE, 3), None)


async def lease(stage: Stage, **settings: Any) -> None:
    """The chat about the lease with all its versions, its end on show."""
    await stage.open(LEASE, **settings)
    await stage.services.db.call(_add)
    await show_chat(stage, "lease")
    await stage.still()


def item(stage: Stage, number: int) -> Any:
    """A message of the lease on show."""
    view: Any = transcript(stage)
    return view.items[number]


def hover(stage: Stage, number: int, action: str) -> None:
    """Point at an action of a message."""
    view, found = transcript(stage), item(stage, number)
    place = view.rect_of(found, next(t for t in found.targets() if t.action == action).rect).center()  # type: ignore[attr-defined]
    QTest.mouseMove(view.viewport(), place)


def _edit(stage: Stage, number: int) -> Any:
    stage.window.chat.pane.messages.edit(item(stage, number).message.id)
    return stage.window.chat.pane.transcript.findChild(type(stage.window.chat.pane.composer.edit))


@state("chat-branches")
async def branches(stage: Stage) -> None:
    await lease(stage)
    stage.command("chat.versions")
    _edit(stage, 2)


@state("chat-branches-edit-answer")
async def edit_answer(stage: Stage) -> None:
    await lease(stage)
    _edit(stage, 3)


@state("chat-branches-edit-long")
async def edit_long(stage: Stage) -> None:
    await read(stage, seeds.LONG_QUESTION)
    await stage.still()
    _edit(stage, 0)


@state("chat-branches-versions")
async def versions(stage: Stage) -> None:
    await lease(stage)
    stage.command("chat.versions")


@state("chat-branches-versions-none")
async def versions_none(stage: Stage) -> None:
    await read(stage, seeds.SHORT)
    stage.command("chat.versions")


@state("chat-branches-versions-menu")
async def versions_menu(stage: Stage) -> None:
    await lease(stage)
    stage.command("chat.versions")
    await stage.still()
    panel = stage.window.chat.pane.versions
    place = panel.view.visualRect(panel.view.currentIndex()).center()
    panel.view.menu_wanted.emit(message_id(LEASE, 3), panel.view.viewport().mapToGlobal(place))


@state("chat-branches-question-hover")
async def question_hover(stage: Stage) -> None:
    await lease(stage)
    hover(stage, 2, "edit")


@state("chat-branches-answer-menu")
async def answer_menu(stage: Stage) -> None:
    recent = ("/models/Qwen3-8B-Q4_K_M.gguf", stage_model())
    await lease(stage, storage__recent_models=recent)
    view: Any = transcript(stage)
    found = item(stage, 3)
    view.activated.emit(found, next(target for target in found.targets() if target.action == "menu"))


@state("chat-branches-regenerate-with")
async def regenerate_with(stage: Stage) -> None:
    await answer_menu(stage)
    await stage.still()
    menu = stage.window.chat.pane.transcript.findChild(type(stage.window.chat.header._menu))
    action = next(each for each in menu.actions() if each.menu() is not None)
    menu.setActiveAction(action)
    stage.key(
        menu, Qt.Key.Key_Left if stage.window.layoutDirection() is Qt.LayoutDirection.RightToLeft else Qt.Key.Key_Right
    )


def stage_model() -> str:
    """The file of the model that answers."""
    return f"/models/{MODEL}"


_OTHER_ENGINE = Text("again.engine", QT_TRANSLATE_NOOP("tests", "It was made with another version of the engine."))

_OTHER_THREADS = Text("again.threads", QT_TRANSLATE_NOOP("tests", "It was computed with another number of threads."))


@state("chat-branches-again")
async def again(stage: Stage) -> None:
    equal = structs.replace(MADE, again=Again("again-0001", equal=True))
    other = structs.replace(MADE, again=Again("again-0003", equal=False, differs=(_OTHER_ENGINE,)))
    both = structs.replace(MADE, again=Again("again-0003", equal=False, differs=(_OTHER_ENGINE, _OTHER_THREADS)))
    said = (
        user("Why is the sky blue?"), assistant(words.SKY, provenance=equal),
        user("And red?"), assistant("Red comes last.", provenance=other),
        user("And green?"), assistant("Green is in the middle.", provenance=both),
        user("Enough."), assistant("As you like.", provenance=structs.replace(MADE, edited=True)),
    )  # fmt: skip
    await read(stage, Chat("again", "Run again", said=said))
    await stage.still()
    view: Any = transcript(stage)
    view.activated.emit(item(stage, 5), next(t for t in item(stage, 5).targets() if t.action == "differs"))


@state("chat-branches-notes")
async def notes(stage: Stage) -> None:
    question = user("Go on.")
    full = Stats(context_used=4096, context_size=4096)
    looped = structs.replace(MADE, stopped_loop=True)
    said = (
        question, assistant("This one was stopped by", status=Status.STOPPED, finish_reason=FinishReason.CANCELLED),
        question, assistant("This one ended with the app", status=Status.INTERRUPTED),
        question, assistant("This one filled the context", finish_reason=FinishReason.LENGTH, stats=full),
        question, assistant("Round and round", provenance=looped, stats=Stats(completion_tokens=210)),
    )  # fmt: skip
    await read(stage, Chat("notes", "Answers that ended early", said=said))


@state("chat-branches-deleted")
async def deleted(stage: Stage) -> None:
    await lease(stage)
    stage.command("message.delete")
    await stage.rest()


@state("chat-branches-large-text")
async def large_text(stage: Stage) -> None:
    await lease(stage)
    await stage.services.preferences.set("appearance.text_size", 200)
    await stage.still()
    stage.command("chat.versions")
    _edit(stage, 2)
