"""The bar over the messages that finds a text in the conversation on show."""

from __future__ import annotations

from PySide6.QtCore import QEvent, Qt, QTimer, Signal
from PySide6.QtGui import QAccessible, QAccessibleAnnouncementEvent, QKeyEvent
from PySide6.QtWidgets import QApplication, QWidget

from qwen_desktop.core.find_text import TextPattern
from qwen_desktop.ui import texts
from qwen_desktop.ui.actions import Actions, claims_escape, is_escape
from qwen_desktop.ui.chat.finding import Finder
from qwen_desktop.ui.chat.transcript import TranscriptView
from qwen_desktop.ui.texts import fill
from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets.boxes import row
from qwen_desktop.ui.widgets.buttons import IconButton, TextButton
from qwen_desktop.ui.widgets.labels import Label
from qwen_desktop.ui.widgets.search_field import SearchField

#: How often the count is shown anew while it grows, in milliseconds.
_SHOWN_MS = 30
#: When the count is said by a screen reader, after it changed last, in milliseconds.
_SAID_MS = 700
#: Longest selection that is taken over as what is looked for, in characters.
_TAKEN = 100
_PAD = Qt.KeyboardModifier.KeypadModifier


class FindBar(QWidget):
    """A slim row: the field, how many places there are, the way from one to the next. Hidden until it is asked for."""

    #: It is not on show any more; the keyboard has nowhere to be.
    closed = Signal()

    def __init__(self, theme: Theme, actions: Actions, view: TranscriptView, parent: QWidget) -> None:
        super().__init__(parent)
        self._theme = theme
        self._view = view
        self._before: QWidget | None = None
        self._said = ""
        self.finder = Finder(view, self)
        self.setObjectName("findbar")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.field = SearchField(theme, self.tr("Find in this chat"), self)
        self.field.textChanged.connect(self._look)
        self.field.installEventFilter(self)
        self.count = Label(theme, "", self, role="small", color="text_muted", tabular=True)
        self.case = TextButton(theme, self.tr("Aa"), self, kind="quiet")
        self.case.setCheckable(True)
        self.case.setToolTip(self.tr("Capitals and accents count"))
        self.case.setAccessibleName(self.tr("Capitals and accents count"))
        self.case.toggled.connect(self._look)
        self.previous = IconButton(theme, "chevron-up", actions.tooltip("find.previous"), self)
        self.previous.clicked.connect(lambda: self.step(-1))
        self.next = IconButton(theme, "chevron-down", actions.tooltip("find.next"), self)
        self.next.clicked.connect(lambda: self.step(1))
        self.close_button = IconButton(theme, "x", self.tr("Close"), self)
        self.close_button.clicked.connect(self.leave)
        parts = ((self.field, 1), self.count, self.case, self.previous, self.next, self.close_button)
        row(*parts, on=self, gap=6, margins=(16, 6, 12, 6))
        self._soon = QTimer(self, singleShot=True, interval=_SHOWN_MS)
        self._soon.timeout.connect(self._show)
        self.finder.changed.connect(self._changes)
        self._speak = QTimer(self, singleShot=True, interval=_SAID_MS)
        self._speak.timeout.connect(self._say)
        theme.follow(self._fit)
        self.hide()

    # On show or not --------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Show it with the keyboard in its field, and with what is selected in the transcript."""
        focused = QApplication.focusWidget()
        if focused is not None and not self.isAncestorOf(focused):
            self._before = focused
        self._take_selected()
        self._appear()
        self.field.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.field.selectAll()

    def leave(self) -> None:
        """Hide it; what is read stays where it is."""
        if self.isHidden():
            return
        before, self._before = self._before, None
        had = self.isAncestorOf(QApplication.focusWidget() or self.window())
        self._move(shown=False)
        self.finder.stop()
        if had:
            try:
                seen = before is not None and before.isVisible()
            except RuntimeError:  # it was a box in a message that is gone
                seen = False
            if seen and before is not None:
                before.setFocus(Qt.FocusReason.OtherFocusReason)
            else:
                self.closed.emit()

    def step(self, way: int) -> None:
        """Go to the next (1) or previous (-1) place; looks for what was looked for last where it was closed."""
        if self.isHidden():
            self._appear()
        if not self.field.text().strip():
            self.field.setFocus(Qt.FocusReason.ShortcutFocusReason)
        else:
            self.finder.step(way)

    def _appear(self) -> None:
        if self.isHidden():
            self._move(shown=True)
            self._look(anew=True)

    def _move(self, *, shown: bool) -> None:
        """Come or go without what is read moving on the screen."""
        bar = self._view.verticalScrollBar()
        value, end = bar.value(), bar.value() >= bar.maximum() - 2
        tall = self.sizeHint().height()
        self.setVisible(shown)
        parent = self.parentWidget()
        above = parent.layout() if parent is not None else None
        if above is not None:
            above.activate()
        if not end:
            bar.setValue(value + (tall if shown else -tall))

    def _take_selected(self) -> None:
        """What is selected in one message is looked for, where it is short."""
        selection = self._view.interaction.selection
        ends = selection.ends()
        if ends is None or ends[0][0] != ends[1][0] or ends[0][0] < 0:
            return
        text = self._view.texts.known(self._view.items[ends[0][0]])
        words = (text or "")[ends[0][1] : ends[1][1]].strip()
        if words and len(words) <= _TAKEN and "\n" not in words:
            self.field.setText(words)

    # Looking ---------------------------------------------------------------------------------------------------------

    def _look(self, _change: object = None, *, anew: bool = False) -> None:
        if self.isHidden():
            return
        pattern = TextPattern(self.field.text(), exact=self.case.isChecked())
        self.finder.look_for(pattern if pattern else None, anew=anew)
        self._show()

    def _changes(self) -> None:
        """Each message that has something tells so: they are counted together."""
        if not self._soon.isActive():
            self._soon.start()

    def _show(self) -> None:
        """Tell how many places there are, and which of them is current."""
        if self.isHidden():
            return
        finder, text = self.finder, ""
        total = texts.number(finder.total) + ("+" if finder.more else "")
        if not finder.active:
            pass
        elif finder.total:
            text = fill(self.tr("{n} of {total}"), n=finder.number, total=total)
        else:
            text = self.tr("Not found") if finder.whole else self.tr("Looking…")
        self.count.setText(text)
        self.count.set_color("bad" if finder.active and finder.whole and not finder.total else "text_muted")
        for button in (self.previous, self.next):
            button.setEnabled(finder.total > 0)
        if text != self._said:
            self._speak.start()

    def _say(self) -> None:
        self._said = self.count.text()
        if self._said and self.isVisible() and QAccessible.isActive():
            QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(self.field, self._said))

    def _fit(self) -> None:
        widest = fill(self.tr("{n} of {total}"), n=8888, total=texts.number(8888) + "+")
        self.count.setMinimumWidth(self.count.fontMetrics().horizontalAdvance(widest))

    # Qt --------------------------------------------------------------------------------------------------------------

    def event(self, event: QEvent) -> bool:
        return claims_escape(event) or super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if is_escape(event):
            self.leave()
        else:
            super().keyPressEvent(event)

    def eventFilter(self, _watched: object, event: QEvent) -> bool:
        """Enter goes on to the next place, with Shift to the one before; Esc closes."""
        if not isinstance(event, QKeyEvent) or event.type() is not QEvent.Type.KeyPress:
            return False
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.step(-1 if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 1)
            return True
        if is_escape(event):
            self.leave()
            return True
        if event.key() in (Qt.Key.Key_Down, Qt.Key.Key_Up) and not event.modifiers() & ~_PAD:
            self.step(1 if event.key() == Qt.Key.Key_Down else -1)
            return True
        return False
