"""Something attached to a message: a card above its bubble that opens to be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF
from PySide6.QtGui import QPainter

from qwen_desktop.core.drafts import is_pasted
from qwen_desktop.core.parts import FilePart, Part
from qwen_desktop.ui.chat.blocks import PaintContext, Target, focus_ring
from qwen_desktop.ui.chat.blocks_draw import card, draw_icon
from qwen_desktop.ui.chat.blocks_flow import At
from qwen_desktop.ui.chat.blocks_style import text_width
from qwen_desktop.ui.chat.chips import described
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

    def __init__(self, item: MessageItem, name: str, part: FilePart) -> None:
        super().__init__(item, name)
        self.kind = FilePart
        self.top_gap = 18.0 if name == "part0." else 8.0
        self._part = part
        self._icon, self._name, self._facts = described(part)
        said = translate("transcript", "Pasted text: {name}") if is_pasted(part) else "{name}"
        #: What it is called where it cannot be seen.
        self.label = f"{fill(said, name=self._name)}, {self._facts}"
        self.spoken = fill(translate("transcript", "Attached: {what}"), what=self.label)

    def take(self, part: Part) -> bool:
        return part == self._part

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
        """The card, where there is something to read."""
        place = self.placed(self._card)
        read = fill(translate("transcript", "Read {what}"), what=self.label)
        return [Target("file", "file", self.name, place, read)] if self._part.text else []
