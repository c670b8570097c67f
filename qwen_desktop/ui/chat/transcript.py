"""The transcript: a conversation's messages as the user reads, selects and copies them.

This file is its public face; ``transcript_canvas`` scrolls and paints, ``transcript_live`` feeds growing answers,
``transcript_pointer`` and ``transcript_keys`` take the input.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from msgspec import structs
from PySide6.QtCore import QEvent, QPointF, QTimer, Signal
from PySide6.QtGui import (
    QAccessible,
    QAccessibleAnnouncementEvent,
    QAccessibleEvent,
    QContextMenuEvent,
    QFocusEvent,
    QGuiApplication,
    QKeyEvent,
    QMouseEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QWidget

from qwen_desktop.core.chat import Message, Status, Versions
from qwen_desktop.core.parts import Role
from qwen_desktop.services.events import RunState
from qwen_desktop.ui.chat.accessible import attach
from qwen_desktop.ui.chat.blocks import Target, translate
from qwen_desktop.ui.chat.plain_texts import Plainer, PlainTexts
from qwen_desktop.ui.chat.selection import END, Place
from qwen_desktop.ui.chat.transcript_canvas import TranscriptCanvas
from qwen_desktop.ui.chat.transcript_copying import Copying
from qwen_desktop.ui.chat.transcript_items import MessageItem
from qwen_desktop.ui.chat.transcript_keys import Keys
from qwen_desktop.ui.chat.transcript_live import Grower, LiveAnswers
from qwen_desktop.ui.chat.transcript_menu import menu_for
from qwen_desktop.ui.chat.transcript_pointer import Pointer
from qwen_desktop.ui.chat.transcript_render import Renderer
from qwen_desktop.ui.theme import Theme

_COPIED_MS: Final = 1500
#: Characters of an answer that are announced when it ends.
_ANNOUNCED: Final = 2000


class TranscriptView(TranscriptCanvas):
    """Shows messages. Knows no service: what the user asks for goes out as signals, with message ids."""

    regenerate_requested = Signal(str)
    version_requested = Signal(str)
    retry_requested = Signal(str)
    action_requested = Signal(str)
    link_activated = Signal(str)

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(theme, parent)
        self.live = LiveAnswers(self.markdown, self.queue, self)
        self.live.changed.connect(self._on_live)
        self._pointer = Pointer(self)
        self._keys = Keys(self)
        self._copied_timer = QTimer(self)
        self._copied_timer.setSingleShot(True)
        self._copied_timer.timeout.connect(self._end_copied)
        self.texts = PlainTexts(self.markdown, self)
        self.texts.found.connect(self._on_text_found)
        self._copying = Copying(self)
        self.setAccessibleName(translate("transcript", "Conversation"))
        attach(self)

    # Messages --------------------------------------------------------------------------------------------------------

    def set_renderer(
        self, renderer: Renderer | None, plainer: Plainer | None = None, grower: Grower | None = None
    ) -> None:
        """Give long texts to ``renderer`` (the job "markdown.render"), what is copied without having been drawn to
        ``plainer`` ("markdown.plain"), and long open ends of answers to ``grower`` ("markdown.grow"). What is None is
        done in this process."""
        self.queue.set_renderer(renderer)
        self.live.set_grower(grower)
        self.texts.set_plainer(plainer)

    def clear(self) -> None:
        """Show nothing."""
        self.set_messages((), more_above=False)

    def set_messages(self, messages: Sequence[Message], *, more_above: bool) -> None:
        """Show a conversation from its end. ``more_above`` says that older messages can be asked for."""
        self.live.clear()
        for item in self.items:
            self.queue.drop(item)
        if not any(self.item(message.id) for message in messages):
            self.queue.clear()
        self.selection.clear()
        self.hover = self.pressed = self.focus_key = ("", "")
        self._asked_older = ""
        self._stick = True
        self._anchor = None
        self._opened_at = time.perf_counter()
        self._came(self.shown.open(messages, more_above=more_above), 0, len(messages))
        self.arrange()

    def prepend(self, messages: Sequence[Message], *, more_above: bool) -> None:
        """Put older messages above; what is on screen does not move."""
        if not self._stick:
            self._take_anchor()
        before = len(self.items)
        changed = self.shown.prepend(messages, more_above=more_above)
        self._came(changed, 0, len(self.items) - before)
        self.arrange()

    def append(self, message: Message) -> None:
        """Add a message at the end; a user's own message brings the end into view."""
        if self.item(message.id) is not None:
            self.replace(message)
            return
        if message.role is Role.USER:
            self._stick = True
        self._came(self.shown.append(message), len(self.items) - 1, len(self.items))
        self.arrange()

    def replace_tail(self, from_id: str | None, messages: Sequence[Message]) -> None:
        """Show these instead of the message ``from_id`` and all below it; None: below the last one.

        What is read stays where it is, and so does a message of which another version comes: its bottom where the top
        is out of view. Who sees the end of the last one sees it of another version, too.
        """
        first = self.item(from_id or "")
        place = len(self.items) if first is None else first.index
        sticks = self._stick and (first is None or place + 1 == len(self.items) == place + len(messages))
        self._take_anchor()
        held = None if first is None else self._place_of(first)
        gone = {item.message.id: item for item in self.items[place:]}
        for item in gone.values():
            self.queue.drop(item)
            self.live.forget(item.message.id)
        if any(end is not None and end.message_id in gone for end in (self.selection.anchor, self.selection.cursor)):
            self.selection.clear()
        if first is not None and messages and self.focus_key[0] == first.message.id:
            self.focus_key = (messages[0].id, self.focus_key[1])
        self.hover, self.pressed, self.focus_key = (
            ("", "") if key in gone else (key, name) for key, name in (self.hover, self.pressed, self.focus_key)
        )
        self._came(self.shown.replace_tail(from_id, messages), place, place + len(messages))
        if self._anchor is not None and self._anchor[0].message.id in gone:
            self._anchor = (self.items[place], *held) if held is not None and messages else None
        if sticks or self._anchor is None:
            self.arrange()
            return
        self.hold(*self._anchor)
        if place < len(self.items) and self.items[place].streaming:  # it grows down
            self._take_anchor()

    def _place_of(self, item: MessageItem) -> tuple[float, float]:
        """Where what comes instead of a message is to be held."""
        top, height = self.top_of(item), item.height
        if top < 0 < top + height <= self.viewport().height():
            return 1.0, top + height
        return 0.0, max(0.0, top)

    def replace(self, message: Message) -> None:
        """Show the final (or repaired) content of a message."""
        item = self.item(message.id)
        if item is None:
            return
        runs = message.status is Status.STREAMING
        ended = item.streaming and not runs
        if not self._stick:
            self._take_anchor()
        if not runs:
            self.live.end(message.id)
            item.set_run(None)
        changed = self.shown.replace(message)
        if runs:
            self.live.begin(item)
        self.queue.drop(item)
        if item.body is not None and item.ready:
            item.finish(item.width)  # at once: actions, notes and the error card; the text follows
            item.ready = False
            self._request(item)
        item.ready = False
        self._came(changed, item.index, item.index)
        self.arrange()
        if ended and QAccessible.isActive():
            self.texts.gather([item], self._announce)

    def _announce(self, texts: Sequence[str]) -> None:
        text = translate("transcript", "Answer: {text}").format(text=texts[0][:_ANNOUNCED])
        QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(self, text))

    def _on_text_found(self, message_id: str) -> None:
        """A screen reader that was given a message's text as it is stored can have it as it reads now."""
        index = self.index_of(message_id)
        if index is not None and QAccessible.isActive():
            event = QAccessibleEvent(self, QAccessible.Event.NameChanged)
            event.setChild(index)
            QAccessible.updateAccessibility(event)

    def _came(self, changed: Sequence[MessageItem], first: int, last: int) -> None:
        """Messages from ``first`` to before ``last`` are new; about others something else is true than before."""
        width = float(self.column_width)
        for item in changed:
            item.refresh()
            self.mark(item)
        for item in self.items[first:last]:
            item.guess(width)
            if item.streaming:
                self.live.begin(item)
        self._dirty_from = min(self._dirty_from, first)

    # Streaming -------------------------------------------------------------------------------------------------------

    def set_run(self, run: RunState | None) -> None:
        """How the answer that runs is getting on, if it is one of those shown."""
        item = None if run is None else self.item(run.message_id)
        if run is None or item is None or not item.streaming:
            return
        item.set_run(run)
        if run.cut is not None and run.cut != item.message.context_cut:
            self._came(self.shown.replace(structs.replace(item.message, context_cut=run.cut)), item.index, item.index)
            self.arrange()
        self.viewport().update(self.rect_of(item, item.rect))

    def _on_live(self, item: MessageItem, from_y: float) -> None:
        if from_y < 0:  # only its picture changed
            self.viewport().update(self.rect_of(item, item.rect))
            return
        self.mark(item)
        before = self.scroll_value
        self.arrange(repaint=False)
        if self.scroll_value == before:
            rect = self.rect_of(item, item.rect)
            rect.setTop(rect.top() + max(0, int(from_y) - 4))
            rect.setBottom(self.viewport().height())
            rect.setLeft(0)
            rect.setRight(self.viewport().width())
            self.viewport().update(rect)

    def _request(self, item: MessageItem) -> None:
        live = self.live.get(item.message.id)
        if live is not None:
            self.live.request(live, float(self.column_width))
        else:
            self.queue.request(item, float(self.column_width))

    # Facts around messages -------------------------------------------------------------------------------------------

    def set_versions(self, versions: Mapping[str, Versions]) -> None:
        """Tell which messages have other versions, by message id."""
        for item in self.shown.set_versions(versions):
            item.refresh()
        self.viewport().update()

    def set_show_speed(self, show: bool) -> None:
        """Whether the row under an answer tells its speed."""
        self.options.show_speed = show
        for item in self.items:
            if item.actions is not None:
                item.actions.stats = item.message.stats if show else None
        self.viewport().update()

    def set_open_thinking(self, opened: bool) -> None:
        """Whether thinking is open until the user folds it."""
        self.options.open_thinking = opened
        for item in self.items:
            if item.thinking is not None and item.thinking_open is None:
                item.thinking.opened = opened
                item.place()
                self.mark(item)
        self.arrange()

    def set_text_scale(self, percent: int) -> None:
        """Size of the text in percent. The theme's own text size is part of it, not multiplied by it."""
        if percent != (self._scale_percent or self.theme.text_size):
            self._scale_percent = percent
            self.restyle()

    def last_answer_id(self) -> str | None:
        """The id of the last message of the assistant, None without one."""
        last = self.shown.last_answer
        return None if last is None else last.message.id

    def message_text(self, message_id: str) -> str:
        """The clean text of a message, as it is stored while the clean one is unknown; empty for an unknown message."""
        item = self.item(message_id)
        if item is None:
            return ""
        text = self.texts.known(item)
        return item.source if text is None else text

    # Selecting and copying -------------------------------------------------------------------------------------------

    def select_all(self) -> None:
        """Select the whole conversation, also what will be loaded above."""
        if self.items:
            self.selection.take(Place("", 0), Place(self.items[-1].message.id, END))
            self.viewport().update()

    @property
    def copying(self) -> bool:
        """Whether a copy is still being put together."""
        return self._copying.running

    def copy(self) -> None:
        """Copy the selection, if there is one."""
        self._copying.selection()

    def copy_message(
        self, item: MessageItem, feedback: tuple[str, str] = ("", ""), told: Callable[[], object] | None = None
    ) -> None:
        """Copy the clean text of a message; ``told`` is called when that is done."""
        self._copying.message(item, feedback, told)

    def copy_to_primary(self) -> None:
        """Put the selection where X11's middle click takes it from."""
        self._copying.to_primary()

    def put_on_clipboard(self, text: str, feedback: tuple[str, str] = ("", "")) -> None:
        """Copy ``text``; the button named by ``feedback`` (message id, key) shows a check for a moment."""
        self._copying.forget()
        QGuiApplication.clipboard().setText(text)
        if feedback[1]:
            self.copied = frozenset({feedback})
            self._copied_timer.start(_COPIED_MS)
            self.viewport().update()

    def _end_copied(self) -> None:
        self.copied = frozenset()
        self.viewport().update()

    # Actions ---------------------------------------------------------------------------------------------------------

    def activate(self, item: MessageItem, target: Target) -> None:
        """Do what a target stands for."""
        key = item.message.id
        match target.action:
            case "copy":
                self.copy_message(item, (key, target.key))
            case "code_copy" | "copy_text":
                self.put_on_clipboard(target.value, (key, target.key))
            case "regenerate":
                self.regenerate_requested.emit(key)
            case "version":
                self.version_requested.emit(target.value)
            case "link":
                self.link_activated.emit(target.value)
            case "problem":
                if target.value == "retry":
                    self.retry_requested.emit(key)
                else:
                    self.action_requested.emit(target.value)
            case _:
                self._unfold(item, target)

    def _unfold(self, item: MessageItem, target: Target) -> None:
        """What opens, folds or wraps in place: the message's top stays where it is."""
        if item.body is None:
            return
        distance = self.top_of(item)
        if target.action == "thinking" and item.thinking is not None:
            item.thinking_open = item.thinking.opened = not item.thinking.opened
        elif target.action == "details" and item.problem is not None:
            item.details_open = item.problem.details_open = not item.problem.details_open
        elif target.action == "wrap":
            item.body.toggle_wrap(target.key)
        item.place()
        self.mark(item)
        self.hold(item, 0.0, distance)

    # Input -----------------------------------------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._pointer.press(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self._pointer.move(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._pointer.release(event)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self._pointer.double(event)

    def wheelEvent(self, event: QWheelEvent) -> None:
        if not self._pointer.wheel(event):
            super().wheelEvent(event)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        # popup(), never exec(): that would nest event loops inside a task
        menu_for(self, QPointF(event.pos())).popup(event.globalPos())

    def viewportEvent(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Leave:
            self._pointer.leave()
        if event.type() == QEvent.Type.ToolTip:
            return self._pointer.tooltip(event)
        return super().viewportEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if not self._keys.press(event):
            super().keyPressEvent(event)

    def focusNextPrevChild(self, forward: bool) -> bool:
        if self._keys.step(forward=forward):
            return True
        return super().focusNextPrevChild(forward)

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self._keys.entered(event.reason())

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.viewport().update()
