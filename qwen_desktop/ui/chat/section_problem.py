"""The card under an answer that failed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF
from PySide6.QtGui import QPainter

from qwen_desktop.core.commands import command
from qwen_desktop.core.errors import Problem
from qwen_desktop.ui import texts
from qwen_desktop.ui.chat.blocks import (
    PaintContext,
    Target,
    button_width,
    card,
    draw_icon,
    focus_ring,
    quiet_button,
)
from qwen_desktop.ui.chat.blocks_flow import At, TextFlow, plain_runs
from qwen_desktop.ui.chat.blocks_style import text_width
from qwen_desktop.ui.chat.section import Section
from qwen_desktop.ui.texts import translate

if TYPE_CHECKING:
    from qwen_desktop.ui.chat.transcript_items import MessageItem


class ProblemSection(Section):
    """What went wrong, what to do, and the one button that helps; details are folded."""

    def __init__(self, item: MessageItem, problem: Problem) -> None:
        super().__init__(item, "problem.")
        self._problem = problem
        self._flows: list[tuple[float, TextFlow]] = []
        self._button_y = 0.0

    @property
    def _opened(self) -> bool:
        return self.item.folds.get("problem.details", False)

    def toggle(self, key: str) -> None:
        self.item.folds["problem.details"] = not self._opened
        self.lay(self.width)

    @property
    def spoken(self) -> str:
        return texts.problem(self._problem)

    def button(self) -> str:
        """The label of the button, empty without one."""
        action = self._problem.action
        if not action:
            return ""
        if action == "retry":
            return translate("transcript", "Try again")
        try:
            return texts.marked(command(action).title)
        except KeyError:
            return ""

    def lay(self, width: float) -> None:
        problem, hint = self._problem, self._problem.hint
        self.width = width
        self._flows = []
        y = self._put(14.0, "what", texts.text(problem.what))
        if hint:
            y = self._put(y + 2, "hint", texts.text(hint))
        if self.button() or problem.details:
            self._button_y = y + 10
            y = self._button_y + self.style.px(32)
        if self._opened:
            y = self._put(y + 8, "details", problem.details)
        self.height = y + 14

    def _put(self, y: float, base: str, text: str) -> float:
        flow = TextFlow(self.style, base)
        flow.set_runs(plain_runs(text), max(60.0, self.width - self._left() - 16))
        self._flows.append((y, flow))
        return y + flow.height

    def _left(self) -> float:
        return 16 + self.style.px(18) + 10

    def paint(self, painter: QPainter, context: PaintContext, at: At) -> None:
        style = self.style
        frame = QRectF(at.x, at.y, self.width, self.height)
        card(painter, frame, style.color("bad_soft"), style.theme.edge("bad_soft"), 12)
        size = style.px(18)
        place = self.box(at, 16, 14, size, style.line_height("what"))
        draw_icon(painter, context, "circle-alert", style.color("bad"), place, size=size)
        for y, flow in self._flows:
            flow.paint(painter, at.moved(self.placed(QRectF(self._left(), 0, flow.width, 0)).left(), y))
        for target in self.targets():
            rect = target.rect.translated(at.x, at.y)
            if target.key == "details":
                folded = "chevron-left" if self.rtl else "chevron-right"
                icon = "chevron-down" if self._opened else folded
                quiet_button(painter, context, rect, "details", icon, label=translate("transcript", "Details"))
                continue
            hot = target.key in (context.hover, context.pressed)
            card(painter, rect, style.color("hover" if hot else "surface"), style.color("border_strong"), 8)
            self.write(painter, rect, self.button(), font=style.font("body", 500), role="text", centred=True)
            if context.focus == target.key:
                focus_ring(painter, context, rect)

    def targets(self) -> list[Target]:
        """The button and the fold."""
        style = self.style
        x = self._left()
        found: list[Target] = []
        label = self.button()
        if label:
            width = round(text_width(label, style.font("body", 500))) + 28
            rect = QRectF(x, self._button_y, width, style.px(32))
            found.append(Target("button", "problem", self._problem.action, rect, label))
            x += width + 8
        if self._problem.details:
            said = translate("transcript", "Details")
            rect = QRectF(x, self._button_y + 2, button_width(style, said), style.px(32) - 4)
            found.append(Target("details", "details", "", rect, said))
        return [replace(target, rect=self.placed(target.rect)) for target in found]
