"""Labels: one that elides, one for a role of the theme, and the small tinted chip."""

from __future__ import annotations

import math
from functools import partial

from PySide6.QtCore import QEvent, QRect, QRectF, QSize, Qt
from PySide6.QtGui import (
    QAbstractTextDocumentLayout,
    QGuiApplication,
    QPainter,
    QPaintEvent,
    QPalette,
    QTextBlockFormat,
    QTextCursor,
    QTextDocument,
)
from PySide6.QtWidgets import QLabel, QSizePolicy, QStyle, QVBoxLayout, QWidget

from qwen_desktop.ui import icons, texts
from qwen_desktop.ui.theme import FontRole, Theme
from qwen_desktop.ui.widgets.boxes import column
from qwen_desktop.ui.widgets.surface import draw_pill


def start_edge(widget: QWidget) -> Qt.AlignmentFlag:
    """Where lines begin in the interface; Qt would take the start of the text, which may be a name in another script or
    only digits."""
    edge = QStyle.visualAlignment(widget.layoutDirection(), Qt.AlignmentFlag.AlignLeft)
    return edge | Qt.AlignmentFlag.AlignAbsolute


class Label(QLabel):
    """Plain text in a font and colour of the theme. Never reads rich text, so names cannot smuggle markup in."""

    wraps = False

    def __init__(
        self,
        theme: Theme,
        text: str = "",
        parent: QWidget | None = None,
        *,
        role: FontRole = "body",
        color: str = "text",
        weight: int = 400,
        tabular: bool = False,
    ) -> None:
        super().__init__(text, parent)
        self._theme = theme
        self._color = color
        self._font = partial(theme.font, role, weight=weight, tabular=tabular)
        self.setTextFormat(Qt.TextFormat.PlainText)
        if self.wraps:
            self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)
            self.setWordWrap(True)  # after the policy, which it tells that the height depends on the width
        self.setAlignment(start_edge(self) | Qt.AlignmentFlag.AlignVCenter)
        theme.follow(self._dress)

    def set_color(self, color: str) -> None:
        """Use another colour role."""
        self._color = color
        self._dress()

    def _dress(self) -> None:
        self.setFont(self._font())
        palette = QPalette(self.palette())
        palette.setColor(QPalette.ColorRole.WindowText, self._theme.color(self._color))
        self.setPalette(palette)


class Paragraph(Label):
    """Text that wraps, with the theme's line height, which a plain QLabel does not have."""

    wraps = True

    def setText(self, text: str) -> None:
        super().setText(text)
        self._forget()

    def setAlignment(self, alignment: Qt.AlignmentFlag) -> None:
        super().setAlignment(alignment)
        self._forget()

    def _dress(self) -> None:
        super()._dress()
        self._forget()

    def _forget(self) -> None:
        """Set the text anew when it is asked for next."""
        self._set: QTextDocument | None = None
        self._heights: dict[int, int] = {}

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        # A layout asks with its own width, also where the label's may not grow so far.
        width = min(width, self.maximumWidth())
        if width not in self._heights:
            self._heights[width] = math.ceil(self._document(width).size().height())
        return self._heights[width]

    def sizeHint(self) -> QSize:
        longest = max(map(self.fontMetrics().horizontalAdvance, self.text().split("\n")), default=0)
        width = min(longest + 2, self.maximumWidth())
        return QSize(width, self.heightForWidth(width))

    def minimumSizeHint(self) -> QSize:
        return QSize(min(120, self.sizeHint().width()), self.fontMetrics().height())

    def paintEvent(self, _event: QPaintEvent) -> None:
        context = QAbstractTextDocumentLayout.PaintContext()
        palette = QPalette(self.palette())
        palette.setColor(QPalette.ColorRole.Text, self.palette().color(QPalette.ColorRole.WindowText))
        context.palette = palette
        document = self._document(self.width())
        painter = QPainter(self)
        if self.alignment() & Qt.AlignmentFlag.AlignVCenter:
            painter.translate(0, max(0.0, (self.height() - document.size().height()) / 2))
        document.documentLayout().draw(painter, context)

    def _pitch(self) -> int:
        return max(self.fontMetrics().height(), round(self.font().pixelSize() * self._theme.line_height("ui")))

    def _document(self, width: int) -> QTextDocument:
        """The text set in ``width``; one document for all widths."""
        document = self._set
        if document is None:
            document = self._set = QTextDocument()
            document.setUndoRedoEnabled(False)
            document.setDocumentMargin(0)
            document.setDefaultFont(self.font())
            document.setPlainText(self.text())
            block = QTextBlockFormat()
            block.setLineHeight(self._pitch(), QTextBlockFormat.LineHeightTypes.FixedHeight.value)
            block.setAlignment(self.alignment())
            cursor = QTextCursor(document)
            cursor.select(QTextCursor.SelectionType.Document)
            cursor.mergeBlockFormat(block)
        if document.textWidth() != max(1, width):
            document.setTextWidth(max(1, width))
        return document


class ProblemText(Paragraph):
    """What went wrong, in small words; hidden while there is nothing to say."""

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(theme, "", parent, role="small", color="bad")
        self.hide()

    def setText(self, text: str) -> None:
        super().setText(text)
        self.setVisible(bool(text))


class ElidedLabel(Label):
    """One line that ends in … where the room ends; the whole text is its tooltip then."""

    def minimumSizeHint(self) -> QSize:
        return QSize(self.fontMetrics().averageCharWidth() * 4, self.fontMetrics().height())

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setPen(self.palette().color(QPalette.ColorRole.WindowText))
        draw_line(painter, QRectF(self.contentsRect()), self.text())

    def event(self, event: QEvent) -> bool:
        done = super().event(event)
        if event.type() in (QEvent.Type.Resize, QEvent.Type.FontChange):
            self._tell_cut()
        return done

    def setText(self, text: str) -> None:
        super().setText(text)
        self._tell_cut()

    def _tell_cut(self) -> None:
        wide = self.fontMetrics().horizontalAdvance(self.text()) > self.contentsRect().width()
        self.setToolTip(texts.tip(self.text() if wide else ""))


def draw_line(
    painter: QPainter, room: QRectF, text: str, *, at: Qt.AlignmentFlag = Qt.AlignmentFlag.AlignVCenter
) -> None:
    """Paint one line at the start edge of ``room``, each text in its own direction, cut with … where the room ends."""
    edge = QStyle.visualAlignment(QGuiApplication.layoutDirection(), Qt.AlignmentFlag.AlignLeft) | at
    before = painter.layoutDirection()
    painter.setLayoutDirection(Qt.LayoutDirection.LayoutDirectionAuto)
    shown = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, int(room.width()))
    flags = int(edge | Qt.AlignmentFlag.AlignAbsolute) | Qt.TextFlag.TextSingleLine.value
    painter.drawText(room, flags, shown)
    painter.setLayoutDirection(before)


class IconLabel(QLabel):
    """An icon in a colour of the theme, painted for the screen that it is on."""

    def __init__(
        self, theme: Theme, icon: str, parent: QWidget | None = None, *, color: str = "text_muted", size: int = 16
    ) -> None:
        super().__init__(parent)
        self._theme = theme
        self._icon = icon
        self._color = color
        self._size = size
        theme.changed.connect(self.updateGeometry)
        theme.changed.connect(self.update)

    def set_icon(self, icon: str, color: str) -> None:
        """Show another icon."""
        self._icon, self._color = icon, color
        self.update()

    def sizeHint(self) -> QSize:
        size = self._theme.grown(self._size)
        return QSize(size, size)

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    def paintEvent(self, _event: QPaintEvent) -> None:
        place = QStyle.alignedRect(self.layoutDirection(), self.alignment(), self.sizeHint(), self.contentsRect())
        color = self._theme.color(self._color)
        drawn = icons.pixmap(self._icon, color, self._theme.grown(self._size), self.devicePixelRatioF())
        QPainter(self).drawPixmap(place.topLeft(), drawn)


class Chip(Label):
    """A short word on a rounded tint, with an optional icon before it."""

    def __init__(
        self,
        theme: Theme,
        text: str,
        parent: QWidget | None = None,
        *,
        icon: str = "",
        kind: str = "",
        thin: bool = False,
    ) -> None:
        #: The tone: "accent", "good", "warn", "bad" or "" for none.
        self.kind = kind
        self._icon = icon
        super().__init__(theme, text, parent, role="small", color=kind or "text_muted", weight=500 if kind else 400)
        self.setObjectName("chip")
        self.setProperty("thin", thin)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)

    def show_word(self, text: str, kind: str = "") -> None:
        """Say another word in another tone."""
        self.kind = kind
        self.set_color(kind or "text_muted")
        self.setText(text)

    def _dress(self) -> None:
        super()._dress()
        self.setIndent(self._theme.grown(14) + 6 if self._icon else 0)  # else Qt would make one up

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        draw_pill(painter, self._theme, QRectF(self.rect()), f"{self.kind}_soft" if self.kind else "sunken")
        if self._icon:
            side = self._theme.grown(14)
            place = QRect(10, (self.height() - side) // 2, side, side)
            place = QStyle.visualRect(self.layoutDirection(), self.rect(), place)
            color = self._theme.color(self.kind or "text_muted")
            painter.drawPixmap(place.topLeft(), icons.pixmap(self._icon, color, side, self.devicePixelRatioF()))
        painter.end()
        super().paintEvent(event)


def said(theme: Theme, parent: QWidget, title: Label, *notes: str | Label) -> QVBoxLayout:
    """A title with small muted notes below it."""
    words = column(title, gap=2)
    for note in notes:
        small = Paragraph(theme, note, parent, role="small", color="text_muted") if isinstance(note, str) else note
        words.addWidget(small)
    return words
