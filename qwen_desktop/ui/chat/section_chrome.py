"""The sections around the texts of a message: cut line, name line, thinking, reading progress."""

from __future__ import annotations

import time

from PySide6.QtCore import QLineF, QRectF, Qt
from PySide6.QtGui import QPainter, QPen

from qwen_desktop.core.parts import Part, ThinkingPart
from qwen_desktop.ui import texts
from qwen_desktop.ui.chat.blocks import TARGET, PaintContext, Target, focus_ring
from qwen_desktop.ui.chat.blocks_draw import CENTRED, card, draw_icon, quiet_button, write
from qwen_desktop.ui.chat.blocks_flow import At, TextFlow, plain_runs
from qwen_desktop.ui.chat.blocks_style import elided, text_width
from qwen_desktop.ui.chat.section import Section
from qwen_desktop.ui.chat.section_actions import AT_ONCE_S
from qwen_desktop.ui.texts import fill, translate
from qwen_desktop.ui.widgets.labels import draw_line

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


class ThinkingSection(Section):
    """A thought: one bordered line that opens."""

    part = ThinkingPart("")
    _flow: TextFlow | None = None

    @property
    def unfolded(self) -> bool:
        return self.item.options.open_thinking

    def take(self, part: Part) -> bool:
        if not isinstance(part, ThinkingPart):
            return False
        self.part = part
        self.lay(self.width)
        return True

    @property
    def bar(self) -> float:
        """Height of the line itself."""
        return float(self.style.px(40))

    def lay(self, width: float) -> None:
        self.width, self.height = width, self.bar
        self._flow = (self._flow or TextFlow(self.style, "thinking")) if self.opened("thinking") else None
        if self._flow is not None:
            self._flow.set_runs(plain_runs(self.part.text.strip()), max(60.0, width - 2 * 16))
            self.height += self._flow.height + 14

    def title(self) -> tuple[str, str]:
        """The line's words and the quiet part behind them."""
        text, seconds, tokens = self.part.text, self.part.seconds, self.part.tokens
        if self.item.thinks is self.part:
            since = self.item.run.thinking_since if self.item.run else None
            clock = texts.duration(int(time.monotonic() - since) if since else 0)
            last = next((line.strip() for line in reversed(text[-600:].split("\n")) if line.strip()), "")
            return fill(translate("transcript", "Thinking… {seconds}"), seconds=clock), "" if self._flow else last
        if seconds is None:
            main = translate("transcript", "Thoughts")
        elif seconds < AT_ONCE_S:
            main = translate("transcript", "Thought for a moment")
        else:
            main = fill(translate("transcript", "Thought for {seconds}"), seconds=texts.seconds(seconds))
        return main, ", ".join(filter(None, (texts.tokens(tokens) if tokens else "", self._spent())))

    def _spent(self) -> str:
        """What is said of a thought that was closed because its budget was spent: of several the last one."""
        made = self.item.message.provenance
        if made is None or not made.budget_spent:
            return ""
        last = next((part for part in reversed(self.item.message.parts) if isinstance(part, ThinkingPart)), None)
        return translate("transcript", "the budget was spent") if last is self.part else ""

    def paint(self, painter: QPainter, context: PaintContext, at: At) -> None:
        style, size = self.style, self.style.px(16)
        hot = not self._flow and "thinking" in (context.hover, context.pressed)
        frame = self.box(at, 0, 0, self.width, self.height)
        card(painter, frame, style.color("hover" if hot else "window"), style.color("border"), 10)
        icon = self.chevron("thinking")
        draw_icon(painter, context, self.box(at, 12, 0, size, self.bar), icon, "text_muted", size=size)
        main, quiet = self.title()
        font, small = style.font("body"), style.font("small")
        left = 12 + size + 8.0
        write(painter, style, self.box(at, left, 0, self.width - 14 - left, self.bar), main, font)
        left += text_width(main, font) + 8
        room = self.width - 14 - left
        if quiet and room > 20:
            painter.setFont(small)
            painter.setPen(style.color("text_faint"))
            draw_line(painter, self.box(at, left, 0, room, self.bar), quiet)  # a thought has a direction of its own
        if self._flow is not None:
            self._flow.paint(painter, at.moved(16, self.bar))
            quiet_button(painter, context, at, self.targets()[1], "copy")
        if context.focus == "thinking":
            focus_ring(painter, context, self.box(at, 0, 0, self.width, self.bar), 10)

    def targets(self) -> list[Target]:
        """The line, and Copy while it is open."""
        wide = self.width - (TARGET + 8 if self._flow else 0)
        hide, show = translate("transcript", "Hide the thinking"), translate("transcript", "Show the thinking")
        label = f"{' '.join(self.title())}. {hide if self._flow else show}"
        line = Target("thinking", "thinking", "", self.placed(QRectF(0, 0, wide, self.bar)), label)
        place = self.placed(QRectF(self.width - TARGET - 6, (self.bar - TARGET) / 2, TARGET, TARGET))
        said = translate("transcript", "Copy thinking")
        copy = Target("thinking_copy", "copy_text", self.part.text.strip(), place, said)
        return [line, copy] if self._flow else [line]


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
