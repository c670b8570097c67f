"""What a user would see as broken: texts that are cut off, widgets that reach out of their place."""

from __future__ import annotations

import asyncio
import time

from PySide6.QtWidgets import QAbstractButton, QLabel, QWidget

from qwen_desktop.ui.chat.composer import ModelButton
from qwen_desktop.ui.models.side_progress import SideProgress
from qwen_desktop.ui.widgets.buttons import IconButton, RailButton
from qwen_desktop.ui.widgets.labels import ElidedLabel, Paragraph
from qwen_desktop.ui.widgets.tick import Tick


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
        name = f"{type(widget).__name__} {getattr(widget, 'text', lambda: '')()!r}"
        needs = widget.sizeHint()
        if isinstance(widget, ElidedLabel | IconButton | RailButton | Tick | SideProgress):
            pass
        elif isinstance(widget, Paragraph):
            if widget.height() < widget.heightForWidth(widget.width()):
                found.append(f"{name}: {widget.height()} px high")
        elif isinstance(widget, QLabel | ModelButton | QAbstractButton) and widget.width() < needs.width():
            found.append(f"{name}: {widget.width()} of {needs.width()} px")
        parent = widget.parentWidget()
        inside = parent is None or parent.objectName() == "qt_scrollarea_viewport" or widget.isWindow()
        if not inside and parent is not None and widget.geometry().right() > parent.rect().right():
            found.append(f"{name}: reaches out of {type(parent).__name__}")
    return found
