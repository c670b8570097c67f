"""One message of the transcript: its sections stacked, painted, hit and estimated.

An item always has a height: a guess while it is not laid out (``ready`` False), the true one afterwards. ``ready``
says that the layout on show is that of the message, the style and the width as they are now, however it came about;
until then there may be none, plain text, or that of the message before. ``evict`` throws the layout away and keeps the
height, what the user has opened, and widgets.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QPainter, QPainterPath
from PySide6.QtWidgets import QWidget

from qwen_desktop.core.chat import Message, Status, Versions
from qwen_desktop.core.parts import (
    AudioPart,
    FilePart,
    ImagePart,
    Part,
    Role,
    TextPart,
    ThinkingPart,
    code_text,
    markdown_text,
)
from qwen_desktop.jobs.markdown.blocks import Block, verbatim
from qwen_desktop.services.events import RunState
from qwen_desktop.ui.chat.blocks import TARGET, Directed, Layout, PaintContext, Target
from qwen_desktop.ui.chat.blocks_flow import At, Sources
from qwen_desktop.ui.chat.blocks_style import Style
from qwen_desktop.ui.chat.section import HostedSection, Options, Section
from qwen_desktop.ui.chat.section_actions import ActionsSection
from qwen_desktop.ui.chat.section_chrome import CUT_LINE, CutSection, HeaderSection, ProgressSection
from qwen_desktop.ui.chat.section_file import FileSection
from qwen_desktop.ui.chat.section_notes import notes_of
from qwen_desktop.ui.chat.section_problem import ProblemSection
from qwen_desktop.ui.chat.section_text import TextSection
from qwen_desktop.ui.chat.section_thinking import ThinkingSection
from qwen_desktop.ui.chat.selection import END
from qwen_desktop.ui.chat.targets import Targets
from qwen_desktop.ui.texts import translate

_BUBBLE = 600.0
_BUBBLE_PAD = 16.0
_BUBBLE_PAD_Y = 10.0
_BUBBLE_GAP = 18.0
#: Between the bubble and its actions.
_UNDER = 2.0
#: Below the box in which the user's words are edited.
_BELOW_EDIT = 14.0
#: Between what is attached and the bubble.
_FILE_GAP = 8.0
#: What is painted beside its own rectangle: a focus ring.
_AROUND = 8.0


#: Parts that are cards above a message.
_FILES = (FilePart, ImagePart, AudioPart)


class MessageItem(Directed):
    """A message and, when it is near the viewport, its layout. Coordinates are relative to the column's left edge."""

    #: Its place in the transcript.
    index = 0
    height = 0.0
    ready = pending = False
    #: Whether the context began to be full here, and whether nothing follows.
    cut_above = last = False
    #: Characters of the projection.
    length = 0
    versions: Versions | None = None
    run: RunState | None = None
    _targets: Targets | None = None

    def __init__(self, message: Message, style: Style, options: Options) -> None:
        self.message = message
        #: From top to bottom; empty without a layout.
        self.sections: list[Section] = []
        #: What the user has opened, folded or wrapped, by the target's key.
        self.folds: dict[str, bool] = {}
        #: Sections in place of those of the same name ("part0."), or below the parts; they outlive the layout.
        self.extra: dict[str, Section] = {}
        self.style = style
        self.options = options
        self._bubble = QRectF()
        self._outline: QPainterPath | None = None

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
    def thinks(self) -> ThinkingPart | None:
        """The thought that goes on."""
        last = self.message.parts[-1] if self.streaming and self.message.parts else None
        return last if isinstance(last, ThinkingPart) and last.seconds is None else None

    @property
    def edited(self) -> bool:
        """Whether its words are being edited, in a widget in their place."""
        return any(section.edits for section in self.extra.values())

    @property
    def name(self) -> str:
        """Who speaks, as the name line says it."""
        made = self.message.provenance
        if made is None:
            return translate("transcript", "Assistant")
        return translate("transcript", "Guide") if made.guide else made.model_name

    @property
    def source(self) -> str:
        """The message as Markdown, without its thinking."""
        return markdown_text(self.message.parts)

    @property
    def block_count(self) -> int:
        """How many blocks are laid out in it."""
        return sum(len(section.layouts) for section in self.sections if isinstance(section, TextSection))

    @property
    def rect(self) -> QRectF:
        """The item's own rectangle, from (0, 0)."""
        return QRectF(0, 0, self.width, self.height)

    @property
    def laid_out(self) -> bool:
        """Whether there is something to paint, be it not yet what it will be."""
        return bool(self.sections)

    # Heights ---------------------------------------------------------------------------------------------------------

    def estimate(self, width: float) -> float:
        """A guess at the height from the length of the text, without laying anything out."""
        style = self.style
        text = self.source
        line = style.line_height("message")
        room = (min(_BUBBLE, width) - 2 * _BUBBLE_PAD) if self.user else width
        per_line = max(8.0, room / (style.base_font("message").pixelSize() * 0.52))
        lines = text.count("\n") + math.ceil(len(text) / per_line) if text else 0
        cut = CUT_LINE if self.cut_above else 0.0
        if self.user:
            cut += sum(
                style.px(36) + 8 for part in self.message.parts if isinstance(part, FilePart | ImagePart | AudioPart)
            )
            return _BUBBLE_GAP + max(1, lines) * line + 2 * _BUBBLE_PAD_Y + _UNDER + style.px(TARGET) + cut
        extra = HeaderSection.top_gap + style.px(24) + 4 + 8 + style.px(32)
        extra += sum(style.px(40) + 10 for part in self.message.parts if isinstance(part, ThinkingPart))
        if self.message.problem is not None:
            extra += 110
        return extra + lines * line * 0.9 + cut

    def guess(self, width: float) -> None:
        """Take an estimated height; keeps a true one of the same width."""
        if not self.ready and (self.width != width or not self.height):
            self.width = width
            self.height = self.estimate(width)

    def set_run(self, run: RunState | None) -> None:
        """How the answer is getting on: how far the question has been read, and since when it thinks."""
        self.run = run
        self._targets = None

    # Laying out ------------------------------------------------------------------------------------------------------

    def part(self, number: int) -> Section | None:
        """The section of a part, if it has one."""
        name = f"part{number}."
        return next((section for section in self.sections if section.name == name), None)

    def steps(self, blocks: Mapping[int, Iterable[Block | None]], width: float) -> Iterator[None]:
        """Lay out in small steps, given the blocks of the parts that are text; ready after the last. The old layout
        stays on show until then."""
        made: list[tuple[TextSection, list[Layout]]] = []
        wide = self._text_width(width)
        for number, some in blocks.items():
            known = self.part(number)
            section = known if isinstance(known, TextSection) else TextSection(self, f"part{number}.", TextPart)
            made.append((section, (yield from section.prepared(some, wide))))
        for section, layouts in made:
            section.show(layouts, wide)
        self.finish(width, [section for section, _ in made])

    def lay_plain(self, width: float, most: int = 6000) -> None:
        """Show the first characters of the text without Markdown, at once, while the real layout is being made."""
        made: list[TextSection] = []
        for number, part in enumerate(self.message.parts):
            if isinstance(part, TextPart):
                section = TextSection(self, f"part{number}.", TextPart)
                section.lay(self._text_width(width))
                section.set_blocks(list(verbatim(part.text[:most])))
                most = max(0, most - len(part.text))
                made.append(section)
        height = self.height
        self.finish(width, made)
        self.ready = False
        self.height = max(height, self.height)

    def refresh(self) -> None:
        """What stands around the parts may be another one now, or a part of another kind: make it anew."""
        if self.sections:
            ready = self.ready
            self.finish(self.width)
            self.ready = ready
        elif self.height:
            self.height = self.estimate(self.width)

    def redraw(self, y: float, sources: Sources = None) -> float | None:
        """Show what has been drawn of ``sources`` since it was laid out: by how many pixels what stood at ``y`` stands
        lower now. None where it waited for nothing."""
        moved = [by for section in self.sections if (by := section.redraw(y - section.y, sources)) is not None]
        if not moved:
            return None
        self.place()
        return sum(moved)

    def finish(self, width: float, fresh: Iterable[Section] = ()) -> None:
        """Stack the sections that the message has now, keeping those that fit and taking the ``fresh`` ones; ready
        afterwards."""
        self.width = width
        known = {section.name: section for section in (*self.sections, *fresh)}
        self.sections = list(self._stacked(known))
        for section in self.sections:
            section.lay(width if section.heading or section.full else self._text_width(width))
        self.place()
        self.ready = True

    def _text_width(self, width: float) -> float:
        return min(_BUBBLE, width - 40) - 2 * _BUBBLE_PAD if self.user else width

    def _stacked(self, known: Mapping[str, Section]) -> Iterator[Section]:
        message = self.message
        if self.cut_above:
            yield CutSection(self)
        if not self.user:
            yield HeaderSection(self)
        parts = [self._of_part(number, part, known) for number, part in enumerate(message.parts)]
        yield from sorted(filter(None, parts), key=lambda section: not section.heading)
        yield from (section for name, section in self.extra.items() if not name.startswith("part"))
        if not self.user and self.streaming and not any(parts):
            yield ProgressSection(self)
        if not self.user and not self.edited:
            yield from notes_of(self)
            if message.problem is not None and not self.streaming:
                yield ProblemSection(self, message.problem)
        if not self.edited:
            yield ActionsSection(self, "actions.")

    def _of_part(self, number: int, part: Part, known: Mapping[str, Section]) -> Section | None:
        name = f"part{number}."
        if name in self.extra:
            return self.extra[name]
        if self.edited and isinstance(part, TextPart):
            return None  # its words stand in the widget that edits them
        if isinstance(part, _FILES):
            file = known.get(name)
            return file if isinstance(file, FileSection) and file.take(part) else FileSection(self, name, part)
        if isinstance(part, ThinkingPart):
            shown = bool(part.text or part.seconds)
        elif isinstance(part, TextPart):
            shown = bool(part.text) or not self.streaming
        else:
            shown = code_text(part) is not None
        if not shown:
            return None
        section = known.get(name)
        if section is None or not section.take(part):
            thought = isinstance(part, ThinkingPart)
            section = ThinkingSection(self, name) if thought else TextSection(self, name, type(part))
            section.lay(self._text_width(self.width))
            section.take(part)
        return section

    def place(self) -> None:
        """Compute where each section stands and where its text begins in the message's, and the height."""
        self._targets = None
        if self.user:
            self._place_bubble()
        else:
            self.height = _stack(self.sections, 0.0, 0.0)
        self.length = 0
        for section in self.sections:
            section.start = self.length + 2 if self.length else 0
            self.length = section.start + section.length if section.length else self.length

    def _place_bubble(self) -> None:
        heads = [section for section in self.sections if section.heading]
        texts = [section for section in self.sections if not section.heading and not section.full]
        below = [section for section in self.sections if section.full]
        filed = bool(heads) and isinstance(heads[-1], FileSection)
        y = _stack(heads, 0.0, 0.0)
        self._outline, self._bubble = None, QRectF()
        if texts or not (filed or self.edited):
            y = self._surround(texts, y + (_FILE_GAP if filed else _BUBBLE_GAP))
        elif self.edited:
            y += (_FILE_GAP if filed else _BUBBLE_GAP) - _UNDER
        self.height = _stack(below, 0.0, y + _UNDER) + (_BELOW_EDIT if self.edited else 0.0)

    def _surround(self, texts: list[Section], y: float) -> float:
        """Put sections into the bubble; the y below it."""
        most = self._text_width(self.width)
        wide = min(most, max(24.0, math.ceil(max((section.natural for section in texts), default=0.0)) + 1))
        start = self.width - wide - 2 * _BUBBLE_PAD
        bubble = self.placed(QRectF(start, y, wide + 2 * _BUBBLE_PAD, 0))
        shifts = [section.hug(wide) for section in texts]
        bottom = _stack(texts, bubble.left() + _BUBBLE_PAD, y + _BUBBLE_PAD_Y)
        for section, shift in zip(texts, shifts, strict=True):
            section.x += shift
        tall = max(bottom - y - _BUBBLE_PAD_Y, self.style.line_height("message")) + 2 * _BUBBLE_PAD_Y
        bubble.setHeight(tall)
        self._bubble = bubble
        return y + tall

    def _rounded(self, r: QRectF) -> QPainterPath:
        """A rounded rectangle whose corner at the end, below, is nearly sharp; in the middle of an edge's pixels."""
        if self.style.theme.edge("user_message") != self.style.color("user_message"):
            r = r.adjusted(0.5, 0.5, -0.5, -0.5)
        left, top, right, bottom = r.left(), r.top(), r.right(), r.bottom()
        first, last = (4.0, 14.0) if self.rtl else (14.0, 4.0)
        path = QPainterPath(QPointF(left + 14, top))
        path.lineTo(right - 14, top)
        path.quadTo(right, top, right, top + 14)
        path.lineTo(right, bottom - last)
        path.quadTo(right, bottom, right - last, bottom)
        path.lineTo(left + first, bottom)
        path.quadTo(left, bottom, left, bottom - first)
        path.lineTo(left, top + 14)
        path.quadTo(left, top, left + 14, top)
        return path

    def evict(self) -> None:
        """Throw the layout away, keep the height."""
        self.sections = []
        self._targets = None
        self.ready = self.pending = False

    def restyle(self, style: Style) -> None:
        """Fonts, colours or sizes changed: nothing of the layout can stay."""
        self.style = style
        for section in self.extra.values():
            section.style = style
        self.evict()

    def toggle(self, key: str) -> None:
        """Open, fold or wrap what the target with this key stands for."""
        section = self._owner(key)
        if section is not None:
            section.toggle(key.removeprefix(section.name))
            self.place()

    def _owner(self, key: str) -> Section | None:
        return next((section for section in self.sections if section.name and key.startswith(section.name)), None)

    def block_of(self, key: str) -> Block | None:
        """The block that a target belongs to."""
        section = self._owner(key)
        return section.block_of(key.removeprefix(section.name)) if isinstance(section, TextSection) else None

    def footnote_text(self, target: Target) -> str:
        """What the footnote says first that a target leads to."""
        section = self._owner(target.key)
        return section.footnote_text(target.value) if isinstance(section, TextSection) else ""

    def reveal(self, key: str) -> None:
        """Scroll the block that a target belongs to sideways so that it is in view."""
        section = self._owner(key)
        if isinstance(section, TextSection):
            section.reveal(key.removeprefix(section.name))
            self._targets = None

    def scroll_target(self, key: str, dx: float) -> bool:
        """Scroll the block that a target belongs to sideways; False when there is nothing to scroll."""
        section = self._owner(key)
        self._targets = None
        return isinstance(section, TextSection) and section.scroll_target(key.removeprefix(section.name), dx)

    def widget_of(self, key: str) -> QWidget | None:
        """The widget that a target stands for, if it is one."""
        section = self._owner(key)
        return section.widget_of(key.removeprefix(section.name)) if isinstance(section, HostedSection) else None

    # Painting --------------------------------------------------------------------------------------------------------

    def paint(self, painter: QPainter, context: PaintContext, at: At) -> None:
        """Draw at ``at`` what can be seen there."""
        if self.user and not self._bubble.isEmpty():
            self._paint_bubble(painter, at)
        for section in self.sections:
            y = at.y + section.y
            if y - _AROUND < at.bottom and y + section.height + _AROUND > at.top and section.visible(context):
                inner = context.of(section.name, section.start, section.length)
                section.paint(painter, inner, at.moved(section.x, section.y))

    def _paint_bubble(self, painter: QPainter, at: At) -> None:
        ground, edge = self.style.color("user_message"), self.style.theme.edge("user_message")
        painter.setPen(Qt.PenStyle.NoPen if edge == ground else edge)
        painter.setBrush(ground)
        if self._outline is None:
            self._outline = self._rounded(self._bubble)
        painter.drawPath(self._outline.translated(at.x, at.y))

    # Asking ----------------------------------------------------------------------------------------------------------

    def targets(self) -> Targets:
        """Everything that can be clicked or reached with Tab, in reading order."""
        if self._targets is None:
            self._targets = Targets(
                target.moved(section.x, section.y, section.name)
                for section in self.sections
                for target in section.targets()
            )
        return self._targets

    def target_at(self, point: QPointF, context: PaintContext | None = None) -> Target | None:
        """The target under a point of the item; given its ``context``, only one that is on show in it."""
        shown = (section for section in self.sections if context is None or section.visible(context))
        found = (
            target.moved(section.x, section.y, section.name)
            for section in shown
            for target in section.targets_at(point.x() - section.x, point.y() - section.y)
        )
        return next((target for target in found if target.contains(point)), None)

    def stale(self) -> None:
        """What targets are called, or where they stand, is another thing now."""
        self._targets = None

    def projection(self) -> str:
        """The plain text that selections count in: what is selected and copied."""
        return "\n\n".join(filter(None, (section.projection() for section in self.sections)))

    def offset_at(self, point: QPointF) -> int:
        """Offset in the projection nearest to a point of the item.

        While that is not laid out, only its two ends are known: places in plain text on show are others than those in
        the projection.
        """
        if not self.ready:
            return 0 if point.y() < self.height / 2 else END
        offset = 0
        for section in self.sections:
            y = point.y() - section.y
            if y < 0 or not section.length:
                continue
            inside = section.length if y > section.height else section.offset_at(point.x() - section.x, y)
            offset = section.start + min(max(0, inside), section.length)
        return offset

    def text_at(self, point: QPointF) -> bool:
        """Whether there is text at a point that can be selected."""
        return any(
            section.length and QRectF(section.x, section.y, section.width, section.height).contains(point)
            for section in self.sections
        )

    def wheel(self, point: QPointF, dx: float) -> bool:
        """Scroll what is under a point sideways; False when there is nothing to scroll."""
        for section in self.sections:
            if 0 <= point.y() - section.y <= section.height:
                self._targets = None
                return section.wheel(point.x() - section.x, point.y() - section.y, dx)
        return False

    def formula_at(self, point: QPointF) -> str:
        """The LaTeX of the formula at a point of the item, "" where there is none."""
        found = (section.formula_at(point.x() - section.x, point.y() - section.y) for section in self.sections)
        return next(filter(None, found), "")

    def spoken(self) -> list[str]:
        """What a screen reader says after the message's text."""
        return [said for section in self.sections if (said := section.spoken)]


def _stack(sections: Iterable[Section], x: float, y: float) -> float:
    """Put sections below each other; the y below the last."""
    filled = False
    for section in sections:
        section.x, section.y = x, y
        if section.height:
            section.y += section.gap if filled else section.top_gap
            y = section.y + section.height
            filled = filled or not section.heading
    return y
