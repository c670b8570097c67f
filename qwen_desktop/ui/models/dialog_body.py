"""What the dialogs of this page share: a body that scrolls, headings, and a table of facts."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from PySide6.QtCore import QEvent, QObject
from PySide6.QtWidgets import QGridLayout, QWidget

from qwen_desktop.ui.theme import FontRole, Theme
from qwen_desktop.ui.ui_context import UiContext
from qwen_desktop.ui.widgets.boxes import TOP, column
from qwen_desktop.ui.widgets.buttons import TextButton
from qwen_desktop.ui.widgets.dialog import Dialog, ReadOnlyText
from qwen_desktop.ui.widgets.labels import Label, Paragraph
from qwen_desktop.ui.widgets.scroll import ScrollArea, between_lines

#: Room for focus rings at the left of a body that scrolls; the dialog's ``inset``.
INSET = 4
#: What a dialog's title and buttons take beside its body, in px at normal text size.
_AROUND = 190


class ScrollDialog(Dialog):
    """A dialog whose body scrolls: as tall as its content, at most as the window leaves room for."""

    def __init__(self, ui: UiContext, title: str, text: str, parent: QWidget | None, *, width: int) -> None:
        super().__init__(ui.theme, title, text, parent, width=width, inset=INSET)
        self._ui = ui
        self._room = max(240, (parent.window().height() if parent is not None else 820) - ui.theme.grown(_AROUND))
        self.area = ScrollArea(self)
        self.column = column(on=self.area.body, gap=8, margins=(INSET, 4, 14, 4))
        self.body.addLayout(between_lines(self.area), 1)

    def say(self, text: str, *, role: FontRole = "body", color: str = "text", weight: int = 400) -> None:
        """Add a paragraph, unless there is nothing to say."""
        if text:
            self.column.addWidget(Paragraph(self._theme, text, self.area.body, role=role, color=color, weight=weight))

    def open(self) -> None:
        super().open()
        self.area.body.installEventFilter(self)  # whatever changes from now on

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.LayoutRequest and self.isVisible():
            self.adjustSize()
        return False

    def adjustSize(self) -> None:
        width = self.area.viewport().width() if self.isVisible() else self._width - 48
        self.column.activate()
        wrapped = self.column.totalHeightForWidth(width) if self.column.hasHeightForWidth() else 0
        needed = max(wrapped, self.column.totalSizeHint().height()) + 4
        self.area.setMinimumHeight(min(self._room, needed))
        self.area.setMinimumWidth(self.column.totalMinimumSize().width())  # nothing scrolls sideways
        super().adjustSize()


def heading(theme: Theme, text: str, parent: QWidget) -> Label:
    """A heading inside a dialog."""
    label = Label(theme, text, parent, weight=600)
    label.setContentsMargins(0, 10, 0, 0)
    return label


def facts(theme: Theme, rows: Iterable[tuple[str, str]], parent: QWidget, *, pairs: int = 1) -> QGridLayout:
    """Names and values, ``pairs`` of them side by side; those without a value are left out."""
    grid = QGridLayout()
    grid.setHorizontalSpacing(16)
    grid.setVerticalSpacing(4)
    for place, (name, value) in enumerate(row for row in rows if row[1]):
        line, at = divmod(place, pairs)
        title = Paragraph(theme, name, parent, role="small", color="text_muted")
        grid.addWidget(title, line, 2 * at, TOP)
        grid.addWidget(Paragraph(theme, value, parent, role="small"), line, 2 * at + 1, TOP)
    for at in range(pairs):
        grid.setColumnMinimumWidth(2 * at, theme.grown(84 if pairs > 1 else 126))
        grid.setColumnStretch(2 * at + 1, 1)
    return grid


def link(theme: Theme, text: str, parent: QWidget, act: Callable[..., object]) -> TextButton:
    """A link that stands in line with the texts above it."""
    button = TextButton(theme, text, parent, kind="link")
    button.setProperty("flush", True)
    button.clicked.connect(act)
    return button


def lines(theme: Theme, name: str, parent: QWidget, text: str = "") -> ReadOnlyText:
    """A field with lines to read and copy: names of files."""
    field = ReadOnlyText(text, name, parent, tallest=120)
    field.setFont(theme.font("code"))
    return field


def web_page(repo: str) -> str:
    """Where a repository stands on the web."""
    return f"https://huggingface.co/{repo}"
