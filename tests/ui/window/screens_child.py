"""Widgets with icons on two screens, one with twice the other's pixels, for ``test_screens``: each is drawn after it
was moved there from the other one, and beside that one that was made there. Prints those that differ, then "done"."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from PySide6.QtCore import QPoint, QRect, QSize, Qt
from PySide6.QtGui import QImage, QScreen
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QMainWindow, QVBoxLayout, QWidget

from qwen_desktop.core.paths import find_paths
from qwen_desktop.ui.actions import Actions
from qwen_desktop.ui.chat.composer import Composer
from qwen_desktop.ui.chat.empty_chat import EmptyChat
from qwen_desktop.ui.chat.header import ChatHeader
from qwen_desktop.ui.chat.sidelist import SideList
from qwen_desktop.ui.rail import Rail
from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets.buttons import IconButton, RoundButton, TextButton
from qwen_desktop.ui.widgets.labels import Chip, IconLabel
from qwen_desktop.ui.widgets.search_field import SearchField
from qwen_desktop.ui.widgets.select import Select


def picture(widget: QWidget) -> QImage:
    return widget.grab().toImage()


def on(screen: QScreen, make: Callable[[QWidget], QWidget], first: QScreen | None = None) -> QImage:
    """A widget as it looks on ``screen``, having been drawn on ``first`` before."""
    window = QWidget()
    window.setAttribute(Qt.WidgetAttribute.WA_ShowWithoutActivating)
    window.create()
    for place in filter(None, (first, screen)):
        window.windowHandle().setScreen(place)
        window.setGeometry(QRect(place.geometry().topLeft() + QPoint(20, 20), QSize(400, 300)))
        if window.layout() is None:
            QVBoxLayout(window).addWidget(make(window))
        window.show()
        QTest.qWaitForWindowExposed(window)
        QTest.qWait(5)
        if (focused := QApplication.focusWidget()) is not None:
            focused.clearFocus()
        shown = picture(window)
    assert window.devicePixelRatioF() == screen.devicePixelRatio()
    window.deleteLater()
    return shown


def main() -> None:
    app = QApplication([])
    theme = Theme(find_paths().resources)
    theme.apply(app)
    owner = QMainWindow()
    actions = Actions(owner)
    makers: dict[str, Callable[[QWidget], QWidget]] = {
        "IconLabel": lambda parent: IconLabel(theme, "lock", parent, size=24),
        "app": lambda parent: IconLabel(theme, "app", parent, size=48),
        "Chip": lambda parent: Chip(theme, "Guide", parent, icon="lock"),
        "IconButton": lambda parent: IconButton(theme, "ellipsis", "More", parent),
        "RoundButton": lambda parent: RoundButton(theme, "arrow-up", "Send", parent),
        "TextButton": lambda parent: TextButton(theme, "Import", parent, icon="folder-input"),
        "SearchField": lambda parent: SearchField(theme, "Find", parent),
        "Select": lambda parent: Select(theme, "Choose", parent),
        "Composer": lambda parent: Composer(theme, parent),
        "ChatHeader": lambda parent: ChatHeader(theme, actions, parent),
        "EmptyChat": lambda parent: EmptyChat(theme, actions, parent),
        "SideList": lambda parent: SideList(theme, actions, parent),
        "Rail": lambda parent: Rail(theme, actions, parent),
    }
    coarse, fine = sorted(app.screens(), key=QScreen.devicePixelRatio)
    assert (coarse.devicePixelRatio(), fine.devicePixelRatio()) == (1.0, 2.0)
    for name, make in makers.items():
        for here, there in ((fine, coarse), (coarse, fine)):
            if on(here, make, there) != on(here, make):
                print(f"{name} on {here.name()}", flush=True)
    print("done", flush=True)


main()
