"""The panel at the side of a conversation that says how it is answered: instructions, sampling, context, adapters.

What is changed counts from the next answer on, and is stored at once; text a moment after the last key, and before the
panel shows another conversation, is left or the window closes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import structs
from PySide6.QtCore import QMimeData, QSignalBlocker, Qt, QTimer, Signal
from PySide6.QtGui import QFocusEvent, QHideEvent
from PySide6.QtWidgets import QPlainTextEdit, QWidget

from qwen_desktop.core import settings
from qwen_desktop.core.chat import Setup
from qwen_desktop.core.drafts import fits_box
from qwen_desktop.core.engine import Adapter, ModelInfo, Sampling, ThinkingMode
from qwen_desktop.core.setting import Setting
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, clean
from qwen_desktop.store.settings_text import complaint
from qwen_desktop.ui import texts
from qwen_desktop.ui.adapters.adapter_list import AdapterList
from qwen_desktop.ui.chat.side_panel import Panel
from qwen_desktop.ui.settings.controls import NumberControl
from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets.boxes import START, column, set_margins
from qwen_desktop.ui.widgets.buttons import TextButton
from qwen_desktop.ui.widgets.labels import Label, Paragraph, ProblemText
from qwen_desktop.ui.widgets.scroll import ScrollArea
from qwen_desktop.ui.widgets.select import Select

if TYPE_CHECKING:
    from qwen_desktop.ui.ui_context import UiContext

#: Pixels of the panel at normal text size.
_WIDTH = 288
#: How long after the last key a text is stored, in milliseconds.
_TYPING_MS = 400
#: How long the adapters stay where they were shown while more is found out about them, in milliseconds.
_SEEKING_MS = 700
#: Longest instructions, in characters, as in Settings: longer ones leave no room for a conversation.
LONGEST = 20_000
#: Of the text box, in px.
_LOWEST, _HIGHEST = 132, 320

_AS_IN_SETTINGS = QT_TRANSLATE_NOOP("instructions", "As in Settings")
#: With the value behind it: more words than these have no room in the panel.
_MODEL_CARD = QT_TRANSLATE_NOOP("instructions", "Model card")


class InstructionsPanel(Panel):
    """Hidden until it is asked for. ``changed`` carries the ``Setup`` before and after somebody has changed it, and a
    sentence where that can be undone; ``reset_wanted`` comes where all of it is to be as the settings say, as is what
    is None in a ``Setup``."""

    changed = Signal(object, object, str)
    reset_wanted = Signal()

    def __init__(self, ui: UiContext, parent: QWidget) -> None:
        super().__init__(ui.theme, parent, name="instructions", width=_WIDTH)
        self._ui = ui
        self._model = ""
        self._setup = Setup()
        self._settings = settings.Settings()
        self._info: ModelInfo | None = None
        self._thinking = ThinkingMode.AUTO
        self._begun = True
        self.rows: dict[str, _ValueRow] = {}
        self._timer = QTimer(self, singleShot=True, interval=_TYPING_MS)
        self._timer.timeout.connect(self._store)
        self._seeking = QTimer(self, singleShot=True, interval=_SEEKING_MS)

    def _build(self) -> None:
        """What it consists of, at the first time that it is shown."""
        theme = self._theme
        self._area = area = ScrollArea(self)
        area.verticalScrollBar().rangeChanged.connect(self._seek)
        body = area.body
        self.text = _InstructionsEdit(self.tr("Instructions"), body)
        self.text.setPlaceholderText(self.tr("How the model is to answer in this chat"))
        self.text.textChanged.connect(self._timer.start)
        self.text.left.connect(self.flush)
        self.problem = ProblemText(theme, body)
        self.text.too_long.connect(lambda: self.problem.setText(self._too_long()))
        self.note = Paragraph(theme, "", body, role="small", color="text_muted")
        sampling = Paragraph(theme, self.tr("How words are chosen"), body, weight=600)
        for name in Sampling.__struct_fields__:
            self.rows[name] = _ValueRow(theme, settings.setting(f"sampling.{name}"), body)
        remembered = Paragraph(theme, self.tr("How much is remembered"), body, weight=600)
        self.rows["context"] = _ValueRow(theme, settings.setting("engine.context"), body)
        for name, entry in self.rows.items():
            entry.chosen.connect(lambda value, name=name: self._chosen(name, value))
        self.adapters = AdapterList(self._ui, body)
        self.adapters.changed.connect(self._adapted)
        self.reset_button = TextButton(theme, self.tr("Reset to Settings"), body, icon="rotate-ccw")
        self.reset_button.setToolTip(self.tr("Take instructions and values from Settings again"))
        self.reset_button.clicked.connect(self.reset_wanted)
        *choices, context = self.rows.values()
        column(
            self.text, 6, self.problem, self.note, 18, sampling, 10, *choices, 14, remembered, 10, context, 14,
            self.adapters, 16, (self.reset_button, START), None,
            on=body, gap=4, margins=(13, 2, 13, 16),
        )  # fmt: skip
        head = self.head(self.tr("Instructions"))
        set_margins(head, 13, 0, 14, 0)
        column(head, (area, 1), on=self, gap=8, margins=(1, 12, 0, 0))  # the line at its start
        self._show()

    # On show or not ---------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Show it, with the keyboard in the instructions."""
        if not self.rows:
            self._build()
        super().open()
        self.text.setFocus(Qt.FocusReason.OtherFocusReason)

    def open_adapters(self) -> None:
        """Show it, with the keyboard at the adapters."""
        self.open()
        first = self.adapters.rows[0].slider if self.adapters.rows else self.adapters.add_button
        first.setFocus(Qt.FocusReason.OtherFocusReason)
        self._seeking.start()
        self._seek()

    def _seek(self, *_range: int) -> None:
        """Have the adapters at the top, also while they are still finding out about themselves."""
        if self._seeking.isActive():
            self._area.verticalScrollBar().setValue(self.adapters.y())

    def add_adapter(self, path: str) -> None:
        """Show it, and add this adapter, or say why it cannot be."""
        self.open_adapters()
        self.adapters.add(path)

    def forget_adding(self) -> None:
        """Another conversation comes on show: an adapter that is still being read is not added there."""
        if self.rows:
            self.adapters.forget()

    # What it shows ----------------------------------------------------------------------------------------------------

    def show_setup(self, setup: Setup, *, begun: bool) -> None:
        """Show how a conversation is answered, or, where it has not ``begun``, how it will be."""
        self._setup, self._begun = setup, begun
        self._show()

    def show_defaults(
        self, chosen: settings.Settings, info: ModelInfo | None, thinking: ThinkingMode, model: str = ""
    ) -> None:
        """Show what counts where nothing is chosen: the settings, and the card of what answers in that mode. ``model``
        is its file, "" without one."""
        self._settings, self._info, self._thinking, self._model = chosen, info, thinking, model
        self._show()

    def flush(self) -> None:
        """Store what was typed now."""
        if self.rows:
            self.adapters.flush()
        if self._timer.isActive():
            self._store()

    def _store(self) -> None:
        self._timer.stop()
        text = self.text.toPlainText()
        too_long = len(text) > LONGEST
        self.problem.setText(self._too_long() if too_long else "")
        if not too_long and text != self._setup.system_prompt:
            self._change(system_prompt=text)

    def _too_long(self) -> str:
        sentence = self.tr("The instructions are longer than {most} characters. Shorten them to have them used.")
        return texts.fill(sentence, most=LONGEST)

    def _show(self) -> None:
        if not self.rows:
            return
        words = self._setup.system_prompt
        words = self._settings.chat.system_prompt if words is None else words
        if not self._timer.isActive() and words != self.text.toPlainText():  # what is being typed is newer
            with QSignalBlocker(self.text):
                self.text.setPlainText(words)
            self.text.fit()
            self.problem.setText("")
        sampling = self._setup.sampling or Sampling()
        for name, entry in self.rows.items():
            own = self._setup.context if name == "context" else getattr(sampling, name)
            entry.show_value(own, *self._default(name))
        self.adapters.show_adapters(self._setup.adapters or ())
        self.adapters.show_model(self._model)
        note = self.tr("Sent before the first message. A change counts from the next answer on.")
        self.note.setText(note if self._begun else self.tr("Sent to the model before the first message."))

    def _default(self, name: str) -> tuple[Any, str]:
        """What counts where nothing is chosen here: the value of the settings, None for the model's, and what that
        is in words, where it is known."""
        section = self._settings.engine if name == "context" else self._settings.sampling
        chosen = getattr(section, name)
        local = self._info.local if self._info is not None else None
        if chosen is not None or self._info is None or local is None:
            return chosen, ""
        if name == "context":
            return None, texts.number(self._info.context_size)
        modes = self._info.capabilities.thinking
        thinks = ThinkingMode.THINK in modes and self._thinking is not ThinkingMode.DIRECT
        card = getattr(local.thinking_sampling if thinks else local.direct_sampling, name)
        return None, "" if card is None else self.rows[name].words(card)

    # What is changed --------------------------------------------------------------------------------------------------

    def _chosen(self, name: str, value: Any) -> None:
        if name == "context":
            self._change(context=value)
        else:
            sampling = structs.replace(self._setup.sampling or Sampling(), **{name: value})
            self._change(sampling=None if sampling == Sampling() else sampling)

    def _adapted(self, _before: tuple[Adapter, ...], adapters: tuple[Adapter, ...], told: str) -> None:
        self._change(told, adapters=adapters)

    def _change(self, told: str = "", **changes: Any) -> None:
        before, self._setup = self._setup, structs.replace(self._setup, **changes)
        self.changed.emit(before, self._setup, told)

    # Qt ---------------------------------------------------------------------------------------------------------------

    def hideEvent(self, event: QHideEvent) -> None:
        self.flush()
        super().hideEvent(event)


class _ValueRow(QWidget):
    """One value: its name, and the field below it; ``chosen`` carries what it may be, None for as it is by itself."""

    chosen = Signal(object)

    def __init__(self, theme: Theme, setting: Setting, parent: QWidget) -> None:
        super().__init__(parent)
        self._setting = setting
        title = texts.marked(setting.info.title)
        self.setToolTip(texts.tip(texts.marked(setting.info.help)))
        self.control = NumberControl(theme, setting, self)
        # The panel says how wide the field is, not its longest words.
        self.control.field.setSizeAdjustPolicy(Select.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.control.field.setMinimumContentsLength(8)
        self.control.changed.connect(self._take)
        self.problem = ProblemText(theme, self)
        label = Label(theme, title, self, role="small", color="text_muted")
        label.setBuddy(self.control.held)
        self.control.held.setAccessibleDescription(texts.marked(setting.info.help))
        column(label, self.control, self.problem, on=self, gap=3, margins=(0, 0, 0, 6))

    def words(self, value: Any) -> str:
        """A value as the field writes it."""
        return self.control.words(value)

    def show_value(self, value: Any, default: Any, card: str) -> None:
        """Show the value chosen here, and beside "as it is by itself" what that comes to."""
        of_card = _MODEL_CARD if card and self._setting.section == "sampling" else self._setting.info.auto
        self.control.set_automatic(texts.marked(_AS_IN_SETTINGS if default is not None else of_card))
        self.control.show_automatic(card if default is None else self.words(default))
        self.control.show_value(value)
        self.problem.setText("")

    def _take(self, value: Any) -> None:
        try:
            known = msgspec.convert(value, self._setting.type)
        except msgspec.ValidationError:
            self.problem.setText(texts.text(complaint(self._setting, value)))
            self.control.show_bad(True)
            return
        self.problem.setText("")
        self.control.show_bad(False)
        self.chosen.emit(known)


class _InstructionsEdit(QPlainTextEdit):
    """Grows with its text, up to a height; ``left`` comes when the keyboard goes elsewhere."""

    left = Signal()
    #: What was to be pasted is not: laying it out would hold everything up.
    too_long = Signal()

    def __init__(self, name: str, parent: QWidget) -> None:
        super().__init__(parent, tabChangesFocus=True)
        self.setAccessibleName(name)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.document().documentLayout().documentSizeChanged.connect(self.fit)
        self.fit()

    def fit(self, _size: object = None) -> None:
        """Take the height that the text needs."""
        lines = int(self.document().documentLayout().documentSize().height())  # in lines
        height = lines * self.fontMetrics().lineSpacing() + 22
        self.setFixedHeight(max(_LOWEST, min(_HIGHEST, height)))

    def insertFromMimeData(self, source: QMimeData) -> None:
        text = clean(source.text()).replace("\r\n", "\n").replace("\r", "\n")
        if fits_box(text):
            self.textCursor().insertText(text)
            self.ensureCursorVisible()
        else:
            self.too_long.emit()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.left.emit()
