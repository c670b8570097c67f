"""The scrolling and painting half of the transcript: which messages have a layout, where they stand, what is drawn.

The truth about the position is the anchor: a visible message and how far its top (or its bottom) is from the
viewport's top. Heights may change anywhere (guesses become true, an answer grows, older messages come in above); then
all is placed again around the anchor. ``_stick`` instead keeps the end in view. Where a message is to stay though too
little stands below it (a branch ends, an answer begins), the column has room below its end until that is filled or the
reader scrolls up.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import islice
from typing import TypeAlias

from PySide6.QtCore import QEvent, QPointF, QRect, QRectF, Qt, QTimer, Signal
from PySide6.QtGui import QPainter, QPaintEvent, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QAbstractScrollArea, QApplication, QFrame, QWidget

from qwen_desktop.core.chat import Message
from qwen_desktop.ui.chat import diagrams, formulas
from qwen_desktop.ui.chat.blocks import PaintContext
from qwen_desktop.ui.chat.blocks_flow import At, Range, Ranges, Sources
from qwen_desktop.ui.chat.blocks_style import Style
from qwen_desktop.ui.chat.diagrams import DIAGRAM
from qwen_desktop.ui.chat.drawings import Drawings
from qwen_desktop.ui.chat.formulas import FORMULA
from qwen_desktop.ui.chat.interaction import Interaction
from qwen_desktop.ui.chat.markdown_source import MarkdownSource
from qwen_desktop.ui.chat.plain_texts import PlainTexts
from qwen_desktop.ui.chat.section import HostedSection, Options, Section
from qwen_desktop.ui.chat.shown_messages import ShownMessages
from qwen_desktop.ui.chat.slices import Work
from qwen_desktop.ui.chat.tops import Tops
from qwen_desktop.ui.chat.transcript_items import MessageItem
from qwen_desktop.ui.chat.transcript_jump import JumpButton
from qwen_desktop.ui.chat.transcript_live import LiveAnswers
from qwen_desktop.ui.chat.transcript_render import RenderQueue
from qwen_desktop.ui.theme import Theme

_COLUMN = 760
_SIDE = 24
_TOP = 4.0
_BOTTOM = 16.0
#: Where a place is kept, the end of the column stays so far inside the viewport, in pixels.
_SEEN_END = 96
#: Layouts kept beyond those near the viewport.
_KEPT = 24
#: A message of so many characters is laid out again in slices, its old layout being on show meanwhile; each block takes
#: as long as so many characters.
_LONG, _BLOCK = 20_000, 10
#: How long a message may stay blank before its plain text is shown.
_BLANK_MS = 150
#: When, after the window came up, the Markdown parser is imported.
_WARM_MS = 300
#: Tall signs reach out of their line by so many pixels.
_INK = 12
_SMOOTH = QPainter.RenderHint.Antialiasing | QPainter.RenderHint.TextAntialiasing


#: A message whose top (edge 0) or bottom (1) stands so far from the viewport's top.
Anchor: TypeAlias = tuple[MessageItem, float, float]


class TranscriptCanvas(QAbstractScrollArea):
    """A column of messages of which only those near the viewport are laid out."""

    older_wanted = Signal(str)
    #: Other messages are on show.
    items_changed = Signal()
    #: A message's item and the target of it that was clicked or chosen in another way.
    activated = Signal(object, object)
    #: The keyboard has nowhere to be: what had it goes with its message.
    focus_lost = Signal()
    #: Something of a message has been opened or folded.
    folded = Signal()

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.theme = theme
        self.shown = ShownMessages(self._made)
        self.options = Options(changed=self._on_section)
        self._scale_percent: int | None = None
        self.style_ = Style(theme)
        self.markdown = MarkdownSource()
        self.drawings = Drawings(self.markdown, {FORMULA: formulas.KIND, DIAGRAM: diagrams.KIND}, self)
        self.drawings.ready.connect(self._on_drawn)
        self._draw_with(self.style_)
        self.queue = RenderQueue(self.markdown, self)
        self.queue.finished.connect(self._on_ready)
        self.live = LiveAnswers(self.markdown, self.queue, self)
        self.live.changed.connect(self._on_live)
        self.texts = PlainTexts(self.markdown, self)
        self.idle = Work(self, 0.001)
        self.interaction = Interaction(self.index_of, self)
        self.interaction.changed.connect(self.viewport().update)
        self.items_changed.connect(self.interaction.forget_gone)
        self.items_changed.connect(self._forget_gone)
        self._tops = Tops(_TOP)
        self._anchor: Anchor | None = None
        self._room: Anchor | None = None
        self._stick = True
        self._placing = False
        self._arranging = False
        #: An answer has grown: what is to be painted is known once all stands where it belongs.
        self._grows = False
        self._asked_older = ""
        self._opened_at = 0.0
        self._held = False
        #: Messages that were near the viewport, those of now at the end.
        self._seen: dict[MessageItem, None] = {}
        self._hosting: list[MessageItem] = []
        #: What is marked in messages, by id; offsets count in their projections.
        self.matches: dict[str, Ranges] = {}
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.viewport().setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.viewport().setMouseTracking(True)
        self.verticalScrollBar().setSingleStep(40)
        self.verticalScrollBar().valueChanged.connect(self._on_scrolled)
        self._late = QTimer(self, singleShot=True, interval=_BLANK_MS)
        self._late.timeout.connect(self._show_blanks)
        self.jump = JumpButton(theme, self)
        self.jump.clicked.connect(self.scroll_to_end)
        theme.changed.connect(self.restyle)
        application = QApplication.instance()
        if isinstance(application, QApplication):
            application.focusChanged.connect(self._on_focus)

    def _made(self, message: Message) -> MessageItem:
        item = MessageItem(message, self.style_, self.options)
        if self.options.came is not None:
            self.options.came(item)
        return item

    # Items -----------------------------------------------------------------------------------------------------------

    @property
    def items(self) -> list[MessageItem]:
        """The messages that are loaded, in their order."""
        return self.shown.items

    def index_of(self, message_id: str) -> int | None:
        """Position of a message among those loaded."""
        item = self.shown.get(message_id)
        return None if item is None else item.index

    def item(self, message_id: str) -> MessageItem | None:
        """The item of a message."""
        return self.shown.get(message_id)

    @property
    def column_width(self) -> int:
        """Pixels of the text column."""
        wide = self.style_.px(_COLUMN) if self.style_.px(100) > 100 else _COLUMN
        return max(240, min(wide, self.viewport().width() - 2 * _SIDE))

    @property
    def column_left(self) -> int:
        """The x of the text column in the viewport."""
        return max(_SIDE, (self.viewport().width() - self.column_width) // 2)

    # Placing ---------------------------------------------------------------------------------------------------------

    def _measured(self) -> Tops:
        """Where messages stand now."""
        self._tops.settle(self.items)
        return self._tops

    def mark(self, item: MessageItem) -> None:
        """The height of an item may have changed."""
        self._tops.changed(item.index)

    def total_height(self) -> float:
        """Pixels of the whole column, guesses included."""
        return self._measured().end + _BOTTOM

    def top_of(self, item: MessageItem) -> float:
        """The y of a message in the viewport."""
        return self._measured().top(item.index) - self.scroll_value

    @property
    def scroll_value(self) -> int:
        """Pixels scrolled from the very top."""
        return self.verticalScrollBar().value()

    def _visible_range(self, margin: float = 0.0) -> range:
        tops, top = self._measured(), self.scroll_value - margin
        first = max(0, tops.until(top) - 1)
        last = min(len(self.items), tops.until(top + self.viewport().height() + 2 * margin))
        return range(first, max(first, last))

    def visible_items(self) -> list[MessageItem]:
        """Messages that touch the viewport."""
        return [self.items[index] for index in self._visible_range()]

    def _place(self) -> None:
        """Set the scroll bar so that the anchor (or the end) stays where it is."""
        bar = self.verticalScrollBar()
        height = self.viewport().height()
        most = max(self._end(), self._kept())
        value = bar.value()
        if self._stick:
            value = most
        elif self._anchor is not None:
            value = self._value_of(self._anchor)
        self._placing = True
        bar.setRange(0, most)
        bar.setPageStep(max(40, height - 40))
        bar.setValue(min(most, max(0, value)))
        self._placing = False
        self._seat()

    def _end(self) -> int:
        """The place at which the end of the column is the viewport's."""
        return max(0, round(self.total_height()) - self.viewport().height())

    def _value_of(self, anchor: Anchor) -> int:
        """The place at which that is so."""
        item, edge, distance = anchor
        return round(self._measured().top(item.index) + edge * item.height - distance)

    def _kept(self) -> int:
        """The place that is kept though it may lie beyond the end; 0 without one."""
        if self._room is not None and self.item(self._room[0].message.id) is not self._room[0]:
            self._room = None
        if self._room is None:
            return 0
        return min(self._value_of(self._room), round(self.total_height()) - _SEEN_END)

    def _take_anchor(self) -> None:
        """Remember the first visible message, one with a true height if there is one."""
        visible = self.visible_items()
        chosen = next((item for item in visible if item.ready), next(iter(visible), None))
        self._anchor = None if chosen is None else (chosen, 0.0, self.top_of(chosen))

    def hold(self, item: MessageItem, edge: float, distance: float, *, room: bool = False) -> None:
        """Keep the top (``edge`` 0) or the bottom (1) of a message at ``distance`` from the viewport's top, and the end
        in view where that shows it. With ``room`` also where that shows more than the end."""
        self._stick = False
        self._anchor = (item, edge, distance)
        self._room = self._anchor if room else None
        self.arrange()
        self._stick = self.scroll_value >= self.verticalScrollBar().maximum() - 2

    def stay(self) -> None:
        """Do not follow an end that is in view: something else is looked at."""
        self._stick = False
        self._take_anchor()

    def arrange(self, budget: float = 0.005, *, repaint: bool = True) -> None:
        """Place everything, lay out what is on screen (for about ``budget`` seconds now, the rest in later turns).

        Without ``repaint`` the caller updates what it changed; scrolling repaints by itself.
        """
        if self._arranging:
            return
        self._arranging = True
        end = time.perf_counter() + budget
        try:
            for _ in range(12):
                self._place()
                missing = [item for item in self.visible_items() if not item.ready]
                if not missing:
                    break
                for item in missing:
                    if not item.pending:
                        self._request(item)
                self.queue.first(missing)
                left = end - time.perf_counter()
                if left <= 0 or not self.queue.busy or not self.queue.run(left):
                    break
            self._place()
        finally:
            self._arranging = False
        self._after_arranging(repaint=repaint)

    def _after_arranging(self, *, repaint: bool) -> None:
        held = self._held
        waiting = [item for item in self.visible_items() if not item.laid_out]
        self._held = bool(waiting) and time.perf_counter() - self._opened_at < _BLANK_MS / 1000
        if waiting and not self._late.isActive():
            self._late.start()
        if not self._held:
            self._fetch_near()
            self._evict()
        first = self.items[0].message.id if self.items else ""
        near = self.scroll_value < 3 * self.viewport().height()
        if self.shown.more_above and near and first and first != self._asked_older and self.viewport().height() > 0:
            self._asked_older = first
            self.older_wanted.emit(first)
        shown = not self._stick and self.verticalScrollBar().maximum() - self.scroll_value > 60
        self.jump.show_at(self.viewport().geometry(), shown=shown)
        if repaint or held != self._held:
            self.viewport().update()

    def _request(self, item: MessageItem) -> None:
        self.live.request(item, float(self.column_width))

    def _fetch_near(self) -> None:
        """Lay out a screen above and below in idle turns, so that scrolling finds them ready."""
        near = (self.items[index] for index in self._visible_range(self.viewport().height()))
        for item in islice((item for item in near if not item.ready and not item.pending), 6):
            self._request(item)

    def _evict(self) -> None:
        near = self._visible_range(2.0 * self.viewport().height())
        for item in self.items[near.start : near.stop]:
            self._seen.pop(item, None)
            self._seen[item] = None
        if len(self._seen) >= len(near) + 2 * _KEPT:
            for item in list(self._seen)[: -len(near) - _KEPT]:
                if not item.streaming:
                    del self._seen[item]
                    self.queue.drop(item)
                    item.evict()

    def _forget_gone(self) -> None:
        for item in [item for item in self._seen if self.item(item.message.id) is not item]:
            del self._seen[item]
            item.evict()  # its sections know it: together they would stay until Python collects garbage

    def _on_ready(self, item: MessageItem) -> None:
        self._grows = False  # more than an answer's end is to be painted
        self.mark(item)
        self._seen.setdefault(item)
        if not self._arranging:
            self.arrange()

    def _on_live(self, item: MessageItem, from_y: float) -> None:
        """A growing answer looks different from a height on; below 0 it only looks different."""
        if from_y < 0:
            self.viewport().update(self.rect_of(item, item.rect))
            return
        self.mark(item)
        before, place = self.scroll_value, self.top_of(item)
        self._grows = True
        self.arrange(repaint=False)
        moved = self.scroll_value - before
        if not self._grows or abs(self.top_of(item) + moved - place) > 0.01:
            self.viewport().update()
        elif moved and (self._hosting or not self.devicePixelRatioF().is_integer()):
            self.viewport().update()  # a widget in it, or half a pixel, is not moved along
        else:
            if moved:  # what stays is moved, not painted again
                self.viewport().scroll(0, -moved)
            top = self.rect_of(item, item.rect).top() + max(0, int(from_y) - _INK)
            self.viewport().update(0, top, self.viewport().width(), self.viewport().height() - top)
        self._grows = False

    def _show_blanks(self) -> None:
        """What is still not rendered after a while is shown as plain text."""
        for item in self.visible_items():
            if not item.laid_out:
                item.lay_plain(float(self.column_width))
                self.mark(item)
        self._held = False
        self.arrange()

    # Scrolling -------------------------------------------------------------------------------------------------------

    def _on_scrolled(self, value: int) -> None:
        if self._placing:
            return
        end = self._end()
        self._stick = value >= end - 2
        self._take_anchor()
        self._room = self._anchor if self._room is not None and value > end else None
        self.arrange()

    def scrollContentsBy(self, dx: int, dy: int) -> None:
        """Qt's own answer to the scroll bar: everything is painted from the position, so only ask for painting."""
        if not self._grows:
            self.viewport().update()

    def scroll_to_end(self) -> None:
        """Show the end and stay there."""
        self._stick = True
        self._room = None
        self.arrange(0.02)

    def scroll_by(self, pixels: int) -> None:
        """Scroll as the user does."""
        self.verticalScrollBar().setValue(self.scroll_value + pixels)

    def make_visible(self, item: MessageItem, rect: QRectF) -> None:
        """Scroll so that a rectangle of an item is in view."""
        top, bottom = self.top_of(item) + rect.top(), self.top_of(item) + rect.bottom()
        height = self.viewport().height()
        if top < 8:
            self.scroll_by(round(top - 24))
        elif bottom > height - 8:
            self.scroll_by(round(min(bottom - height + 24, top - 24)))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._relay()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.LayoutDirectionChange:
            self.restyle()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.arrange()
        QTimer.singleShot(_WARM_MS, self, self.markdown.warm)

    def _relay(self) -> None:
        """The column may have another width now: visible messages are laid out at once, the rest when needed. Until
        there is time for new guesses, those of the old width stand for the heights of what has no layout."""
        width = float(self.column_width)
        visible = self._visible_range()
        for item in self.items:
            if item.width == width:
                continue
            if item.ready and item.index in visible and item.length + _BLOCK * item.block_count < _LONG:
                item.finish(width)
                continue
            if item.sections or item.pending:
                self.queue.drop(item)
                if item.index not in visible:
                    item.evict()
                item.ready = False
            item.width = width
            item.height = item.height or item.estimate(width)
        self._tops.renewed(0)
        self.arrange()
        self._guess_soon(width)

    def _guess_soon(self, width: float) -> None:
        self.idle.remove(self._guess_again)
        self.idle.add(self._guess_again, self._guess_again(width))

    def _guess_again(self, width: float) -> Iterator[None]:
        """Guess the heights of what has no layout in ``width`` pixels: in slices, for there may be thousands, and put
        in force at once."""
        guesses: list[tuple[MessageItem, float]] = []
        for number, item in enumerate(tuple(self.items)):
            if not item.sections:
                guesses.append((item, item.estimate(width)))
            if number % 20 == 0:
                yield
        for item, height in guesses:
            if not item.sections and item.width == width:
                item.height = height
        self._tops.renewed(0)
        self.arrange()

    def _draw_with(self, style: Style) -> None:
        style.drawings = self.drawings
        style.inline = formulas.Formulas(style, self.drawings)

    def restyle(self) -> None:
        """Colours, fonts or the scale changed: everything is made anew."""
        scale = 1.0 if self._scale_percent is None else self._scale_percent / self.theme.text_size
        self.style_ = Style(self.theme, scale)
        self._draw_with(self.style_)
        width = float(self.column_width)
        for item in self.items:
            self.queue.drop(item)
            item.restyle(self.style_)
            item.width = width
            item.height = item.height or item.estimate(width)
        self._tops.renewed(0)
        self.arrange(0.03)
        self._guess_soon(width)

    # Sections that change by themselves, and widgets in them ----------------------------------------------------------

    def _on_section(self, item: MessageItem, section: Section) -> None:
        """A section has another height: what stands at the top of the viewport stays there."""
        top, height = self.top_of(item), item.height
        bottom = section.y + section.height
        self._take_anchor()
        item.place()
        grown = item.height - height
        if top + bottom - grown <= 0 < top + height:
            self._anchor = (item, 0.0, top - grown)
        self.mark(item)
        self.arrange()

    def carry(self, item: MessageItem, section: HostedSection) -> None:
        """Give a message that is not laid out yet a section with a widget, as ``host`` does."""
        section.widget.setParent(self.viewport())
        self._hosting = [*(each for each in self._hosting if each is not item), item]
        item.extra[section.name] = section

    def _on_drawn(self, _kind: str, sources: Sources) -> None:
        """Some of what is drawn from a source is there now: it is shown, and what is read stays where it is."""
        self._take_anchor()
        first, _, top = self._anchor or (None, 0.0, 0.0)
        drawn = {item: moved for item in self._seen if (moved := item.redraw(-top, sources)) is not None}
        for item, moved in drawn.items():
            self.mark(item)
            if item is first:
                self._anchor = (item, 0.0, top - moved)
        if drawn:
            self.arrange()

    def host(self, item: MessageItem, section: Section) -> None:
        """Show a section of one's own in a message: instead of the one of that name, else below its parts."""
        if isinstance(section, HostedSection):
            self.carry(item, section)
        item.extra[section.name] = section
        self.renew(item)

    def unhost(self, item: MessageItem, name: str) -> None:
        """Take it away again, with its widget."""
        section = item.extra.pop(name, None)
        if isinstance(section, HostedSection):
            section.widget.hide()
            section.widget.deleteLater()
        item.ready = item.ready and not name.startswith("part")  # its blocks are still to be had
        self.renew(item)

    def renew(self, item: MessageItem) -> None:
        """Something else is true around the parts of a message."""
        self._take_anchor()
        item.refresh()
        self.mark(item)
        self.arrange()

    def _seat(self) -> None:
        """Put widgets where their sections stand."""
        for item, section in self._hosted():
            if self.item(item.message.id) is not item:  # others are on show
                if section.key_of(QApplication.focusWidget()) is not None:
                    self.focus_lost.emit()
                section.widget.deleteLater()
                continue
            x, y = self.column_left + round(section.x), round(self.top_of(item) + section.y)
            place = QRect(x, y, int(section.width), int(section.height))
            section.seat(place, seen=item.laid_out and place.intersects(self.viewport().rect()))
        self._hosting = [item for item in self._hosting if self.item(item.message.id) is item]

    def _hosted(self) -> list[tuple[MessageItem, HostedSection]]:
        every = ((item, section) for item in self._hosting for section in item.extra.values())
        return [(item, section) for item, section in every if isinstance(section, HostedSection)]

    def give_focus(self, item: MessageItem, key: str) -> None:
        """Let the keyboard be on a target, or in the widget that it is."""
        widget = item.widget_of(key)
        if widget is not None:
            widget.setFocus(Qt.FocusReason.TabFocusReason)
        elif not self.hasFocus():
            self.setFocus(Qt.FocusReason.OtherFocusReason)
        self.interaction.focus = (item.message.id, key)

    def _on_focus(self, _old: QWidget | None, now: QWidget | None) -> None:
        for item, section in self._hosted():
            key = section.key_of(now)
            if key is not None:
                self.interaction.focus = (item.message.id, section.name + key)

    def viewportEvent(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.LayoutRequest:
            for _, section in self._hosted():
                section.relaid()
        return super().viewportEvent(event)

    # Painting --------------------------------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        painter, area = QPainter(self.viewport()), event.rect()
        painter.fillRect(area, self.style_.color("window"))
        if self._held:
            return
        painter.setRenderHints(_SMOOTH)
        painter.setLayoutDirection(self.layoutDirection())
        x, top, bottom = float(self.column_left), float(area.top()), float(area.bottom() + 1)
        for item in self.visible_items():
            y = self.top_of(item)
            if y <= bottom and y + item.height >= top and item.laid_out:
                item.paint(painter, self.context(item), At(x, y, top, bottom))

    def context(self, item: MessageItem) -> PaintContext:
        """How a message is seen now."""
        key, now = item.message.id, self.interaction
        selected = now.selection.part_of(item.index, item.length) if item.laid_out else None
        return PaintContext(
            self.style_,
            self.devicePixelRatioF(),
            now.hover[1] if now.hover[0] == key else "",
            now.pressed[1] if now.pressed[0] == key else "",
            now.focus[1] if now.focus[0] == key and self.hasFocus() else "",
            frozenset(name for owner, name in now.copied if owner == key),
            now.hover[0] == key,
            (*self.matches.get(key, ()), Range(*selected)) if selected else self.matches.get(key, ()),
        )

    # Points ----------------------------------------------------------------------------------------------------------

    def hit(self, point: QPointF) -> tuple[MessageItem | None, QPointF]:
        """The message at the height of a point of the viewport, the nearest one outside, and the point in it."""
        if not self.items:
            return None, point
        index = self._measured().until(point.y() + self.scroll_value) - 1
        item = self.items[min(max(0, index), len(self.items) - 1)]
        return item, QPointF(point.x() - self.column_left, point.y() - self.top_of(item))

    def rect_of(self, item: MessageItem, rect: QRectF) -> QRect:
        """A rectangle of an item in the viewport's coordinates."""
        return rect.translated(self.column_left, self.top_of(item)).toAlignedRect()
