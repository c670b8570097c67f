"""Rows and columns of widgets, said in one call."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias, TypeVar

from PySide6.QtWidgets import QBoxLayout, QHBoxLayout, QLayout, QVBoxLayout, QWidget

Box = TypeVar("Box", bound=QBoxLayout)


class Stretch(NamedTuple):
    """Takes ``share`` of the room that is left: an item, or nothing but room."""

    item: QWidget | QLayout | None = None
    share: int = 1


#: What stands in a box; a number is so many px of room.
Item: TypeAlias = QWidget | QLayout | Stretch | int


def hbox(
    parent: QWidget | None, *items: Item, margins: tuple[int, int, int, int] = (0, 0, 0, 0), spacing: int = -1
) -> QHBoxLayout:
    """``items`` from start to end. With ``parent`` it is that widget's layout; ``margins`` are left, top, right and
    bottom; ``spacing`` -1 is the style's own."""
    return _filled(QHBoxLayout() if parent is None else QHBoxLayout(parent), items, margins, spacing)


def vbox(
    parent: QWidget | None, *items: Item, margins: tuple[int, int, int, int] = (0, 0, 0, 0), spacing: int = -1
) -> QVBoxLayout:
    """``items`` from top to bottom; all else as in ``hbox``."""
    return _filled(QVBoxLayout() if parent is None else QVBoxLayout(parent), items, margins, spacing)


def _filled(box: Box, items: tuple[Item, ...], margins: tuple[int, int, int, int], spacing: int) -> Box:
    box.setContentsMargins(*margins)
    box.setSpacing(spacing)
    for item in items:
        if isinstance(item, int):
            box.addSpacing(item)
            continue
        what, share = item if isinstance(item, Stretch) else (item, 0)
        if what is None:
            box.addStretch(share)
        elif isinstance(what, QWidget):
            box.addWidget(what, share)
        else:
            box.addLayout(what, share)
    return box
