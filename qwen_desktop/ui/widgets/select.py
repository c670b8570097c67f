"""Choice fields: a combo box that shows our chevron and opens a list, and the menu with the theme's corners."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPoint, QRect, Qt
from PySide6.QtGui import QAction, QGuiApplication, QHelpEvent, QPainter, QPaintEvent, QWheelEvent
from PySide6.QtWidgets import QComboBox, QListView, QMenu, QStyle, QStyleOptionMenuItem, QToolTip, QWidget

from qwen_desktop.ui import icons, texts
from qwen_desktop.ui.blending import can_blend
from qwen_desktop.ui.theme import Theme, mark


class Select(QComboBox):
    """A choice among items. The wheel scrolls the page unless the list is open."""

    def __init__(self, theme: Theme, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self.setAccessibleName(name)
        view = QListView(self)
        view.setProperty("ownFocus", True)
        self.setView(view)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.setMaxVisibleItems(14)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        theme.changed.connect(self.update)

    def wheelEvent(self, event: QWheelEvent) -> None:
        event.ignore()

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        ink = self._theme.color("text" if self.isEnabled() else "disabled_text")
        side = self._theme.grown(16)
        sign = icons.pixmap("chevron-down", ink, side, self.devicePixelRatioF())
        place = QRect(self.width() - side - 11, (self.height() - side) // 2, side, side)
        QPainter(self).drawPixmap(QStyle.visualRect(self.layoutDirection(), self.rect(), place), sign)


class Menu(QMenu):
    """A menu with the theme's corners, square ones where they could not be blended with what lies below. Open it with
    ``open_at`` or ``open_by``: ``exec`` would nest event loops."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowFlag(Qt.WindowType.FramelessWindowHint)
        self.setWindowFlag(Qt.WindowType.NoDropShadowWindowHint)
        self.setAttribute(Qt.WidgetAttribute.WA_TranslucentBackground)
        self.setToolTipsVisible(True)
        self.aboutToShow.connect(lambda: mark(self, "rounded", can_blend()))

    def event(self, event: QEvent) -> bool:
        """Tooltips are plain text: what an action is called may be the name of anything."""
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            action = self.actionAt(event.pos())
            QToolTip.showText(event.globalPos(), texts.tip(action.toolTip() if action is not None else ""), self)
            return True
        return super().event(event)

    def initStyleOption(self, option: QStyleOptionMenuItem, action: QAction) -> None:
        super().initStyleOption(option, action)
        title, tab, keys = option.text.partition("\t")
        option.text = title + tab + texts.isolated(keys)  # "Ctrl++" would turn to "++Ctrl"

    def open_at(self, place: QPoint) -> None:
        """Open from a place of the screen on, where lines go."""
        rtl = QGuiApplication.layoutDirection() is Qt.LayoutDirection.RightToLeft
        self.popup(place - QPoint(self.sizeHint().width() if rtl else 0, 0))

    def open_by(self, anchor: QWidget, start: int, top: int) -> None:
        """Open ``start`` px after the start of ``anchor`` and ``top`` px below its top, both may be negative."""
        place = QRect(QPoint(start, top), self.sizeHint())
        # Not the anchor's own direction: a button with its icon behind the words runs against the window.
        shown = QStyle.visualRect(QGuiApplication.layoutDirection(), anchor.rect(), place)
        self.popup(anchor.mapToGlobal(shown.topLeft()))
