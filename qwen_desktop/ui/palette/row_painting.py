"""Paints the rows of the palette."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import (
    QFont,
    QFontMetricsF,
    QGuiApplication,
    QPainter,
    QPen,
    QTextCharFormat,
    QTextLayout,
    QTextOption,
)
from PySide6.QtWidgets import QListView, QStyle, QStyledItemDelegate, QStyleOptionViewItem

from qwen_desktop.ui import icons
from qwen_desktop.ui.palette.rows import ROW_ROLE, Index, Row
from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets.labels import draw_line

#: From the edges of the surface to icon and words, and between them, in pixels.
_SIDE, _GAP = 16, 12
#: Above and below the words of a hit, and between its title and what was found.
_PAD, _LEAD = 9, 1
#: Texts of which it is kept how they are broken into lines.
_KEPT = 500


class PaletteDelegate(QStyledItemDelegate):
    """A hit has a title with a note and up to two lines with what was found; everything else is one line."""

    def __init__(self, theme: Theme, view: QListView) -> None:
        super().__init__(view)
        self._theme = theme
        self._view = view
        self._broken: dict[tuple[str, float, int, int], Sequence[tuple[int, int]]] = {}
        theme.changed.connect(self._broken.clear)
        theme.changed.connect(view.scheduleDelayedItemsLayout)

    # Sizes -----------------------------------------------------------------------------------------------------------

    def height(self, row: Row, width: int) -> int:
        """Pixels of a row in a list of ``width`` pixels."""
        theme = self._theme
        if row.kind == "heading":
            return theme.scaled("control_height") - 2
        if row.kind == "note":
            lines = self._lines(row.title, width - 2 * _SIDE, theme.font("body"), most=8)
            return 2 * _PAD + len(lines) * self._pitch(theme.font("body"))
        if not row.snippet:
            return theme.scaled("control_height") + 6
        title, small = theme.font("body", weight=600), theme.font("small")
        lines = self._lines(row.snippet, self._snippet_width(row, width), small)
        return 2 * _PAD + self._pitch(title) + _LEAD + len(lines) * self._pitch(small)

    def _snippet_width(self, row: Row, width: int) -> float:
        return float(width - 2 * _SIDE - self._start - self._keys_width(self._enter_word) - _GAP)

    @property
    def _start(self) -> int:
        """From the start of the icon to that of the words."""
        return self._theme.grown(16) + _GAP

    @property
    def _enter_word(self) -> str:
        return self.tr("Enter")

    def _pitch(self, font: QFont) -> int:
        return round(font.pixelSize() * self._theme.line_height("ui"))

    def _lines(self, text: str, width: float, font: QFont, most: int = 2) -> Sequence[tuple[int, int]]:
        """Where lines of a text begin and end, ``most`` at most: each row is asked several times."""
        key = text, width, font.pixelSize(), most
        if key not in self._broken:
            if len(self._broken) > _KEPT:
                self._broken.clear()
            self._broken[key] = self._break(text, width, font, most)
        return self._broken[key]

    def _break(self, text: str, width: float, font: QFont, most: int) -> Sequence[tuple[int, int]]:
        if QFontMetricsF(font).horizontalAdvance(text) <= width:
            return [(0, len(text))]
        layout = QTextLayout(text, font)
        option = QTextOption()
        option.setWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        layout.setTextOption(option)
        lines: list[tuple[int, int]] = []
        layout.beginLayout()
        while len(lines) < most and (line := layout.createLine()).isValid():
            line.setLineWidth(max(40.0, width))
            lines.append((line.textStart(), line.textStart() + line.textLength()))
        layout.endLayout()
        return lines

    def sizeHint(self, _option: QStyleOptionViewItem, index: Index) -> QSize:
        row = index.data(ROW_ROLE)
        width = self._view.viewport().width()
        return QSize(100, self.height(row, width) if isinstance(row, Row) else 0)

    # Painting --------------------------------------------------------------------------------------------------------

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        row, theme, rect = index.data(ROW_ROLE), self._theme, QRectF(option.rect)
        if not isinstance(row, Row):
            return
        current = bool(option.state & QStyle.StateFlag.State_Selected)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        room = rect.adjusted(_SIDE, 0, -_SIDE, 0)
        if row.kind == "heading":
            painter.setFont(theme.font("small", weight=600))
            painter.setPen(theme.color("text_muted"))
            draw_line(painter, room.adjusted(0, 0, 0, -3), row.title, at=Qt.AlignmentFlag.AlignBottom)
        elif row.kind == "note":
            self._draw_note(painter, room, row)
        else:
            if current:
                painter.fillRect(rect, theme.color("accent_soft"))
                if theme.name == "contrast":
                    painter.setPen(QPen(theme.color("focus"), 2))
                    painter.drawRect(rect.adjusted(1, 1, -1, -1))
            self._draw_row(painter, room, row, current=current)
        painter.restore()

    def _draw_note(self, painter: QPainter, room: QRectF, row: Row) -> None:
        font = self._theme.font("body")
        painter.setFont(font)
        painter.setPen(self._theme.color("text_muted"))
        pitch, y = self._pitch(font), room.top() + _PAD
        for start, end in self._lines(row.title, room.width(), font, most=8):
            draw_line(painter, QRectF(room.left(), y, room.width(), pitch), row.title[start:end])
            y += pitch

    def _draw_row(self, painter: QPainter, room: QRectF, row: Row, *, current: bool) -> None:
        theme, side = self._theme, self._theme.grown(16)
        pitch = self._pitch(theme.font("body", weight=600))
        tall = 2 * _PAD + pitch if row.snippet else room.height()
        line = QRectF(room.left(), room.top(), room.width(), tall)
        if row.icon:
            drawn = icons.pixmap(row.icon, theme.color("text_muted"), side, painter.device().devicePixelRatio())
            place = _from_start(line, 0, side)
            painter.drawPixmap(QPointF(place.left(), round(line.center().y() - side / 2)), drawn)
        keys = row.keys or (self._enter_word if current else "")
        taken = self._draw_keys(painter, line, keys) if keys else 0.0
        words = _from_start(line, self._start, line.width() - self._start - taken)
        bold = theme.font("body", weight=600 if row.snippet or row.kind == "chat" else 400)
        title_width = min(QFontMetricsF(bold).horizontalAdvance(row.title) + 1, words.width())
        if row.note:
            title_width = min(title_width, max(words.width() * 0.6, words.width() - self._note_width(row)))
        painter.setFont(bold)
        painter.setPen(theme.color("text"))
        draw_line(painter, _from_start(words, 0, title_width), row.title)
        left = title_width + 6
        if row.note and words.width() - left > 40:
            painter.setFont(theme.font("small"))
            painter.setPen(theme.color("text_muted"))
            draw_line(painter, _from_start(words, left, words.width() - left), row.note)
        if row.snippet:
            below = room.adjusted(0, _PAD + pitch + _LEAD, 0, 0)
            self._draw_snippet(painter, below, row)

    def _note_width(self, row: Row) -> float:
        return QFontMetricsF(self._theme.font("small")).horizontalAdvance(row.note) + 8

    def _draw_snippet(self, painter: QPainter, room: QRectF, row: Row) -> None:
        theme, font = self._theme, self._theme.font("small")
        width, pitch = self._snippet_width(row, self._view.viewport().width()), self._pitch(font)
        lines = self._lines(row.snippet, width, font)
        rtl = QGuiApplication.layoutDirection() is Qt.LayoutDirection.RightToLeft
        for number, (start, end) in enumerate(lines):
            text = row.snippet[start:end].rstrip()
            said = len(text)
            if number + 1 == len(lines) and end < len(row.snippet):
                text = QFontMetricsF(font).elidedText(row.snippet[start:], Qt.TextElideMode.ElideRight, width)
                said = len(text) - 1
            layout = QTextLayout(text, font)
            option = QTextOption()
            option.setWrapMode(QTextOption.WrapMode.NoWrap)
            layout.setTextOption(option)
            formats = []
            for begin, end_ in row.marks:
                first, last = max(0, begin - start), min(said, end_ - start)
                if first < last:
                    mark = QTextLayout.FormatRange()
                    mark.start, mark.length = _units(text[:first]), _units(text[first:last])
                    look = QTextCharFormat()
                    look.setBackground(theme.color("match"))
                    look.setForeground(theme.color("text"))
                    mark.format = look
                    formats.append(mark)
            layout.setFormats(formats)
            layout.beginLayout()
            line = layout.createLine()
            line.setLineWidth(100_000)
            layout.endLayout()
            place = _from_start(room, self._start, line.naturalTextWidth() if rtl else width)
            painter.setPen(theme.color("text_muted"))
            offset = QPointF(place.left() - line.naturalTextRect().left(), room.top() + number * pitch)
            layout.draw(painter, offset)

    def _keys_width(self, keys: str) -> float:
        return QFontMetricsF(self._theme.font("caption")).horizontalAdvance(keys) + 14

    def _draw_keys(self, painter: QPainter, line: QRectF, keys: str) -> float:
        """A key in its frame at the end edge; the pixels that it takes."""
        theme, font = self._theme, self._theme.font("caption")
        wide, tall = self._keys_width(keys), QFontMetricsF(font).height() + 4
        place = _from_start(line, line.width() - wide, wide)
        frame = QRectF(place.left(), round(line.center().y() - tall / 2), wide, tall)
        painter.setPen(QPen(theme.color("border"), 1))
        painter.setBrush(theme.color("surface"))
        radius = theme.radius("small")
        painter.drawRoundedRect(frame.adjusted(0.5, 0.5, -0.5, -0.5), radius, radius)
        painter.setFont(font)
        painter.setPen(theme.color("text_muted"))
        painter.drawText(frame, Qt.AlignmentFlag.AlignCenter, keys)
        return wide + _GAP


def _from_start(room: QRectF, start: float, width: float) -> QRectF:
    """What begins ``start`` pixels after the start edge of ``room``."""
    rtl = QGuiApplication.layoutDirection() is Qt.LayoutDirection.RightToLeft
    left = room.right() - start - width if rtl else room.left() + start
    return QRectF(left, room.top(), width, room.height())


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
