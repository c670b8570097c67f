"""Small signs among words: the raised number of a footnote, and what stands for a picture that is not loaded."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Final

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QFont, QFontMetricsF, QPainter

from qwen_desktop.jobs.markdown.blocks import TextRun
from qwen_desktop.ui.chat.blocks import inside
from qwen_desktop.ui.chat.blocks_style import InlineObject, Style, elided, text_width
from qwen_desktop.ui.icons import pixmap
from qwen_desktop.ui.texts import fill, isolated, translate

#: Pixels that a sign may take; the first two grow with the text.
_WIDEST_NOTE: Final = 90.0
_WIDEST_PICTURE: Final = 330.0
_NARROWEST_PICTURE: Final = 60.0
_PAD: Final = 7
_BEHIND: Final = 5


def sign(style: Style, base: str, run: TextRun) -> InlineObject | None:
    """What stands in place of a run that is no plain text."""
    if run.footnote:
        return FootnoteSign(style, base, run.footnote)
    return PictureSign(style, base, run.image) if run.image else None


class _Sign(ABC):
    """What all signs share. Equal ones look the same, whichever object they are."""

    width = ascent = descent = 0.0

    def __init__(self, style: Style, base: str, said: str) -> None:
        self._style = style
        self._said = said
        self._base = base
        self._key: tuple[object, ...] = (type(self), id(style), base, said)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Sign) and other._key == self._key

    def __hash__(self) -> int:
        return hash(self._key)

    @abstractmethod
    def paint(self, painter: QPainter, rect: QRectF, role: str) -> None:
        """Draw in ``rect``."""

    def within(self, width: float) -> InlineObject | None:
        """What stands there where there are no more than ``width`` pixels; None for the run's text."""
        return None


class FootnoteSign(_Sign):
    """The label of a footnote, raised."""

    def __init__(self, style: Style, base: str, label: str) -> None:
        super().__init__(style, base, label)
        own = style.base_font(base)
        self._font = QFont(own)
        self._font.setPixelSize(max(8, round(own.pixelSize() * 0.74)))
        self._font.setWeight(QFont.Weight(600))
        self._text = elided(label, self._font, style.px(_WIDEST_NOTE))
        metrics = QFontMetricsF(self._font)
        self._rise = own.pixelSize() * 0.36
        self._above = metrics.ascent()
        self.width = text_width(self._text, self._font) + 3
        self.ascent = metrics.capHeight() + self._rise
        self.descent = 0.0

    def paint(self, painter: QPainter, rect: QRectF, role: str) -> None:
        """Draw in ``rect``."""
        painter.setFont(self._font)
        painter.setPen(self._style.color("accent"))
        painter.drawText(QPointF(rect.left() + 1.5, rect.bottom() - self._rise), self._text)


class PictureSign(_Sign):
    """Says that a picture was not loaded, and where it would have come from."""

    def __init__(self, style: Style, base: str, host: str, widest: float = 0.0) -> None:
        super().__init__(style, base, host)
        widest = widest or style.px(_WIDEST_PICTURE)
        self._key += (widest,)
        own = style.base_font(base)
        self._font = QFont(style.font("small"))
        self._font.setPixelSize(max(8, round(own.pixelSize() * 0.86)))
        said = translate("transcript", "Picture not loaded")
        if host != "-":
            said = fill(translate("transcript", "Picture not loaded: {host}"), host=isolated(host))
        self._icon = style.px(15)
        metrics = QFontMetricsF(self._font)
        around = 2 * _PAD + self._icon + 6
        self._text = elided(said, self._font, widest - around - _BEHIND)
        self._wide = around + text_width(self._text, self._font)
        self.width = self._wide + _BEHIND
        self.ascent, self.descent = metrics.ascent() + 3, metrics.descent() + 3

    def within(self, width: float) -> InlineObject | None:
        return PictureSign(self._style, self._base, self._said, width) if width > _NARROWEST_PICTURE else None

    def paint(self, painter: QPainter, rect: QRectF, role: str) -> None:
        """Draw in ``rect``; ``role`` is that of the range that it is marked by, or ""."""
        style, rtl = self._style, self._style.rtl
        rect = inside(rect, 0, self._wide, rtl=rtl)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(style.color(role or "sunken"))
        painter.drawRoundedRect(rect, 5, 5)
        device = painter.device()
        ratio = device.devicePixelRatioF() if device is not None else 1.0
        left = rect.right() - _PAD - self._icon if rtl else rect.left() + _PAD
        icon = pixmap("image", style.color("text_muted"), self._icon, ratio)
        painter.drawPixmap(QPointF(left, rect.center().y() - self._icon / 2), icon)
        words = (
            rect.adjusted(_PAD, 0, -_PAD - self._icon - 6, 0) if rtl else rect.adjusted(_PAD + self._icon + 6, 0, 0, 0)
        )
        painter.setFont(self._font)
        painter.setPen(style.color("text_muted"))
        flags = int(Qt.AlignmentFlag.AlignVCenter) | int(Qt.TextFlag.TextSingleLine)
        painter.drawText(words, flags | int(Qt.AlignmentFlag.AlignLeft), self._text)
