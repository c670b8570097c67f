"""The chat's header: title, who answers, what is done with it most, the … menu, and the way back to a hidden list."""

from __future__ import annotations

from PySide6.QtCore import QLocale, QSize, Qt, Signal
from PySide6.QtWidgets import QSizePolicy, QWidget

from qwen_desktop.core.assistants import Assistant
from qwen_desktop.core.engine import Adapter
from qwen_desktop.services.adapters import title
from qwen_desktop.ui import texts
from qwen_desktop.ui.actions import Actions
from qwen_desktop.ui.chat.assistant_bar import HeaderAssistant
from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets.boxes import row
from qwen_desktop.ui.widgets.buttons import IconButton, TextButton
from qwen_desktop.ui.widgets.labels import Chip, ElidedLabel
from qwen_desktop.ui.widgets.select import Menu


class ChatHeader(QWidget):
    """52 px above the transcript. ``menu_opened`` says that its menu is about to be open, ``assistant_clicked`` that
    more is wanted of the assistant of the chat. Its buttons mean the chat on show, wherever the keyboard is."""

    menu_opened = Signal(object)  # the menu
    assistant_clicked = Signal()
    #: The id of a command that is given for the chat on show, whatever is chosen elsewhere.
    wanted = Signal(str)

    def __init__(self, theme: Theme, actions: Actions, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self.setObjectName("header")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.list_button = IconButton(theme, "panel-left", actions.tooltip("view.sidelist"), self)
        self.list_button.clicked.connect(actions["view.sidelist"].trigger)
        self.list_button.hide()
        self.title = ElidedLabel(theme, "", self, role="message", weight=600)
        self.title.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        self.chip = Chip(theme, self.tr("Built-in guide"), self, icon="message-circle-question-mark")
        self.chip.setToolTip(self.tr("The guide explains this app. It is not a general assistant."))
        self.temporary = Chip(theme, self.tr("Temporary"), self, icon="message-circle-dashed", kind="accent")
        self.temporary.setToolTip(self.tr("Nothing of this chat is written to the disk."))
        self.keep_button = TextButton(theme, actions["chat.keep"].text(), self, kind="link")
        self.keep_button.setToolTip(self.tr("Save this chat on the disk, as any other one."))
        self.keep_button.clicked.connect(lambda: self.wanted.emit("chat.keep"))
        self.assistant = HeaderAssistant(theme, self)
        self.assistant.clicked.connect(self.assistant_clicked)
        self.adapters = TextButton(theme, "", self, icon="sliders-horizontal", kind="chip")
        self.adapters.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.adapters.clicked.connect(actions["chat.adapters"].trigger)
        self.adapters.setAccessibleName(self.tr("Adapters"))
        self.adapters.hide()
        self.find_button = IconButton(theme, "search", actions.tooltip("find.open"), self)
        self.find_button.clicked.connect(actions["find.open"].trigger)
        self.instructions_button = IconButton(theme, "sliders-horizontal", actions.tooltip("chat.instructions"), self)
        self.instructions_button.setCheckable(True)
        self.instructions_button.clicked.connect(actions["chat.instructions"].trigger)
        self.export_button = IconButton(theme, "share", actions.tooltip("chat.export"), self)
        self.export_button.clicked.connect(lambda: self.wanted.emit("chat.export"))
        self.menu_button = IconButton(theme, "ellipsis", self.tr("What to do with this chat"), self)
        self._menu = Menu(self)
        actions.fill(self._menu, "shown")
        self._menu.addSeparator()
        actions.fill(self._menu, "chat")
        self.menu_button.clicked.connect(self._open)
        parts = (
            self.list_button,
            self.title,
            self.chip,
            self.temporary,
            self.assistant,
            self.adapters,
            None,
            self.keep_button,
            self.find_button,
            self.instructions_button,
            self.export_button,
            self.menu_button,
        )
        row(*parts, on=self, gap=10, margins=(20, 0, 20, 0))
        self._fit()
        theme.changed.connect(self._fit)

    def show_chat(
        self,
        title: str,
        *,
        stored: bool,
        guide: bool,
        temporary: bool = False,
        begun: bool = True,
        assistant: Assistant | None = None,
        adapters: tuple[Adapter, ...] = (),
    ) -> None:
        """Name the chat, its assistant, and the adapters that count in it; the menu is there for one that is stored,
        the label where the guide answers.

        Once it is ``begun`` there is something to find and to export, and a temporary one can be kept."""
        self.assistant.show_of(assistant)
        self._show_adapters(adapters)
        self.temporary.setVisible(temporary)
        self.keep_button.setVisible(temporary and begun)
        self.title.setText(title)
        self.menu_button.setVisible(stored)
        self.export_button.setVisible(stored and begun)
        self.find_button.setVisible(stored and begun)
        self.chip.setVisible(guide)

    def _show_adapters(self, adapters: tuple[Adapter, ...]) -> None:
        """Say that answers are made with them: nobody is to wonder why the model answers otherwise."""
        self.adapters.setVisible(bool(adapters))
        if adapters:
            named = ", ".join(
                f"{texts.isolated(title(each))} ({QLocale().toString(each.scale, 'g', 4)})" for each in adapters
            )
            self.adapters.setText(self.tr("%n adapter(s)", "", len(adapters)))
            self.adapters.setAccessibleName(self.adapters.text())
            self.adapters.setToolTip(texts.tip(texts.fill(self.tr("Answers are made with {names}"), names=named)))
            self.adapters.setAccessibleDescription(texts.fill(self.tr("Answers are made with {names}"), names=named))

    def _fit(self) -> None:
        self.setFixedHeight(self._theme.scaled("control_height") + 18)
        side = self._theme.grown(14)
        self.adapters.setIconSize(QSize(side + 6, side))

    def _open(self) -> None:
        button = self.menu_button
        self.menu_opened.emit(self._menu)
        self._menu.open_by(button, button.width() - self._menu.sizeHint().width(), button.height() + 4)
