"""The window's own dialogs: about, and the crash report. All opened, never executed."""

from __future__ import annotations

from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QWidget

from qwen_desktop import __version__
from qwen_desktop.core.paths import APP
from qwen_desktop.ui.settings.about import about_sentences, versions
from qwen_desktop.ui.texts import translate
from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets.dialog import Dialog, ReadOnlyText
from qwen_desktop.ui.widgets.labels import Paragraph


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
