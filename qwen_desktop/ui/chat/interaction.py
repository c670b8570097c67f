"""What the user is doing with a transcript: all that painting asks beside the messages themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Generic, TypeAlias, TypeVar

from PySide6.QtCore import QObject, Signal

from qwen_desktop.ui.chat.selection import Selection

#: A message's id and the key of one of its targets; the key is "" where only the message is meant.
Spot: TypeAlias = tuple[str, str]
NOWHERE: Final[Spot] = ("", "")

_T = TypeVar("_T")


class _Told(Generic[_T]):
    """An attribute of an ``Interaction`` that tells when it becomes another."""

    def __init__(self, first: _T) -> None:
        self._first = first

    def __set_name__(self, owner: type[Interaction], name: str) -> None:
        self._name = name

    def __get__(self, owner: Interaction, _kind: type[Interaction]) -> _T:
        found: _T = owner.__dict__.get(self._name, self._first)
        return found

    def __set__(self, owner: Interaction, value: _T) -> None:
        if value != self.__get__(owner, type(owner)):
            owner.__dict__[self._name] = value
            owner.changed.emit()


class Interaction(QObject):
    """Where the pointer is, what it presses, what has the keyboard, what is selected and what was just copied."""

    changed = Signal()

    hover = _Told(NOWHERE)
    pressed = _Told(NOWHERE)
    focus = _Told(NOWHERE)
    copied = _Told[frozenset[Spot]](frozenset())

    def __init__(self, index_of: Callable[[str], int | None], parent: QObject) -> None:
        super().__init__(parent)
        self._index_of = index_of
        self.selection = Selection(index_of, self.changed.emit)

    def forget_gone(self) -> None:
        """Other messages are on show: nothing is done with those that are not."""
        self.selection.forget_gone()
        for name in ("hover", "pressed", "focus"):
            if self._index_of(getattr(self, name)[0]) is None:
                setattr(self, name, NOWHERE)
