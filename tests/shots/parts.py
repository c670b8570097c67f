"""Where the parts of the window are that states look for. What is renamed in the window is renamed here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QContextMenuEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractItemView, QAbstractScrollArea, QApplication, QWidget

if TYPE_CHECKING:
    from tests.shots.stage import Stage


def on_show(place: QWidget, *names: str) -> Any:
    """The visible widget of a class of one of these names, the first in the order of the children; None without."""
    for child in place.findChildren(QWidget):
        if type(child).__name__ in names and child.isVisible():
            return child
    return None


def named(place: QWidget, *names: str) -> Any:
    """As ``on_show``, for what must be there."""
    found = on_show(place, *names)
    assert found is not None, f"no {' or '.join(names)} is on show"
    return found


def transcript(stage: Stage) -> QAbstractScrollArea:
    """The messages of the chat on show."""
    found = named(stage.window, "TranscriptView")
    assert isinstance(found, QAbstractScrollArea)
    return found


def composer(stage: Stage) -> Any:
    """The text field of the message box."""
    return named(named(stage.window, "Composer"), "MessageEdit")


def model_button(stage: Stage) -> Any:
    """What opens the menu of models."""
    return named(stage.window, "ModelButton")


def find_field(stage: Stage) -> Any:
    """The field that searches the list of chats."""
    return named(named(stage.window, "SideList"), "SearchField")


def chats(stage: Stage) -> Any:
    """The list of chats."""
    found = named(stage.window, "SideList").findChildren(QAbstractItemView)
    assert found
    return found[0]


def models(stage: Stage) -> Any:
    """The models page, once it was opened."""
    return stage.window.pages.built("view.models")


def settings(stage: Stage) -> Any:
    """The settings page, once it was opened."""
    return stage.window.pages.built("view.settings")


def welcome(stage: Stage) -> Any:
    """The welcome page, once it was opened."""
    return stage.window.pages.built("help.welcome")


async def show_chat(stage: Stage, chat_id: str) -> None:
    """Open a chat of the history and wait for its end to be on show."""
    stage.window.show_page("view.chat")
    stage.window.chat.open(chat_id)
    await shown(stage)
    await stage.rest()


async def shown(stage: Stage) -> None:
    """Wait until messages are on show."""
    await stage.until(lambda: on_show(stage.window, "TranscriptView"))


def drag(area: QAbstractScrollArea, start: QPoint, end: QPoint) -> None:
    """Drag with the left button, as one selects text."""
    view = area.viewport()
    QTest.mousePress(view, Qt.MouseButton.LeftButton, pos=start)
    QTest.mouseMove(view, (start + end) / 2)
    QTest.mouseMove(view, end)
    QTest.mouseRelease(view, Qt.MouseButton.LeftButton, pos=end)


def right_click(widget: QWidget, place: QPoint) -> None:
    """Ask for the context menu at a point of ``widget``."""
    event = QContextMenuEvent(QContextMenuEvent.Reason.Mouse, place, widget.mapToGlobal(place))
    QApplication.sendEvent(widget, event)
