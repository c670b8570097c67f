"""The card under an answer that failed."""

from __future__ import annotations

from PySide6.QtCore import QRectF, Qt
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
    draw_line_of_text,
    focus_ring,
    quiet_button,
    translate,
)
from qwen_desktop.ui.chat.blocks_flow import At, TextFlow, plain_runs
from qwen_desktop.ui.chat.blocks_style import Style, text_width


class ProblemCard:
    """What went wrong, what to do, and the one button that helps; details are folded."""

    def __init__(self, style: Style, problem: Problem) -> None:
        self.style = style
        self.problem = problem
        self.details_open = False
        self.height = 0.0
        self._width = 0.0
        self._what = TextFlow(style, "what")
        self._hint = TextFlow(style, "hint")
        self._details = TextFlow(style, "details")
        self._button_y = 0.0

    @property
    def sentences(self) -> str:
        """What is said, for screen readers."""
        hint = self.problem.hint
        return texts.text(self.problem.what) + (" " + texts.text(hint) if hint else "")

    def button(self) -> str:
        """The label of the button, empty without one."""
        action = self.problem.action
        if not action:
            return ""
        if action == "retry":
            return translate("transcript", "Try again")
        try:
            return texts.marked(command(action).title)
        except KeyError:
            return ""

    def lay(self, width: float) -> None:
        """Measure for a width."""
        style = self.style
        self._width = width
        inner = max(60.0, width - self._left() - 16)
        y = 14.0
        self._what.set_runs(plain_runs(texts.text(self.problem.what)), inner)
        y += self._what.height
        hint = self.problem.hint
        self._hint.set_runs(plain_runs(texts.text(hint) if hint else ""), inner)
        if hint:
            y += 2 + self._hint.height
        if self.button() or self.problem.details:
            y += 10
            self._button_y = y
            y += style.px(32)
        if self.details_open:
            self._details.set_runs(plain_runs(self.problem.details), inner)
            y += 8 + self._details.height
        self.height = y + 14

    def _left(self) -> float:
        return 16 + self.style.px(18) + 10

    def paint(self, painter: QPainter, context: PaintContext, at: At) -> None:
        """Draw at ``at``."""
        x, y = at.x, at.y
        style = self.style
        frame = QRectF(x, y, self._width, self.height)
        card(painter, frame, style.color("bad_soft"), style.color("bad_soft"), 12)
        size = style.px(18)
        place = QRectF(x + 16, y + 14, size, style.line_height("what"))
        draw_icon(painter, context, "circle-alert", style.color("bad"), place, size=size)
        self._what.paint(painter, at.moved(self._left(), 14))
        if self.problem.hint:
            self._hint.paint(painter, at.moved(self._left(), 16 + self._what.height))
        for target in self.targets():
            rect = target.rect.translated(x, y)
            if target.key == "details":
                icon = "chevron-down" if self.details_open else "chevron-right"
                quiet_button(painter, context, rect, "details", icon, label=translate("transcript", "Details"))
                continue
            hot = target.key in (context.hover, context.pressed)
            card(painter, rect, style.color("hover" if hot else "surface"), style.color("border_strong"), 8)
            painter.setFont(style.font("body", 500))
            painter.setPen(style.color("text"))
            draw_line_of_text(painter, rect, self.button(), align=Qt.AlignmentFlag.AlignHCenter)
            if context.focus == target.key:
                focus_ring(painter, context, rect)
        if self.details_open:
            self._details.paint(painter, at.moved(self._left(), self._button_y + style.px(32) + 8))

    def targets(self) -> list[Target]:
        """The button and the fold."""
        style = self.style
        x = self._left()
        found: list[Target] = []
        label = self.button()
        if label:
            width = round(text_width(label, style.font("body", 500))) + 28
            rect = QRectF(x, self._button_y, width, style.px(32))
            found.append(Target("problem", "problem", self.problem.action, rect, label))
            x += width + 8
        if self.problem.details:
            rect = QRectF(
                x, self._button_y + 2, button_width(style, translate("transcript", "Details")), style.px(32) - 4
            )
            found.append(Target("details", "details", "", rect, translate("transcript", "Details")))
        return found
