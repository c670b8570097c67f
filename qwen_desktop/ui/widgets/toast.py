"""Toasts: short messages at the lower edge of the window, with one optional button."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QEvent, QObject, QPoint, QRect, QTimer, Signal
from PySide6.QtGui import QAccessible, QAccessibleAnnouncementEvent, QEnterEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets.boxes import row
from qwen_desktop.ui.widgets.buttons import IconButton, TextButton
from qwen_desktop.ui.widgets.labels import IconLabel, Paragraph
from qwen_desktop.ui.widgets.surface import FloatingFrame

#: How long a toast stays, in milliseconds, and how wide it gets, in px at normal text size.
STAYS_MS = 6000
MAX_WIDTH = 600


class Toast(FloatingFrame):
    """One message. ``closed`` fires once, when it leaves for whatever reason."""

    closed = Signal()

    def __init__(
        self,
        theme: Theme,
        text: str,
        parent: QWidget,
        *,
        kind: str,
        action: str,
        act: Callable[[], None] | None,
        stays: bool,
    ) -> None:
        super().__init__(theme, parent, radius="card")
        self.text = text
        self._acted = act
        self.setAccessibleName(text)
        signs = {"bad": ("circle-alert", "bad"), "good": ("circle-check", "good")}
        icon, color = signs.get(kind, ("info", "text_muted"))
        label = Paragraph(theme, text, self)
        label.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
        sign = IconLabel(theme, icon, self, color=color, size=18)
        self._line = line = row(sign, (label, 1), on=self, gap=10, margins=(14, 8, 8, 8))
        self._natural = label.fontMetrics().horizontalAdvance(text) + 110
        self.button: TextButton | None = None
        if action:
            self.button = button = TextButton(theme, action, self, kind="link")
            button.clicked.connect(self.act)
            line.addWidget(button)
            self._natural += button.sizeHint().width() + 10
        close = IconButton(theme, "x", self.tr("Close"), self, side=28, icon_size=16)
        close.clicked.connect(self.leave)
        line.addWidget(close)
        self._timer = QTimer(self, singleShot=True)
        self._timer.timeout.connect(self.leave)
        self.stays = stays
        if not stays:
            self._timer.start(STAYS_MS)

    def fit(self, room: int) -> None:
        """Take the width of the text, at most ``MAX_WIDTH`` and the room there is."""
        self.setFixedWidth(max(160, min(self._natural, self._theme.grown(MAX_WIDTH), room)))
        self.setFixedHeight(max(self._line.totalHeightForWidth(self.width()), self._line.totalMinimumSize().height()))

    def act(self) -> None:
        """As if the button had been pressed."""
        act, self._acted = self._acted, None
        self.leave()
        if act is not None:
            act()

    def leave(self) -> None:
        """Go away."""
        self._timer.stop()
        self.hide()
        self.closed.emit()
        self.deleteLater()

    def enterEvent(self, event: QEnterEvent) -> None:
        self._timer.stop()
        super().enterEvent(event)

    def leaveEvent(self, event: QEvent) -> None:
        if not self.stays:
            self._timer.start(STAYS_MS // 2)
        super().leaveEvent(event)


class ToastStack(QObject):
    """Keeps the toasts of a window in a column, newest below."""

    def __init__(self, theme: Theme, window: QWidget) -> None:
        super().__init__(window)
        #: Where toasts may stand, in the window's coordinates; the lowest has its edge at the lower border.
        self.room: Callable[[], QRect] = lambda: window.rect().adjusted(24, 24, -24, -24)
        self._theme = theme
        self._window = window
        #: Those on show, oldest first.
        self.shown: list[Toast] = []
        window.installEventFilter(self)

    def add(
        self,
        text: str,
        *,
        kind: str = "info",
        action: str = "",
        act: Callable[[], None] | None = None,
        stays: bool = False,
    ) -> Toast:
        """Show a toast; the same text again renews the one on show. At most four are shown; of these the passing ones
        make room first."""
        for old in self.shown:
            if old.text == text and act is None:
                old.leave()
                break
        if len(self.shown) >= 4:
            next((old for old in self.shown if not old.stays), self.shown[0]).leave()
        toast = Toast(self._theme, text, self._window, kind=kind, action=action, act=act, stays=stays)
        toast.closed.connect(lambda: self._left(toast))
        self.shown.append(toast)
        toast.show()
        self.arrange()
        QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(toast, text))
        return toast

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Resize:
            self.arrange()
        return False

    def _left(self, toast: Toast) -> None:
        if toast in self.shown:
            self.shown.remove(toast)
            self.arrange()

    def arrange(self) -> None:
        """Put the toasts where there is room now."""
        room = self.room()
        bottom = room.bottom()
        for toast in reversed(self.shown):
            toast.fit(room.width())
            bottom -= toast.height()
            toast.move(QPoint(room.center().x() - toast.width() // 2, bottom))
            toast.raise_()
            bottom -= 4
