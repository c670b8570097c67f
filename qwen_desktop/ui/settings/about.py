"""About: the version, that this is unofficial, and whose work is inside."""

from __future__ import annotations

import platform

from PySide6.QtCore import qVersion
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QWidget

from qwen_desktop import __version__
from qwen_desktop.core.paths import APP
from qwen_desktop.ui.settings.licences import LicencesDialog
from qwen_desktop.ui.texts import translate
from qwen_desktop.ui.ui_context import UiContext
from qwen_desktop.ui.widgets.boxes import MIDDLE, TOP, column, row
from qwen_desktop.ui.widgets.buttons import TextButton
from qwen_desktop.ui.widgets.labels import IconLabel, Label, Paragraph, said
from qwen_desktop.ui.widgets.surface import Card, Line

#: What the window is made of: name, licence.
PARTS = (
    ("Qt, PySide6", "LGPL-3.0"),
    ("llama.cpp, llama-cpp-python", "MIT"),
    ("qasync", "BSD-2-Clause"),
    ("msgspec", "BSD-3-Clause"),
    ("Jinja", "BSD-3-Clause"),
    ("markdown-it-py", "MIT"),
    ("Pygments", "BSD-2-Clause"),
    ("platformdirs", "MIT"),
    ("psutil", "BSD-3-Clause"),
    ("Lucide", "ISC"),
)


class AboutSection(QWidget):
    """The last page of the settings."""

    def __init__(self, ui: UiContext, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        theme = ui.theme
        self._ui = ui
        card = Card(self)
        copy = TextButton(theme, self.tr("Copy versions"), card, icon="copy")
        copy.clicked.connect(self._copy)
        sign = IconLabel(theme, "app", card, color="accent", size=48)
        name = Paragraph(theme, f"{APP} {__version__}", card, role="message", weight=600)
        head = row((sign, TOP), (said(theme, card, name, *about_sentences()), 1), (copy, TOP), gap=16)
        self.licences = TextButton(theme, self.tr("Show licences"), card, icon="book-open")
        self.licences.clicked.connect(lambda: LicencesDialog(self._ui, self.window()).open())
        parts = Paragraph(theme, self.tr("Licences of the parts"), card, weight=500)
        every = said(
            theme, card, parts, self.tr("Everything that is inside, with its version and the full text of its licence.")
        )
        inner = column(head, 14, on=card, margins=(18, 16, 18, 8))
        for part, licence in PARTS:
            inner.addWidget(Line(card))
            terms = Label(theme, licence, card, role="small", color="text_muted")
            inner.addLayout(row((Label(theme, part, card), 1), terms, margins=(0, 8, 0, 8)))
        inner.addWidget(Line(card))
        inner.addLayout(row((every, 1), (self.licences, MIDDLE), gap=16, margins=(0, 12, 0, 6)))
        column(Label(theme, self.tr("About"), self, role="heading", weight=700), card, on=self, gap=16)

    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(versions())
        self._ui.notify.toast(self.tr("The versions are copied."))


def about_sentences() -> tuple[str, str]:
    """What there is to know about the app."""
    return (
        translate("AboutSection", "A private assistant on your own computer, under the Apache-2.0 licence."),
        translate("AboutSection", "Unofficial: not affiliated with Alibaba or the Qwen team."),
    )


def versions() -> str:
    """Versions for a report, one line."""
    return f"{APP} {__version__} · Python {platform.python_version()} · Qt {qVersion()} · {platform.platform()}"
