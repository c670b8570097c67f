"""A thought of an answer: one bordered line that opens."""

from __future__ import annotations

import time

from PySide6.QtCore import QRectF
from PySide6.QtGui import QPainter

from qwen_desktop.core.parts import Part, ThinkingPart
from qwen_desktop.ui import texts
from qwen_desktop.ui.chat.blocks import TARGET, PaintContext, Target, focus_ring
from qwen_desktop.ui.chat.blocks_draw import card, draw_icon, quiet_button, write
from qwen_desktop.ui.chat.blocks_flow import At, TextFlow, plain_runs
from qwen_desktop.ui.chat.blocks_style import text_width
from qwen_desktop.ui.chat.section import Section
from qwen_desktop.ui.chat.section_actions import AT_ONCE_S
from qwen_desktop.ui.texts import fill, translate
from qwen_desktop.ui.widgets.labels import draw_line


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
        grows = self._flow is not None and self.part.seconds is None and part.seconds is None
        self.part = part
        self.lay(self.width)
        self.fresh = self.bar + self._flow.fresh if grows and self._flow is not None else 0.0
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
            marked = self.item.options.marks.get((self.item.message.id, self.name), ())
            self._flow.paint(painter, at.moved(16, self.bar), marked)
            quiet_button(painter, context, at, self.targets()[1], "copy")
        if context.focus == "thinking":
            focus_ring(painter, context, self.box(at, 0, 0, self.width, self.bar), 10)

    def band(self, start: int, end: int) -> tuple[float, float]:
        """Of a range of the thought, which is not in the projection."""
        rect = next(iter(self._flow.rects(start, end) if self._flow is not None else ()), QRectF(0, 0, 0, self.bar))
        return self.bar + rect.top(), self.bar + rect.bottom()

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
