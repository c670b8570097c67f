"""One surface over the window for search and actions: what is typed is looked for in titles, messages and commands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

import shiboken6
from PySide6.QtCore import QEvent, QObject, QPoint, QRect, Qt, QTimer
from PySide6.QtGui import QAccessible, QAccessibleAnnouncementEvent, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QAbstractItemView, QApplication, QFrame, QLabel, QListView, QWidget

from qwen_desktop.core.chat import Conversation, Names
from qwen_desktop.core.errors import problem_of
from qwen_desktop.core.queries import Found, Hit, Query, parse
from qwen_desktop.ui import texts
from qwen_desktop.ui.assistants.looks import in_words
from qwen_desktop.ui.pages import CHAT
from qwen_desktop.ui.palette.actions import action_rows, useful_rows
from qwen_desktop.ui.palette.completing import Completion, completions
from qwen_desktop.ui.palette.field import PaletteField
from qwen_desktop.ui.palette.row_painting import PaletteDelegate
from qwen_desktop.ui.palette.rows import PaletteModel, Row
from qwen_desktop.ui.texts import fill
from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets.boxes import MIDDLE, column, row, set_margins
from qwen_desktop.ui.widgets.labels import ElidedLabel, IconLabel, Label
from qwen_desktop.ui.widgets.surface import SHADOW, FloatingFrame

if TYPE_CHECKING:
    from qwen_desktop.ui.main_window import MainWindow

#: Width at normal text size, where the surface begins, and what it keeps from the window's edges, in pixels; how much
#: of the window's height it takes at most, where that is room enough.
_WIDTH, _TOP, _AROUND, _SHARE, _TALL = 680, 84, 24, 0.72, 560
#: So many titles and recent chats are shown, and actions beside hits.
_CHATS, _RECENT, _ACTIONS = 5, 6, 4
#: When rows follow what is typed though the search has not answered yet, and when the count is said, in milliseconds.
_LATE_MS, _SAID_MS = 150, 700
_WISH = "palette"
#: As they are typed, whatever the language.
_HINTS = "folder: tag: model: before: has:code"


class _Results(QListView):
    """The rows; the keyboard stays in the field."""

    def __init__(self, theme: Theme, model: PaletteModel, parent: Palette) -> None:
        super().__init__(parent)
        self._owner = parent
        self._at = QPoint()
        self.setModel(model)
        self.delegate = PaletteDelegate(theme, self)
        self.setItemDelegate(self.delegate)
        self.setObjectName("results")
        self.setAccessibleName(self.tr("Results"))
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setMouseTracking(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setResizeMode(QListView.ResizeMode.Adjust)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """The row under the pointer is the current one, where that has moved and not the rows."""
        at = event.globalPosition().toPoint()
        if at != self._at:
            self._at = at
            self._owner.point(self.indexAt(event.position().toPoint()).row())

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._owner.point(self.indexAt(event.position().toPoint()).row())

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        index = self.indexAt(event.position().toPoint())
        if event.button() == Qt.MouseButton.LeftButton and index.isValid() and index.row() == self._owner.place:
            self._owner.choose()


class Palette(QWidget):
    """Covers the window while it is open. What is asked last is shown last, and Enter means what is typed by then."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window = window
        self._ui = window.ui
        self._theme = theme = window.ui.theme
        self._before: QWidget | None = None
        self._names = Names()
        self._recent: Sequence[Conversation] = ()
        self._found = Found()
        self._query: Query = parse("")
        self._problem = ""
        #: What was typed has no answer yet; Enter waits for it.
        self._waits = self._chosen_early = self._moved = False
        self._said = ""
        self.hide()
        self.setAccessibleName(self.tr("Search and actions"))
        self.frame = FloatingFrame(theme, self, radius="composer")
        self.field = PaletteField(theme, self.frame)
        keys = QLabel(self.tr("Esc"), self.frame)
        keys.setObjectName("keys")
        self.model = PaletteModel()
        self.view = _Results(theme, self.model, self)
        self.view.setParent(self.frame)
        self.count = ElidedLabel(theme, "", self.frame, role="caption", color="text_muted")
        self.hints = Label(theme, texts.isolated(_HINTS), self.frame, role="caption", color="text_muted")
        icon = IconLabel(theme, "search", self.frame, color="text", size=18)
        lines = [QFrame(self.frame) for _ in range(2)]
        for line in lines:
            line.setObjectName("line")
            line.setFixedHeight(1)
        head = row(icon, (self.field, 1), (keys, MIDDLE), gap=12, margins=(16, 10, 16, 10))
        foot = row((self.count, 1), self.hints, gap=12, margins=(16, 7, 16, 8))
        self._layout = column(head, lines[0], (self.view, 1), lines[1], foot, on=self.frame)
        set_margins(self._layout, 1, 1, 1, 1)
        self._late = QTimer(self, singleShot=True, interval=_LATE_MS)
        self._late.timeout.connect(self._show)
        self._speak = QTimer(self, singleShot=True, interval=_SAID_MS)
        self._speak.timeout.connect(self._say_count)
        self.field.changed.connect(self._ask)
        self.field.wanted.connect(self._key)
        window.installEventFilter(self)
        theme.changed.connect(self._place)
        app = QApplication.instance()
        if isinstance(app, QApplication):
            app.focusChanged.connect(self._focus_moved)

    # On show or not ---------------------------------------------------------------------------------------------------

    def open(self, *, actions: bool = False) -> None:
        """Show it, at the ``actions`` or for a search; where it is open as wanted already, close it."""
        if self.isVisible():
            if actions is self.field.actions_only:
                self.leave()
            else:
                self.field.begin(actions_only=actions)
            return
        focused = self._window.focusWidget()
        self._before = focused
        if self._window.pages.built(CHAT) is not None:
            self._window.chat.sidelist.hold()  # commands mean what they would have meant without this
        self._found, self._said = Found(), ""
        self._read()
        self.field.begin(actions_only=actions)
        self._place()
        self.raise_()
        self.show()
        self.field.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def look_for(self, text: str) -> None:
        """Show it with something to look for."""
        if not self.isVisible():
            self.open()
        self.field.begin(actions_only=False)
        self.field.put(text, 0, 0)

    def leave(self) -> None:
        """Close it; the keyboard is where it was before."""
        before, self._before = self._before, None
        if not self.isVisible():
            return
        self._ui.operations.withdraw(_WISH)
        self._waits = self._chosen_early = False
        self.hide()
        if self._window.pages.built(CHAT) is not None:
            self._window.chat.sidelist.release()
        if before is not None and shiboken6.isValid(before) and before.isVisible():
            before.setFocus(Qt.FocusReason.PopupFocusReason)

    def _focus_moved(self, _old: QWidget | None, now: QWidget | None) -> None:
        """Whoever takes the keyboard, by a key of the window or as a dialog, is what is wanted now."""
        if self.isVisible() and now is not None and now is not self and not self.isAncestorOf(now):
            self._before = None
            self.leave()

    def _read(self) -> None:
        history = self._ui.services.history

        def recent(found: Sequence[Conversation]) -> None:
            self._recent = found
            self._show()

        def names(found: Names) -> None:
            self._names = found
            self._show()

        run = self._ui.operations.run
        run(history.recent(_RECENT + 1), owner=self, orphaned="cancelled", on_done=recent, on_error=lambda _: True)
        run(history.names(), owner=self, orphaned="cancelled", on_done=names, on_error=lambda _: True)

    # Asking -----------------------------------------------------------------------------------------------------------

    def _ask(self) -> None:
        """Something else is typed."""
        self._moved = self._chosen_early = False
        self._query = parse("" if self.field.actions_only else self.field.query)
        self._problem = ""
        if not self._query:
            self._ui.operations.withdraw(_WISH)
            self._waits, self._found = False, Found()
            self._show()
            return
        self._waits = True
        self._late.start()
        find = self._ui.services.search.find(self._query)
        self._ui.operations.run(
            find, owner=self, orphaned="cancelled", wish=_WISH, on_done=self._answered, on_error=self._failed
        )

    def _answered(self, found: Found) -> None:
        self._waits, self._found = False, found
        self._show()
        if self._chosen_early:
            self._chosen_early = False
            self.choose()

    def _failed(self, error: BaseException) -> bool:
        self._waits, self._found = False, Found()
        self._problem = texts.problem(problem_of(error))
        self._show()
        return True

    # What is shown ----------------------------------------------------------------------------------------------------

    def _show(self) -> None:
        self._late.stop()
        if not self.field.isVisibleTo(self):
            return
        current = self.model.rows[self.place].key if 0 <= self.place < len(self.model.rows) else ""
        rows = tuple(self._rows())
        scrolled = self.view.verticalScrollBar().value()
        self.model.set_rows(rows)
        kept = next((n for n, each in enumerate(rows) if each.key == current and each.takes), -1) if self._moved else -1
        completes = next((n for n, each in enumerate(rows) if _whole(each)), -1)
        first = next((n for n, each in enumerate(rows) if each.takes and each.kind != "completion"), -1)
        place = next((n for n in (kept, completes, first) if n >= 0), self.model.first())
        self._go_to(place, say=False, scroll=kept < 0)
        if kept >= 0:
            self.view.verticalScrollBar().setValue(scrolled)
        elif rows:
            self.view.scrollToTop()
        self._show_count()
        self._place()

    def _rows(self) -> Iterator[Row]:
        words = self.field.edit.text().strip() if self.field.actions_only else self._query.plain
        if self.field.actions_only:
            rows = tuple(action_rows(self._ui.actions, words, self._window.can))
            yield Row("heading", "actions", self.tr("Actions"))
            yield from rows or (Row("note", "none", self.tr("No action is called that. Use another word.")),)
            return
        yield from self._completion_rows()
        if not self._query:
            yield from self._recent_rows()
            yield Row("heading", "actions", self.tr("Actions"))
            yield from useful_rows(self._ui.actions, self._window.can)
            return
        titles = [hit for hit in self._found.hits if not hit.message_id][:_CHATS]
        messages = [hit for hit in self._found.hits if hit.message_id]
        if titles:
            yield Row("heading", "chats", self.tr("Chats"))
            yield from map(self._hit_row, titles)
        if messages:
            yield Row("heading", "messages", self.tr("Messages"))
            yield from map(self._hit_row, messages)
        if not titles and not messages and (self._problem or not self._waits):
            yield Row("note", "none", self._problem or self._nothing())
        actions = tuple(islice(action_rows(self._ui.actions, words, self._window.can), _ACTIONS)) if words else ()
        if words or actions:
            yield Row("heading", "actions", self.tr("Actions"))
            yield from self._new_row(words)
            yield from actions

    def _nothing(self) -> str:
        if self._found.preparing:
            return self.tr("Nothing is found so far. Older messages are still being prepared for the search.")
        if self._query.asked:
            return self.tr("Nothing is found. Take a filter out with Backspace, or use fewer words.")
        return self.tr("Nothing is found. Check how it is spelled, or use fewer words.")

    def _completion_rows(self) -> Iterator[Row]:
        edit = self.field.edit
        found = completions(edit.text(), edit.cursorPosition(), self._names) if edit.text() else ()
        if found:
            yield Row("heading", "narrow", self.tr("Narrow down"))
        for each in found:
            name, _, value = each.text.partition(":")
            title = texts.isolated(f"{name}: {value.strip(chr(34))}" if value else each.text)
            keys = self.tr("Tab") if each is found[0] else ""
            yield Row("completion", f"completion:{each.text}", title, icon="list-plus", keys=keys, what=each)

    def _recent_rows(self) -> Iterator[Row]:
        here = self._window.chat.current if self._window.pages.shows(CHAT) else ""
        recent = [each for each in self._recent if each.id != here][:_RECENT]
        if recent:
            yield Row("heading", "recent", self.tr("Recent chats"))
        for each in recent:
            note = self._note(each, each.updated)
            title = each.title or self.tr("New chat")
            yield Row("chat", f"chat:{each.id}", title, note, icon="message-square", what=each.id)

    def _hit_row(self, hit: Hit) -> Row:
        title = hit.title or self.tr("New chat")
        note = self._note(hit.conversation, hit.created)
        if not hit.message_id:
            return Row(
                "chat", f"chat:{hit.conversation.id}", title, note, icon="message-square", what=hit.conversation.id
            )
        if hit.attachment:
            title = f"{title} · {texts.isolated(hit.attachment)}"
        icon = "file-text" if hit.attachment else "message-square"
        return Row("hit", f"hit:{hit.message_id}:{hit.attachment}", title, note, hit.snippet, hit.marks, icon, "", hit)

    def _note(self, conversation: Conversation, when: float) -> str:
        entry = self._ui.services.assistants.get(conversation.assistant_id) if conversation.assistant_id else None
        assistant = in_words(entry).name if entry is not None else ""
        folder = self._names.folders.get(conversation.folder_id, "")
        folder = fill(self.tr("folder {name}"), name=folder) if folder else ""
        archived = self.tr("archive") if conversation.archived else ""
        return " · ".join(filter(None, (assistant, folder, archived, texts.day(when))))

    def _new_row(self, words: str) -> Iterator[Row]:
        if words:
            shown = words if len(words) <= 60 else words[:59] + "…"
            note = fill(self.tr("with “{words}”"), words=shown)
            yield Row("new", "new", self._ui.actions["chat.new"].text(), note, icon="square-pen", what=words)

    def _show_count(self) -> None:
        found, text = self._found, ""
        if self.field.actions_only:
            text = self.tr("%n action(s)", "", sum(each.kind == "action" for each in self.model.rows))
        elif self._query:
            chats = self.tr("%n chat(s)", "", found.conversations)
            if found.messages:
                messages = self.tr("%n message(s)", "", found.messages)
                sentence = self.tr("More than {messages}") if found.more else self.tr("{messages} in {chats}")
                text = fill(sentence, messages=messages, chats=chats)
            elif found.hits:
                text = chats
            elif not self._waits:
                text = self.tr("Nothing found")
            if found.preparing:
                text = " ".join(filter(None, (text, self.tr("Older messages are still being prepared."))))
        self.count.setText(text)
        if text and text != self._said:
            self._speak.start()

    # Keys and clicks --------------------------------------------------------------------------------------------------

    @property
    def place(self) -> int:
        """The number of the current row, -1 without."""
        return self.view.currentIndex().row()

    def point(self, number: int) -> None:
        """Make a row the current one that can be chosen."""
        if 0 <= number < len(self.model.rows) and self.model.rows[number].takes:
            self._moved = True
            self._go_to(number, scroll=False)

    def _go_to(self, number: int, *, say: bool = True, scroll: bool = True) -> None:
        if number < 0:
            self.view.clearSelection()
            self.view.setCurrentIndex(self.model.index(-1))
            return
        index = self.model.index(number)
        if index != self.view.currentIndex() or not self.view.selectionModel().isSelected(index):
            self.view.setAutoScroll(False)
            self.view.setCurrentIndex(index)
        if scroll:
            above = number - 1 if number and not self.model.rows[number - 1].takes else number
            self.view.scrollTo(self.model.index(above))
            self.view.scrollTo(index)
        if say and QAccessible.isActive():
            QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(self.field.edit, self.model.rows[number].said))

    def _key(self, wanted: str) -> None:
        if wanted == "close":
            self.leave()
        elif wanted == "choose":
            if self._waits:
                self._chosen_early = True
            else:
                self.choose()
        elif wanted == "complete":
            self._complete()
        else:
            self._move(wanted)

    def _move(self, wanted: str) -> None:
        last = len(self.model.rows) - 1
        if last < 0:
            return
        self._moved = True
        here = self.place
        if wanted in ("up", "down"):
            way = 1 if wanted == "down" else -1
            number = self.model.first(here + way, way)
            if number < 0:  # around the end
                number = self.model.first(0 if way > 0 else last, way)
        elif wanted in ("page_up", "page_down"):
            way = 1 if wanted == "page_down" else -1
            top = self.view.visualRect(self.model.index(here)).top() + way * self.view.viewport().height()
            number = here
            while (after := self.model.first(number + way, way)) >= 0:
                number = after
                if way * (self.view.visualRect(self.model.index(number)).top() - top) >= 0:
                    break
        else:
            number = self.model.first(0) if wanted == "first" else self.model.first(last, -1)
        self._go_to(number)

    def _complete(self) -> None:
        current = self.model.rows[self.place] if 0 <= self.place < len(self.model.rows) else None
        offered = (current, *self.model.rows) if current is not None else self.model.rows
        found = next((each.what for each in offered if isinstance(each.what, Completion)), None)
        if found is not None:
            self.field.put(f"{found.text} " if found.whole else found.text, found.start, found.end)

    def choose(self) -> None:
        """Do what the current row stands for."""
        chosen = self.model.rows[self.place] if 0 <= self.place < len(self.model.rows) else None
        if chosen is None or not chosen.takes:
            return
        what, query, window = chosen.what, self.field.query, self._window
        if isinstance(what, Completion):
            self._complete()
            return
        self.leave()
        if isinstance(what, Hit):
            window.show_page(CHAT)
            window.chat.open_at(what.conversation.id, what.message_id, query, what.attachment)
        elif chosen.kind == "chat":
            window.show_page(CHAT)
            window.chat.open_at(what, "")
        elif chosen.kind == "new":
            window.begin_chat(what)
        else:
            self._ui.actions.trigger(what)

    def _say_count(self) -> None:
        self._said = self.count.text()
        if self._said and self.isVisible() and QAccessible.isActive():
            QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(self.field.edit, self._said))

    # Qt ---------------------------------------------------------------------------------------------------------------

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if watched is self._window and event.type() is QEvent.Type.Resize and self.isVisible():
            self._place()
        return super().eventFilter(watched, event)

    def _place(self) -> None:
        """Cover the window, with the surface as tall as its rows, as far as there is room."""
        room = self._window.rect()
        self.setGeometry(room)
        wide = min(self._theme.grown(_WIDTH), room.width() - 2 * _AROUND)
        room_for_hints = wide > 1.6 * self.hints.sizeHint().width() + 180 or not self.count.text()
        self.hints.setVisible(room_for_hints and not self.field.actions_only)
        top = min(_TOP, room.height() // 10)
        # The list is as wide as the surface: its rows are measured with that.
        self.frame.setGeometry(QRect((room.width() - wide) // 2 - SHADOW, top - SHADOW, wide + 2 * SHADOW, 400))
        self._layout.activate()
        rows = sum(self.view.delegate.height(each, self.view.viewport().width()) for each in self.model.rows)
        around = 400 - self.view.height()
        most = min(room.height() - top - _AROUND + SHADOW, max(int(room.height() * _SHARE), self._theme.grown(_TALL)))
        tall = min(max(rows, self._theme.scaled("control_height")) + around, most)
        self.frame.resize(wide + 2 * SHADOW, tall)
        self._layout.activate()
        self.view.scheduleDelayedItemsLayout()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """A click beside the surface closes it."""
        if not self.frame.geometry().contains(event.position().toPoint()):
            self.leave()

    def paintEvent(self, _event: QPaintEvent) -> None:
        QPainter(self).fillRect(self.rect(), self._theme.color("scrim"))


def _whole(row: Row) -> bool:
    """Whether it is the value of a prefix that stands there already."""
    return isinstance(row.what, Completion) and row.what.whole
