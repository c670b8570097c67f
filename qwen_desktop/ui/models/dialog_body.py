"""What the dialogs of this page share: a body that scrolls, headings, and a table of facts."""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtWidgets import QFrame, QGridLayout, QScrollArea, QVBoxLayout, QWidget

from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets.buttons import TextButton
from qwen_desktop.ui.widgets.dialog import Dialog
from qwen_desktop.ui.widgets.labels import Label, Paragraph

#: Room for focus rings at the left of a body that scrolls; the dialog's ``inset``.
INSET = 4
#: What a dialog's title and buttons take beside its body, in px.
_AROUND = 190


class ScrollBody(QScrollArea):
    """As tall as its content, at most as the window leaves room for; then it scrolls."""

    def __init__(self, dialog: Dialog, window: QWidget | None) -> None:
        super().__init__(dialog)
        self._room = max(240, (window.window().height() if window is not None else 820) - _AROUND)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.body = body = QWidget()
        body.setObjectName("pageBody")
        self.column = QVBoxLayout(body)
        self.column.setContentsMargins(INSET, 4, 14, 4)
        self.column.setSpacing(8)
        self.setWidget(body)
        body.installEventFilter(self)
        dialog.body.addWidget(self, 1)

    def fit(self, width: int) -> None:
        """Take the height that the content needs when the dialog is ``width`` px wide."""
        body = self.body
        for child in body.findChildren(QWidget):
            child.ensurePolished()
        layout = body.layout()
        if layout is not None:
            layout.activate()
            wrapped = layout.totalHeightForWidth(width) if layout.hasHeightForWidth() else 0
            needed = max(wrapped, layout.totalSizeHint().height()) + 4
            self.setMinimumHeight(min(self._room, needed))
            self.setMinimumWidth(layout.totalMinimumSize().width())  # nothing scrolls sideways

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.LayoutRequest and self.isVisible():
            self.fit(self.viewport().width())
            self.window().adjustSize()
        return False


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
        row, column = divmod(place, pairs)
        title = Paragraph(theme, name, parent, role="small", color="text_muted")
        said = Paragraph(theme, value, parent, role="small")
        for part, at in ((title, 2 * column), (said, 2 * column + 1)):
            grid.addWidget(part, row, at, Qt.AlignmentFlag.AlignTop)
    for column in range(pairs):
        grid.setColumnMinimumWidth(2 * column, theme.grown(84 if pairs > 1 else 126))
        grid.setColumnStretch(2 * column + 1, 1)
    return grid


def link(theme: Theme, text: str, parent: QWidget) -> TextButton:
    """A link that stands in line with the texts above it."""
    button = TextButton(theme, text, parent, kind="link")
    button.setProperty("flush", True)
    return button
