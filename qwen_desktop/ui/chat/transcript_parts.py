"""What stands around an answer's text: name line, thinking, reading progress, notes, error card, actions, cut line.

Each is a small object with a height for a width, that paints itself and names its targets, relative to its top left.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QPainter, QPen

from qwen_desktop.core.chat import Versions
from qwen_desktop.core.engine import PromptProgress, Stats
from qwen_desktop.ui import texts
from qwen_desktop.ui.chat.blocks import (
    TARGET,
    PaintContext,
    Target,
    card,
    draw_icon,
    draw_line_of_text,
    focus_ring,
    quiet_button,
    translate,
)
from qwen_desktop.ui.chat.blocks_flow import At, TextFlow, plain_runs
from qwen_desktop.ui.chat.blocks_style import Style, elided, text_width

#: Shorter than this, in seconds, no number says more than "at once".
_AT_ONCE_S = 0.05


class MessageHeader:
    """Icon and the model's name; the guide carries a chip."""

    def __init__(self, style: Style, name: str, *, guide: bool) -> None:
        self.style = style
        self.name = name
        self.guide = guide
        self.height = float(style.px(24))

    def paint(self, painter: QPainter, context: PaintContext, x: float, y: float, width: float) -> None:
        """Draw at (x, y)."""
        style = self.style
        size = style.px(16)
        icon = "book-open" if self.guide else "sparkles"
        draw_icon(painter, context, icon, style.color("text_muted"), QRectF(x, y, size, self.height), size=size)
        font = style.font("small", 600)
        painter.setFont(font)
        painter.setPen(style.color("text_muted"))
        left = x + size + 8
        name = elided(self.name, font, max(40.0, width - size - 140))
        draw_line_of_text(painter, QRectF(left, y, width, self.height), name)
        if self.guide:
            label = translate("transcript", "built-in guide")
            chip_font = style.font("caption")
            chip = QRectF(left + text_width(name, font) + 8, y + 2, text_width(label, chip_font) + 16, self.height - 4)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(style.color("accent_soft"))
            painter.drawRoundedRect(chip, chip.height() / 2, chip.height() / 2)
            painter.setFont(chip_font)
            painter.setPen(style.color("accent"))
            draw_line_of_text(painter, chip, label, align=Qt.AlignmentFlag.AlignHCenter)


class Thinking:
    """The thinking of an answer: one bordered line that opens."""

    def __init__(self, style: Style, text: str, *, opened: bool) -> None:
        self.style = style
        self.text = text
        self.opened = opened
        self.running = False
        #: when it began, in seconds of ``time.monotonic``, while it goes on
        self.since: float | None = None
        self.seconds: float | None = None
        self.tokens: int | None = None
        self.height = 0.0
        self._width = 0.0
        self._flow: TextFlow | None = None

    @property
    def bar(self) -> float:
        """Height of the line itself."""
        return float(self.style.px(40))

    def lay(self, width: float) -> None:
        """Measure for a width; the text itself is laid out only while it is open."""
        self._width = width
        self.height = self.bar
        if self.opened:
            if self._flow is None:
                self._flow = TextFlow(self.style, "thinking")
            self._flow.set_runs(plain_runs(self.text.strip()), max(60.0, width - 2 * 16))
            self.height += self._flow.height + 14
        else:
            self._flow = None

    def title(self) -> tuple[str, str]:
        """The line's words and the quiet part behind them."""
        if self.running:
            seconds = translate("transcript", "{n} s").format(n=texts.locale().toString(self._elapsed()))
            last = next((line.strip() for line in reversed(self.text[-600:].split("\n")) if line.strip()), "")
            return translate("transcript", "Thinking… {seconds}").format(seconds=seconds), "" if self.opened else last
        if self.seconds is None:
            main = translate("transcript", "Thoughts")
        elif self.seconds < _AT_ONCE_S:
            main = translate("transcript", "Thought for a moment")
        else:
            main = translate("transcript", "Thought for {seconds}").format(seconds=texts.seconds(self.seconds))
        if not self.tokens:
            return main, ""
        if self.tokens == 1:
            return main, translate("transcript", "1 token")
        return main, translate("transcript", "{n} tokens").format(n=texts.locale().toString(self.tokens))

    def _elapsed(self) -> int:
        return 0 if self.since is None else int(time.monotonic() - self.since)

    def paint(self, painter: QPainter, context: PaintContext, at: At) -> None:
        """Draw at ``at``."""
        x, y = at.x, at.y
        style = self.style
        frame = QRectF(x, y, self._width, self.height)
        hot = "thinking" in (context.hover, context.pressed)
        fill_color = style.color("hover") if hot and not self.opened else style.color("window")
        card(painter, frame, fill_color, style.color("border"), 10)
        size = style.px(16)
        icon = "chevron-down" if self.opened else "chevron-right"
        draw_icon(painter, context, icon, style.color("text_muted"), QRectF(x + 12, y, size, self.bar), size=size)
        main, quiet = self.title()
        font = style.font("body")
        painter.setFont(font)
        painter.setPen(style.color("text_muted"))
        left = x + 12 + size + 8
        draw_line_of_text(painter, QRectF(left, y, self._width, self.bar), main)
        left += text_width(main, font) + 8
        small = style.font("small")
        painter.setFont(small)
        painter.setPen(style.color("text_faint"))
        room = x + self._width - 14 - left
        if quiet and room > 20:
            draw_line_of_text(painter, QRectF(left, y, room, self.bar), elided(quiet, small, room))
        if self.opened and self._flow is not None:
            self._flow.paint(painter, at.moved(16, self.bar))
            copy = self._copy_rect().translated(x, y)
            quiet_button(painter, context, copy, "thinking_copy", "copy")
        if context.focus == "thinking":
            focus_ring(painter, context, QRectF(x, y, self._width, self.bar), 10)

    def _copy_rect(self) -> QRectF:
        return QRectF(self._width - TARGET - 6, (self.bar - TARGET) / 2, TARGET, TARGET)

    def targets(self) -> list[Target]:
        """The line, and Copy while it is open."""
        width = self._width - (TARGET + 8 if self.opened else 0)
        label = (
            translate("transcript", "Hide the thinking")
            if self.opened
            else translate("transcript", "Show the thinking")
        )
        found = [
            Target("thinking", "thinking", "", QRectF(0, 0, width, self.bar), f"{' '.join(self.title())}. {label}")
        ]
        if self.opened:
            found.append(
                Target(
                    "thinking_copy",
                    "copy_text",
                    self.text.strip(),
                    self._copy_rect(),
                    translate("transcript", "Copy thinking"),
                )
            )
        return found


class Progress:
    """Reading the prompt: tokens done of total, the time left and a thin bar."""

    def __init__(self, style: Style) -> None:
        self.style = style
        self.read: PromptProgress | None = None
        self.height = float(style.px(34))

    def text(self) -> str:
        """The sentence of the row."""
        read = self.read
        if read is None or not read.total:
            return translate("transcript", "Waiting for the first word…")
        locale = texts.locale()
        text = translate("transcript", "Reading {done} of {total} tokens").format(
            done=locale.toString(read.done), total=locale.toString(read.total)
        )
        if read.seconds_left is not None and read.seconds_left >= 1:
            # No tenths and, beyond a minute, steps of five seconds: the guess is not better than that.
            left = round(read.seconds_left) if read.seconds_left < 60 else round(read.seconds_left / 5) * 5
            if left < 10:
                time = translate("transcript", "{n} s").format(n=locale.toString(left))
            else:
                time = texts.seconds(left)
            text += " · " + translate("transcript", "{time} left").format(time=time)
        return text

    def paint(self, painter: QPainter, context: PaintContext, x: float, y: float, width: float) -> None:
        """Draw at (x, y)."""
        style = self.style
        painter.setFont(style.font("small"))
        painter.setPen(style.color("text_muted"))
        draw_line_of_text(painter, QRectF(x, y, width, self.height - 10), self.text())
        if self.read is not None and self.read.total:
            track = QRectF(x, y + self.height - 7, min(width, 260.0), 4)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(style.color("border"))
            painter.drawRoundedRect(track, 2, 2)
            track.setWidth(max(4.0, track.width() * min(1.0, self.read.done / self.read.total)))
            painter.setBrush(style.color("accent"))
            painter.drawRoundedRect(track, 2, 2)


class MessageNote:
    """One quiet line under an answer that did not simply end."""

    def __init__(self, style: Style, icon: str, text: str) -> None:
        self.style = style
        self.icon = icon
        self.text = text
        self.height = 0.0
        self._flow = TextFlow(style, "note")

    def lay(self, width: float) -> None:
        """Measure for a width."""
        self._flow.set_runs(plain_runs(self.text), max(60.0, width - self.style.px(24)))
        self.height = self._flow.height

    def paint(self, painter: QPainter, context: PaintContext, at: At) -> None:
        """Draw at ``at``."""
        x, y = at.x, at.y
        style = self.style
        size = style.px(14)
        place = QRectF(x, y, size, style.line_height("note"))
        draw_icon(painter, context, self.icon, style.color("text_muted"), place, size=size)
        self._flow.paint(painter, at.moved(style.px(24), 0))


class MessageActions:
    """The row of quiet actions under an answer."""

    def __init__(self, style: Style) -> None:
        self.style = style
        self.height = float(style.px(32))
        self.versions: Versions | None = None
        self.stats: Stats | None = None

    def stats_text(self) -> str:
        """Speed and time to the first word, empty when unknown."""
        stats = self.stats
        if stats is None or stats.decode_tokens_per_s <= 0:
            return ""
        locale = texts.locale()
        decode = stats.decode_tokens_per_s
        speed = translate("transcript", "{n} tok/s").format(n=locale.toString(decode, "f", 0 if decode >= 100 else 1))
        if stats.ttft_s <= 0:
            return speed
        if stats.ttft_s < _AT_ONCE_S:
            return f"{speed} · {translate('transcript', 'first word at once')}"
        first = translate("transcript", "first word after {seconds}").format(seconds=texts.seconds(stats.ttft_s))
        return f"{speed} · {first}"

    def targets(self) -> list[Target]:
        """Copy, Regenerate and the versions."""
        side = self.style.px(TARGET)
        top = (self.height - side) / 2
        found: list[Target] = []
        x = 0.0
        for key, label in (
            ("copy", translate("transcript", "Copy answer")),
            ("regenerate", translate("transcript", "Regenerate answer")),
        ):
            found.append(Target(key, key, "", QRectF(x, top, side, side), label))
            x += side + 4
        versions = self.versions
        if versions is not None and len(versions.ids) > 1:
            index = versions.index
            x += 4
            before = versions.ids[index - 1] if index > 0 else ""
            after = versions.ids[index + 1] if index + 1 < len(versions.ids) else ""
            found.append(
                Target(
                    "previous",
                    "version",
                    before,
                    QRectF(x, top, side, side),
                    translate("transcript", "Previous version"),
                )
            )
            x += side + self._count_width()
            found.append(
                Target("next", "version", after, QRectF(x, top, side, side), translate("transcript", "Next version"))
            )
        return found

    def _count_width(self) -> float:
        return round(text_width(self._count(), self.style.font("small"))) + 10.0

    def _count(self) -> str:
        versions = self.versions
        if versions is None:
            return ""
        locale = texts.locale()
        return f"{locale.toString(versions.index + 1)}/{locale.toString(len(versions.ids))}"

    def paint(self, painter: QPainter, context: PaintContext, x: float, y: float, width: float) -> None:
        """Draw at (x, y)."""
        icons = {"copy": "copy", "regenerate": "refresh-cw", "previous": "chevron-left", "next": "chevron-right"}
        end = x
        for target in self.targets():
            rect = target.rect.translated(x, y)
            enabled = target.action != "version" or bool(target.value)
            quiet_button(painter, context, rect, target.key, icons[target.key], enabled=enabled)
            if target.key == "previous":
                painter.setFont(self.style.font("small"))
                painter.setPen(self.style.color("text_muted"))
                count = QRectF(rect.right(), y, self._count_width(), self.height)
                draw_line_of_text(painter, count, self._count(), align=Qt.AlignmentFlag.AlignHCenter)
            end = rect.right()
        text = self.stats_text()
        if text:
            painter.setFont(self.style.font("small"))
            painter.setPen(self.style.color("text_muted"))
            draw_line_of_text(painter, QRectF(end + 12, y, x + width - end - 12, self.height), text)


def paint_cut_line(painter: QPainter, style: Style, rect: QRectF) -> None:
    """A sentence in the middle of a thin rule: earlier messages were not sent."""
    font = style.font("caption")
    text = elided(
        translate("transcript", "Earlier messages are not seen by the model: the context is full"),
        font,
        rect.width() - 40,
    )
    half = text_width(text, font) / 2 + 12
    middle = round(rect.center().y()) + 0.5
    painter.setPen(QPen(style.color("border_strong"), 1))
    painter.drawLine(QLineF(rect.left(), middle, rect.center().x() - half, middle))
    painter.drawLine(QLineF(rect.center().x() + half, middle, rect.right(), middle))
    painter.setFont(font)
    painter.setPen(style.color("text_muted"))
    draw_line_of_text(painter, rect, text, align=Qt.AlignmentFlag.AlignHCenter)


def hit(targets: Sequence[Target], point: QPointF) -> Target | None:
    """The last target that holds a point."""
    return next((target for target in reversed(targets) if target.contains(point)), None)
