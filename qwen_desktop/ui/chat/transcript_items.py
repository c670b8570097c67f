"""One message of the transcript: its parts placed below each other, painted, hit and estimated.

An item always has a height: a guess while it is not laid out (``ready`` False), the true one afterwards. ``ready``
says that the layout on show is that of the message, the style and the width as they are now, however it came about;
until then the body may be missing, plain text, or that of the message before. ``evict`` throws the layout away and
keeps the height.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QPainter, QPainterPath

from qwen_desktop.core.chat import Message, Status, Versions
from qwen_desktop.core.engine import FinishReason
from qwen_desktop.core.parts import Role, drawn_text, first_thoughts, thinking_text, visible_text
from qwen_desktop.jobs.markdown.blocks import Block, verbatim
from qwen_desktop.services.events import RunState
from qwen_desktop.ui.chat.blocks import TARGET, PaintContext, Target, quiet_button, translate
from qwen_desktop.ui.chat.blocks_body import Body
from qwen_desktop.ui.chat.blocks_flow import At
from qwen_desktop.ui.chat.blocks_style import Style
from qwen_desktop.ui.chat.selection import END
from qwen_desktop.ui.chat.transcript_parts import (
    MessageActions,
    MessageHeader,
    MessageNote,
    Progress,
    Thinking,
    hit,
    paint_cut_line,
)
from qwen_desktop.ui.chat.transcript_problem import ProblemCard

_BUBBLE = 600.0
_BUBBLE_PAD = 16.0
_BUBBLE_PAD_Y = 10.0
_CUT_LINE = 44.0


@dataclass(slots=True)
class Options:
    """What the view decides for all its items."""

    show_speed: bool = True
    open_thinking: bool = False


class MessageItem:
    """A message and, when it is near the viewport, its layout. Coordinates are relative to the column's left edge."""

    def __init__(self, message: Message, style: Style, options: Options) -> None:
        self.message = message
        self.index = 0
        self.ready = False
        self.pending = False
        self.height = 0.0
        self.width = 0.0
        self.cut_above = False
        self.last = False
        self.versions: Versions | None = None
        self.body: Body | None = None
        self.thinking: Thinking | None = None
        self.progress: Progress | None = None
        self.problem: ProblemCard | None = None
        self.header: MessageHeader | None = None
        self.actions: MessageActions | None = None
        self.notes: list[MessageNote] = []
        self.thinking_open: bool | None = None
        self.details_open = False
        self.wrapped: set[int] = set()
        self.used = 0
        self.run: RunState | None = None
        self._style = style
        self._options = options
        self._places: dict[str, float] = {}
        self._bubble = QRectF()
        self._cut_room = 0.0  # of the height

    # What it is ------------------------------------------------------------------------------------------------------

    @property
    def user(self) -> bool:
        """Whether the user wrote it."""
        return self.message.role is Role.USER

    @property
    def streaming(self) -> bool:
        """Whether it is still being written."""
        return self.message.status is Status.STREAMING

    @property
    def thinks(self) -> bool:
        """Whether the thinking with which it begins goes on."""
        thoughts = first_thoughts(self.message.parts)
        alone = bool(thoughts) and len(thoughts) == len(self.message.parts)
        return self.streaming and alone and thoughts[-1].seconds is None

    @property
    def name(self) -> str:
        """Who speaks, as the name line says it."""
        made = self.message.provenance
        if made is None:
            return translate("transcript", "Assistant")
        return translate("transcript", "Guide") if made.guide else made.model_name

    @property
    def source(self) -> str:
        """The message as Markdown, but for the thinking with which it begins."""
        return visible_text(self.message.parts) if self.user else drawn_text(self.message.parts)

    @property
    def rect(self) -> QRectF:
        """The item's own rectangle, from (0, 0)."""
        return QRectF(0, 0, self.width, self.height)

    # Heights ---------------------------------------------------------------------------------------------------------

    def estimate(self, width: float) -> float:
        """A guess at the height from the length of the text, without laying anything out."""
        style = self._style
        text = self.source
        line = style.line_height("message")
        room = (min(_BUBBLE, width) - 2 * _BUBBLE_PAD) if self.user else width
        per_line = max(8.0, room / (style.base_font("message").pixelSize() * 0.52))
        lines = text.count("\n") + math.ceil(len(text) / per_line) if text else 0
        if self.user:
            return 18 + max(1, lines) * line + 2 * _BUBBLE_PAD_Y + self._cut_height()
        extra = 16 + style.px(24) + 4 + 8 + style.px(32)
        if first_thoughts(self.message.parts):
            extra += style.px(40) + 10
        if self.message.problem is not None:
            extra += 110
        return extra + lines * line * 0.9 + self._cut_height()

    def _cut_height(self) -> float:
        return _CUT_LINE if self.cut_above else 0.0

    def guess(self, width: float) -> None:
        """Take an estimated height; keeps a true one of the same width."""
        if not self.ready and (self.width != width or not self.height):
            self.width = width
            self.height = self.estimate(width)
            self._cut_room = self._cut_height()

    def refresh(self) -> None:
        """Its versions, the cut above it, or whether it is the last answer have become others."""
        if self.actions is not None:
            self.actions.versions = self.versions
        self.height += self._cut_height() - self._cut_room
        self._cut_room = self._cut_height()
        if self.ready:
            self.place()

    def set_run(self, run: RunState | None) -> None:
        """How the answer is getting on: how far the question has been read, and since when it thinks."""
        self.run = run
        if self.progress is not None:
            self.progress.read = run.read if run is not None else None
        if self.thinking is not None:
            self.thinking.since = run.thinking_since if run is not None else None

    # Laying out ------------------------------------------------------------------------------------------------------

    def body_width(self, width: float) -> float:
        """Pixels that the text gets in a column of ``width``."""
        return min(_BUBBLE, width - 40) - 2 * _BUBBLE_PAD if self.user else width

    def steps(self, blocks: Iterator[Block | None], width: float) -> Iterator[None]:
        """Lay out in small steps; ready after the last. The old layout stays on show until then."""
        body = self.body or Body(self._style, self.wrapped)
        yield from body.steps(blocks, self.body_width(width))
        self.body = body
        self.finish(width)

    def lay_plain(self, width: float, most: int = 6000) -> None:
        """Show the first characters of the text without Markdown, at once, while the real layout is being made."""
        body = Body(self._style, self.wrapped)
        body.set_blocks(list(verbatim(self.source[:most])), self.body_width(width))
        height = self.height
        self.body = body
        self.finish(width)
        self.ready = False
        self.height = max(height, self.height)

    def finish(self, width: float) -> None:
        """Make the parts around the body and place all of them; the item is ready afterwards."""
        self.width = width
        if self.body is None:
            self.body = Body(self._style, self.wrapped)
        if not self.user:
            self._make_parts()
        self.place()
        self.ready = True

    def _make_parts(self) -> None:
        style, message = self._style, self.message
        made = message.provenance
        self.header = MessageHeader(style, self.name, guide=made is not None and made.guide)
        parts = first_thoughts(message.parts)
        text = thinking_text(parts)
        if text or (parts and parts[0].seconds):
            if self.thinking is None:
                opened = self._options.open_thinking if self.thinking_open is None else self.thinking_open
                self.thinking = Thinking(style, text, opened=opened)
            self.thinking.text = text
            self.thinking.running = self.thinks
            if parts[0].seconds is not None:
                self.thinking.seconds = sum(part.seconds or 0.0 for part in parts)
                self.thinking.tokens = sum(part.tokens or 0 for part in parts)
            elif not self.streaming:  # it was cut off: what the clock said meanwhile is stored nowhere
                self.thinking.seconds = self.thinking.tokens = None
        else:
            self.thinking = None
        self.notes = [MessageNote(style, icon, said) for icon, said in self._said()]
        if message.problem is not None and message.status is not Status.STREAMING:
            self.problem = ProblemCard(style, message.problem)
            self.problem.details_open = self.details_open
        else:
            self.problem = None
        if self.streaming:
            self.actions = None
            if not self.source and not text:
                self.progress = self.progress or Progress(style)
            else:
                self.progress = None
            self.set_run(self.run)
        else:
            self.progress = None
            self.actions = MessageActions(style)
            self.actions.versions = self.versions
            self.actions.stats = message.stats if self._options.show_speed else None

    def _said(self) -> list[tuple[str, str]]:
        message = self.message
        if message.status is Status.STOPPED:
            return [("square", translate("transcript", "Stopped"))]
        if message.status is Status.INTERRUPTED:
            return [("info", translate("transcript", "Qwen Desktop ended while this answer ran"))]
        if message.finish_reason is FinishReason.LENGTH:
            stats = message.stats
            if stats is not None and stats.context_size and stats.context_used >= stats.context_size - 8:
                return [("info", translate("transcript", "The answer ends here: the context is full"))]
            return [("info", translate("transcript", "The answer reached the longest length"))]
        return []

    def place(self) -> None:
        """Compute where each part stands, and the height."""
        places: dict[str, float] = {}
        body = self.body
        assert body is not None  # noqa: S101 - callers lay out first
        y = self._cut_room = self._cut_height()
        if self.user:
            y += 18
            wide = min(body.width, max(24.0, math.ceil(body.natural) + 1))
            bubble = wide + 2 * _BUBBLE_PAD
            tall = max(body.height, self._style.line_height("message")) + 2 * _BUBBLE_PAD_Y
            self._bubble = QRectF(self.width - bubble, y, bubble, tall)
            places["body"] = y + _BUBBLE_PAD_Y
            self._places, self.height = places, y + tall + 2
            return
        style = self._style
        y += 16
        places["header"] = y
        y += style.px(24) + 4
        filled = False
        if self.progress is not None:
            places["progress"] = y
            y += self.progress.height
            filled = True
        if self.thinking is not None:
            self.thinking.lay(self.width)
            places["thinking"] = y
            y += self.thinking.height
            filled = True
        if body.layouts and body.height:
            y += 10 if filled else 0
            places["body"] = y
            y += body.height
            filled = True
        for number, note in enumerate(self.notes):
            note.lay(self.width)
            y += 8 if filled else 0
            places[f"note{number}"] = y
            y += note.height
            filled = True
        if self.problem is not None:
            self.problem.lay(self.width)
            y += 10 if filled else 0
            places["problem"] = y
            y += self.problem.height
        y += 8
        places["actions"] = y
        y += style.px(32)
        self._places, self.height = places, y

    @property
    def body_origin(self) -> QPointF:
        """Where the body's (0, 0) is in the item."""
        if self.user:
            return QPointF(self._bubble.left() + _BUBBLE_PAD, self._bubble.top() + _BUBBLE_PAD_Y)
        return QPointF(0, self._places.get("body", 0.0))

    def body_y(self, number: int) -> float:
        """The y of block ``number``, or of the nearest one there is."""
        if self.body is None or not self.body.layouts:
            return 0.0
        return self.body_origin.y() + self.body.layouts[max(0, min(number, len(self.body.layouts) - 1))].y

    def evict(self) -> None:
        """Throw the layout away, keep the height."""
        self.body = None
        self.thinking = None
        self.progress = None
        self.problem = None
        self.header = None
        self.actions = None
        self.notes = []
        self.ready = False
        self.pending = False

    def restyle(self, style: Style) -> None:
        """Fonts, colours or sizes changed: nothing of the layout can stay."""
        self._style = style
        self.evict()
        self.height = 0.0

    # Painting --------------------------------------------------------------------------------------------------------

    def paint(
        self,
        painter: QPainter,
        context: PaintContext,
        at: At,
        selected: tuple[int, int] | None,
    ) -> None:
        """Draw at ``at``."""
        x, y = at.x, at.y
        if self.cut_above:
            paint_cut_line(painter, self._style, QRectF(x, y, self.width, _CUT_LINE))
        body = self.body
        if body is None:
            return
        origin = self.body_origin
        if self.user:
            self._paint_bubble(painter, x, y)
            if context.message_hover or context.focus:
                for target in self.targets():
                    if target.key == "copy":
                        quiet_button(painter, context, target.rect.translated(x, y), "copy", "copy")
        else:
            self._paint_parts(painter, context, at)
        if self.user or "body" in self._places:
            body.paint(painter, context, at.moved(origin.x(), origin.y()), selected)

    def _paint_bubble(self, painter: QPainter, x: float, y: float) -> None:
        r = self._bubble.translated(x, y)
        big, small = 14.0, 4.0
        path = QPainterPath()
        path.moveTo(r.left() + big, r.top())
        path.lineTo(r.right() - big, r.top())
        path.quadTo(r.right(), r.top(), r.right(), r.top() + big)
        path.lineTo(r.right(), r.bottom() - small)
        path.quadTo(r.right(), r.bottom(), r.right() - small, r.bottom())
        path.lineTo(r.left() + big, r.bottom())
        path.quadTo(r.left(), r.bottom(), r.left(), r.bottom() - big)
        path.lineTo(r.left(), r.top() + big)
        path.quadTo(r.left(), r.top(), r.left() + big, r.top())
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self._style.color("user_message"))
        painter.drawPath(path)

    def _paint_parts(self, painter: QPainter, context: PaintContext, at: At) -> None:
        places = self._places
        x, y = at.x, at.y
        if self.header is not None:
            self.header.paint(painter, context, x, y + places["header"], self.width)
        if self.progress is not None and "progress" in places:
            self.progress.paint(painter, context, x, y + places["progress"], self.width)
        if self.thinking is not None and "thinking" in places:
            self.thinking.paint(painter, context, at.moved(0, places["thinking"]))
        for number, note in enumerate(self.notes):
            note.paint(painter, context, at.moved(0, places[f"note{number}"]))
        if self.problem is not None:
            self.problem.paint(painter, context, at.moved(0, places["problem"]))
        if self.actions is not None and self.actions_shown(context):
            # The icons, not their surfaces, stand on the column's edge.
            self.actions.paint(painter, context, x, y + places["actions"], self.width)

    def actions_shown(self, context: PaintContext) -> bool:
        """Actions show on the last answer, under the pointer and while the keyboard is on the message."""
        return self.last or context.message_hover or bool(context.focus) or bool(context.copied)

    # Targets ---------------------------------------------------------------------------------------------------------

    def targets(self) -> list[Target]:
        """Everything that can be clicked or reached with Tab, in reading order."""
        found: list[Target] = []
        if self.body is None:
            return found
        origin = self.body_origin
        body = [target.moved(origin.x(), origin.y()) for target in self.body.targets()]
        if self.user:
            rect = QRectF(self._bubble.left() - TARGET - 6, self._bubble.bottom() - TARGET - 4, TARGET, TARGET)
            return [*body, Target("copy", "copy", "", rect, translate("transcript", "Copy message"))]
        places = self._places
        groups: list[tuple[str, Callable[[], list[Target]] | None]] = [
            ("thinking", self.thinking.targets if self.thinking else None),
            ("body", lambda: []),
            ("problem", self.problem.targets if self.problem else None),
            ("actions", self.actions.targets if self.actions else None),
        ]
        for name, ask in groups:
            if name == "body":
                found += body
            elif ask is not None and name in places:
                found += [target.moved(0, places[name]) for target in ask()]
        return [target for target in found if target.action != "version" or target.value]

    def target_at(self, point: QPointF) -> Target | None:
        """The target under a point of the item."""
        return hit(self.targets(), point)

    # Selecting -------------------------------------------------------------------------------------------------------

    def offset_at(self, point: QPointF) -> int:
        """Offset in the projection nearest to a point of the item.

        While that is not laid out, only its two ends are known: places in plain text on show are others than those in
        the projection.
        """
        if self.body is None or not self.ready:
            return 0 if point.y() < self.height / 2 else END
        inside = point - self.body_origin
        if inside.y() < 0:
            return 0
        if inside.y() > self.body.height:
            return self.body.length
        return self.body.offset_at(inside.x(), inside.y())
