"""Something attached to a message: a card above its bubble that opens to be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF
from PySide6.QtGui import QPainter

from qwen_desktop.core.drafts import is_pasted
from qwen_desktop.core.parts import AudioPart, FilePart, ImagePart, Part
from qwen_desktop.services.token_counts import Count
from qwen_desktop.ui.chat.attachment_chips import described
from qwen_desktop.ui.chat.blocks import PaintContext, Target, focus_ring
from qwen_desktop.ui.chat.blocks_draw import card, draw_icon
from qwen_desktop.ui.chat.blocks_flow import At
from qwen_desktop.ui.chat.blocks_style import text_width
from qwen_desktop.ui.chat.section import Section
from qwen_desktop.ui.texts import fill, translate
from qwen_desktop.ui.widgets.labels import draw_line

if TYPE_CHECKING:
    from qwen_desktop.ui.chat.transcript_items import MessageItem

_PAD, _GAP = 12.0, 10.0
#: Widths of the card and of the name in it at most, in px.
_WIDEST, _NAME = 600.0, 260.0


class FileSection(Section):
    """Name and facts of one attachment, at the end edge."""

    heading = True

    def __init__(self, item: MessageItem, name: str, part: FilePart | ImagePart | AudioPart) -> None:
        super().__init__(item, name)
        self.kind = type(part)
        self.top_gap = 18.0 if name == "part0." else 8.0
        self._part = part
        self._count: Count | None = None
        self._describe()

    def _describe(self) -> None:
        part = self._part
        tokens = self.item.options.tokens
        self._count = tokens(part) if tokens is not None and isinstance(part, FilePart) else None
        self._icon, self._name, self._facts = described(part, self._count)
        said = translate("transcript", "Pasted text: {name}") if is_pasted(part) else "{name}"
        #: What it is called where it cannot be seen.
        self.label = ", ".join(filter(None, (fill(said, name=self._name), self._facts)))
        self.spoken = fill(translate("transcript", "Attached: {what}"), what=self.label)

    def take(self, part: Part) -> bool:
        if part != self._part:
            return False
        tokens = self.item.options.tokens
        if tokens is not None and isinstance(part, FilePart) and tokens(part) != self._count:
            self._describe()
        return True

    @property
    def _readable(self) -> bool:
        return isinstance(self._part, FilePart) and bool(self._part.text)

    @property
    def _opens(self) -> bool:
        return self._readable or bool(self._part.sha256)

    def lay(self, width: float) -> None:
        style = self.style
        self.width, self.height = width, float(style.px(36))
        self._name_width = min(_NAME, text_width(self._name, style.font("small", 600)) + 1)
        facts = text_width(self._facts, style.font("small")) + 1
        wide = _PAD + style.px(16) + _GAP + self._name_width + _GAP + facts + _PAD
        self.wide = min(wide, _WIDEST, max(40.0, width - 40))

    @property
    def _card(self) -> QRectF:
        return QRectF(self.width - self.wide, 0, self.wide, self.height)

    def paint(self, painter: QPainter, context: PaintContext, at: At) -> None:
        style, place, size = self.style, self._card, self.style.px(16)
        frame = self.box(at, place.x(), 0, place.width(), place.height())
        hot = "file" in (context.hover, context.pressed)
        card(painter, frame, style.color("hover" if hot else "surface"), style.color("border"), 10)
        left, right = place.left() + _PAD, place.right() - _PAD
        draw_icon(painter, context, self.box(at, left, 0, size, self.height), self._icon, "text_muted", size=size)
        left += size + _GAP
        painter.setFont(style.font("small", 600))
        painter.setPen(style.color("text"))
        wide = min(self._name_width, right - left)
        draw_line(painter, self.box(at, left, 0, wide, self.height), self._name)
        left += wide + _GAP
        if right - left > size:
            painter.setFont(style.font("small"))
            painter.setPen(style.color("text_muted"))
            draw_line(painter, self.box(at, left, 0, right - left, self.height), self._facts)
        if context.focus == "file":
            focus_ring(painter, context, frame)

    def targets(self) -> list[Target]:
        """The card, where there is something to read, to see or to save."""
        place = self.placed(self._card)
        open_ = translate("transcript", "Read {what}") if self._readable else translate("transcript", "Open {what}")
        read = fill(open_, what=self.label)
        return [Target("file", "file", self.name, place, read)] if self._opens else []
