"""A page that scrolls down, never sideways."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QFrame, QScrollArea, QVBoxLayout, QWidget
from shiboken6 import isValid

from qwen_desktop.ui.widgets.boxes import column
from qwen_desktop.ui.widgets.surface import Line

#: What is brought into view has so much room above and below it, in px.
_BESIDE = 8


class ScrollArea(QScrollArea):
    """Without a frame; what it shows goes into ``body``."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.body = QWidget()
        self.body.setObjectName("pageBody")
        self.setWidget(self.body)
        application = QApplication.instance()
        if isinstance(application, QApplication):
            application.focusChanged.connect(self._follow)

    def _follow(self, _old: QWidget | None, now: QWidget | None) -> None:
        """Bring into view what has the keyboard: by itself Qt does so only for steps from within. A click stays where
        it is."""
        if now is not None and self.body.isAncestorOf(now) and not QApplication.mouseButtons():
            self.ensureWidgetVisible(now, 0, _BESIDE)


def between_lines(area: QScrollArea) -> QVBoxLayout:
    """``area`` with a line above and below it, each on show while there is more behind it."""
    above, below = lines = [Line(area.parentWidget()) for _ in range(2)]
    bar = area.verticalScrollBar()

    def show() -> None:
        if not isValid(bar):
            return  # Qt tells a last range while it takes the area down
        above.setVisible(bar.value() > bar.minimum())
        below.setVisible(bar.value() < bar.maximum())

    for line in lines:
        policy = line.sizePolicy()
        policy.setRetainSizeWhenHidden(True)  # what scrolls does not move when one comes
        line.setSizePolicy(policy)
    bar.valueChanged.connect(show)
    bar.rangeChanged.connect(show)
    show()
    return column(above, (area, 1), below)
