"""The window's own dialogs: keyboard shortcuts, about, the crash report. All opened, never executed."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QGridLayout, QLabel, QWidget

from qwen_desktop import __version__
from qwen_desktop.core.commands import COMMANDS, WIDGET_KEYS, Command
from qwen_desktop.core.paths import APP
from qwen_desktop.ui import texts
from qwen_desktop.ui.actions import native_keys
from qwen_desktop.ui.settings.about import about_sentences, versions
from qwen_desktop.ui.texts import translate
from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets.boxes import row
from qwen_desktop.ui.widgets.dialog import Dialog, ReadOnlyText
from qwen_desktop.ui.widgets.labels import Label, Paragraph
from qwen_desktop.ui.widgets.scroll import ScrollArea, between_lines


def shortcuts(theme: Theme, parent: QWidget) -> Dialog:
    """Every key of the table, in two columns."""
    dialog = Dialog(theme, translate("dialogs", "Keyboard shortcuts"), "", parent, width=640)
    scroll = ScrollArea(dialog)
    scroll.setFocusPolicy(Qt.FocusPolicy.StrongFocus)  # nothing in it takes the keys that scroll
    body = scroll.body
    columns = row(on=body, gap=36, margins=(0, 4, 14, 4))
    rows = [c for c in COMMANDS + WIDGET_KEYS if c.shortcut]
    half = (len(rows) + 1) // 2
    for part in (rows[:half], rows[half:]):
        columns.addLayout(_table(theme, part, body), 1)
    for label in body.findChildren(QLabel):
        label.ensurePolished()  # the style sheet's padding counts
    scroll.setMinimumHeight(min(body.sizeHint().height() + 8, max(240, parent.height() - 180)))
    scroll.setMinimumWidth(body.sizeHint().width() + 20)
    dialog.body.addLayout(between_lines(scroll))
    dialog.add_button(translate("dialogs", "Close"), kind="primary", default=True)
    return dialog


def _table(theme: Theme, commands: list[Command], parent: QWidget) -> QGridLayout:
    grid = QGridLayout()
    grid.setVerticalSpacing(6)
    grid.setHorizontalSpacing(16)
    for number, command in enumerate(commands):
        name = Label(theme, texts.marked(command.title), parent, role="small")
        keys = QLabel(native_keys(command.keys_on()[0]), parent)
        keys.setObjectName("keycap")
        keys.setAccessibleName(f"{name.text()}: {keys.text()}")
        grid.addWidget(name, number, 0)
        grid.addWidget(keys, number, 1, Qt.AlignmentFlag.AlignRight)
    grid.setRowStretch(len(commands), 1)
    grid.setColumnStretch(0, 1)
    return grid


def about(theme: Theme, parent: QWidget) -> Dialog:
    """Version, and what this is."""
    dialog = Dialog(theme, f"{APP} {__version__}", "\n\n".join(about_sentences()), parent)
    dialog.body.addWidget(Paragraph(theme, versions(), dialog, role="small", color="text_muted"))
    dialog.add_button(translate("dialogs", "Copy versions"), lambda: QGuiApplication.clipboard().setText(versions()))
    dialog.add_button(translate("dialogs", "Close"), kind="primary", default=True)
    return dialog


def crash(theme: Theme, parent: QWidget, report: str) -> Dialog:
    """What the last run left behind. It stays on this computer unless the user copies it somewhere."""
    dialog = Dialog(
        theme,
        translate("dialogs", "Qwen Desktop did not end as it should last time"),
        translate(
            "dialogs",
            "Your chats are kept. This report holds no chat text; it leaves this computer only if you send it.",
        ),
        parent,
        width=600,
    )
    text = ReadOnlyText(report, translate("dialogs", "Crash report"), dialog, tallest=192)
    text.setFont(theme.font("code"))
    dialog.body.addWidget(text)
    dialog.add_button(translate("dialogs", "Copy report"), lambda: QGuiApplication.clipboard().setText(report))
    dialog.add_button(translate("dialogs", "Close"), kind="primary", default=True)
    return dialog
