"""The messages of a window in a test: what is on show, and what a user points at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QMenu

from qwen_desktop.core.chat import Message, Provenance, new_id
from qwen_desktop.core.engine import Sampling, ThinkingMode
from qwen_desktop.core.parts import Part, Role, TextPart, visible_text
from tests.ui.branching import branch, on_show, settle

if TYPE_CHECKING:
    from qwen_desktop.ui.chat.edit_section import EditBox
    from tests.ui.conftest import Ui

CTRL, ALT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.AltModifier
MADE = Provenance("/models/q.gguf", "Qwen3 4B", "", "", Sampling(), 1, ThinkingMode.AUTO, "test")


def view(ui: Ui) -> Any:
    return ui.chat.pane.transcript


def texts(ui: Ui) -> list[str]:
    return [visible_text(item.message.parts) for item in view(ui).items]


def top(ui: Ui, message_id: str) -> float:
    return float(view(ui).top_of(view(ui).item(message_id)))


def box(ui: Ui, message_id: str) -> EditBox:
    """The box in which a message is edited."""
    section = next(each for each in view(ui).item(message_id).extra.values() if each.edits)
    return section.widget  # type: ignore[no-any-return]


def click(ui: Ui, message_id: str, action: str) -> None:
    """Point at an action of a message and click it."""
    item = view(ui).item(message_id)
    target = next(target for target in item.targets() if target.action == action)
    place = view(ui).rect_of(item, target.rect).center()
    QTest.mouseMove(view(ui).viewport(), place)
    QTest.mouseClick(view(ui).viewport(), Qt.MouseButton.LeftButton, pos=place)


async def menu_of(ui: Ui, message_id: str) -> QMenu:
    """The menu of a message, opened by its button."""
    click(ui, message_id, "menu")
    await ui.until(lambda: isinstance(QApplication.activePopupWidget(), QMenu))
    menu = QApplication.activePopupWidget()
    assert isinstance(menu, QMenu)
    return menu


def entries(menu: QMenu) -> list[str]:
    return [action.text().partition("\t")[0] for action in menu.actions() if action.text()]


def choose(menu: QMenu, title: str) -> None:
    action = next(action for action in menu.actions() if action.text().partition("\t")[0] == title)
    assert action.isEnabled()
    action.trigger()
    menu.close()


async def talk(ui: Ui, turns: int = 20) -> tuple[str, list[str]]:
    """A chat of so many questions and answers, its end on show: its id, and those of its messages."""
    chat = (await ui.app.history.create("a chat")).id
    ids = await branch(ui, chat, None, "x", turns)
    ui.chat.open(chat)
    await ui.until(lambda: on_show(ui) == ids)
    await settle(ui)
    return chat, ids


async def answer(ui: Ui, *parts: Part | str, **more: Any) -> str:
    """A chat with one question and one answer on show; the answer's id."""
    chat = (await ui.app.history.create("a chat")).id
    question = Message(new_id(), chat, None, Role.USER, (TextPart("Why?"),), 1.0)
    made = tuple(TextPart(part) if isinstance(part, str) else part for part in parts)
    more.setdefault("provenance", MADE)
    await ui.app.history.add((question, Message(new_id(), chat, question.id, Role.ASSISTANT, made, 2.0, **more)))
    ui.chat.open(chat)
    await ui.until(lambda: len(on_show(ui)) == 2)
    await settle(ui)
    return on_show(ui)[1]
