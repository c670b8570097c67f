"""The licences of all parts: a list with search at the left, what applies to the chosen part at the right."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from PySide6.QtCore import QCoreApplication, QModelIndex, QPersistentModelIndex, QSize, Qt
from PySide6.QtWidgets import QListWidget, QListWidgetItem, QStyleOptionViewItem, QWidget

from qwen_desktop.services import notices
from qwen_desktop.services.notices import Part
from qwen_desktop.ui import texts
from qwen_desktop.ui.ui_context import UiContext
from qwen_desktop.ui.widgets.boxes import column, row
from qwen_desktop.ui.widgets.buttons import TextButton
from qwen_desktop.ui.widgets.dialog import Dialog, ReadOnlyText
from qwen_desktop.ui.widgets.labels import ElidedLabel, Label, Paragraph
from qwen_desktop.ui.widgets.row_delegate import Line, RowDelegate
from qwen_desktop.ui.widgets.search_field import SearchField

WIDTH = 860
HEIGHT = 460
_LIST, _NARROW_LIST = 260, 220
#: What stands around the body of the dialog, in px.
_AROUND = 240
_PART = Qt.ItemDataRole.UserRole


class PartDelegate(RowDelegate):
    """Two lines a row: the name, then version and licence."""

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        return super().sizeHint(option, index) + QSize(0, 14)

    def lines(self, index: QModelIndex | QPersistentModelIndex, *, selected: bool) -> Sequence[Line]:
        part: Part = index.data(_PART)
        name = self._theme.font("body", weight=600 if selected else 500)
        return (
            (part.name, name, "text", Qt.AlignmentFlag.AlignTop),
            (_facts(part), self._theme.font("small"), "text_muted", Qt.AlignmentFlag.AlignBottom),
        )


class LicencesDialog(Dialog):
    """Shows the parts once they have been read."""

    def __init__(self, ui: UiContext, parent: QWidget) -> None:
        width = min(WIDTH, max(560, parent.width() - 72))
        title = QCoreApplication.translate("LicencesDialog", "Licences of the parts")
        super().__init__(ui.theme, title, "", parent, width=width)
        self._ui = ui
        self._parts: Sequence[Part] = ()
        theme = ui.theme
        height = min(HEIGHT, max(240, parent.height() - _AROUND))
        self.search = SearchField(theme, self.tr("Search parts"), self)
        self.search.textChanged.connect(self._fill)
        self.search.left.connect(lambda: self.names.setFocus(Qt.FocusReason.TabFocusReason))
        self.names: QListWidget = QListWidget(self)
        self.names.setAccessibleName(self.tr("Parts"))
        self.names.setProperty("ownFocus", True)
        self.names.setItemDelegate(PartDelegate(theme, self.names))
        self.names.setMouseTracking(True)
        self.names.setVerticalScrollMode(QListWidget.ScrollMode.ScrollPerPixel)
        self.names.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.names.currentItemChanged.connect(lambda item: self._show(item.data(_PART) if item else None))
        self.count = Label(theme, self.tr("Reading …"), self, role="small", color="text_muted")
        for widget in (self.search, self.names, self.count):
            widget.setFixedWidth(_LIST if width == WIDTH else _NARROW_LIST)
        self.names.setMinimumHeight(height - 60)
        self.body.addSpacing(4)
        left = column(self.search, self.names, self.count, gap=8)
        self.name = ElidedLabel(theme, "", self, role="message", weight=600)
        self.facts = ElidedLabel(theme, "", self, role="small", color="text_muted")
        self.home = TextButton(theme, self.tr("Open its page"), self, kind="link")
        self.home.setProperty("flush", True)
        self.home.clicked.connect(lambda: ui.notify.link(self._home))
        self.home.hide()
        self.note = Paragraph(theme, "", self, role="small", color="text_muted")
        self.note.hide()
        self.text = ReadOnlyText("", self.tr("Text of the licence"), self)
        self.text.setFont(theme.font("small"))
        top = row((self.name, 1), self.home, gap=12)
        right = column(top, self.facts, self.note, 4, (self.text, 1), gap=4)
        self.body.addLayout(row(left, (right, 1), gap=20))
        self.add_button(self.tr("Close"), kind="primary", default=True)

    def open(self) -> None:
        super().open()
        self.search.setFocus()
        reading = asyncio.to_thread(notices.load, self._ui.services.paths.resources)
        self._ui.operations.run(reading, owner=self, orphaned="quiet", on_done=self.show_parts)

    def show_parts(self, parts: Sequence[Part]) -> None:
        """Show these parts, the first one chosen."""
        self._parts = parts
        self._fill()

    def _fill(self, _words: str = "") -> None:
        words = self.search.text()
        shown = [part for part in self._parts if part.matches(words)]
        self.names.clear()
        for part in shown:
            item = QListWidgetItem(part.name)
            item.setData(_PART, part)
            item.setData(Qt.ItemDataRole.AccessibleDescriptionRole, _facts(part))
            self.names.addItem(item)
        if shown:
            self.names.setCurrentRow(0)
            n = len(self._parts)
            text = self.tr("{count} of %n part(s)", "", n) if words.strip() else self.tr("%n part(s)", "", n)
            self.count.setText(texts.fill(text, count=len(shown)))
        else:
            self.count.setText(self.tr("No part has that in its name."))

    def _show(self, part: Part | None) -> None:
        self.name.setText(part.name if part else "")
        self.facts.setText(_facts(part) if part else "")
        self._home = part.home if part else ""
        self.home.setVisible(self._home.startswith(("http://", "https://")))
        self.home.setToolTip(texts.tip(self._home))
        self.note.setText(part.note if part else "")
        self.note.setVisible(bool(part and part.note))
        nothing = self.tr("The package brings no text; its page has one.") if part else ""
        rule = f"\n\n{24 * '─'}\n\n"
        self.text.setPlainText(rule.join(map(notices.reflowed, part.texts)) if part and part.texts else nothing)


def _facts(part: Part) -> str:
    """Version and licence in one line."""
    return " · ".join(word for word in (part.version, part.licence) if word)
