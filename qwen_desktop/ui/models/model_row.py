"""A row of a model: a button that opens all about it, with buttons of its own at its end. Its words are painted; who
reads the window aloud hears them as its name."""

from __future__ import annotations

from typing import Generic, NamedTuple, TypeVar

from PySide6.QtCore import QPoint, QRectF, Qt, Signal
from PySide6.QtGui import QContextMenuEvent, QFocusEvent, QFontMetrics, QIcon, QKeyEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QAbstractButton, QStyle, QStyleOptionButton, QStylePainter, QWidget

from qwen_desktop.ui import icons, texts
from qwen_desktop.ui.models.row_paint import RIGHT, chip_width, draw_chip, draw_words, width_of
from qwen_desktop.ui.theme import Theme, mark
from qwen_desktop.ui.widgets.boxes import row
from qwen_desktop.ui.widgets.buttons import TextButton, enter_presses
from qwen_desktop.ui.widgets.meter import draw_meter
from qwen_desktop.ui.widgets.row_delegate import draw_ground

T = TypeVar("T")
#: Under this width, in px, a row leaves out its figure; under the second one the word of a button with an icon.
_NARROW, _TIGHT = 640, 500


class Face(NamedTuple):
    """What a row shows: two lines of words with a tag after the first, a chip in its tone (with ``share`` words over a
    meter), a figure in a column of its own (None: there is no such column)."""

    title: str
    note: str
    tag: str = ""
    chip: str = ""
    tone: str = ""
    share: float | None = None
    figure: str | None = None
    muted: bool = False


class RowButton(TextButton):
    """A button of a row, which may show how far something is instead of its word."""

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(theme, "", parent)
        self._progress: tuple[str, float, str] | None = None

    def show_face(self, text: str, icon: str = "", *, muted: bool = False) -> None:
        """Show a word and an icon."""
        self._progress = None
        self.setText(text)
        self.setIcon(icons.themed(self._theme, icon, "text_muted" if muted else "text") if icon else QIcon())
        self._fit_icon()
        mark(self, "muted", muted)
        self.update()

    def show_progress(self, said: str, share: float, role: str) -> None:
        """Show progress in the room of the word."""
        self._progress = (said, share, role)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        if self._progress is None:
            super().paintEvent(event)
            return
        said, share, role = self._progress
        painter = QStylePainter(self)
        option = QStyleOptionButton()
        self.initStyleOption(option)
        option.text = ""
        painter.drawControl(QStyle.ControlElement.CE_PushButtonBevel, option)
        inner = QRectF(self.rect()).adjusted(8, 2, -8, -2)
        painter.setFont(self._theme.font("small", weight=500, tabular=True))
        painter.setPen(self._theme.color("bad" if role == "bad" else "text"))
        painter.drawText(inner.adjusted(-6, 1, 6, -9), Qt.AlignmentFlag.AlignCenter, said)
        bar = QRectF(inner.left(), inner.bottom() - 9, inner.width(), 6)
        draw_meter(painter, self._theme, bar, share, role)


class ModelRow(QAbstractButton, Generic[T]):
    """``clicked`` opens it; ``menu_wanted`` carries a place on the screen; ``reached``: the keyboard is here."""

    menu_wanted = Signal(QPoint)
    reached = Signal()
    #: What it shows, from the first time that it shows something.
    row: T

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self.face = Face("", "")
        self.buttons: tuple[QAbstractButton, ...] = ()
        self.setProperty("ownFocus", True)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    def show_row(self, row: T) -> None:
        """Show another row, or the same as it is now."""
        raise NotImplementedError

    @staticmethod
    def height_in(theme: Theme) -> int:
        """The height of a row in px: two lines of text."""
        lines = QFontMetrics(theme.font("body", weight=600)).height()
        return max(56, lines + QFontMetrics(theme.font("small")).height() + 22)

    def place_buttons(self, *buttons: QAbstractButton) -> None:
        """The row's buttons, which stand at its end."""
        self.buttons = buttons
        row(None, *(part for button in buttons for part in (6, button)), 4, on=self, gap=0)

    def say(self, face: Face, name: str, tip: str) -> None:
        """Show ``face``; ``name`` is what is read aloud."""
        self.face = face
        self.setAccessibleName(name)
        self.setToolTip(texts.tip(tip))
        self.update()

    def lie_on_tab(self, on: bool) -> None:
        """Whether Tab comes to this row and its buttons."""
        policy = Qt.FocusPolicy
        self.setFocusPolicy(policy.StrongFocus if on else policy.ClickFocus)
        for button in self.buttons:
            button.setFocusPolicy(policy.TabFocus if on else policy.NoFocus)

    @property
    def tight(self) -> bool:
        """Whether there is no room for the words of buttons with an icon."""
        return self.width() < self._theme.grown(_TIGHT)

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self.reached.emit()

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        by_key = event.reason() == QContextMenuEvent.Reason.Keyboard
        self.menu_wanted.emit(self.mapToGlobal(self.rect().center()) if by_key else event.globalPos())

    # Painting: from the start edge, and one function turns it around --------------------------------------------------

    def _at(self, start: float, end: float, top: float, height: float) -> QRectF:
        left = self.width() - end if self.isRightToLeft() else start
        return QRectF(left, top, max(0.0, end - start), height)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if not enter_presses(self, event):
            super().keyPressEvent(event)

    def paintEvent(self, _event: QPaintEvent) -> None:
        theme = self._theme
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        rect = QRectF(self.rect())
        painter.fillRect(QRectF(0, rect.bottom() - 1, rect.width(), 1), theme.color("border"))
        if self.underMouse() or self.hasFocus():
            inner = rect.adjusted(0, 1, 0, -2)
            draw_ground(painter, theme, inner, selected=False, hover=self.underMouse(), focus=self.hasFocus())
        used = sum(button.width() + 6 for button in self.buttons)
        end = self._paint_figure(painter, rect.width() + 2 - used)
        end = self._paint_chip(painter, end)
        self._paint_words(painter, 4, end - 16)

    def _paint_figure(self, painter: QPainter, end: float) -> float:
        figure = self.face.figure
        if figure is None:
            return end - 14
        if self.width() < self._theme.grown(_NARROW):
            return end - 12
        font = self._theme.font("small", tabular=True)
        column = max(78.0, width_of(font, "888.8 GB") + 12)
        # Figures stand in one column: as far from the edge as the widest button needs.
        edge = min(end - 14, self.width() - 26 - self._widest())
        painter.setFont(font)
        painter.setPen(self._theme.color("text_muted"))
        draw_words(painter, self._at(edge - column, edge, 0, self.height()), figure, RIGHT)
        return edge - column

    def _widest(self) -> float:
        """How wide the widest button of any row is, in px."""
        return self.buttons[0].width()

    def _paint_chip(self, painter: QPainter, end: float) -> float:
        theme, face, height = self._theme, self.face, self.height()
        if face.share is not None:
            room = self._at(end - 130, end, 0, height)
            painter.setFont(theme.font("small", tabular=True))
            painter.setPen(theme.color("text_muted"))
            draw_words(painter, room.adjusted(0, 0, 0, -12), face.chip, RIGHT)
            draw_meter(painter, theme, room.adjusted(0, 22, 0, 0), face.share, "accent")
            return end - 130
        if not face.chip:
            return end
        width = min(chip_width(theme, face.chip, bold=bool(face.tone)), max(60.0, self.width() * 0.4))
        draw_chip(painter, theme, self._at(end - width, end, 0, height), face.chip, face.tone)
        return end - width

    def _paint_words(self, painter: QPainter, start: float, end: float) -> None:
        theme, face = self._theme, self.face
        bold, small = theme.font("body", weight=600), theme.font("small", tabular=True)
        upper, lower = QFontMetrics(bold).height(), QFontMetrics(small).height()
        top = (self.height() - upper - 3 - lower) / 2
        wide = width_of(bold, face.title)
        tag = chip_width(theme, face.tag) if face.tag else 0.0
        painter.setFont(bold)
        painter.setPen(theme.color("text_muted" if face.muted else "text"))
        draw_words(painter, self._at(start, min(start + wide + 2, end), top, upper), face.title)
        if tag and start + wide + 10 + tag <= end:
            spot = start + wide + 10
            draw_chip(painter, theme, self._at(spot, spot + tag, top - 3, upper + 6), face.tag, "")
        painter.setFont(small)
        painter.setPen(theme.color("text_muted"))
        draw_words(painter, self._at(start, end, top + upper + 3, lower), face.note)
