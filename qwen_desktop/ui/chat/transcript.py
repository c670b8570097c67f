"""The transcript: a conversation's messages as the user reads, selects and copies them.

This file is its public face; ``transcript_canvas`` scrolls and paints, ``transcript_live`` feeds growing answers,
``transcript_input`` takes mouse and keys, ``transcript_copying`` gives texts to other programs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple

from msgspec import structs
from PySide6.QtCore import QPoint, QPointF, Signal
from PySide6.QtGui import QAccessible, QAccessibleAnnouncementEvent
from PySide6.QtWidgets import QWidget

from qwen_desktop.core.chat import Message, Status, Versions
from qwen_desktop.core.parts import FilePart, Part, Role
from qwen_desktop.jobs.markdown.blocks import TableBlock
from qwen_desktop.services.events import RunState
from qwen_desktop.services.token_counts import Count
from qwen_desktop.ui.chat.accessible import attach
from qwen_desktop.ui.chat.blocks import Target
from qwen_desktop.ui.chat.selection import END, Place
from qwen_desktop.ui.chat.transcript_canvas import TranscriptCanvas
from qwen_desktop.ui.chat.transcript_copying import Copying
from qwen_desktop.ui.chat.transcript_input import Input
from qwen_desktop.ui.chat.transcript_items import MessageItem
from qwen_desktop.ui.texts import fill
from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets.select import Menu

#: Characters of an answer that are announced when it ends; what is longer ends with a sentence.
_ANNOUNCED: Final = 800


class Reading(NamedTuple):
    """Where a reader is: the first message in view, and how far its top is from the viewport's."""

    message_id: str
    distance: float


class TranscriptView(TranscriptCanvas):
    """Shows messages. Knows no service: what the user asks for goes out as signals, with message ids."""

    regenerate_requested = Signal(str)
    version_requested = Signal(str)
    slow_requested = Signal(str)
    action_requested = Signal(str)
    link_activated = Signal(str)
    #: What is to be done ("edit", "fork", "versions", "continue", "go_on") with which message.
    message_wanted = Signal(str, str)
    #: A menu that opens about a message takes entries of others, too.
    menu_opens = Signal(object, str)
    #: A part that is to be read.
    file_requested = Signal(object)
    #: A table or code that is to be saved.
    save_requested = Signal(object)
    #: What is wanted of a diagram ("diagram_zoom" or "diagram_save"), and its source.
    diagram_requested = Signal(str, str)

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(theme, parent)
        self.copying = Copying(self)
        self.returning: Reading | None = None
        self.activated.connect(self._activate)
        source = self._input = Input(self)
        source.copy_wanted.connect(self.copying.selection)
        source.select_all_wanted.connect(self.select_all)
        source.dragged.connect(self.copying.to_primary)
        source.menu_wanted.connect(self._context_menu)
        self.setAccessibleName(self.tr("Conversation"))
        attach(self)

    # Messages --------------------------------------------------------------------------------------------------------

    def clear(self) -> None:
        """Show nothing."""
        self.set_messages((), more_above=False)

    def set_messages(self, messages: Sequence[Message], *, more_above: bool) -> None:
        """Show a conversation from its end. ``more_above`` says that older messages can be asked for."""
        gone = self.items
        self._drop(gone)
        if not any(self.item(message.id) for message in messages):
            self.queue.clear()
            self.drawings.clear()
        self._asked_older = ""
        self._stick = True
        self._anchor = self._room = self.returning = None
        self._opened_at = time.perf_counter()
        self._came(self.shown.open(messages, more_above=more_above), 0, len(messages))
        self.idle.let_go(gone)
        self.arrange()

    def prepend(self, messages: Sequence[Message], *, more_above: bool) -> None:
        """Put older messages above; what is on screen does not move."""
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
        self.replace_tail(None, (message,))

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
        begins = first is not None and held == (0.0, self.top_of(first)) and len(messages) > 0
        # Another answer grows down from where this one began, and is followed from there.
        follows = sticks and begins and messages[0].status is Status.STREAMING
        lost = self._anchor is not None and self._anchor[0].index >= place
        gone = self.items[place:]
        self._drop(gone)
        focused, key = self.interaction.focus
        changed = self.shown.replace_tail(from_id, messages)
        if first is not None and messages and focused == first.message.id:
            self.interaction.focus = (messages[0].id, key)
        self._came(changed, place, place + len(messages))
        self.idle.let_go(gone)
        if lost:
            self._anchor = (self.items[place], *held) if held is not None and messages else None
            self._stick = self._stick or self._anchor is None  # nothing is left of what was read
        if self._goes_back():
            return
        if (sticks and not follows) or self._anchor is None:
            self.arrange()
            return
        self.hold(*self._anchor, room=True)
        if follows and not self._stick:
            self._stick = True
            self.arrange()
        if place < len(self.items) and self.items[place].streaming:  # it grows down
            self._take_anchor()

    # Places that are come back to ------------------------------------------------------------------------------------

    def reading(self) -> Reading | None:
        """Where the reader is, to ``go_back`` to it."""
        self._take_anchor()
        anchor = self._anchor
        return None if anchor is None else Reading(anchor[0].message.id, anchor[2])

    def go_back(self, reading: Reading | None) -> None:
        """Show what was read at a place as soon as its message is there again."""
        self.returning = reading
        self._goes_back()

    def _goes_back(self) -> bool:
        reading = self.returning
        item = None if reading is None else self.item(reading.message_id)
        if reading is None or item is None:
            return False
        self.hold(item, 0.0, reading.distance, room=True)
        return True

    def _drop(self, items: Sequence[MessageItem]) -> None:
        for item in items:
            if item.pending:
                self.queue.drop(item)
            if item.streaming:
                self.live.forget(item.message.id)

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
        self._take_anchor()
        goes_on = runs and not item.streaming
        if not runs:
            self.live.end(message.id)
            item.set_run(None)
        changed = self.shown.replace(message)
        if runs:
            self.live.begin(item)
        self.queue.drop(item)
        if item.ready:
            item.refresh()  # at once: actions, notes and the error card; the text follows
            item.ready = False
            self._request(item)
        self._came(changed, item.index, item.index)
        if not self._goes_back() and goes_on and self._anchor is not None:
            self.hold(*self._anchor, room=True)  # what stood below its words is gone
        self.arrange()
        if ended and QAccessible.isActive():
            self.texts.gather([item], partial(self._announce, item))

    def _announce(self, item: MessageItem, texts: Sequence[str]) -> None:
        """Have an answer said that has ended, if it is still on show."""
        if self.item(item.message.id) is not item or not self.isVisible():
            return
        text, whole = texts[0][:_ANNOUNCED], texts[0]
        if len(whole) > len(text):
            end = max(map(text.rfind, (". ", ".\n", "? ", "! ", "\n", "。")))
            text = text[: end + 1] if end > len(text) // 2 else text
            said = self.tr("Answer: {text} The answer goes on; it can be read in the list of messages.")
        else:
            said = self.tr("Answer: {text}")
        text = fill(said, text=text.strip())
        QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(self, text))

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
        self._tops.renewed(first)
        self.items_changed.emit()

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

    # Facts around messages -------------------------------------------------------------------------------------------

    def set_versions(self, versions: Mapping[str, Versions], asked: Sequence[str] = ()) -> None:
        """Tell which messages, of those ``asked`` for, have other versions, by message id."""
        for item in self.shown.set_versions(versions, asked):
            item.refresh()
        self.viewport().update()

    def set_options(self, *, show_speed: bool, open_thinking: bool) -> None:
        """Whether the row under an answer tells its speed, and thinking is open until the user folds it."""
        self.options.show_speed, self.options.open_thinking = show_speed, open_thinking
        for item in self.items:
            if item.laid_out:
                item.refresh()
                self.mark(item)
        self.arrange()
        self.folded.emit()

    def show_tokens(self, tokens: Callable[[Part], Count]) -> None:
        """Say how many tokens attachments have; other numbers may be known than before."""
        self.options.tokens = tokens
        for item in self.items:
            if item.laid_out and any(isinstance(part, FilePart) for part in item.message.parts):
                item.refresh()
                self.mark(item)
        self.arrange()

    def set_soft_switches(self, on: bool) -> None:
        """Whether the model obeys ``/think`` and ``/no_think``, so that they are marked in the user's messages."""
        if on != self.options.soft_switches:
            self.options.soft_switches = on
            self.restyle()

    def set_text_scale(self, percent: int) -> None:
        """Size of the text in percent. The theme's own text size is part of it, not multiplied by it."""
        if percent != (self._scale_percent or self.theme.text_size):
            self._scale_percent = percent
            self.restyle()

    # Selecting and copying -------------------------------------------------------------------------------------------

    def select_all(self) -> None:
        """Select the whole conversation, also what will be loaded above."""
        if self.items:
            self.interaction.selection.take(Place("", 0), Place(self.items[-1].message.id, END))

    # Actions ---------------------------------------------------------------------------------------------------------

    def _activate(self, item: MessageItem, target: Target) -> None:
        key = item.message.id
        match target.action:
            case "copy":
                self.copying.message(item, (key, target.key))
            case "code_copy" | "copy_text":
                self.copying.text(target.value, (key, target.key))
            case "problem" if target.value != "retry":
                self.action_requested.emit(target.value)
            case "regenerate" | "problem":
                self.regenerate_requested.emit(key)
            case "slow":
                self.slow_requested.emit(key)
            case "version":
                self.version_requested.emit(target.value)
            case "link":
                self.link_activated.emit(target.value)
            case "edit" | "fork" | "versions" | "continue" | "go_on":
                self.message_wanted.emit(target.action, key)
            case "menu":
                place = self.rect_of(item, target.rect)
                corner = place.bottomRight() if self.style_.rtl else place.bottomLeft()
                self._open_menu(self.viewport().mapToGlobal(corner + QPoint(0, 4)), item)
            case _ if not self._activate_inside(item, target):
                distance = self.top_of(item)  # what opens, folds or wraps in place leaves the message's top there
                item.toggle(target.key)
                self.mark(item)
                self.hold(item, 0.0, distance)
                self.folded.emit()

    def _activate_inside(self, item: MessageItem, target: Target) -> bool:
        """What is done with something in a part; False where the target is none of these."""
        match target.action:
            case "file":
                self.file_requested.emit(item.message.parts[int(target.value.removeprefix("part").rstrip("."))])
            case "diagram_zoom" | "diagram_save":
                self.diagram_requested.emit(target.action, target.value)
            case "table_copy" | "table_markdown" | "table_csv" | "code_save":
                self._take_block(item, target)
            case "footnote" | "footnote_back":
                self._go_to_footnote(item, target)
            case _:
                return False
        return True

    def _context_menu(self, at: QPoint, item: MessageItem | None, target: Target | None) -> None:
        item_of, inside = self.hit(QPointF(self.viewport().mapFromGlobal(at)))
        formula = item_of.formula_at(inside) if item_of is not None else ""
        self._open_menu(at, item, self.copying.menu(self.select_all, target, formula))

    def _open_menu(self, at: QPoint, item: MessageItem | None, menu: Menu | None = None) -> None:
        """Open a menu at a place of the screen, over a message."""
        menu = menu or Menu(self)
        if item is not None:
            self.copying.fill(menu, item)
            self.menu_opens.emit(menu, item.message.id)
        menu.aboutToHide.connect(menu.deleteLater)
        menu.open_at(at)
        if self.hasFocus() and self.interaction.focus[1]:  # by the keyboard, which goes on in it
            menu.setActiveAction(menu.actions()[0])

    def _take_block(self, item: MessageItem, target: Target) -> None:
        """Copy or save the table or the code that a target belongs to."""
        block = item.block_of(target.key)
        if isinstance(block, TableBlock) and target.action != "table_csv":
            self.copying.table(block, target.action, (item.message.id, target.key))
        elif block is not None:
            self.save_requested.emit(block)

    def _go_to_footnote(self, item: MessageItem, target: Target) -> None:
        """Go from where a footnote is referred to to the footnote, or back to the first place."""
        part, other = target.key.partition(".")[0], "footnote_back" if target.action == "footnote" else "footnote"
        wanted = target.value.casefold()
        for each in item.targets():
            if each.action == other and each.value.casefold() == wanted and each.key.partition(".")[0] == part:
                self.make_visible(item, each.rect)
                self.give_focus(item, each.key)
                break

    # Input -----------------------------------------------------------------------------------------------------------

    def focusNextPrevChild(self, forward: bool) -> bool:
        return self._input.step(forward=forward) or super().focusNextPrevChild(forward)
