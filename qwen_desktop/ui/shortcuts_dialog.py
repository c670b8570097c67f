"""All keys of the app, by what they are for, with a field that finds one."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QBoxLayout, QGridLayout, QLabel, QWidget

from qwen_desktop.core.commands import COMMANDS, WIDGET_KEYS, Command
from qwen_desktop.ui import texts
from qwen_desktop.ui.actions import native_keys
from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets.boxes import column, row
from qwen_desktop.ui.widgets.dialog import Dialog
from qwen_desktop.ui.widgets.labels import Label, Paragraph
from qwen_desktop.ui.widgets.scroll import ScrollArea, between_lines
from qwen_desktop.ui.widgets.search_field import SearchField

#: Where Ctrl+Enter sends.
_CTRL_ENTER = {
    "composer.newline": ("Enter",),
    **dict.fromkeys(("composer.send", "queue.add", "queue.go_on"), ("Ctrl+Enter",)),
}


class ShortcutsDialog(Dialog):
    """``send_with`` is the setting that says which key sends."""

    def __init__(self, theme: Theme, parent: QWidget, *, send_with: str = "enter") -> None:
        super().__init__(theme, texts.translate("dialogs", "Keyboard shortcuts"), "", parent, width=720)
        self._changed = _CTRL_ENTER if send_with == "ctrl_enter" else {}
        self.field = SearchField(theme, self.tr("Find a key or what it does"), self)
        self.field.textChanged.connect(self._find)
        self.body.addWidget(self.field)
        self._area = ScrollArea(self)
        self._area.setFocusPolicy(Qt.FocusPolicy.StrongFocus)  # nothing in it takes the keys that scroll
        self._area.setAccessibleName(self.windowTitle())
        self.groups = [made for made in map(self._made, self._groups()) if made.rows]
        nothing = Paragraph(theme, self.tr("No key does that."), self._area.body, color="text_muted")
        nothing.hide()
        self._nothing = nothing
        self._sides = (column(gap=14), column(gap=14))
        both = row((self._sides[0], 1), (self._sides[1], 1), gap=36)
        self._share_out([(group, len(group.rows)) for group in self.groups])
        column(nothing, both, None, on=self._area.body, margins=(0, 4, 14, 4))
        for label in self._area.body.findChildren(QLabel):
            label.ensurePolished()  # the style sheet's padding counts
        if self._area.body.minimumSizeHint().width() + 20 > parent.width() - 96:
            both.setDirection(QBoxLayout.Direction.TopToBottom)  # no room for two columns
        size = self._area.body.sizeHint()
        self._area.setMinimumHeight(min(size.height() + 8, max(240, parent.height() - 220)))
        self._area.setMinimumWidth(min(size.width() + 20, max(480, parent.width() - 96)))
        self.body.addLayout(between_lines(self._area))
        self.add_button(self.tr("Close"), kind="primary")
        self.field.setFocus()

    def _groups(self) -> Sequence[tuple[str, tuple[str, ...]]]:
        """Headings, each with what the ids of its commands begin with; the last one has all others."""
        return (
            (self.tr("Message box"), ("composer", "thinking", "model")),
            (self.tr("Prompts in line"), ("queue",)),
            (self.tr("Answers"), ("answer", "message", "edit")),
            (self.tr("Reading messages"), ("transcript",)),
            (self.tr("Chats"), ("chat", "list", "toast")),
            (self.tr("Window"), ()),  # all others
        )

    def _made(self, group: tuple[str, tuple[str, ...]]) -> _KeyGroup:
        title, starts = group
        others = {start for _, named in self._groups() for start in named}
        rows = [c for c in COMMANDS + WIDGET_KEYS if c.shortcut and _start(c) in (starts or {_start(c)} - others)]
        keys = [self._changed.get(c.id) or c.keys_on() for c in rows]
        return _KeyGroup(self._theme, title, list(zip(rows, keys, strict=True)), self._area.body)

    def _share_out(self, groups: Sequence[tuple[_KeyGroup, int]]) -> None:
        """Fill the columns, each with about half of the rows; a single group stands in the first."""
        for side in self._sides:
            while side.count():
                side.takeAt(0)
        half, above = sum(rows + 2 for _, rows in groups) / 2 - 2, 0
        for group, rows in groups:
            self._sides[above >= half and above > 0].addWidget(group)
            above += rows + 2
        for side in self._sides:
            side.addStretch()

    def _find(self, text: str) -> None:
        words = text.casefold().split()
        found = [(group, group.narrow(words)) for group in self.groups]
        self._nothing.setVisible(not any(rows for _, rows in found))
        self._share_out([(group, rows) for group, rows in found if rows])


def _start(command: Command) -> str:
    return command.id.partition(".")[0]


class _KeyGroup(QWidget):
    """A heading and its keys."""

    def __init__(
        self, theme: Theme, title: str, commands: list[tuple[Command, tuple[str, ...]]], parent: QWidget
    ) -> None:
        super().__init__(parent)
        self.rows: list[tuple[str, tuple[QWidget, ...]]] = []
        grid = QGridLayout()
        grid.setVerticalSpacing(6)
        grid.setHorizontalSpacing(16)
        for number, (command, keys) in enumerate(commands):
            name = Paragraph(theme, texts.marked(command.title), self, role="small")
            caps = QWidget(self)
            shown = [QLabel(native_keys(key), caps) for key in keys]
            for cap in shown:
                cap.setObjectName("keycap")
            row(*shown, on=caps, gap=4)
            said = " / ".join(cap.text() for cap in shown)
            name.setAccessibleName(f"{name.text()}: {said}")
            grid.addWidget(name, number, 0)
            grid.addWidget(caps, number, 1, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            self.rows.append((f"{title} {name.text()} {said}".casefold(), (name, caps)))
        grid.setColumnStretch(0, 1)
        column(Label(theme, title, self, role="small", weight=600, color="text_muted"), grid, on=self, gap=6)

    def narrow(self, words: list[str]) -> int:
        """Show what has all these words in it; how many rows have."""
        some = 0
        for said, widgets in self.rows:
            found = all(word in said for word in words)
            some += found
            for widget in widgets:
                widget.setVisible(found)
        self.setVisible(some > 0)
        return some
