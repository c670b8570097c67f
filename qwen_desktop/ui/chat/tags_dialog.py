"""The tags of chats: chips that can be taken away, a field that knows all tags, and what is done with it in all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial

from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QCompleter, QLineEdit, QWidget

from qwen_desktop.core.tags import LONGEST, tag_of, tags_of
from qwen_desktop.ui import texts
from qwen_desktop.ui.chat.chips import ChipBody, ChipFrame, small_button
from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets.boxes import row
from qwen_desktop.ui.widgets.buttons import TextButton
from qwen_desktop.ui.widgets.dialog import Dialog
from qwen_desktop.ui.widgets.flow import FlowLayout
from qwen_desktop.ui.widgets.labels import Paragraph
from qwen_desktop.ui.widgets.select import Menu

#: Tags that are offered to be pressed, those with most chats first.
_OFFERED = 12


class _TagField(QLineEdit):
    """Enter and a comma add what is written; Enter in the empty field is the dialog's."""

    added = Signal(str)
    #: Backspace in the empty field
    back = Signal()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        enter = event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        if (enter or event.text() in (",", ";", "，", "、")) and self.text().strip():
            self.added.emit(self.text())
            event.accept()
        elif event.key() == Qt.Key.Key_Backspace and not self.text():
            self.back.emit()
        else:
            super().keyPressEvent(event)


class _TagChip(ChipFrame):
    """A tag; one that only some of the chats have is given to all by a press."""

    def __init__(self, theme: Theme, tag: str, facts: str, parent: QWidget) -> None:
        body = ChipBody(theme, parent, icon="tag")
        super().__init__(theme, body, parent)
        self.tag = tag
        body.say(tag, facts)
        body.setAccessibleName(f"{tag}, {facts}" if facts else tag)
        body.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.remove = small_button(theme, "x", texts.fill(self.tr("Remove the tag {tag}"), tag=tag), self)
        row(body, self.remove, on=self, gap=0, margins=(0, 0, 3, 0))


class TagsDialog(Dialog):
    """``changed`` carries the tags that all are to be given and those that they are to lose; ``renamed`` and
    ``deleted`` are about a tag in all chats there are."""

    changed = Signal(object, object)
    renamed = Signal(str, str)
    deleted = Signal(str)
    #: All chats with this tag are to be shown.
    search_wanted = Signal(str)

    def __init__(
        self, theme: Theme, tags: Sequence[Sequence[str]], known: Sequence[tuple[str, int]], parent: QWidget
    ) -> None:
        title = self.tr("Tags of this chat") if len(tags) == 1 else self.tr("Tags of %n chat(s)", "", len(tags))
        super().__init__(theme, title, "", parent, width=460)
        self._count = len(tags)
        self._had = Counter(tag for each in tags for tag in each)
        #: The tags on show, each with how many of the chats have it.
        self._has: dict[str, int] = dict(sorted(self._had.items()))
        self._known = dict(known)
        self.field = _TagField(self, maxLength=4 * LONGEST)
        self.field.setAccessibleName(self.tr("Add a tag"))
        self.field.setPlaceholderText(self.field.accessibleName())
        completer = QCompleter([tag for tag, _ in known], self)
        completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        completer.setFilterMode(Qt.MatchFlag.MatchContains)
        completer.activated.connect(self._add)
        self.field.setCompleter(completer)
        self.field.added.connect(self._add)
        self.field.back.connect(self._remove_last)
        self._box = QWidget(self)
        self._flow = FlowLayout(self._box)
        self._offers = QWidget(self)
        self._offer_flow = FlowLayout(self._offers)
        self._offered = Paragraph(theme, self.tr("Used in other chats"), self, role="small", color="text_muted")
        self._menu = Menu(self)
        for part in (self._box, self.field, self._offered, self._offers):
            self.body.addWidget(part)
        self.add_button(self.tr("Cancel"))
        self.add_button(self.tr("Save"), self._save, kind="primary", default=True)
        self._show()
        self.field.setFocus()

    @property
    def chips(self) -> list[_TagChip]:
        """Those on show, in order."""
        items = (self._flow.itemAt(number) for number in range(self._flow.count()))
        return [chip for item in items if item is not None and isinstance(chip := item.widget(), _TagChip)]

    def _show(self) -> None:
        for flow in (self._flow, self._offer_flow):
            while (item := flow.takeAt(0)) is not None:
                if (old := item.widget()) is not None:
                    old.hide()
                    old.deleteLater()
        for tag, count in self._has.items():
            facts = "" if count == self._count else texts.fill(self.tr("{n} of {all}"), n=count, all=self._count)
            chip = _TagChip(self._theme, tag, facts, self._box)
            chip.body.clicked.connect(partial(self._add, tag))
            chip.body.customContextMenuRequested.connect(partial(self._open_menu, chip))
            chip.remove.clicked.connect(partial(self._remove, tag))
            self._flow.addWidget(chip)
            chip.show()
        others = sorted((tag for tag in self._known if tag not in self._has), key=lambda tag: (-self._known[tag], tag))
        for tag in others[:_OFFERED]:
            button = TextButton(self._theme, tag.replace("&", "&&"), self._offers, kind="chip")
            button.setAccessibleName(texts.fill(self.tr("Add the tag {tag}"), tag=tag))
            button.setAutoDefault(False)
            button.clicked.connect(partial(self._add, tag))
            self._offer_flow.addWidget(button)
            button.show()
        self._box.setVisible(bool(self._has))
        self._offered.setVisible(bool(others))
        self._offers.setVisible(bool(others))
        if self.isVisible():
            self.adjustSize()

    def _add(self, text: str, *_: object) -> None:
        for tag in tags_of(text):
            self._has[tag] = self._count
        self._has = dict(sorted(self._has.items()))
        self.field.clear()
        self._show()
        self.field.setFocus()

    def _remove(self, tag: str, *_: object) -> None:
        self._has.pop(tag, None)
        self._show()
        self.field.setFocus()

    def _remove_last(self) -> None:
        if self._has:
            self._remove(list(self._has)[-1])

    def _open_menu(self, chip: _TagChip, place: QPoint) -> None:
        self._menu.clear()
        self._menu.addAction(self.tr("Show all chats with it"), partial(self._leave, self.search_wanted, chip.tag))
        self._menu.addAction(self.tr("Rename in all chats…"), partial(self._ask_name, chip.tag))
        self._menu.addAction(self.tr("Delete from all chats"), partial(self._leave, self.deleted, chip.tag))
        self._menu.open_at(chip.body.mapToGlobal(place))

    def _leave(self, signal: object, *what: str) -> None:
        self.reject()
        signal.emit(*what)  # type: ignore[attr-defined] # signals have no type

    def _ask_name(self, tag: str) -> None:
        dialog = Dialog(self._theme, texts.fill(self.tr("Rename the tag {tag}"), tag=tag), "", self, width=380)
        field = QLineEdit(tag, dialog, maxLength=LONGEST)
        field.setAccessibleName(self.tr("New name"))
        field.selectAll()
        dialog.body.addWidget(field)
        dialog.add_button(self.tr("Cancel"))

        def take() -> None:
            if (name := tag_of(field.text())) and name != tag:
                self._leave(self.renamed, tag, name)

        dialog.add_button(self.tr("Rename"), take, kind="primary", default=True)
        dialog.open()
        field.setFocus()

    def _save(self) -> None:
        if self.field.text().strip():
            self._add(self.field.text())
        added = tuple(tag for tag, count in self._has.items() if count != self._had.get(tag, 0))
        removed = tuple(tag for tag in self._had if tag not in self._has)
        if added or removed:
            self.changed.emit(added, removed)
