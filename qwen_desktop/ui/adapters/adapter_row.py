"""One adapter: its name, what it is for, how strongly it counts, and what is wrong with it."""

from __future__ import annotations

from msgspec import structs
from PySide6.QtCore import QLocale, QSignalBlocker, Signal
from PySide6.QtWidgets import QLineEdit, QWidget

from qwen_desktop.core.chat import STRONGEST
from qwen_desktop.core.engine import Adapter
from qwen_desktop.services.adapters import About, title
from qwen_desktop.ui import texts
from qwen_desktop.ui.theme import Theme, mark
from qwen_desktop.ui.widgets.boxes import START, column, row
from qwen_desktop.ui.widgets.buttons import IconButton, TextButton
from qwen_desktop.ui.widgets.labels import ElidedLabel, Paragraph, ProblemText
from qwen_desktop.ui.widgets.slider import Slider

#: The slider counts hundredths.
_WHOLE, _STEP = 100, 5


class AdapterRow(QWidget):
    """``changed`` carries the adapter with another strength; ``file_wanted`` comes where its file is to be chosen
    again."""

    changed = Signal(object)
    removed = Signal()
    file_wanted = Signal()

    def __init__(self, theme: Theme, adapter: Adapter, parent: QWidget) -> None:
        super().__init__(parent)
        self.adapter = adapter
        self.name = ElidedLabel(theme, "", self, weight=500)
        self.remove = IconButton(theme, "x", "", self, side=28, icon_size=16)
        self.remove.clicked.connect(self.removed)
        self.facts = Paragraph(theme, "", self, role="small", color="text_muted")
        self.slider = Slider(theme, "", self, most=round(STRONGEST * _WHOLE), mark=_WHOLE, step=_STEP)
        self.slider.setToolTip(texts.tip(self.tr("How strongly it counts: 1 as it was trained, 0 not at all")))
        self.slider.setAccessibleDescription(self.tr("In hundredths: 100 is as it was trained, 0 is off"))
        self.slider.valueChanged.connect(lambda value: self._take(value / _WHOLE))
        self.field = QLineEdit(self)
        self.field.setMaxLength(8)
        self.field.setFixedWidth(theme.grown(56))
        self.field.editingFinished.connect(self._typed)
        self.refused = ProblemText(theme, self)
        self.problem = ProblemText(theme, self)
        self.choose = TextButton(theme, "", self, kind="link")
        self.choose.setProperty("flush", True)
        self.choose.clicked.connect(self.file_wanted)
        self.choose.hide()
        column(
            row((self.name, 1), self.remove, gap=4),
            self.facts,
            row((self.slider, 1), self.field, gap=8, margins=(0, 2, 0, 0)),
            self.refused,
            self.problem,
            (self.choose, START),
            on=self, gap=3, margins=(0, 0, 0, 10),
        )  # fmt: skip
        self._about = About()
        self.show_adapter(adapter)
        self.show_about(About())

    @property
    def title(self) -> str:
        """What it is called."""
        facts = self._about.facts
        return facts.name if facts is not None else title(self.adapter)

    def show_adapter(self, adapter: Adapter) -> None:
        """Show it as strong as it is now; what is being typed is newer."""
        self.adapter = adapter
        with QSignalBlocker(self.slider):
            self.slider.setValue(round(adapter.scale * _WHOLE))
        self.slider.update()
        if not self.field.isModified():
            self._write()
        self._show_facts()

    def show_about(self, about: About) -> None:
        """Show what its file says of itself, and what is wrong."""
        self._about = about
        name = self.title
        self.name.setText(name)
        self.remove.set_icon("x", texts.fill(self.tr("Remove {name}"), name=name))
        strength = texts.fill(self.tr("Strength of {name}"), name=name)
        self.slider.setAccessibleName(strength)
        self.field.setAccessibleName(strength)
        self.problem.setText(texts.problem(about.problem) if about.problem is not None else "")
        self.choose.setText(self.tr("Choose its file…") if about.facts is None else self.tr("Choose another file…"))
        self.choose.setVisible(about.problem is not None)
        self._show_facts()

    def _show_facts(self) -> None:
        facts, said = self._about.facts, []
        if self.adapter.scale == 0:
            said.append(self.tr("Off"))
        if facts is not None:
            base = self.tr("for {name}") if facts.base else self.tr("for {name} models")
            said.append(texts.fill(base, name=texts.isolated(facts.base or facts.architecture)))
            said.append(texts.fill(self.tr("rank {n}"), n=facts.rank))
            if facts.alora:
                said.append(self.tr("activated by words of its own (aLoRA)"))
        self.facts.setText(" · ".join(said))
        self.facts.setVisible(bool(said))

    def _write(self) -> None:
        self.field.setText(QLocale().toString(self.adapter.scale, "g", 4))
        self.field.setModified(False)
        self.refused.setText("")
        mark(self.field, "bad", False)

    def _typed(self) -> None:
        text = self.field.text().strip()
        value, good = QLocale().toDouble(text)
        if not good:
            value, good = QLocale.c().toDouble(text.replace(",", "."))
        if not good or not 0 <= value <= STRONGEST:
            most = QLocale().toString(STRONGEST, "g", 4)
            self.refused.setText(texts.fill(self.tr("Enter a number from 0 to {most}."), most=most))
            mark(self.field, "bad", True)
            return
        self.field.setModified(False)
        self._take(round(value, 3))

    def _take(self, scale: float) -> None:
        before, self.adapter = self.adapter, structs.replace(self.adapter, scale=scale)
        self.field.setModified(False)
        self.show_adapter(self.adapter)
        if self.adapter != before:
            self.changed.emit(self.adapter)
