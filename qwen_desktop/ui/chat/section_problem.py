"""The card under an answer that failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF
from PySide6.QtGui import QPainter

from qwen_desktop.core.commands import command
from qwen_desktop.core.errors import Problem
from qwen_desktop.ui import texts
from qwen_desktop.ui.chat.blocks import PaintContext, Target
from qwen_desktop.ui.chat.blocks_draw import button_width, card, draw_icon, framed_button, quiet_button
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
        self.spoken = texts.problem(problem)
        self._flows: list[tuple[float, TextFlow]] = []
        self._button_y = 0.0

    def button(self) -> str:
        """The label of the button, empty without one."""
        action = self._problem.action
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
        if self.opened("details"):
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
        style, size = self.style, self.style.px(18)
        frame = self.box(at, 0, 0, self.width, self.height)
        card(painter, frame, style.color("bad_soft"), style.theme.edge("bad_soft"), 12)
        place = self.box(at, 16, 14, size, style.line_height("what"))
        draw_icon(painter, context, place, "circle-alert", "bad", size=size)
        for y, flow in self._flows:
            flow.paint(painter, at.moved(self.placed(QRectF(self._left(), 0, flow.width, 0)).left(), y))
        for target in self.targets():
            if target.key == "details":
                quiet_button(painter, context, at, target, self.chevron("details"), label=target.label)
            else:
                framed_button(painter, context, at, target, style.font("body", 500))

    def targets(self) -> list[Target]:
        """The button and the fold."""
        style, tall, x = self.style, self.style.px(32), self._left()
        found: list[Target] = []
        if label := self.button():
            width = round(text_width(label, style.font("body", 500))) + 28
            place = self.placed(QRectF(x, self._button_y, width, tall))
            found.append(Target("button", "problem", self._problem.action, place, label))
            x += width + 8
        if self._problem.details:
            label = translate("transcript", "Details")
            place = self.placed(QRectF(x, self._button_y + 2, button_width(style, label), tall - 4))
            found.append(Target("details", "details", "", place, label))
        return found
