"""Contact sheets: many pictures as small ones with their names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QGuiApplication, QImage, QPainter

from tests.shots.picture import save

#: The name of a sheet in its folder; no state is called so.
SHEET = "_sheet.png"
_GAP, _CAPTION = 10, 20
#: The caption needs so much room, in px.
_NARROW = 200
_GROUND, _INK = QColor("#e8e8e8"), QColor("#202020")


class Sheet:
    """Thumbnails in rows of ``columns``, each at most ``cell`` px large."""

    def __init__(self, columns: int = 6, cell: QSize | None = None) -> None:
        self._columns = columns
        self._cell = cell or QSize(320, 206)
        self._small: list[tuple[str, QImage]] = []

    def add(self, caption: str, image: QImage) -> None:
        """One more picture."""
        small = image.scaled(self._cell, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation)
        self._small.append((caption, small))

    def __len__(self) -> int:
        return len(self._small)

    def save(self, path: Path, title: str) -> None:
        """Write the sheet."""
        columns = min(self._columns, max(1, len(self._small)))
        rows = -(-len(self._small) // columns)
        cell = QSize(0, 0)
        for _, small in self._small:
            cell = cell.expandedTo(small.size())
        wide, high = max(cell.width(), _NARROW) + _GAP, cell.height() + _CAPTION + _GAP
        image = QImage(columns * wide + _GAP, rows * high + _GAP + 26, QImage.Format.Format_RGB32)
        image.fill(_GROUND)
        painter = QPainter(image)
        font = QFont(QGuiApplication.font())
        font.setPixelSize(15)
        painter.setFont(font)
        painter.setPen(_INK)
        painter.drawText(QRectF(_GAP, 4, image.width(), 24), Qt.AlignmentFlag.AlignVCenter, title)
        font.setPixelSize(11)
        painter.setFont(font)
        for number, (caption, small) in enumerate(self._small):
            x, y = _GAP + number % columns * wide, 30 + number // columns * high
            painter.drawText(QRect(x, y, wide - _GAP, _CAPTION), Qt.AlignmentFlag.AlignVCenter, caption)
            painter.drawImage(x, y + _CAPTION, small)
        painter.end()
        save(image, path)


def of_folder(folder: Path, names: Sequence[str], title: str) -> None:
    """Make the sheet of pictures that lie in a folder."""
    sheet = Sheet()
    for name in names:
        sheet.add(name, QImage(str(folder / f"{name}.png")))
    sheet.save(folder / SHEET, title)
