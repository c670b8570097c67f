"""The sections around the texts of a message: cut line, name line, reading progress."""

from __future__ import annotations

from PySide6.QtCore import QLineF, Qt
from PySide6.QtGui import QPainter, QPen

from qwen_desktop.ui import texts
from qwen_desktop.ui.chat.blocks import PaintContext
from qwen_desktop.ui.chat.blocks_draw import CENTRED, draw_icon, write
from qwen_desktop.ui.chat.blocks_flow import At
from qwen_desktop.ui.chat.blocks_style import elided, text_width
from qwen_desktop.ui.chat.section import Section
from qwen_desktop.ui.texts import fill, translate

#: Pixels of the line above which nothing was sent.
CUT_LINE = 44.0


class CutSection(Section):
    """A sentence in the middle of a thin rule: earlier messages were not sent."""

    heading = True

    def lay(self, width: float) -> None:
        self.width, self.height = width, CUT_LINE

    def paint(self, painter: QPainter, context: PaintContext, at: At) -> None:
        style, rect = self.style, self.box(at, 0, 0, self.width, self.height)
        font = style.font("caption")
        said = translate("transcript", "Earlier messages are not seen by the model: the context is full")
        text = elided(said, font, rect.width() - 40)
        half = text_width(text, font) / 2 + 12
        middle, centre = round(rect.center().y()) + 0.5, rect.center().x()
        painter.setPen(QPen(style.color("border_strong"), 1))
        for left, right in ((rect.left(), centre - half), (centre + half, rect.right())):
            painter.drawLine(QLineF(left, middle, right, middle))
        write(painter, style, rect, text, font, align=CENTRED)


class HeaderSection(Section):
    """Icon and the model's name; the guide carries a chip."""

    top_gap = 4.0  # a question keeps room for its actions below it
    heading = True

    def lay(self, width: float) -> None:
        self.width, self.height = width, self.style.px(24) + 4.0

    def paint(self, painter: QPainter, context: PaintContext, at: At) -> None:
        style, tall, size = self.style, self.height - 4, self.style.px(16)
        made = self.item.message.provenance
        guide = made is not None and made.guide
        icon = "book-open" if guide else "sparkles"
        draw_icon(painter, context, self.box(at, 0, 0, size, tall), icon, "text_muted", size=size)
        font, left = style.font("small", 600), size + 8.0
        speaker = elided(self.item.name, font, max(40.0, self.width - size - 140))
        write(painter, style, self.box(at, left, 0, self.width - left, tall), speaker, font)
        if guide:
            label = translate("transcript", "built-in guide")
            left += text_width(speaker, font) + 8
            font = style.font("caption")
            chip = self.box(at, left, 2, text_width(label, font) + 16, tall - 4)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(style.color("accent_soft"))
            painter.drawRoundedRect(chip, chip.height() / 2, chip.height() / 2)
            write(painter, style, chip, label, font, role="accent", align=CENTRED)


class ProgressSection(Section):
    """Reading the prompt: tokens done of total, the time left and a thin bar."""

    def lay(self, width: float) -> None:
        self.width, self.height = width, float(self.style.px(34))

    def text(self) -> str:
        """The sentence of the row."""
        read = self.item.run.read if self.item.run else None
        if read is None or not read.total:
            return translate("transcript", "Waiting for the first word…")
        text = fill(translate("transcript", "Reading {done} of {total} tokens"), done=read.done, total=read.total)
        if read.seconds_left is not None and read.seconds_left >= 1:
            text += " · " + texts.left(read.seconds_left)
        return text

    def paint(self, painter: QPainter, context: PaintContext, at: At) -> None:
        style = self.style
        place = self.box(at, 0, 0, self.width, self.height - 10)
        write(painter, style, place, self.text(), style.font("small"))
        read = self.item.run.read if self.item.run else None
        if read is not None and read.total:
            wide = min(self.width, 260.0)
            painter.setPen(Qt.PenStyle.NoPen)
            for length, color in ((wide, "border"), (max(4.0, wide * min(1.0, read.done / read.total)), "accent")):
                painter.setBrush(style.color(color))
                painter.drawRoundedRect(self.box(at, 0, self.height - 7, length, 4), 2, 2)
