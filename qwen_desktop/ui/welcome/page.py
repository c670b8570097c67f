"""The welcome page, built when it is first shown."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QScrollArea, QSizePolicy, QVBoxLayout, QWidget

from qwen_desktop.ui.actions import Actions
from qwen_desktop.ui.chat.message_edit import MessageEdit
from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets.buttons import RoundButton, TextButton
from qwen_desktop.ui.widgets.labels import IconLabel, Label, Paragraph
from qwen_desktop.ui.widgets.surface import SHADOW, FloatingFrame

#: Where Qwen's own GGUF files are offered.
PLACES = (("Hugging Face", "https://huggingface.co/Qwen"), ("ModelScope", "https://modelscope.cn/organization/qwen"))
_WIDTH = 620


class WelcomePage(QScrollArea):
    """``asked`` carries a question for the guide, ``left`` tells that the user wants to chat."""

    asked = Signal(str)
    left = Signal()
    link_wanted = Signal(str)

    def __init__(self, theme: Theme, actions: Actions, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self.setObjectName("page")
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        body = QWidget(self)
        body.setObjectName("pageBody")
        column = QWidget(body)
        column.setMaximumWidth(_WIDTH + 2 * SHADOW)
        column.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self._lay_out(column, theme, actions)
        middle = QHBoxLayout()
        middle.addStretch(1)
        middle.addWidget(column, 1000)
        middle.addStretch(1)
        outer = QVBoxLayout(body)
        outer.setContentsMargins(24, 24, 24, 24)
        outer.addStretch(1)
        outer.addLayout(middle)
        outer.addStretch(1)
        self.setWidget(body)

    def _lay_out(self, column: QWidget, theme: Theme, actions: Actions) -> None:
        outer = QVBoxLayout(column)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(20)
        inner = QVBoxLayout()
        inner.setContentsMargins(SHADOW, 0, SHADOW, 0)  # the box below keeps as much for its shadow
        inner.setSpacing(0)
        outer.addLayout(inner)
        words = self.tr("Your own assistant, on your own computer")
        inner.addWidget(Paragraph(theme, words, column, role="welcome", weight=700))
        inner.addSpacing(6)
        promise = self.tr("Qwen models answer here, without an account and without the network.")
        inner.addWidget(Paragraph(theme, promise, column, role="message", color="text_muted"))
        inner.addSpacing(24)
        for icon, heading, text in (
            (
                "message-circle-question-mark",
                self.tr("The guide is ready"),
                self.tr("A tiny built-in model that explains this app. Ask it anything below, right now."),
            ),
            (
                "file-box",
                self.tr("Models are GGUF files on your disk"),
                self.tr("Qwen offers them for free. Download one with your browser, then open it here."),
            ),
            (
                "lock",
                self.tr("Private by design"),
                self.tr("Chats stay on this disk. This app has no account, no telemetry and opens no connection."),
            ),
        ):
            inner.addWidget(_Row(theme, icon, heading, text, column))
            if icon == "file-box":
                inner.addLayout(self._places(theme, column))
            inner.addSpacing(20)
        inner.addSpacing(6)
        buttons = QHBoxLayout()
        buttons.setSpacing(10)
        self.open_button = TextButton(theme, self.tr("I have a GGUF file"), column, icon="file-up")
        self.open_button.setToolTip(actions.tooltip("model.open"))
        self.open_button.clicked.connect(actions["model.open"].trigger)
        self.chat_button = TextButton(theme, self.tr("Start chatting with the guide"), column)
        self.chat_button.clicked.connect(self.left)
        buttons.addWidget(self.open_button)
        buttons.addWidget(self.chat_button)
        buttons.addStretch(1)
        inner.addLayout(buttons)
        self.box = _AskBox(theme, column)
        self.box.sent.connect(self.asked)
        outer.addWidget(self.box)

    def _places(self, theme: Theme, parent: QWidget) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setContentsMargins(46, 0, 0, 0)
        row.setSpacing(4)
        for name, address in PLACES:
            link = TextButton(theme, self.tr("Qwen on {place}").replace("{place}", name), parent, kind="link")
            link.setToolTip(address)
            link.clicked.connect(lambda _checked=False, a=address: self.link_wanted.emit(a))
            row.addWidget(link)
        row.addStretch(1)
        return row

    def minimumSizeHint(self) -> QSize:
        return QSize(360, 300)


class _Row(QWidget):
    """A tinted sign, a heading and one sentence."""

    def __init__(self, theme: Theme, icon: str, heading: str, text: str, parent: QWidget) -> None:
        super().__init__(parent)
        tile = QWidget(self)
        tile.setObjectName("tile")
        tile.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        tile.setFixedSize(38, 38)
        sign = IconLabel(theme, icon, tile, color="accent", size=20)
        sign.setAlignment(Qt.AlignmentFlag.AlignCenter)
        sign.setGeometry(0, 0, 38, 38)
        words = QVBoxLayout()
        words.setSpacing(2)
        words.addWidget(Label(theme, heading, self, weight=600))
        words.addWidget(Paragraph(theme, text, self, color="text_muted"))
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(14)
        row.addWidget(tile, 0, Qt.AlignmentFlag.AlignTop)
        row.addLayout(words, 1)


class _AskBox(FloatingFrame):
    """The composer without its tools: a question for the guide."""

    sent = Signal(str)

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(theme, parent)
        self.edit = MessageEdit(theme, self)
        self.edit.setPlaceholderText(self.tr("Ask the guide: how do I start a new chat?"))
        self.edit.setAccessibleName(self.tr("Question for the guide"))
        self.edit.set_limit(160)
        self.button = RoundButton(theme, "arrow-up", self.tr("Ask the guide"), self)
        self.button.setProperty("round", True)
        self.button.setEnabled(False)
        self.edit.textChanged.connect(lambda: self.button.setEnabled(not self.edit.document().isEmpty()))
        self.edit.long_paste.connect(lambda text: self.edit.insertPlainText(text[:2000]))
        self.edit.send_wanted.connect(self._send)
        self.edit.focus_changed.connect(lambda on: self.set_border("focus" if on else "border_strong"))
        self.button.clicked.connect(self._send)
        row = QHBoxLayout(self)
        row.setContentsMargins(17, 12, 12, 12)
        row.setSpacing(8)
        row.addWidget(self.edit, 1, Qt.AlignmentFlag.AlignVCenter)
        row.addWidget(self.button, 0, Qt.AlignmentFlag.AlignBottom)
        self.setFocusProxy(self.edit)

    def _send(self) -> None:
        text = self.edit.toPlainText().strip()
        if text and not self.edit.composing():
            self.edit.clear()
            self.sent.emit(text)
