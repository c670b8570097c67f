"""Whether a model thinks before it answers, and how long a thought may get: the switch, and the budget beside it."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QLocale, Signal
from PySide6.QtGui import QAction, QActionGroup
from PySide6.QtWidgets import QLineEdit, QSizePolicy, QWidget

from qwen_desktop.core.chat import NO_BUDGET
from qwen_desktop.core.engine import ThinkingMode
from qwen_desktop.ui import texts
from qwen_desktop.ui.texts import translate
from qwen_desktop.ui.theme import Theme, mark
from qwen_desktop.ui.widgets.buttons import MenuButton
from qwen_desktop.ui.widgets.dialog import Dialog
from qwen_desktop.ui.widgets.folding import FoldingRow
from qwen_desktop.ui.widgets.labels import Paragraph, start_edge
from qwen_desktop.ui.widgets.select import Menu
from qwen_desktop.ui.widgets.switch import SegmentedControl

#: What is offered, in tokens.
OFFERED = (512, 2048, 8192)
#: What somebody may enter, in tokens.
LEAST, MOST = 1, 1_048_576


class ThinkingControl(FoldingRow):
    """The switch, where the model has a choice, and the budget, where it thinks. ``chosen`` carries the value of a
    mode, ``budget_chosen`` tokens, ``NO_BUDGET``, or None for what the settings say."""

    chosen = Signal(str)
    budget_chosen = Signal(object)

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent, spacing=4)
        modes = (
            (ThinkingMode.AUTO.value, self.tr("Auto"), "brain"),
            (ThinkingMode.THINK.value, self.tr("Think"), ""),
            (ThinkingMode.DIRECT.value, self.tr("Direct"), ""),
        )
        self._modes: tuple[ThinkingMode, ...] = ()
        self._on = True
        self.switch = SegmentedControl(theme, self.tr("Thinking"), modes, self)
        self.switch.setToolTip(self.tr("Whether the model thinks before it answers"))
        self.switch.chosen.connect(self._chosen)
        self.budget = BudgetButton(theme, self)
        self.budget.chosen.connect(self.budget_chosen)
        self.add(self.switch)
        self.add(self.budget)
        self._show()

    @property
    def value(self) -> str:
        """The value of the mode."""
        return self.switch.value

    def set_modes(self, modes: Sequence[ThinkingMode], mode: ThinkingMode) -> None:
        """Show what the model offers, at ``mode``; nothing where it never thinks."""
        self._modes = tuple(modes)
        self.switch.set_value(mode.value)
        self._show()

    def set_on(self, on: bool) -> None:
        """Show it, or make room for something else."""
        self._on = on
        self._show()

    def cycle(self) -> None:
        """Choose the next mode, as if the user had."""
        if not self.switch.isHidden():
            self.switch.cycle()

    def _chosen(self, value: str) -> None:
        self._show()
        self.chosen.emit(value)

    def _show(self) -> None:
        choice = len(self._modes) > 1
        direct = choice and self.value == ThinkingMode.DIRECT.value
        if direct and self.budget.hasFocus():
            self.switch.setFocus()
        self.switch.setVisible(choice)
        self.budget.setVisible(bool(self._modes) and not direct)
        self.setVisible(self._on and bool(self._modes))


class BudgetButton(MenuButton):
    """How many tokens a thought may have; opens the menu of budgets."""

    chosen = Signal(object)
    #: Another conversation is on show: what is asked about the one before is old news.
    moved_on = Signal()

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(theme, "", parent, kind="budget")
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self._own: int | None = None
        self._default = NO_BUDGET
        self.menu_ = Menu(self)
        self._group = QActionGroup(self.menu_)
        self.clicked.connect(self.open_menu)
        theme.changed.connect(self._say)
        self._say()

    def set_budget(self, own: int | None, default: int | None) -> None:
        """Show the conversation's ``own`` budget; None is that of the settings, ``default`` (None for no limit)."""
        self._own, self._default = own, NO_BUDGET if default is None else default
        self._say()

    def open_menu(self) -> None:
        """Open the menu above."""
        self._fill()
        self.menu_.open_by(self, 0, -self.menu_.sizeHint().height() - 4)

    def _say(self) -> None:
        tokens = self._default if self._own is None else self._own
        self.setText(self._words(tokens))
        self.setAccessibleName(texts.fill(self.tr("Longest thought: {tokens}"), tokens=self._words(tokens)))
        self.setToolTip(self.tr("How long a thought may get before it is closed and the model answers, in tokens"))

    def _words(self, tokens: int) -> str:
        return self.tr("No limit") if tokens < 0 else texts.tokens(tokens)

    def _fill(self) -> None:
        self.menu_.clear()
        settings = texts.fill(self.tr("As in Settings ({tokens})"), tokens=self._words(self._default))
        self._add(settings, None)
        self.menu_.addSeparator()
        for tokens in (NO_BUDGET, *OFFERED):
            self._add(self._words(tokens), tokens)
        if self._own is not None and self._own not in (NO_BUDGET, *OFFERED):
            self._add(self._words(self._own), self._own)
        self.menu_.addSeparator()
        own = QAction(self.tr("Other number…"), self.menu_)
        own.triggered.connect(self._ask)
        self.menu_.addAction(own)

    def _add(self, words: str, tokens: int | None) -> None:
        entry = QAction(words, self._group, checkable=True, checked=tokens == self._own)
        entry.triggered.connect(lambda _checked=False: self._choose(tokens))
        self.menu_.addAction(entry)

    def _ask(self) -> None:
        dialog = BudgetDialog(self._theme, self._own if (self._own or 0) > 0 else None, self.window())
        dialog.entered.connect(self._choose)
        self.moved_on.connect(dialog.reject)
        dialog.open()

    def _choose(self, tokens: int | None) -> None:
        self._own = tokens
        self._say()
        self.chosen.emit(tokens)


class BudgetDialog(Dialog):
    """Asks for a number of tokens; one that it cannot be is answered with a sentence. ``entered`` carries it."""

    entered = Signal(int)

    def __init__(self, theme: Theme, tokens: int | None, parent: QWidget) -> None:
        title = translate("thinking", "Longest thought")
        words = translate(
            "thinking", "In tokens. A thought that gets longer is closed, and the model answers with what it has."
        )
        super().__init__(theme, title, words, parent, width=380)
        self.field = QLineEdit("" if tokens is None else texts.number(tokens), self)
        self.field.setAccessibleName(self.tr("Longest thought, in tokens"))
        self.field.setPlaceholderText(self.tr("Number of tokens"))
        self.field.setAlignment(start_edge(self))
        self.field.setMaxLength(32)
        self.field.selectAll()
        self.problem = Paragraph(theme, "", self, role="small", color="bad")
        self.problem.hide()
        self.body.addWidget(self.field)
        self.body.addWidget(self.problem)
        self.add_button(self.tr("Cancel"))
        self.add_button(self.tr("Use"), self._use, kind="primary", default=True, closes=False)
        self.field.setFocus()

    def _use(self) -> None:
        tokens = number_of(self.field.text())
        if tokens is not None:
            self.accept()
            self.entered.emit(tokens)
            return
        sentence = self.tr("Enter a whole number from {least} to {most}.")
        self.problem.setText(texts.fill(sentence, least=LEAST, most=MOST))
        self.problem.show()
        self.field.setAccessibleDescription(self.problem.text())
        mark(self.field, "bad", True)
        self.field.selectAll()
        self.field.setFocus()
        self.adjustSize()


def number_of(text: str) -> int | None:
    """The number of tokens that somebody has entered, None where it cannot be one."""
    plain = text.strip().replace("\u00a0", "").replace("\u202f", "").replace(" ", "")
    for locale in (QLocale(), QLocale.c()):
        value, good = locale.toLongLong(plain)
        if good:
            return value if LEAST <= value <= MOST else None
    return None
