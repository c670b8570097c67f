"""The transcript: a conversation's messages as the user reads, selects and copies them.

This file is its public face; ``transcript_canvas`` scrolls and paints, ``transcript_live`` feeds growing answers,
``transcript_input`` takes mouse and keys, ``transcript_copying`` gives texts to other programs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from PySide6.QtCore import QEvent, Signal
from PySide6.QtGui import QAccessible, QAccessibleAnnouncementEvent, QAccessibleEvent
from PySide6.QtWidgets import QWidget

from qwen_desktop.core.chat import Message, Status, Versions
from qwen_desktop.core.engine import PromptProgress
from qwen_desktop.core.parts import Role
from qwen_desktop.ui.chat.accessible import attach
from qwen_desktop.ui.chat.blocks import Target, translate
from qwen_desktop.ui.chat.plain_texts import Plainer
from qwen_desktop.ui.chat.selection import END, Place
from qwen_desktop.ui.chat.transcript_canvas import TranscriptCanvas
from qwen_desktop.ui.chat.transcript_copying import Copying
from qwen_desktop.ui.chat.transcript_input import Input
from qwen_desktop.ui.chat.transcript_items import MessageItem
from qwen_desktop.ui.chat.transcript_live import Grower, LiveAnswers
from qwen_desktop.ui.chat.transcript_render import Renderer
from qwen_desktop.ui.theme import Theme

#: What the whole widget gets, not its viewport.
_OF_WIDGET: Final = (
    QEvent.Type.ShortcutOverride,
    QEvent.Type.KeyPress,
    QEvent.Type.ContextMenu,
    QEvent.Type.FocusIn,
    QEvent.Type.FocusOut,
)
#: Characters of an answer that are announced when it ends.
_ANNOUNCED: Final = 2000


class TranscriptView(TranscriptCanvas):
    """Shows messages. Knows no service: what the user asks for goes out as signals, with message ids."""

    regenerate_requested = Signal(str)
    version_requested = Signal(str)
    retry_requested = Signal(str)
    action_requested = Signal(str)
    link_activated = Signal(str)

    _input: Input | None = None  # events come from the first moment on

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(theme, parent)
        self._versions: dict[str, Versions] = {}
        self._cut: str | None = None
        self.live = LiveAnswers(self.markdown, self.queue, self)
        self.live.changed.connect(self._on_live)
        #: Some more of an answer: (message id, event).
        self.take = self.live.take
        self.texts.found.connect(self._on_text_found)
        self._copying = Copying(self)
        self.activated.connect(self._activate)
        source = self._input = Input(self)
        source.copy_wanted.connect(self.copy)
        source.select_all_wanted.connect(self.select_all)
        source.dragged.connect(self._copying.to_primary)
        source.menu_wanted.connect(partial(self._copying.menu, self.select_all))
        self.setAccessibleName(self.tr("Conversation"))
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
        known = {key: item for key, item in self._by_id.items() if item.ready}
        self.live.clear()
        for item in self.items:
            self.queue.drop(item)
        if not any(message.id in known for message in messages):
            self.queue.clear()
        self.interaction.reset()
        self._versions.clear()
        self._cut = None
        self.items = []
        self._by_id = {}
        for message in messages:
            kept = known.get(message.id)
            self.items.append(kept if kept is not None and kept.message == message else self._new(message))
        self._more_above = more_above
        self._asked_older = ""
        self._stick = True
        self._anchor = None
        self._opened_at = time.perf_counter()
        self._adopt(self.items)
        self.arrange()

    def prepend(self, messages: Sequence[Message], *, more_above: bool) -> None:
        """Put older messages above; what is on screen does not move."""
        if not self._stick:
            self._take_anchor()
        fresh = [self._new(message) for message in messages if message.id not in self._by_id]
        self.items[:0] = fresh
        self._more_above = more_above
        self._adopt(fresh)
        self.arrange()

    def append(self, message: Message) -> None:
        """Add a message at the end; a user's own message brings the end into view."""
        if message.id in self._by_id:
            self.replace(message)
            return
        item = self._new(message)
        self.items.append(item)
        if message.role is Role.USER:
            self._stick = True
        self._adopt([item])
        self.arrange()

    def replace(self, message: Message) -> None:
        """Show the final (or repaired) content of a message."""
        item = self._by_id.get(message.id)
        if item is None:
            return
        ended = item.streaming and message.status is not Status.STREAMING
        if not self._stick:
            self._take_anchor()
        if message.status is Status.STREAMING:
            item.message = message
            self.live.begin(item)
        else:
            self.live.end(message.id)
            item.message = message
        item.versions = self._versions.get(message.id)
        self.queue.drop(item)
        if item.ready:
            item.facts_changed()  # at once: actions, notes and the error card; the text follows
            item.ready = False
            self._request(item)
        item.ready = False
        self.mark(item)
        self._find_last()
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

    def _new(self, message: Message) -> MessageItem:
        return MessageItem(message, self.style_, self.options)

    def _adopt(self, fresh: Sequence[MessageItem]) -> None:
        width = float(self.column_width)
        for item in fresh:
            self._by_id[item.message.id] = item
            item.versions = self._versions.get(item.message.id)
            item.guess(width)
            if item.streaming:
                self.live.begin(item)
        self._reindex()
        for item in fresh:
            item.last = False
            item.cut_above = self._is_cut(item)
            item.facts_changed()
        self._find_last()

    def _is_cut(self, item: MessageItem) -> bool:
        return item.message.id == self._cut and (item.index > 0 or self._more_above)

    def _find_last(self) -> None:
        last = self.last_answer_id()
        for item in self.items[-8:]:
            if item.last != (item.message.id == last):
                item.last = not item.last
                item.facts_changed()

    # Streaming -------------------------------------------------------------------------------------------------------

    def prompt_progress(self, message_id: str, done: int, total: int, seconds_left: float | None) -> None:
        """The prompt is being read: tokens ``done`` of ``total``, seconds likely left."""
        item = self._by_id.get(message_id)
        if item is None or not item.streaming or item.source:
            return
        item.read = PromptProgress(done, total, seconds_left)
        self.viewport().update()

    def _request(self, item: MessageItem) -> None:
        live = self.live.get(item.message.id)
        if live is not None:
            self.live.request(live, float(self.column_width))
        else:
            self.queue.request(item, float(self.column_width))

    # Facts around messages -------------------------------------------------------------------------------------------

    def set_versions(self, versions: Mapping[str, Versions]) -> None:
        """Tell which messages have other versions, by message id."""
        self._versions.update(versions)
        for key, value in versions.items():
            item = self._by_id.get(key)
            if item is not None:
                item.versions = value
                item.facts_changed()
        self.viewport().update()

    def set_cut(self, first_kept_id: str | None, dropped: int) -> None:
        """Draw the line above the first message that the model still sees; None takes it away.

        ``dropped`` messages stand above it (0 when unknown); above the very first message there is no line.
        """
        self._cut = first_kept_id
        for item in self.items:
            cut = self._is_cut(item)
            if cut != item.cut_above:
                item.cut_above = cut
                item.facts_changed()
                self.mark(item)
        self.arrange()

    def set_show_speed(self, show: bool) -> None:
        """Whether the row under an answer tells its speed."""
        self.options.show_speed = show
        for item in self.items:
            if item.laid_out:
                item.facts_changed()
        self.viewport().update()

    def set_open_thinking(self, opened: bool) -> None:
        """Whether thinking is open until the user folds it."""
        self.options.open_thinking = opened
        for item in self.items:
            if item.laid_out:
                item.facts_changed()
                self.mark(item)
        self.arrange()

    def set_text_scale(self, percent: int) -> None:
        """Size of the text in percent. The theme's own text size is part of it, not multiplied by it."""
        if percent != (self._scale_percent or self.theme.text_size):
            self._scale_percent = percent
            self.restyle()

    def last_answer_id(self) -> str | None:
        """The id of the last message of the assistant, None without one."""
        return next((i.message.id for i in reversed(self.items) if i.message.role is Role.ASSISTANT), None)

    def message_text(self, message_id: str) -> str:
        """The clean text of a message, as it is stored while the clean one is unknown; empty for an unknown message."""
        item = self._by_id.get(message_id)
        if item is None:
            return ""
        text = self.texts.known(item)
        return item.source if text is None else text

    # Selecting and copying -------------------------------------------------------------------------------------------

    def select_all(self) -> None:
        """Select the whole conversation, also what will be loaded above."""
        if self.items:
            self.interaction.selection.take(Place("", 0), Place(self.items[-1].message.id, END))

    @property
    def copying(self) -> bool:
        """Whether a copy is still being put together."""
        return self._copying.running

    def copy(self) -> None:
        """Copy the selection, if there is one."""
        self._copying.selection()

    def copy_message(self, item: MessageItem, told: Callable[[], object] | None = None) -> None:
        """Copy the clean text of a message; ``told`` is called when that is done."""
        self._copying.message(item, told=told)

    # Actions ---------------------------------------------------------------------------------------------------------

    def _activate(self, item: MessageItem, target: Target) -> None:
        key = item.message.id
        match target.action:
            case "copy":
                self._copying.message(item, (key, target.key))
            case "code_copy" | "copy_text":
                self._copying.text(target.value, (key, target.key))
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
        distance = self.top_of(item)
        item.toggle(target.key)
        self.mark(item)
        self._stick = False
        self._anchor = (item, distance)
        self.arrange()
        self._stick = self.scroll_value >= self.verticalScrollBar().maximum() - 2

    # Input -----------------------------------------------------------------------------------------------------------

    def event(self, event: QEvent) -> bool:
        taken = self._input is not None and event.type() in _OF_WIDGET and self._input.take(event)
        return taken or super().event(event)

    def focusNextPrevChild(self, forward: bool) -> bool:
        return (self._input is not None and self._input.step(forward=forward)) or super().focusNextPrevChild(forward)

    def viewportEvent(self, event: QEvent) -> bool:
        return (self._input is not None and self._input.take(event)) or super().viewportEvent(event)
