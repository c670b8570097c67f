"""The adapters of a conversation, or of an assistant: added, removed, made stronger or weaker."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from itertools import pairwise

from msgspec import structs
from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QWidget

from qwen_desktop.core.chat import MOST_ADAPTERS
from qwen_desktop.core.engine import Adapter
from qwen_desktop.core.errors import problem_of
from qwen_desktop.services.adapters import AdapterFacts
from qwen_desktop.ui import texts
from qwen_desktop.ui.adapters.adapter_row import AdapterRow
from qwen_desktop.ui.file_dialogs import ask_for_file
from qwen_desktop.ui.ui_context import UiContext
from qwen_desktop.ui.widgets.boxes import START, column
from qwen_desktop.ui.widgets.buttons import TextButton
from qwen_desktop.ui.widgets.labels import Label, Paragraph, ProblemText

#: How long after the last move of a slider its value is told, in milliseconds.
_MOVING_MS = 250


class AdapterList(QWidget):
    """``changed`` carries those before and after, and, where one was removed, a sentence that says so."""

    changed = Signal(object, object, str)

    def __init__(self, ui: UiContext, parent: QWidget) -> None:
        super().__init__(parent)
        self._ui = ui
        self._told: tuple[Adapter, ...] = ()
        self._now: tuple[Adapter, ...] = ()
        self._model = ""
        #: what is being read before it can be added
        self._wishes: set[str] = set()
        self.rows: list[AdapterRow] = []
        self._timer = QTimer(self, singleShot=True, interval=_MOVING_MS)
        self._timer.timeout.connect(self.flush)
        self.title = Label(ui.theme, self.tr("Adapters"), self, weight=600)
        self.note = Paragraph(ui.theme, "", self, role="small", color="text_muted")
        self._rows = column()
        self.problem = ProblemText(ui.theme, self)
        self.add_button = TextButton(ui.theme, self.tr("Add adapter…"), self, icon="plus")
        self.add_button.setToolTip(self.tr("Choose a LoRA adapter, a GGUF file"))
        self.add_button.clicked.connect(self.ask)
        column(self.title, 4, self.note, 6, self._rows, self.problem, 6, (self.add_button, START), on=self)
        self._say()

    @property
    def adapters(self) -> tuple[Adapter, ...]:
        """Those on show."""
        return self._now

    def show_adapters(self, adapters: tuple[Adapter, ...]) -> None:
        """Show these; what is being moved just now is newer."""
        if self._timer.isActive():
            return
        self._told = self._now = adapters
        if [row.adapter.path for row in self.rows] != [adapter.path for adapter in adapters]:
            self.problem.setText("")
            self._make_rows()
        for row, adapter in zip(self.rows, adapters, strict=True):
            row.show_adapter(adapter)
        self._say()

    def show_model(self, model: str) -> None:
        """This model file answers, "" where none in particular does: what does not fit it is said."""
        if model != self._model:
            self._model = model
            self._look()

    def flush(self) -> None:
        """Tell what was moved now."""
        self._timer.stop()
        self._tell()

    def forget(self) -> None:
        """Those of something else come on show: what is still being read is not added any more."""
        for wish in self._wishes:
            self._ui.operations.withdraw(wish)
        self._wishes.clear()

    # Adding -----------------------------------------------------------------------------------------------------------

    def ask(self) -> None:
        """Let the user choose one."""
        ask_for_file(self.window(), self.tr("Add an adapter"), [self.tr("LoRA adapters (*.gguf)")], self.add)

    def add(self, path: str) -> None:
        """Add one, or say why it cannot be."""
        path = os.path.abspath(path)  # noqa: PTH100 - "..", too, without asking the disk
        self.problem.setText("")
        if self._has_room(path):
            self._read(path, partial(self._added, path))

    def _has_room(self, path: str) -> bool:
        """Whether this one can be added; else it is said why not."""
        if any(adapter.path == path for adapter in self._now):
            self.problem.setText(self.tr("This adapter is in the list already."))
        elif len(self._now) >= MOST_ADAPTERS:
            sentence = self.tr("There can be {n} adapters at most. Remove one first.")
            self.problem.setText(texts.fill(sentence, n=MOST_ADAPTERS))
        else:
            return True
        return False

    def _added(self, path: str, facts: AdapterFacts) -> None:
        if self._has_room(path):
            self._put((*self._now, Adapter(path, sha256=facts.sha256)))
            self.rows[-1].slider.setFocus(Qt.FocusReason.OtherFocusReason)

    def _choose(self, row: AdapterRow) -> None:
        title = texts.fill(self.tr("Choose the file of {name}"), name=row.title)
        ask_for_file(self.window(), title, [self.tr("LoRA adapters (*.gguf)")], partial(self.choose, row.adapter))

    def choose(self, old: Adapter, path: str) -> None:
        """Take this file in the place of ``old``, which is not there or does not fit."""
        path = os.path.abspath(path)  # noqa: PTH100 - as above
        self.problem.setText("")

        def found(facts: AdapterFacts) -> None:
            if not any(adapter.path == old.path for adapter in self._now):
                return
            if any(adapter.path == path != old.path for adapter in self._now):
                self.problem.setText(self.tr("This adapter is in the list already."))
                return
            if old.sha256 and facts.sha256 != old.sha256:
                sentence = self.tr("{name} is used from now on. It is another file than the one that was meant.")
                self._ui.notify.toast(texts.fill(sentence, name=facts.name))
            new = {old.path: structs.replace(old, path=path, sha256=facts.sha256)}
            self._put(tuple(new.get(adapter.path, adapter) for adapter in self._now))
            self._look()

        self._read(path, found)

    def _read(self, path: str, found: Callable[[AdapterFacts], None]) -> None:
        wish = f"adapter.read.{id(self)}.{path}"
        self._wishes.add(wish)

        def failed(error: BaseException) -> bool:
            self.problem.setText(texts.problem(problem_of(error)))
            return True

        look = self._ui.services.adapters.look(path)
        self._ui.operations.run(look, owner=self, on_done=found, on_error=failed, wish=wish)

    # Changing ---------------------------------------------------------------------------------------------------------

    def _put(self, adapters: tuple[Adapter, ...], told: str = "") -> None:
        self.flush()
        self._now = adapters
        self._tell(told)
        self.show_adapters(adapters)

    def _tell(self, told: str = "") -> None:
        before, self._told = self._told, self._now
        if before != self._now:
            self.changed.emit(before, self._now, told)

    def _moved(self, adapter: Adapter) -> None:
        self._now = tuple(adapter if each.path == adapter.path else each for each in self._now)
        self._timer.start()

    def _remove(self, row: AdapterRow) -> None:
        place = self.rows.index(row)
        self.flush()
        rest = tuple(adapter for adapter in self._now if adapter.path != row.adapter.path)
        told = texts.fill(self.tr("{name} was removed."), name=row.title)
        self._put(rest, told)
        after = self.rows[min(place, len(self.rows) - 1)].remove if self.rows else self.add_button
        after.setFocus(Qt.FocusReason.OtherFocusReason)

    # Showing ----------------------------------------------------------------------------------------------------------

    def _make_rows(self) -> None:
        """One for each, those that there are already among them."""
        before = {row.adapter.path: row for row in self.rows}
        self.rows = []
        for adapter in self._now:
            row = before.pop(adapter.path, None) or self._make_row(adapter)
            self._rows.removeWidget(row)
            self._rows.addWidget(row)
            self.rows.append(row)
            row.show()
        for old in before.values():
            self._rows.removeWidget(old)
            old.hide()
            old.deleteLater()
        self._order()
        self._look()

    def _order(self) -> None:
        """Have Tab come to the rows before the button below them, which was made first."""
        parts = [part for row in self.rows for part in (row.remove, row.slider, row.field, row.choose)]
        for before, after in pairwise((self.add_button, *parts, self.add_button)):
            QWidget.setTabOrder(before, after)

    def _make_row(self, adapter: Adapter) -> AdapterRow:
        row = AdapterRow(self._ui.theme, adapter, self)
        row.changed.connect(self._moved)
        row.removed.connect(partial(self._remove, row))
        row.file_wanted.connect(partial(self._choose, row))
        return row

    def _look(self) -> None:
        """Find out what the files say, and whether they can be used."""
        for row in self.rows if self.isVisible() else ():
            about = self._ui.services.adapters.about(row.adapter.path, self._model)
            self._ui.operations.run(about, owner=row, on_done=row.show_about, wish=f"adapter.{id(row)}")

    def _say(self) -> None:
        empty = self.tr("None. An adapter (LoRA) is a small file that changes how a model answers.")
        self.note.setText(empty if not self._now else "")
        self.note.setVisible(not self._now)

    # Qt ---------------------------------------------------------------------------------------------------------------

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._look()

    def hideEvent(self, event: QHideEvent) -> None:
        self.flush()
        super().hideEvent(event)
