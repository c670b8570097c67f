"""A tick box with its words, in the colours of the theme."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QCheckBox, QSizePolicy, QStyle, QStyleOptionButton, QWidget

from qwen_desktop.ui import icons, texts
from qwen_desktop.ui.theme import Theme

#: What the box takes before its words, in px, by the style sheet.
BOX = 26


class Tick(QCheckBox):
    """On or off, with its name beside it, cut with … where the room ends."""

    def __init__(self, theme: Theme, text: str, parent: QWidget | None = None) -> None:
        super().__init__(text.replace("&", "&&"), parent)
        self._theme = theme
        self._name = text
        self.setAccessibleName(text)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def minimumSizeHint(self) -> QSize:
        return QSize(80, self.sizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        shown = self.fontMetrics().elidedText(self._name, Qt.TextElideMode.ElideRight, self.width() - BOX)
        self.setText(shown.replace("&", "&&"))
        self.setToolTip(texts.tip("" if shown == self._name else self._name))

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if not self.isChecked():
            return
        # A picture of the style sheet would have a colour of its own.
        option = QStyleOptionButton()
        self.initStyleOption(option)
        box = self.style().subElementRect(QStyle.SubElement.SE_CheckBoxIndicator, option, self)
        ink = self._theme.color("on_accent" if self.isEnabled() else "disabled_text")
        sign = icons.pixmap("check", ink, 14, self.devicePixelRatioF())
        QPainter(self).drawPixmap(box.center().x() - 6, box.center().y() - 6, sign)
