"""The menu of prompt templates over the message box: opened by a slash at the very beginning of the box, with what is
typed behind it as its filter, or by the button with the slash, with a filter of its own.

A slash anywhere else is a slash: in a path, in code, in a fraction.
"""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QModelIndex, QObject, QPersistentModelIndex, QPoint, QRect, QRectF, Qt
from PySide6.QtGui import QFontMetrics, QKeyEvent, QPainter, QTextCursor
from PySide6.QtWidgets import QListWidget, QListWidgetItem, QStyle, QStyleOptionViewItem, QWidget

from qwen_desktop.core.drafts import fits_box, pasted
from qwen_desktop.core.prompt_templates import SHIPPED, Opened, PromptTemplate, matches, opened, slash_word
from qwen_desktop.services import events
from qwen_desktop.ui import texts
from qwen_desktop.ui.chat.composer import Composer
from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.ui_context import UiContext
from qwen_desktop.ui.widgets.boxes import column, row
from qwen_desktop.ui.widgets.buttons import TextButton
from qwen_desktop.ui.widgets.labels import ElidedLabel, Label, draw_line
from qwen_desktop.ui.widgets.row_delegate import RowDelegate, draw_ground
from qwen_desktop.ui.widgets.search_field import SearchField
from qwen_desktop.ui.widgets.surface import SHADOW, FloatingFrame

#: Rows on show at most, and the menu's width at normal text size, in px.
_ROWS, _WIDTH = 8, 600
_TAKES = (Qt.Key.Key_Tab, Qt.Key.Key_Return, Qt.Key.Key_Enter)
_STEPS = {Qt.Key.Key_Down: 1, Qt.Key.Key_Up: -1}
_PREVIEW = int(Qt.ItemDataRole.UserRole) + 1
#: Between a name and how its text begins, in px.
_GAP = 16


def shipped_templates() -> tuple[PromptTemplate, ...]:
    """The templates that come with the app, in the user's language."""
    return tuple(
        PromptTemplate(entry.id, texts.marked(entry.name), texts.marked(entry.text), shipped=True) for entry in SHIPPED
    )


class TemplateMenu(FloatingFrame):
    """Watches the message box. While it is open Up and Down mark a template, Enter and Tab take it, Esc closes it."""

    def __init__(self, ui: UiContext, composer: Composer, parent: QWidget) -> None:
        super().__init__(ui.theme, parent, radius="card")
        self._ui = ui
        self._over = parent
        self._composer = composer
        self._edit = composer.edit
        self._own: tuple[PromptTemplate, ...] = ()
        self._filter = ""
        self._known = self._refused = self._by_button = False
        self.setAccessibleName(self.tr("Prompt templates"))
        self.search = SearchField(ui.theme, self.tr("Search templates"), self)
        self.search.textChanged.connect(self._look)
        self.search.left.connect(self.leave)
        self.list: QListWidget = QListWidget(self)
        self.list.setAccessibleName(self.tr("Prompt templates"))
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.list.setMouseTracking(True)
        self._rows = _Rows(ui.theme, self.list)
        self.list.setItemDelegate(self._rows)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.itemClicked.connect(lambda item: self.take(item.data(Qt.ItemDataRole.UserRole)))
        self._none = Label(ui.theme, self.tr("No template has such a name."), self, role="small", color="text_muted")
        keys = ElidedLabel(ui.theme, self.tr("Enter to insert · Esc to close"), self, role="small", color="text_muted")
        manage = TextButton(ui.theme, ui.actions["prompts.manage"].text(), self, kind="link")
        manage.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        manage.clicked.connect(self._manage)
        foot = row((keys, 1), manage, margins=(8, 0, 0, 0))
        self._box = column(self.search, self._none, (self.list, 1), foot, on=self, gap=6, margins=(8, 8, 8, 4))
        self.hide()
        self._edit.textChanged.connect(self._look)
        self._edit.cursorPositionChanged.connect(self._look)
        self._edit.installEventFilter(self)
        self.search.installEventFilter(self)
        composer.templates_wanted.connect(self.open_by_button)
        ui.services.bus.subscribe(events.PromptTemplatesChanged, self._changed, owner=self)
        ui.theme.changed.connect(self.place)

    # Open or not ------------------------------------------------------------------------------------------------------

    def open_by_button(self) -> None:
        """Open it with a filter of its own; what is selected in the box, or all that stands there, goes into the
        template."""
        self._by_button = True
        self.search.clear()
        self._look()
        self.search.setFocus(Qt.FocusReason.PopupFocusReason)

    def leave(self) -> None:
        """Close it; a slash that still stands there is a slash."""
        self._refused = not self._by_button
        focused = self.search.hasFocus()
        self._close()
        if focused:
            self._edit.setFocus()

    def _close(self) -> None:
        self._by_button = False
        self._composer.switches.set_quiet(False)
        if not self.isHidden():
            self.hide()
            self._edit.setAccessibleDescription("")

    def _manage(self) -> None:
        self.leave()
        self._ui.actions.trigger("prompts.manage")

    def _typed(self) -> str | None:
        """What filters the templates, None where none are wanted."""
        if self._by_button:
            return self.search.text()
        cursor, document = self._edit.textCursor(), self._edit.document()
        if not self._edit.hasFocus() or cursor.blockNumber() or document.characterAt(0) != "/":
            self._refused = False
            return None
        if self._refused or cursor.hasSelection() or self._edit.composing():
            return None
        return slash_word(document.firstBlock().text(), cursor.position())

    def _look(self) -> None:
        typed = self._typed()
        if typed and not self._by_button and self._composer.switches.knows(f"/{typed}"):
            typed = None  # /think and /no_think were there first
        if typed is None:
            if not self.isHidden():
                self._close()
            return
        if not self._known:
            self._read()
        found = [template for template in (*self._own, *shipped_templates()) if matches(template.name, typed)]
        if not found and not self._by_button:
            self._close()
            return
        self._fill(found, typed)
        self._composer.switches.set_quiet(True)
        self.search.setVisible(self._by_button)
        self.show()
        self.place()
        self._tell()

    def _fill(self, found: Sequence[PromptTemplate], typed: str) -> None:
        same, self._filter = typed == self._filter and not self.isHidden(), typed
        marked = self.list.currentItem().data(Qt.ItemDataRole.UserRole).id if self.list.currentRow() >= 0 else ""
        shown = [self.list.item(n).data(Qt.ItemDataRole.UserRole) for n in range(self.list.count())]
        if shown == list(found) and same:
            self.list.setCurrentRow(max(0, self.list.currentRow()))
            return
        self.list.clear()
        for template in found:
            item = QListWidgetItem(template.name)
            item.setData(Qt.ItemDataRole.UserRole, template)
            item.setData(_PREVIEW, " ".join(opened(template.text[:400]).text.split()))
            self.list.addItem(item)
        self._rows.fit([template.name for template in found])
        ids = [template.id for template in found]
        self.list.setCurrentRow(ids.index(marked) if same and marked in ids else 0)
        self._none.setVisible(not found)

    def _tell(self) -> None:
        """Say to a screen reader what is marked."""
        if self.list.currentRow() < 0:
            return
        item = self.list.currentItem()
        sentence = self.tr("Prompt template {name}, {place} of {count}. Enter inserts it, Esc closes the menu.")
        said = texts.fill(sentence, name=item.text(), place=self.list.currentRow() + 1, count=self.list.count())
        (self.search if self._by_button else self._edit).setAccessibleDescription(said)

    def _read(self) -> None:
        self._known = True

        def done(own: tuple[PromptTemplate, ...]) -> None:
            self._own = own
            if self.list.currentRow() == 0:
                self.list.setCurrentRow(-1)  # nobody has chosen yet: the first one then, too
            self._look()

        self._ui.operations.run(
            self._ui.services.prompt_templates.own(), owner=self, orphaned="quiet", on_done=done, wish="templates.menu"
        )

    def _changed(self, _event: events.PromptTemplatesChanged) -> None:
        self._known = False
        if not self.isHidden():
            self._look()

    # Taking one -------------------------------------------------------------------------------------------------------

    def take(self, template: PromptTemplate) -> None:
        """Put a template into the box, with its fields to be filled in."""
        cursor = self._edit.textCursor()
        text = self._edit.toPlainText()
        if self._by_button and cursor.hasSelection():
            given = cursor.selectedText().replace("\u2029", "\n")
        else:
            given = text if self._by_button else text[cursor.position() :]
            cursor.select(QTextCursor.SelectionType.Document)
        self._refused = True  # a template may begin with a slash
        self._by_button = False
        self._close()
        made = self._opened(template, given.strip())
        start = cursor.selectionStart()
        cursor.beginEditBlock()
        cursor.insertText(made.text)
        cursor.endEditBlock()
        self._edit.setTextCursor(cursor)
        self._edit.setFocus()
        self._composer.fields.begin(start, made.stops)
        self._edit.ensureCursorVisible()

    def _opened(self, template: PromptTemplate, given: str) -> Opened:
        """The template with ``given`` in it; what makes the box too full stands beside it."""
        made = opened(template.text, given)
        if given and not fits_box(made.text):
            self._composer.attach(pasted(given))
            made = opened(template.text)
        return made

    # Qt ---------------------------------------------------------------------------------------------------------------

    def place(self) -> None:
        """Stand above the box, at its start."""
        if self.isHidden():
            return
        corner = self._composer.mapTo(self._over, QPoint(0, 0))
        rows = min(_ROWS, self.list.count())
        self.list.setVisible(rows > 0)
        self._box.activate()
        height = self.sizeHint().height()
        if rows:
            height += rows * self.list.sizeHintForRow(0) + 4 - self.list.sizeHint().height()
            height = min(height, max(160, corner.y() - 8))
        width = min(self._ui.theme.grown(_WIDTH) + 2 * SHADOW, self._composer.width())
        room = QRect(corner, self._composer.size())
        place = QRect(corner.x(), corner.y() - height + SHADOW, width, height)
        self.setGeometry(QStyle.visualRect(self.layoutDirection(), room, place))
        self.raise_()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if self.isHidden():
            return False
        if event.type() == QEvent.Type.FocusOut and not self.isAncestorOf(self.window().focusWidget() or self._edit):
            if watched is self.search or not self._by_button:
                self._close()
            return False
        kinds = (QEvent.Type.KeyPress, QEvent.Type.ShortcutOverride)
        if event.type() not in kinds or not isinstance(event, QKeyEvent) or self._edit.composing():
            return False
        key, plain = Qt.Key(event.key()), not event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        if not plain or key not in (*_TAKES, *_STEPS, Qt.Key.Key_Escape):
            return False
        event.accept()
        if event.type() == QEvent.Type.KeyPress:
            self._press(key)
        return True

    def _press(self, key: Qt.Key) -> None:
        if key is Qt.Key.Key_Escape:
            self.leave()
        elif key in _STEPS and self.list.count():
            self.list.setCurrentRow((self.list.currentRow() + _STEPS[key]) % self.list.count())
            self._tell()
        elif self.list.currentRow() >= 0:
            self.take(self.list.currentItem().data(Qt.ItemDataRole.UserRole))


class _Rows(RowDelegate):
    """The name of a template, and behind it how its text begins."""

    def __init__(self, theme: Theme, view: QListWidget) -> None:
        super().__init__(theme, view)
        #: px of the names
        self.column = 0

    def fit(self, names: Sequence[str]) -> None:
        """Give the names the room that the longest one needs."""
        metrics = QFontMetrics(self._theme.font("body", weight=600))
        self.column = max((metrics.horizontalAdvance(name) for name in names), default=0) + 4 + _GAP

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        selected = bool(option.state & QStyle.StateFlag.State_Selected)
        hover = bool(option.state & QStyle.StateFlag.State_MouseOver)
        draw_ground(painter, self._theme, QRectF(option.rect), selected=selected, hover=hover, focus=False)
        room = option.rect.adjusted(10, 0, -10, 0)
        name, font = str(index.data()), self._theme.font("body", weight=600)
        wide = min(self.column, room.width() // 2)
        for text, at, width, color, role in (
            (name, 0, wide, "text", font),
            (str(index.data(_PREVIEW)), wide, room.width() - wide, "text_muted", self._theme.font("small")),
        ):
            place = QRect(room.x() + at, room.y(), width - (0 if at else _GAP), room.height())
            painter.setFont(role)
            painter.setPen(self._theme.color(color))
            draw_line(painter, QRectF(QStyle.visualRect(option.direction, room, place)), text)
        painter.restore()
