"""Rows and columns of widgets, said in one go."""

from __future__ import annotations

from typing import TypeAlias, TypeVar

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QBoxLayout, QHBoxLayout, QLayout, QVBoxLayout, QWidget

START, TOP, MIDDLE = Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignTop, Qt.AlignmentFlag.AlignVCenter

#: A widget or layout, alone or with its share of the room or its place in it; so many px; None takes what is left.
Part: TypeAlias = QWidget | QLayout | tuple[QWidget | QLayout, int | Qt.AlignmentFlag] | int | None
_Box = TypeVar("_Box", bound=QBoxLayout)


def row(
    *parts: Part, on: QWidget | None = None, gap: int = 8, margins: tuple[int, int, int, int] = (0, 0, 0, 0)
) -> QHBoxLayout:
    """Parts from start to end, ``gap`` px between them; the layout of ``on`` where that is given."""
    return _filled(QHBoxLayout(on) if on is not None else QHBoxLayout(), parts, gap, margins)


def column(
    *parts: Part, on: QWidget | None = None, gap: int = 0, margins: tuple[int, int, int, int] = (0, 0, 0, 0)
) -> QVBoxLayout:
    """Parts one below the other, as ``row``."""
    return _filled(QVBoxLayout(on) if on is not None else QVBoxLayout(), parts, gap, margins)


def _filled(box: _Box, parts: tuple[Part, ...], gap: int, margins: tuple[int, int, int, int]) -> _Box:
    box.setContentsMargins(*margins)
    box.setSpacing(gap)
    for part in parts:
        if part is None:
            box.addStretch(1)
        elif isinstance(part, int):
            box.addSpacing(part)
        else:
            what, share = part if isinstance(part, tuple) else (part, 0)
            where = Qt.AlignmentFlag(0)
            if isinstance(share, Qt.AlignmentFlag):
                where, share = share, 0
            if isinstance(what, QWidget):
                box.addWidget(what, share, where)
            else:
                box.addLayout(what, share)
    return box
