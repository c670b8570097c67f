"""A row that folds: its parts side by side where there is room, else one below the other."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QSize, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QSizePolicy, QWidget

_ACROSS, _DOWN = QBoxLayout.Direction.LeftToRight, QBoxLayout.Direction.TopToBottom


class FoldingRow(QWidget):
    """Parts are added from left to right; the one with ``wide`` takes the rest of the row."""

    def __init__(self, parent: QWidget | None = None, *, spacing: int = 8) -> None:
        super().__init__(parent)
        self._parts: list[QWidget] = []
        self._box = QBoxLayout(_ACROSS, self)
        self._box.setContentsMargins(0, 0, 0, 0)
        self._box.setSpacing(spacing)
        self._box.addStretch(0)  # the rest of the row, where no part takes it
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)

    def add(self, part: QWidget, *, wide: bool = False) -> None:
        """Put a part at the end."""
        self._parts.append(part)
        alignment = Qt.AlignmentFlag(0) if wide else Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        self._box.insertWidget(len(self._parts) - 1, part, 1 if wide else 0, alignment)

    def _across(self) -> int:
        """The width that the row needs, in px."""
        sizes = [part.sizeHint().expandedTo(part.minimumSize()) for part in self._parts if not part.isHidden()]
        return sum(size.width() for size in sizes) + self._box.spacing() * max(0, len(sizes) - 1)

    def sizeHint(self) -> QSize:
        return QSize(self._across(), self._box.sizeHint().height())

    def minimumSizeHint(self) -> QSize:
        width = max((part.minimumSizeHint().width() for part in self._parts if not part.isHidden()), default=0)
        return QSize(width, self._box.sizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fold()

    def event(self, event: QEvent) -> bool:
        done = super().event(event)
        if event.type() == QEvent.Type.LayoutRequest:
            self._fold()
        return done

    def _fold(self) -> None:
        direction = _ACROSS if self._across() <= self.width() else _DOWN
        if direction is not self._box.direction():
            self._box.setDirection(direction)
            self.updateGeometry()
