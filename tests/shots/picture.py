"""The window with what stands over it (dialogs, menus) as one picture, and pictures as files."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QPoint, QRect, QSize, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPen
from PySide6.QtWidgets import QApplication, QWidget

#: Around a dialog, where a system draws its title bar and border.
_EDGE = QColor(128, 128, 128)
#: What is not part of any window.
_NOTHING = QColor(96, 96, 96)


def picture(window: QWidget) -> QImage:
    """What a user sees of ``window``, in device pixels."""
    over = shown_windows(window)[1:]
    corner = window.mapToGlobal(QPoint(0, 0))
    places = [QRect(w.mapToGlobal(QPoint(0, 0)) - corner, w.size()) for w in over]
    whole = QRect(QPoint(0, 0), window.size())
    for place in places:
        whole = whole.united(place.adjusted(-1, -1, 1, 1))
    ratio = window.devicePixelRatioF()
    image = QImage(_scaled(whole.size(), ratio), QImage.Format.Format_RGB32)
    image.setDevicePixelRatio(ratio)
    image.fill(_NOTHING)
    painter = QPainter(image)
    painter.translate(-whole.topLeft())
    painter.drawPixmap(QPoint(0, 0), window.grab())
    painter.setPen(QPen(_EDGE, 1))
    for widget, place in zip(over, places, strict=True):
        painter.drawPixmap(place.topLeft(), widget.grab())
        if widget.windowType() is not Qt.WindowType.Popup:
            painter.drawRect(place.adjusted(-1, -1, 0, 0))
    painter.end()
    image.setDevicePixelRatio(1)
    return image


def shown_windows(window: QWidget) -> list[QWidget]:
    """``window``, the dialogs over it and the menus over these, from below."""
    over = [w for w in QApplication.topLevelWidgets() if w is not window and w.isVisible() and _seen(w)]
    return [window, *sorted(over, key=lambda w: (w.windowType() is Qt.WindowType.Popup, _depth(w)))]


def _depth(widget: QWidget) -> int:
    parent = widget.parentWidget()
    return 0 if parent is None else 1 + _depth(parent)


def _seen(widget: QWidget) -> bool:
    return widget.windowType() in (Qt.WindowType.Dialog, Qt.WindowType.Popup, Qt.WindowType.Sheet)


def _scaled(size: QSize, ratio: float) -> QSize:
    return QSize(round(size.width() * ratio), round(size.height() * ratio))


def save(image: QImage, path: Path) -> None:
    """Write a PNG, quickly rather than small. Raises ``OSError`` when that does not work."""
    if not image.save(str(path), "PNG", 80):  # type: ignore[call-overload] # the stub wants bytes
        raise OSError(f"{path} cannot be written")
