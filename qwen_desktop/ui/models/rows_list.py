"""A list of rows inside a page that scrolls: real widgets, made and brought up to date in slices of a few milliseconds.

Those in sight come first, at once; those around them when the window has nothing else to do. A place in the list keeps
its widget, which shows another row after the list was narrowed or sorted. One row at a time lies on Tab's way, with its
buttons; the arrow keys go from row to row.
"""

from __future__ import annotations

import time
from bisect import bisect, insort
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Generic, TypeVar

from PySide6.QtCore import QRectF, Qt, QTimer, Signal
from PySide6.QtGui import QPainter, QPaintEvent, QResizeEvent, QShortcut, QShowEvent
from PySide6.QtWidgets import QAbstractButton, QApplication, QSizePolicy, QWidget

from qwen_desktop.ui.models.model_row import ModelRow
from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets.skeleton import draw_bar

T = TypeVar("T")
#: How long a slice may hold the window, in seconds: for rows in sight, and for others. What Qt does with new widgets
#: afterwards takes as long again.
_SIGHT_S, _SLICE_S = 0.004, 0.002
#: So many rows before and after those in sight are made. Showing and hiding thousands of widgets would take too long.
_AHEAD = 40
_KEYS = {
    Qt.Key.Key_Up: -1,
    Qt.Key.Key_Down: 1,
    Qt.Key.Key_PageUp: -8,
    Qt.Key.Key_PageDown: 8,
    Qt.Key.Key_Home: -(1 << 30),
    Qt.Key.Key_End: 1 << 30,
}


class RowsList(QWidget, Generic[T]):
    """As tall as its rows. ``reached`` carries the row that the keyboard has come to. ``make`` makes a row in a parent;
    of rows with the same ``key`` the later one takes the keyboard's place over."""

    reached = Signal(QWidget)

    def __init__(
        self,
        theme: Theme,
        name: str,
        make: Callable[[QWidget], ModelRow[T]],
        key: Callable[[T], str],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._theme = theme
        self._make = make
        self._key = key
        self.rows: tuple[T, ...] = ()
        self._waiting = 0
        self._made: dict[int, ModelRow[T]] = {}
        self._places: list[int] = []
        self._stale: set[int] = set()
        self._current = 0
        self._idle = QTimer(self)
        self._idle.timeout.connect(self._slice)
        self.setAccessibleName(name)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        theme.changed.connect(self.refresh)
        acts: dict[Qt.Key, Callable[[], None]] = {key: partial(self._walk, step) for key, step in _KEYS.items()}
        acts |= {Qt.Key.Key_Return: self._press, Qt.Key.Key_Enter: self._press}
        for pressed, act in acts.items():
            shortcut = QShortcut(pressed, self, context=Qt.ShortcutContext.WidgetWithChildrenShortcut)
            shortcut.activated.connect(act)

    # Rows -------------------------------------------------------------------------------------------------------------

    def show_rows(self, rows: Sequence[T], *, waiting: int = 0) -> None:
        """Show these, or the bars of so many that are awaited."""
        kept = self._key(self.rows[self._current]) if self._current < len(self.rows) else None
        there = QApplication.focusWidget()
        focused = there is not None and self.isAncestorOf(there)
        self.rows, self._waiting = tuple(rows), waiting
        self._set_current(next((n for n, row in enumerate(self.rows) if self._key(row) == kept), 0))
        self.refresh()
        if focused and self.rows:
            self.enter()

    def refresh(self, places: Iterable[int] | None = None, *, at_once: bool = True) -> None:
        """What the rows (at these places) show has changed. With ``at_once`` those in sight are brought up to date now,
        as many as there is time for; else not in this turn, which has other work."""
        if places is None:
            self.setFixedHeight((len(self.rows) or self._waiting) * ModelRow.height_in(self._theme))
            places = range(max(len(self.rows), max(self._made, default=-1) + 1))
            self.update()
        self._stale.update(places)
        if at_once:
            self._slice()
        elif not self._idle.isActive():
            self._idle.start()

    @property
    def pending(self) -> bool:
        """Whether rows near those in sight are still to be made."""
        return self._idle.isActive()

    def row(self, place: int) -> ModelRow[T]:
        """The row at a place, up to date."""
        self._settle(place)
        return self._made[place]

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if event.oldSize().width() != self.width():
            self._stale.update(self._made)
            self._slice()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._idle.start()

    def _slice(self) -> None:
        """Bring some rows up to date, those in sight first."""
        started = time.perf_counter()
        sight = self._sight(self.visibleRegion().boundingRect().toRectF())
        near = range(sight.start - _AHEAD, sight.stop + _AHEAD)
        wanted = [place for place in self._stale if place in near] if self.isVisible() else []
        wanted.sort(key=lambda place: (place in sight, -place))
        while wanted and time.perf_counter() - started < (_SIGHT_S if wanted[-1] in sight else _SLICE_S):
            self._settle(wanted.pop())
        if not wanted:
            self._idle.stop()
        elif not self._idle.isActive():
            self._idle.start()

    def _sight(self, part: QRectF) -> range:
        height = ModelRow.height_in(self._theme)
        return range(int(part.top() // height), int(part.bottom() // height) + 1) if part.isValid() else range(0)

    def _settle(self, place: int) -> None:
        self._stale.discard(place)
        row = self._made.get(place)
        if place >= len(self.rows):
            if row is not None:
                row.hide()
            return
        if row is None:
            row = self._made[place] = self._make(self)
            after = bisect(self._places, place)
            if after < len(self._places):
                row.stackUnder(self._made[self._places[after]])  # who reads the window aloud goes by this order
            insort(self._places, place)
            row.reached.connect(partial(self._set_current, place))
            row.lie_on_tab(place == self._current)
        height = ModelRow.height_in(self._theme)
        row.setGeometry(0, place * height, self.width(), height)
        row.show_row(self.rows[place])
        row.show()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Bars where a row is awaited."""
        painter = QPainter(self)
        height = ModelRow.height_in(self._theme)
        for place in self._sight(event.rect().toRectF()):
            if place >= len(self.rows) or place not in self._made:
                rtl = self.isRightToLeft()
                for start, top, width, thick in (
                    (4, -16, 110 + 23 * (place % 3), 13),
                    (4, 6, 240 - 31 * (place % 4), 10),
                    (self.width() - 124, -14, 120, 28),
                ):
                    left = self.width() - start - width if rtl else start
                    draw_bar(painter, self._theme, QRectF(left, (place + 0.5) * height + top, width, thick))
                painter.fillRect(0, (place + 1) * height - 1, self.width(), 1, self._theme.color("border"))
        if self._stale and not self._idle.isActive():
            self._idle.start()  # it may be another part that is in sight now

    # The keyboard -----------------------------------------------------------------------------------------------------

    def enter(self) -> None:
        """Give the keyboard to the row that it was in last."""
        if self.rows:
            row = self.row(self._current)
            row.setFocus(Qt.FocusReason.TabFocusReason)
            self.reached.emit(row)

    def _walk(self, step: int) -> None:
        self._set_current(max(0, min(len(self.rows) - 1, self._current + step)))
        self.enter()

    def _press(self) -> None:
        there = QApplication.focusWidget()
        if isinstance(there, QAbstractButton):
            there.click()

    def _set_current(self, place: int) -> None:
        for at, on in ((self._current, False), (place, True)):
            if at in self._made:
                self._made[at].lie_on_tab(on)
        self._current = place
