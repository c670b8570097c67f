"""The row of quiet actions under a message: what one does most often, its versions, and the way to all the rest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QPainter

from qwen_desktop.ui import texts
from qwen_desktop.ui.chat.blocks import TARGET, PaintContext, Target, focus_ring
from qwen_desktop.ui.chat.blocks_draw import CENTRED, quiet_button, write
from qwen_desktop.ui.chat.blocks_flow import At
from qwen_desktop.ui.chat.blocks_style import elided, text_width
from qwen_desktop.ui.chat.section import Section
from qwen_desktop.ui.texts import fill, translate

#: Shorter than this, in seconds, no number says more than "at once".
AT_ONCE_S = 0.05
#: Pixels between two buttons, and before a group of them.
_GAP, _GROUP = 4.0, 12.0
#: Less room than this, in pixels, says nothing of the speed.
_NARROW = 60


class _Place(NamedTuple):
    """What a button is, and its width."""

    key: str
    action: str
    value: str
    label: str
    icon: str
    width: float
    text: str = ""


class _Button(NamedTuple):
    """One of the row: an icon, or ``text``."""

    target: Target
    icon: str
    text: str

    @property
    def off(self) -> bool:
        """Whether it leads nowhere."""
        return self.target.action == "version" and not self.target.value


class ActionsSection(Section):
    """The row under a message. Under an answer it keeps its room while there are no actions."""

    gap = top_gap = 8.0
    full = True

    _stats: str | None = None

    def lay(self, width: float) -> None:
        self.top_gap = 0.0 if self.item.user else self.gap
        self.width, self.height, self._stats = width, float(self.style.px(TARGET if self.item.user else 32)), None

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

    # What there is ---------------------------------------------------------------------------------------------------

    def _plain(self) -> Iterator[tuple[str, str, str]]:
        """Key (which is the action, too), icon and name of those before the versions, the dispensable ones last."""
        if self.item.user:
            yield "copy", "copy", translate("transcript", "Copy message")
        else:
            yield "copy", "copy", translate("transcript", "Copy answer")
            yield "regenerate", "refresh-cw", translate("transcript", "Regenerate answer")
        yield "edit", "pencil", translate("transcript", "Edit message")
        if not self.item.user:
            yield "fork", "git-branch", translate("transcript", "Fork from here")

    def _buttons(self) -> list[_Button]:
        """All of the row, from the start edge on. Where there is no room for all, the menu has what is left out."""
        side, counted = self.style.px(TARGET), self._counted()
        plain = list(self._plain())
        group = sum(each.width for each in counted)
        while len(plain) > 1 and (len(plain) + 1) * (side + _GAP) + (_GROUP + group if counted else 0) > self.width:
            plain.pop()
        row = [_Place(key, key, "", label, icon, side) for key, icon, label in plain]
        row.append(_Place("more", "menu", "", translate("transcript", "More actions"), "ellipsis", side))
        x = 0.0
        if self.item.user:
            x = self.width - len(row) * (side + _GAP) + _GAP - (_GROUP - _GAP + group if counted else 0)
        found: list[_Button] = []
        for number, each in enumerate((*row, *counted)):
            x += _GROUP - _GAP if number == len(row) else 0
            place = self.placed(QRectF(x, (self.height - side) / 2, each.width, side))
            found.append(_Button(Target(each.key, each.action, each.value, place, each.label), each.icon, each.text))
            x += each.width + (_GAP if number < len(row) else 0)
        return found

    def _counted(self) -> list[_Place]:
        """The versions, with which one this is between the ways to others."""
        versions, side = self.item.versions, self.style.px(TARGET)
        if versions is None or len(versions.ids) < 2:
            return []
        ids, icons = ("", *versions.ids, ""), ["chevron-left", "chevron-right"]
        icons = icons[::-1] if self.rtl else icons
        number, count = versions.index + 1, len(versions.ids)
        text = f"{texts.number(number)}/{texts.number(count)}"
        said = translate("transcript", "Version {number} of {count}. Show versions")
        wide = round(text_width(text, self.style.font("small"))) + 10.0
        before, after = ids[number - 1], ids[number + 1]
        return [
            _Place("previous", "version", before, translate("transcript", "Previous version"), icons[0], side),
            _Place("versions", "versions", "", fill(said, number=number, count=count), "", wide, text),
            _Place("next", "version", after, translate("transcript", "Next version"), icons[1], side),
        ]

    def targets(self) -> list[Target]:
        """What leads somewhere; last the figures, which lead to why they are what they are."""
        if self.item.streaming:
            return []
        buttons = self._buttons()
        figures = self._figures(buttons)
        return [*(each.target for each in buttons if not each.off), *([figures] if figures is not None else [])]

    def _figures(self, buttons: list[_Button]) -> Target | None:
        """The speed behind the buttons; None where there is none to show."""
        if self._stats is None:
            self._stats = "" if self.item.user else self.stats_text()
        start = self._end(buttons) + _GAP
        wide = min(round(text_width(self._stats, self.style.font("small"))) + 16.0, self.width - start)
        if not self._stats or wide < _NARROW:
            return None
        tall = self.style.px(TARGET)
        place = QRectF(start, (self.height - tall) / 2, wide, tall)
        why = translate("transcript", "Why is it slow?")
        return Target("slow", "slow", "", self.placed(place), f"{self._stats}. {why}")

    def _end(self, buttons: list[_Button]) -> float:
        return max(self.placed(each.target.rect).right() for each in buttons)

    # Painting --------------------------------------------------------------------------------------------------------

    def paint(self, painter: QPainter, context: PaintContext, at: At) -> None:
        style, small = self.style, self.style.font("small")
        buttons = self._buttons()
        for each in buttons:
            if each.icon:
                quiet_button(painter, context, at, each.target, each.icon, enabled=not each.off)
            else:
                self._words(painter, context, at, each.target)
                write(painter, style, each.target.rect.translated(at.x, at.y), each.text, small, align=CENTRED)
        figures = self._figures(buttons)
        if figures is None or not self._stats:
            return
        hot = self._words(painter, context, at, figures)
        start = self._end(buttons) + _GROUP
        place = self.box(at, start, 0, self.width - start, self.height)
        text = elided(self._stats, small, place.width())
        write(painter, style, place, text, small, role="text" if hot else "text_muted")

    def _words(self, painter: QPainter, context: PaintContext, at: At, target: Target) -> bool:
        """The ground of something that is words alone; whether it is under the pointer."""
        style, place = self.style, target.rect.translated(at.x, at.y)
        hot = target.key in (context.hover, context.pressed)
        if hot:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(style.color("pressed" if target.key == context.pressed else "hover"))
            painter.drawRoundedRect(place, 7, 7)
        if context.focus == target.key:
            focus_ring(painter, context, place.adjusted(2, 2, -2, -2), 6)
        return hot
