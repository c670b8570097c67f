"""Conversations with branches in a window, and where the reader is in them."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from qwen_desktop.core.chat import Message, new_id
from qwen_desktop.core.parts import Role, TextPart

if TYPE_CHECKING:
    from tests.ui.conftest import Ui


async def branch(ui: Ui, conversation_id: str, parent: str | None, name: str, turns: float) -> list[str]:
    """Questions and answers that go on from a message, put straight into the history; their ids. Of the first of
    half a turn more there is the answer alone."""
    chance = random.Random(name)
    messages: list[Message] = []
    for number in range(round(2 * turns) % 2, round(2 * turns) + round(2 * turns) % 2):
        role = Role.ASSISTANT if number % 2 else Role.USER
        text = f"{name} {number} " + "words " * chance.randint(1, 40)
        messages.append(Message(new_id(), conversation_id, parent, role, (TextPart(text),), float(number)))
        parent = messages[-1].id
    await ui.app.history.add(messages, announce=False)
    return [message.id for message in messages]


async def all_of(ui: Ui, conversation_id: str) -> list[str]:
    """The branch on show as it is stored."""
    return [message.id for message in await ui.app.history.tail(conversation_id, 9999)]


def on_show(ui: Ui) -> list[str]:
    return [item.message.id for item in ui.chat.pane.transcript.items]


async def settle(ui: Ui) -> None:
    view = ui.chat.pane.transcript
    await ui.until(lambda: not ui.chat.pane.feed._loading)
    await ui.until(lambda: all(item.ready and not item.pending for item in view.visible_items()))


async def read(ui: Ui, message_id: str, top: int) -> None:
    """Scroll so that a message stands there in the viewport."""
    view = ui.chat.pane.transcript
    for _ in range(4):
        view.scroll_by(round(view.top_of(view.item(message_id)) - top))
        await settle(ui)
