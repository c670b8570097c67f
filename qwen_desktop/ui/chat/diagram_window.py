"""A diagram by itself: a dialog in which it can be moved and made larger."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from qwen_desktop.ui import texts
from qwen_desktop.ui.chat.blocks_style import Style
from qwen_desktop.ui.chat.diagrams import Picture
from qwen_desktop.ui.chat.saving import save_diagram
from qwen_desktop.ui.texts import translate
from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.ui_context import UiContext
from qwen_desktop.ui.widgets.boxes import row
from qwen_desktop.ui.widgets.buttons import IconButton, TextButton
from qwen_desktop.ui.widgets.dialog import Dialog
from qwen_desktop.ui.widgets.labels import Label

#: One step of the zoom, the largest, and the pixels that an arrow key moves.
_STEP: Final = 1.25
_MOST: Final = 8.0
_ARROW: Final = 60


class DiagramView(QWidget):
    """Shows a picture: the wheel and + and - zoom, the mouse and the arrow keys move, 0 fits, 1 is the true size."""

    #: The zoom is another one: 1.0 is the true size.
    zoomed = Signal(float)

    def __init__(self, theme: Theme, picture: Picture, source: str, parent: QWidget) -> None:
        super().__init__(parent)
        self._theme = theme
        self._picture = picture
        self._scale = 1.0
        self._corner = QPointF()
        self._fits = True
        self._held: QPointF | None = None
        self.setAccessibleName(self.tr("Diagram"))
        self.setAccessibleDescription(source)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.OpenHandCursor)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        theme.follow(self._restyle)

    def _restyle(self) -> None:
        self._renderer = self._picture.renderer(Style(self._theme))
        self.update()

    @property
    def place(self) -> QRectF:
        """Where the picture stands in the widget."""
        return QRectF(
            self._corner.x(), self._corner.y(), self._picture.width * self._scale, self._picture.height * self._scale
        )

    # Zoom ------------------------------------------------------------------------------------------------------------

    def fit(self) -> None:
        """Show all of it, twice as large as it is at most; so it stays when the window gets another size."""
        scale = min((self.width() - 24) / self._picture.width, (self.height() - 24) / self._picture.height, 2.0)
        self._set(max(0.02, scale), QPointF(self.rect().center()))
        self._fits = True

    def true_size(self) -> None:
        """Show it in its true size."""
        self.zoom(1.0 / self._scale)

    def zoom(self, factor: float, around: QPointF | None = None) -> None:
        """Make it so much larger; the point ``around`` (the middle) stays where it is."""
        self._set(self._scale * factor, QPointF(self.rect().center()) if around is None else around)

    def _set(self, scale: float, around: QPointF) -> None:
        scale = min(_MOST, max(0.02, scale))
        self._corner = around - (around - self._corner) * (scale / self._scale)
        self._scale = scale
        self._fits = False
        self._settle()
        self.zoomed.emit(scale)

    def move_by(self, dx: float, dy: float) -> None:
        """Move the picture by so many pixels."""
        self._corner += QPointF(dx, dy)
        self._fits = False
        self._settle()

    def _settle(self) -> None:
        """In the middle where there is room, else never away from the widget's edges."""

        def along(corner: float, length: float, room: float) -> float:
            return (room - length) / 2 if length <= room else min(12.0, max(room - length - 12.0, corner))

        place = self.place
        self._corner = QPointF(
            along(place.x(), place.width(), self.width()), along(place.y(), place.height(), self.height())
        )
        self.update()

    # Qt --------------------------------------------------------------------------------------------------------------

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if self._fits:
            self.fit()
        else:
            self._settle()

    def wheelEvent(self, event: QWheelEvent) -> None:
        turned = event.angleDelta().y() or event.pixelDelta().y()
        if turned:
            self.zoom(_STEP ** (turned / 120), event.position())
        event.accept()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._held = event.position()
        self.setCursor(Qt.CursorShape.ClosedHandCursor)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._held is not None:
            moved, self._held = event.position() - self._held, event.position()
            self.move_by(moved.x(), moved.y())

    def mouseReleaseEvent(self, _event: QMouseEvent) -> None:
        self._held = None
        self.setCursor(Qt.CursorShape.OpenHandCursor)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        moves = {
            Qt.Key.Key_Left: (_ARROW, 0), Qt.Key.Key_Right: (-_ARROW, 0),
            Qt.Key.Key_Up: (0, _ARROW), Qt.Key.Key_Down: (0, -_ARROW),
        }  # fmt: skip
        acts: dict[Qt.Key, Callable[[], None]] = {
            Qt.Key.Key_Plus: partial(self.zoom, _STEP), Qt.Key.Key_Equal: partial(self.zoom, _STEP),
            Qt.Key.Key_Minus: partial(self.zoom, 1 / _STEP), Qt.Key.Key_0: self.fit, Qt.Key.Key_1: self.true_size,
        }  # fmt: skip
        key = Qt.Key(event.key())
        if key in moves:
            self.move_by(*moves[key])
        elif key in acts:
            acts[key]()
        else:
            super().keyPressEvent(event)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(self._theme.color("border"))
        painter.setBrush(self._theme.color("surface"))
        radius = self._theme.radius("card")
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), radius, radius)
        painter.setClipRect(self.rect().adjusted(2, 2, -2, -2))
        self._renderer.render(painter, self.place)


class DiagramDialog(Dialog):
    """A diagram as large as the window it belongs to."""

    def __init__(self, ui: UiContext, picture: Picture, source: str, parent: QWidget) -> None:
        around = parent.size()
        super().__init__(
            ui.theme, translate("DiagramDialog", "Diagram"), "", parent, width=max(440, around.width() - 120)
        )
        self.view = DiagramView(ui.theme, picture, source, self)
        self.view.setMinimumSize(QSize(320, max(200, around.height() - 260)))
        self.percent = Label(ui.theme, "", self, role="small", color="text_muted")
        less = IconButton(ui.theme, "zoom-out", self.tr("Smaller"), self)
        less.clicked.connect(lambda: self.view.zoom(1 / _STEP))
        more = IconButton(ui.theme, "zoom-in", self.tr("Larger"), self)
        more.clicked.connect(lambda: self.view.zoom(_STEP))
        fit = TextButton(ui.theme, self.tr("Fit"), self, kind="quiet")
        fit.clicked.connect(self.view.fit)
        true = TextButton(ui.theme, texts.percent(1), self, kind="quiet")
        true.setAccessibleName(self.tr("True size"))
        true.clicked.connect(self.view.true_size)
        for button in (fit, true):
            button.setAutoDefault(False)
        self.body.addWidget(self.view, 1)
        self.body.addLayout(row(less, more, fit, true, self.percent, None))
        self.view.zoomed.connect(lambda scale: self.percent.setText(texts.percent(scale)))
        self.add_button(self.tr("Save"), partial(save_diagram, ui, picture, parent), closes=False)
        self.add_button(self.tr("Close"), kind="primary", default=True)
        self.view.setFocus()
