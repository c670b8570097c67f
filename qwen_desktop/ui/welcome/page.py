"""The welcome page, built when it is first shown."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from qwen_desktop.core.drafts import fits_box
from qwen_desktop.core.models import Purpose
from qwen_desktop.services.events import MachineChanged
from qwen_desktop.ui import texts
from qwen_desktop.ui.actions import Actions
from qwen_desktop.ui.chat.message_edit import MessageEdit
from qwen_desktop.ui.models import model_texts
from qwen_desktop.ui.models.download_starter import DownloadStarter
from qwen_desktop.ui.models.state import ModelsState
from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.ui_context import UiContext
from qwen_desktop.ui.welcome.recommended import RecommendedCard
from qwen_desktop.ui.widgets.boxes import MIDDLE, TOP, column, row
from qwen_desktop.ui.widgets.buttons import RoundButton, TextButton
from qwen_desktop.ui.widgets.folding import FoldingRow
from qwen_desktop.ui.widgets.labels import IconLabel, Label, Paragraph
from qwen_desktop.ui.widgets.scroll import ScrollArea
from qwen_desktop.ui.widgets.surface import SHADOW, FloatingFrame

_WIDTH = 620


class WelcomePage(ScrollArea):
    """``asked`` carries a question for the guide."""

    asked = Signal(str)

    def __init__(
        self, ui: UiContext, state: ModelsState, starter: DownloadStarter, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._ui = ui
        self._theme = ui.theme
        self._state = state
        self.setObjectName("page")
        self._column = QWidget(self.body)
        self._column.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.advice = RecommendedCard(ui, state, starter, self._column)
        self._lay_out(self._column, ui.theme, ui.actions)
        column(None, row(None, (self._column, 1000), None), None, on=self.body, margins=(24, 24, 24, 24))
        self.setFocusProxy(self.box)
        self._fit()
        ui.theme.changed.connect(self._fit)
        ui.services.bus.subscribe(MachineChanged, self._tell_machine, owner=self)
        state.rows_changed.connect(self._tell_machine)

    def _fit(self) -> None:
        self._column.setMaximumWidth(self._theme.grown(_WIDTH) + 2 * SHADOW)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._tell_machine()
        self._ui.operations.run(self._state.ensure(), owner=self, orphaned="quiet", on_done=self._tell_machine)

    def _lay_out(self, parent: QWidget, theme: Theme, actions: Actions) -> None:
        title = Paragraph(
            theme, self.tr("Your own assistant, on your own computer"), parent, role="welcome", weight=700
        )
        promise = self.tr("Qwen models answer here, without an account and without the network.")
        self.machine = _Row(theme, "cpu", self.tr("We looked at your computer"), "", parent)
        guide = self.tr("A tiny built-in model that explains this app. Ask it anything below, right now.")
        private = self.tr(
            "Chats stay on this disk. The network is used only to find and fetch models, and only when you ask."
        )
        facts = column(
            _Row(theme, "message-circle-question-mark", self.tr("The guide is ready"), guide, parent),
            self.machine,
            _Row(theme, "lock", self.tr("Private by design"), private, parent),
            self.advice,
            self._buttons(theme, actions, parent),
            gap=20,
        )
        promised = Paragraph(theme, promise, parent, role="message", color="text_muted")
        # The box below keeps as much at its sides for its shadow.
        inner = column(title, 6, promised, 24, facts, margins=(SHADOW, 0, SHADOW, 0))
        self.box = _AskBox(theme, parent)
        self.box.sent.connect(self.asked)
        column(inner, self.box, on=parent, gap=20)

    def _buttons(self, theme: Theme, actions: Actions, parent: QWidget) -> FoldingRow:
        choose = TextButton(theme, self.tr("Choose another model"), parent)
        open_ = TextButton(theme, self.tr("I have a GGUF file"), parent, icon="file-up")
        buttons = FoldingRow(parent, spacing=10)
        for button, command in ((choose, "model.get"), (open_, "model.open")):
            button.setToolTip(actions.tooltip(command))
            button.clicked.connect(actions[command].trigger)
            buttons.add(button)
        return buttons

    def _tell_machine(self, _event: object = None) -> None:
        machine = self._ui.services.machines.known
        if machine is None:
            self.machine.say(
                self.tr("Looking at your computer"), self.tr("Processor, memory and graphics card decide what fits.")
            )
            return
        found = [model_texts.cores(machine)]
        if machine.memory.total_bytes is not None:
            size = model_texts.memory(machine.memory.total_bytes)
            found.append(texts.fill(self.tr("{size} memory"), size=size))
        found += [texts.isolated(model_texts.card(gpu)) for gpu in machine.gpus[:2]]
        said = texts.joined(filter(None, found))
        comfort = self._state.comfort
        if comfort is not None:
            size = model_texts.size_word(comfort[0])
            runs = texts.fill(self.tr("Models up to {size} run comfortably."), size=size)
            services = self._ui.services
            advised = services.fits.recommend(services.catalogue.models(), Purpose.EVERYDAY)
            best = advised.best.model if advised is not None and advised.best is not None else None
            if best is not None and best.shape.experts and best.parameters > comfort[0].parameters:
                # Otherwise the card below would seem to contradict the sentence.
                runs = self.tr("Models up to {size} run comfortably, and mixtures of experts up to {larger}.")
                runs = texts.fill(runs, size=size, larger=model_texts.size_word(best))
            said = f"{said}. {runs}" if said else runs
        elif said:
            said += "."
        self.machine.say(self.tr("We looked at your computer"), said or self.tr("Little could be read about it."))

    def minimumSizeHint(self) -> QSize:
        return QSize(360, 300)


class _Row(QWidget):
    """A tinted sign, a heading and one sentence."""

    def __init__(self, theme: Theme, icon: str, heading: str, text: str, parent: QWidget) -> None:
        super().__init__(parent)
        tile = QWidget(self)
        tile.setObjectName("tile")
        tile.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        tile.setFixedSize(38, 38)
        sign = IconLabel(theme, icon, tile, color="accent", size=20)
        row((sign, Qt.AlignmentFlag.AlignCenter), on=tile)
        self.heading = Label(theme, heading, self, weight=600)
        self.sentence = Paragraph(theme, text, self, color="text_muted")
        row((tile, TOP), (column(self.heading, self.sentence, gap=2), 1), on=self, gap=14)

    def say(self, heading: str, text: str) -> None:
        """Say something else."""
        self.heading.setText(heading)
        self.sentence.setText(text)


class _AskBox(FloatingFrame):
    """The composer without its tools: a question for the guide."""

    sent = Signal(str)

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(theme, parent)
        self.edit = MessageEdit(theme, self)
        self.edit.set_hint(self.tr("Ask the guide: how do I start a new chat?"))
        self.edit.setAccessibleName(self.tr("Question for the guide"))
        self.edit.set_limit(160)
        self.button = RoundButton(theme, "arrow-up", self.tr("Ask the guide"), self)
        self.button.setEnabled(False)
        self.edit.textChanged.connect(lambda: self.button.setEnabled(not self.edit.document().isEmpty()))
        self.edit.long_paste.connect(self._insert)
        self.edit.send_wanted.connect(self._send)
        self.edit.focus_changed.connect(lambda on: self.set_border("focus" if on else "border_strong"))
        self.button.clicked.connect(self._send)
        line = row(on=self, margins=(17, 12, 12, 12))
        line.addWidget(self.edit, 1, MIDDLE)
        line.addWidget(self.button, 0, Qt.AlignmentFlag.AlignBottom)
        self.setFocusProxy(self.edit)

    def _insert(self, text: str) -> None:
        """A long paste: whole where the box can hold it. The guide could not read a longer one anyway."""
        self.edit.insertPlainText(text if fits_box(text) else text[:2000])

    def _send(self) -> None:
        text = self.edit.toPlainText().strip()
        if text and not self.edit.composing():
            self.edit.clear()
            self.sent.emit(text)
