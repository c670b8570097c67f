"""The sections around the texts of a message: cut line, name line, reading progress, notes, actions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QLineF, QRectF, Qt
from PySide6.QtGui import QPainter, QPen

from qwen_desktop.ui import texts
from qwen_desktop.ui.chat.blocks import TARGET, PaintContext, Target, focus_ring
from qwen_desktop.ui.chat.blocks_draw import CENTRED, draw_icon, quiet_button, write
from qwen_desktop.ui.chat.blocks_flow import At, TextFlow, plain_runs
from qwen_desktop.ui.chat.blocks_style import elided, text_width
from qwen_desktop.ui.chat.section import Section
from qwen_desktop.ui.texts import fill, translate

if TYPE_CHECKING:
    from qwen_desktop.ui.chat.transcript_items import MessageItem

#: Shorter than this, in seconds, no number says more than "at once".
AT_ONCE_S = 0.05
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

    top_gap = 16.0
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


class NoteSection(Section):
    """One quiet line under an answer that did not simply end."""

    gap = 8.0

    def __init__(self, item: MessageItem, icon: str, text: str) -> None:
        super().__init__(item)
        self._icon = icon
        self.spoken = text
        self._flow = TextFlow(self.style, "note")

    def lay(self, width: float) -> None:
        self._flow.set_runs(plain_runs(self.spoken), max(60.0, width - self.style.px(24)))
        self.width, self.height = width, self._flow.height

    def paint(self, painter: QPainter, context: PaintContext, at: At) -> None:
        size, flow = self.style.px(14), self._flow
        place = self.box(at, 0, 0, size, self.style.line_height("note"))
        draw_icon(painter, context, place, self._icon, "text_muted", size=size)
        flow.paint(painter, at.moved(self.placed(QRectF(self.style.px(24), 0, flow.width, 0)).left(), 0))


class ActionsSection(Section):
    """The row of quiet actions under an answer; it keeps its room while there are none."""

    gap = top_gap = 8.0

    _stats: str | None = None

    def lay(self, width: float) -> None:
        self.width, self.height, self._stats = width, float(self.style.px(32)), None

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
        if stats.ttft_s >= AT_ONCE_S:
            first = fill(translate("transcript", "first word after {seconds}"), seconds=texts.seconds(stats.ttft_s))
        return f"{speed} · {first}"

    def _buttons(self) -> list[Target]:
        """Copy, Regenerate and the versions, those that lead nowhere too."""
        side = self.style.px(TARGET)
        found: list[Target] = []

        def add(x: float, key: str, action: str, value: str, label: str) -> None:
            place = QRectF(x, (self.height - side) / 2, side, side)
            found.append(Target(key, action, value, self.placed(place), label))

        add(0, "copy", "copy", "", translate("transcript", "Copy answer"))
        add(side + 4, "regenerate", "regenerate", "", translate("transcript", "Regenerate answer"))
        versions = self.item.versions
        if versions is not None and len(versions.ids) > 1:
            x, ids = 2 * side + 12, ("", *versions.ids, "")
            before, after = ids[versions.index], ids[versions.index + 2]
            add(x, "previous", "version", before, translate("transcript", "Previous version"))
            add(x + side + self._count()[1], "next", "version", after, translate("transcript", "Next version"))
        return found

    def targets(self) -> list[Target]:
        """What leads somewhere; last the figures, which lead to why they are what they are."""
        if self.item.streaming:
            return []
        buttons = self._buttons()
        figures = self._figures(buttons)
        return [t for t in (*buttons, *([figures] if figures is not None else [])) if t.action != "version" or t.value]

    def _figures(self, buttons: list[Target]) -> Target | None:
        """The speed behind the buttons; None where there is none to show."""
        if self._stats is None:
            self._stats = self.stats_text()
        end = self._end(buttons) + 4
        wide = min(round(text_width(self._stats, self.style.font("small"))) + 16.0, self.width - end)
        if not self._stats or wide < 60:
            return None
        tall = self.style.px(TARGET)
        place = QRectF(end, (self.height - tall) / 2, wide, tall)
        why = translate("transcript", "Why is it slow?")
        label = f"{self._stats}. {why}"
        return Target("slow", "slow", "", self.placed(place), label)

    def _end(self, buttons: list[Target]) -> float:
        return max(self.placed(target.rect).right() for target in buttons)

    def _count(self) -> tuple[str, float]:
        """Which version this is, and the pixels for that."""
        versions = self.item.versions
        text = f"{texts.number(versions.index + 1)}/{texts.number(len(versions.ids))}" if versions else ""
        return text, round(text_width(text, self.style.font("small"))) + 10.0

    def paint(self, painter: QPainter, context: PaintContext, at: At) -> None:
        icons = ["copy", "refresh-cw", "chevron-left", "chevron-right"]
        icons[2:] = reversed(icons[2:]) if self.rtl else icons[2:]
        style, small = self.style, self.style.font("small")
        buttons = self._buttons()
        for target, icon in zip(buttons, icons, strict=False):
            enabled = target.action != "version" or bool(target.value)
            quiet_button(painter, context, at, target, icon, enabled=enabled)
            end = self.placed(target.rect).right()
            if target.key == "previous":
                count, wide = self._count()
                write(painter, style, self.box(at, end, 0, wide, self.height), count, small, align=CENTRED)
        if (figures := self._figures(buttons)) is None or not self._stats:
            return
        hot, start = figures.key in (context.hover, context.pressed), self._end(buttons) + 12
        if hot:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(style.color("pressed" if figures.key == context.pressed else "hover"))
            painter.drawRoundedRect(figures.rect.translated(at.x, at.y), 7, 7)
        room = self.width - start
        place, text = self.box(at, start, 0, room, self.height), elided(self._stats, small, room)
        write(painter, style, place, text, small, role="text" if hot else "text_muted")
        if context.focus == figures.key:
            focus_ring(painter, context, figures.rect.translated(at.x, at.y).adjusted(2, 2, -2, -2), 6)


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
        quiet_button(painter, context, at, self.targets()[0], "copy")
