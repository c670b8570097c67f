"""The parts of the window that F6 goes through: rail, side list, and what the page has (messages, message box)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractButton, QWidget


def step(areas: Sequence[QWidget], now: QWidget | None, way: int) -> QWidget | None:
    """Give the keyboard to the next (1) or previous (-1) of these that can take it, from the one that has ``now`` in
    it. Returns what has taken it."""
    here = next((area for area in areas if now is not None and (area is now or area.isAncestorOf(now))), None)
    if here is None:
        order = list(areas)[::way]
    else:
        place = areas.index(here)
        order = [areas[(place + way * n) % len(areas)] for n in range(1, len(areas))]
    stop = next((stop for area in order for stop in _stops(area)), None)
    if stop is not None:
        stop.setFocus(Qt.FocusReason.TabFocusReason)
    return stop


def _stops(area: QWidget) -> Iterator[QWidget]:
    """Where the keyboard can go in an area: to itself, to a button that is chosen there, or to the first that takes
    it."""
    if not area.isVisible():
        return
    inside: list[QWidget] = [area]
    following = area.nextInFocusChain()
    while following is not None and following is not area:
        if area.isAncestorOf(following):
            inside.append(following)
        following = following.nextInFocusChain()
    ready = [each for each in inside if each.focusPolicy() & Qt.FocusPolicy.TabFocus and _can(each)]
    yield from (each for each in ready if isinstance(each, QAbstractButton) and each.isChecked())
    yield from ready


def _can(widget: QWidget) -> bool:
    return widget.isVisible() and widget.isEnabled() and widget.focusProxy() is None
