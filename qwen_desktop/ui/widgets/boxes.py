"""Rows and columns of widgets, said in one go."""

from __future__ import annotations

from typing import TypeAlias, TypeVar

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QBoxLayout, QHBoxLayout, QLayout, QVBoxLayout, QWidget

START, TOP, MIDDLE = Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignTop, Qt.AlignmentFlag.AlignVCenter

#: A widget or layout, alone or with its share of the room or its place in it; so many px; None is room, with one share.
Part: TypeAlias = QWidget | QLayout | tuple[QWidget | QLayout | None, int | Qt.AlignmentFlag] | int | None
_Box = TypeVar("_Box", bound=QBoxLayout)


def row(
    *parts: Part, on: QWidget | None = None, gap: int = 8, margins: tuple[int, int, int, int] = (0, 0, 0, 0)
) -> QHBoxLayout:
    """Parts from start to end, ``gap`` px between them; the layout of ``on`` where that is given.

    ``margins`` are those at the start, above, at the end and below.
    """
    box = QHBoxLayout(on) if on is not None else QHBoxLayout()
    set_margins(box, *margins)
    box.setSpacing(gap)
    return filled(box, *parts)


def column(
    *parts: Part, on: QWidget | None = None, gap: int = 0, margins: tuple[int, int, int, int] = (0, 0, 0, 0)
) -> QVBoxLayout:
    """Parts one below the other, as ``row``."""
    box = QVBoxLayout(on) if on is not None else QVBoxLayout()
    set_margins(box, *margins)
    box.setSpacing(gap)
    return filled(box, *parts)


def set_margins(box: QLayout, start: int, top: int, end: int, bottom: int) -> None:
    """The margins of ``box``, which Qt itself does not turn from right to left."""
    ltr = QGuiApplication.layoutDirection() is Qt.LayoutDirection.LeftToRight
    box.setContentsMargins(start if ltr else end, top, end if ltr else start, bottom)


def filled(box: _Box, *parts: Part) -> _Box:
    """``box`` with these parts at its end."""
    for part in parts:
        if isinstance(part, int):
            box.addSpacing(part)
            continue
        what, share = part if isinstance(part, tuple) else (part, 1 if part is None else 0)
        where = Qt.AlignmentFlag(0)
        if isinstance(share, Qt.AlignmentFlag):
            where, share = share, 0
        if what is None:
            box.addStretch(share)
        elif isinstance(what, QWidget):
            box.addWidget(what, share, where)
        else:
            box.addLayout(what, share)
    return box
