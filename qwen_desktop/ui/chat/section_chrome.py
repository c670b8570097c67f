"""The sections around the texts of a message: cut line, name line, thinking, reading progress, notes, actions."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QLineF, QRectF, Qt
from PySide6.QtGui import QPainter, QPen

from qwen_desktop.core.parts import Part, ThinkingPart
from qwen_desktop.ui import texts
from qwen_desktop.ui.chat.blocks import (
    TARGET,
    PaintContext,
    Target,
    card,
    draw_icon,
    focus_ring,
    quiet_button,
)
from qwen_desktop.ui.chat.blocks_flow import At, TextFlow, plain_runs
from qwen_desktop.ui.chat.blocks_style import elided, text_width
from qwen_desktop.ui.chat.section import Section
from qwen_desktop.ui.texts import fill, translate

if TYPE_CHECKING:
    from qwen_desktop.ui.chat.transcript_items import MessageItem

#: Shorter than this, in seconds, no number says more than "at once".
_AT_ONCE_S = 0.05
_CUT_LINE = 44.0


class CutSection(Section):
    """A sentence in the middle of a thin rule: earlier messages were not sent."""

    heading = True

    def lay(self, width: float) -> None:
        self.width, self.height = width, _CUT_LINE

    def paint(self, painter: QPainter, context: PaintContext, at: At) -> None:
        style = self.style
        rect = QRectF(at.x, at.y, self.width, self.height)
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
        self.write(painter, rect, text, font=font, role="text_muted", centred=True)


class HeaderSection(Section):
    """Icon and the model's name; the guide carries a chip."""

    top_gap = 16.0
    heading = True

    def lay(self, width: float) -> None:
        self.width, self.height = width, self.style.px(24) + 4.0

    def paint(self, painter: QPainter, context: PaintContext, at: At) -> None:
        style, tall = self.style, self.height - 4
        made = self.item.message.provenance
        guide = made is not None and made.guide
        size = style.px(16)
        icon = "book-open" if guide else "sparkles"
        place = self.box(at, 0, 0, size, tall)
        draw_icon(painter, context, icon, style.color("text_muted"), place, size=size)
        font = style.font("small", 600)
        left = size + 8
        speaker = elided(self.item.name, font, max(40.0, self.width - size - 140))
        place = self.box(at, left, 0, self.width - left, tall)
        self.write(painter, place, speaker, font=font, role="text_muted")
        if guide:
            label = translate("transcript", "built-in guide")
            chip_font = style.font("caption")
            begin = left + text_width(speaker, font) + 8
            chip = self.box(at, begin, 2, text_width(label, chip_font) + 16, tall - 4)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(style.color("accent_soft"))
            painter.drawRoundedRect(chip, chip.height() / 2, chip.height() / 2)
            self.write(painter, chip, label, font=chip_font, role="accent", centred=True)


class ThinkingSection(Section):
    """A thought: one bordered line that opens."""

    def __init__(self, item: MessageItem, name: str) -> None:
        super().__init__(item, name)
        self._flow: TextFlow | None = None
        self.part = ThinkingPart("")

    @property
    def opened(self) -> bool:
        """Whether its text is on show."""
        return self.item.folds.get(self.name + "thinking", self.item.options.open_thinking)

    def toggle(self, key: str) -> None:
        self.item.folds[self.name + "thinking"] = not self.opened
        self.lay(self.width)

    def take(self, part: Part) -> bool:
        if not isinstance(part, ThinkingPart):
            return False
        self.part = part
        self.lay(self.width)
        return True

    @property
    def running(self) -> bool:
        """Whether the thought goes on."""
        return self.item.thinks is self.part

    @property
    def bar(self) -> float:
        """Height of the line itself."""
        return float(self.style.px(40))

    def lay(self, width: float) -> None:
        self.width = width
        self.height = self.bar
        if self.opened:
            self._flow = self._flow or TextFlow(self.style, "thinking")
            self._flow.set_runs(plain_runs(self.part.text.strip()), max(60.0, width - 2 * 16))
            self.height += self._flow.height + 14
        else:
            self._flow = None

    def title(self) -> tuple[str, str]:
        """The line's words and the quiet part behind them."""
        text, seconds, tokens = self.part.text, self.part.seconds, self.part.tokens
        if self.running:
            since = self.item.run.thinking_since if self.item.run else None
            clock = texts.duration(int(time.monotonic() - since) if since else 0)
            last = next((line.strip() for line in reversed(text[-600:].split("\n")) if line.strip()), "")
            return fill(translate("transcript", "Thinking… {seconds}"), seconds=clock), "" if self.opened else last
        if seconds is None:
            main = translate("transcript", "Thoughts")
        elif seconds < _AT_ONCE_S:
            main = translate("transcript", "Thought for a moment")
        else:
            main = fill(translate("transcript", "Thought for {seconds}"), seconds=texts.seconds(seconds))
        return main, texts.tokens(tokens) if tokens else ""

    def paint(self, painter: QPainter, context: PaintContext, at: At) -> None:
        style = self.style
        frame = QRectF(at.x, at.y, self.width, self.height)
        hot = "thinking" in (context.hover, context.pressed)
        fill_color = style.color("hover") if hot and not self.opened else style.color("window")
        card(painter, frame, fill_color, style.color("border"), 10)
        size = style.px(16)
        icon = "chevron-down" if self.opened else "chevron-left" if self.rtl else "chevron-right"
        place = self.box(at, 12, 0, size, self.bar)
        draw_icon(painter, context, icon, style.color("text_muted"), place, size=size)
        main, quiet = self.title()
        font, small = style.font("body"), style.font("small")
        left = 12 + size + 8.0
        self.write(painter, self.box(at, left, 0, self.width - 14 - left, self.bar), main, font=font, role="text_muted")
        left += text_width(main, font) + 8
        room = self.width - 14 - left
        if quiet and room > 20:
            place = self.box(at, left, 0, room, self.bar)
            self.write(painter, place, elided(quiet, small, room), font=small, role="text_faint")
        if self.opened and self._flow is not None:
            self._flow.paint(painter, at.moved(16, self.bar))
            quiet_button(painter, context, self._copy_rect().translated(at.x, at.y), "thinking_copy", "copy")
        if context.focus == "thinking":
            focus_ring(painter, context, QRectF(at.x, at.y, self.width, self.bar), 10)

    def _copy_rect(self) -> QRectF:
        return self.placed(QRectF(self.width - TARGET - 6, (self.bar - TARGET) / 2, TARGET, TARGET))

    def targets(self) -> list[Target]:
        """The line, and Copy while it is open."""
        opened = self.opened
        place = self.placed(QRectF(0, 0, self.width - (TARGET + 8 if opened else 0), self.bar))
        label = translate("transcript", "Hide the thinking") if opened else translate("transcript", "Show the thinking")
        found = [Target("thinking", "thinking", "", place, f"{' '.join(self.title())}. {label}")]
        if opened:
            said = translate("transcript", "Copy thinking")
            found.append(Target("thinking_copy", "copy_text", self.part.text.strip(), self._copy_rect(), said))
        return found


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
            # No tenths and, beyond a minute, steps of five seconds: the guess is not better than that.
            left = round(read.seconds_left) if read.seconds_left < 60 else round(read.seconds_left / 5) * 5
            text += " · " + fill(translate("transcript", "{time} left"), time=texts.duration(left))
        return text

    def paint(self, painter: QPainter, context: PaintContext, at: At) -> None:
        style = self.style
        place = QRectF(at.x, at.y, self.width, self.height - 10)
        self.write(painter, place, self.text(), font=style.font("small"), role="text_muted")
        read = self.item.run.read if self.item.run else None
        if read is not None and read.total:
            track = QRectF(0, self.height - 7, min(self.width, 260.0), 4)
            done = QRectF(track)
            done.setWidth(max(4.0, track.width() * min(1.0, read.done / read.total)))
            painter.setPen(Qt.PenStyle.NoPen)
            for rect, color in ((track, "border"), (done, "accent")):
                painter.setBrush(style.color(color))
                painter.drawRoundedRect(self.placed(rect).translated(at.x, at.y), 2, 2)


class NoteSection(Section):
    """One quiet line under an answer that did not simply end."""

    gap = 8.0

    def __init__(self, item: MessageItem, icon: str, text: str) -> None:
        super().__init__(item)
        self._icon = icon
        self._text = text
        self._flow = TextFlow(self.style, "note")

    @property
    def spoken(self) -> str:
        return self._text

    def lay(self, width: float) -> None:
        self.width = width
        self._flow.set_runs(plain_runs(self._text), max(60.0, width - self.style.px(24)))
        self.height = self._flow.height

    def paint(self, painter: QPainter, context: PaintContext, at: At) -> None:
        style = self.style
        size = style.px(14)
        place = self.box(at, 0, 0, size, style.line_height("note"))
        draw_icon(painter, context, self._icon, style.color("text_muted"), place, size=size)
        text = self.placed(QRectF(style.px(24), 0, self._flow.width, self.height))
        self._flow.paint(painter, at.moved(text.left(), 0))


class ActionsSection(Section):
    """The row of quiet actions under an answer; it keeps its room while there are none."""

    gap = top_gap = 8.0

    def lay(self, width: float) -> None:
        self.width, self.height = width, float(self.style.px(32))

    def visible(self, context: PaintContext) -> bool:
        """They show on the last answer, under the pointer and while the keyboard is on the message."""
        return not self.item.streaming and bool(
            self.item.last or context.message_hover or context.focus or context.copied
        )

    def stats_text(self) -> str:
        """Speed and time to the first word, empty when unknown."""
        stats = self.item.message.stats
        if stats is None or stats.decode_tokens_per_s <= 0 or not self.item.options.show_speed:
            return ""
        speed = texts.speed(stats.decode_tokens_per_s)
        if stats.ttft_s <= 0:
            return speed
        first = translate("transcript", "first word at once")
        if stats.ttft_s >= _AT_ONCE_S:
            first = fill(translate("transcript", "first word after {seconds}"), seconds=texts.seconds(stats.ttft_s))
        return f"{speed} · {first}"

    def _buttons(self) -> list[Target]:
        """Copy, Regenerate and the versions, those that lead nowhere too; from the start edge."""
        side = self.style.px(TARGET)
        top = (self.height - side) / 2
        found: list[Target] = []

        def add(x: float, key: str, action: str, value: str, label: str) -> float:
            found.append(Target(key, action, value, QRectF(x, top, side, side), label))
            return x + side

        x = add(0.0, "copy", "copy", "", translate("transcript", "Copy answer")) + 4
        x = add(x, "regenerate", "regenerate", "", translate("transcript", "Regenerate answer")) + 4
        versions = self.item.versions
        if versions is not None and len(versions.ids) > 1:
            ids = ("", *versions.ids, "")
            before, after = ids[versions.index], ids[versions.index + 2]
            x = add(x + 4, "previous", "version", before, translate("transcript", "Previous version"))
            add(x + self._count_width(), "next", "version", after, translate("transcript", "Next version"))
        return found

    def targets(self) -> list[Target]:
        if self.item.streaming:
            return []
        return [replace(t, rect=self.placed(t.rect)) for t in self._buttons() if t.action != "version" or t.value]

    def _count_width(self) -> float:
        return round(text_width(self._count(), self.style.font("small"))) + 10.0

    def _count(self) -> str:
        versions = self.item.versions
        return f"{texts.number(versions.index + 1)}/{texts.number(len(versions.ids))}" if versions else ""

    def paint(self, painter: QPainter, context: PaintContext, at: At) -> None:
        icons = {"copy": "copy", "regenerate": "refresh-cw", "previous": "chevron-left", "next": "chevron-right"}
        if self.rtl:
            icons["previous"], icons["next"] = icons["next"], icons["previous"]
        small = self.style.font("small")
        end = 0.0
        for target in self._buttons():
            rect = self.placed(target.rect).translated(at.x, at.y)
            enabled = target.action != "version" or bool(target.value)
            quiet_button(painter, context, rect, target.key, icons[target.key], enabled=enabled)
            end = target.rect.right()
            if target.key == "previous":
                count = self.box(at, end, 0, self._count_width(), self.height)
                self.write(painter, count, self._count(), font=small, role="text_muted", centred=True)
        if text := self.stats_text():
            room = self.box(at, end + 12, 0, self.width - end - 12, self.height)
            self.write(painter, room, text, font=small, role="text_muted")


class CopySection(Section):
    """The one quiet action beside a message of the user."""

    def lay(self, width: float) -> None:
        self.width = self.height = float(TARGET)

    def visible(self, context: PaintContext) -> bool:
        return context.message_hover or bool(context.focus)

    def targets(self) -> list[Target]:
        place = QRectF(0, 0, self.width, self.height)
        return [Target("copy", "copy", "", place, translate("transcript", "Copy message"))]

    def paint(self, painter: QPainter, context: PaintContext, at: At) -> None:
        quiet_button(painter, context, QRectF(at.x, at.y, self.width, self.height), "copy", "copy")
