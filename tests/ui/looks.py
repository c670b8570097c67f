"""What a user would see as broken: texts that are cut off, widgets that reach out of their place."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QFontMetrics
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractScrollArea,
    QComboBox,
    QLabel,
    QLineEdit,
    QScrollArea,
    QSplitter,
    QWidget,
)

from qwen_desktop.ui.models.side_progress import SideProgress
from qwen_desktop.ui.widgets.buttons import IconButton, RailButton
from qwen_desktop.ui.widgets.labels import ElidedLabel, Paragraph
from qwen_desktop.ui.widgets.tick import Tick

if TYPE_CHECKING:
    from tests.ui.conftest import Ui


async def stays_cut_off(root: QWidget, seconds: float = 2.0) -> list[str]:
    """What is still cut off once layouts have come to rest. A text that wraps asks for its height twice, and how soon
    that happens is a matter of the machine's other work."""
    end = time.monotonic() + seconds
    while True:
        await asyncio.sleep(0.02)
        found = cut_off(root)
        if not found or time.monotonic() > end:
            return found


def cut_off(root: QWidget) -> list[str]:
    """Texts that have less room than they need, and widgets that reach out of their parents."""
    found: list[str] = []
    for widget in root.findChildren(QWidget):
        if not widget.isVisible() or widget.objectName().startswith("qt_"):
            continue
        text = getattr(widget, "text", "")
        name = f"{type(widget).__name__} {text() if callable(text) else text!r}"
        found += [f"{name}: {wrong}" for wrong in filter(None, (_too_narrow(widget), _too_low(widget)))]
        parent = widget.parentWidget()
        inside = parent is None or _scrolls_sideways(parent) or widget.isWindow()
        # From right to left Qt's splitter has its parts a pixel too far at the right.
        slack = int(isinstance(parent, QSplitter) and parent.isRightToLeft())
        if not inside and parent is not None:
            left, right = widget.geometry().left(), widget.geometry().right()
            if left < 0 or right > parent.rect().right() + slack:
                found.append(f"{name}: reaches out of {type(parent).__name__}")
    return found


def _scrolls_sideways(parent: QWidget) -> bool:
    """Whether what is too wide for ``parent`` can be scrolled into sight."""
    area = parent.parentWidget()
    if parent.objectName() != "qt_scrollarea_viewport" or not isinstance(area, QAbstractScrollArea):
        return False
    never = area.horizontalScrollBarPolicy() is Qt.ScrollBarPolicy.ScrollBarAlwaysOff
    return not (never and isinstance(area, QScrollArea))  # views of items and texts cut short by themselves


def _too_narrow(widget: QWidget) -> str:
    """A text may be cut short where the whole of it is the tooltip."""
    if isinstance(widget, ElidedLabel):
        wide = widget.fontMetrics().horizontalAdvance(widget.text()) > widget.contentsRect().width()
        return "cut short without a tooltip" if wide and widget.text() not in widget.toolTip() else ""
    if isinstance(widget, Tick):
        wide = widget.sizeHint().width() > widget.width()
        return "cut short without a tooltip" if wide and widget.text() not in widget.toolTip() else ""
    if isinstance(widget, QComboBox) and (field := widget.lineEdit()) is not None:
        needed, room = widget.fontMetrics().horizontalAdvance(field.text()) + 1, field.width()
        return f"{room} of {needed} px in the field" if room < needed else ""
    if isinstance(widget, RailButton):
        needed = QFontMetrics(widget.label_font()).horizontalAdvance(widget.text())
    elif isinstance(widget, Paragraph | IconButton | SideProgress) or not isinstance(widget, QLabel | QAbstractButton):
        return ""
    else:
        needed = widget.sizeHint().width()
    return f"{widget.width()} of {needed} px" if widget.width() < needed else ""


def _too_low(widget: QWidget) -> str:
    if isinstance(widget, Paragraph):
        needed = widget.heightForWidth(widget.width())
    elif isinstance(widget, RailButton):
        needed = widget.sizeHint().height()
    elif (isinstance(widget, QLabel | QAbstractButton | QLineEdit) and widget.text()) or isinstance(widget, QComboBox):
        needed = widget.fontMetrics().height()
    else:
        return ""
    return f"{widget.height()} of {needed} px high" if widget.height() < needed else ""


async def walk(ui: Ui) -> list[str]:
    """What is cut off on any page of the window."""
    ui.window.show_page("view.chat")
    cut = [f"chat: {text}" for text in await stays_cut_off(ui.window)]
    ui.window.show_page("view.settings")
    page = ui.window.pages.built("view.settings")
    assert page is not None
    for name in [*page.sections, "about"]:
        page.show_section(name)
        cut += [f"{name}: {text}" for text in await stays_cut_off(page)]
    ui.window.show_page("help.welcome")
    ui.window.show_page("view.models")
    for there in (ui.window.pages.built("view.models"), ui.window.pages.built("help.welcome")):
        assert there is not None
        ui.window.pages.setCurrentWidget(there)
        cut += [f"{type(there).__name__}: {text}" for text in await stays_cut_off(there)]
    ui.window.show_page("view.chat")
    return cut
