"""The pages of the window, a table: adding one is a row here and a command for it in ``core.commands``.

A page is a widget that has as its focus proxy where the keyboard begins. It is built when it is first asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from PySide6.QtWidgets import QStackedWidget, QWidget

if TYPE_CHECKING:
    from qwen_desktop.ui.main_window import MainWindow

CHAT, MODELS, SETTINGS, WELCOME = "view.chat", "view.models", "view.settings", "help.welcome"
ASSISTANTS = "view.assistants"


def _chat(window: MainWindow) -> QWidget:
    from qwen_desktop.ui.chat.page import ChatPage  # noqa: PLC0415 - not before the first paint

    page = ChatPage(window.ui)
    page.model_opened.connect(window.use_model)
    page.pane.shown.connect(window.conversation_shown)
    page.lists.search_wanted.connect(window.search)
    page.sidelist.model.folded.connect(lambda: window.folders_opened(page.sidelist.model.opened))
    page.pane.model_wanted.connect(window.get_model)
    width = window.state.list_width
    page.splitter.setSizes([width, max(400, window.width() - width)])
    window.models.put_into(page.sidelist)
    return page


def _models(window: MainWindow) -> QWidget:
    from qwen_desktop.ui.models.page import ModelsPage  # noqa: PLC0415 - not before the first paint

    return ModelsPage(window.ui, window.models.state, window.models.starter)


def _assistants(window: MainWindow) -> QWidget:
    from qwen_desktop.ui.assistants.page import AssistantsPage  # noqa: PLC0415 - not before the first paint

    page = AssistantsPage(window.ui)
    page.chat_wanted.connect(window.chat_with)
    return page


def _settings(window: MainWindow) -> QWidget:
    from qwen_desktop.ui.settings.page import SettingsPage  # noqa: PLC0415 - not before the first paint

    return SettingsPage(window.ui)


def _welcome(window: MainWindow) -> QWidget:
    from qwen_desktop.ui.welcome.page import WelcomePage  # noqa: PLC0415 - not before the first paint

    page = WelcomePage(window.ui, window.models.state, window.models.starter)
    page.asked.connect(window.ask_guide)
    return page


class PageRow(NamedTuple):
    """A page: the command that shows it, its icon on the rail ("" for one that is not there), and what builds it.

    A page with a side list is a ``ListPage``. ``at_end``: its button stands at the rail's lower end.
    """

    command: str
    icon: str
    build: Callable[[MainWindow], QWidget]
    at_end: bool = False


PAGES = (
    PageRow(CHAT, "message-square", _chat),
    PageRow(MODELS, "boxes", _models),
    PageRow(ASSISTANTS, "bot", _assistants),
    PageRow(SETTINGS, "settings", _settings, at_end=True),
    PageRow(WELCOME, "", _welcome),
)


class Pages(QStackedWidget):
    """The pages of one window that have been built."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window = window
        self._rows = {row.command: row for row in PAGES}
        self._built: dict[str, QWidget] = {}

    def page(self, command: str) -> QWidget:
        """The page of a command; raises ``KeyError`` for one that shows none."""
        if command not in self._built:
            self._built[command] = self._rows[command].build(self._window)
            self.addWidget(self._built[command])
        return self._built[command]

    def built(self, command: str) -> QWidget | None:
        """The page of a command once it was built."""
        return self._built.get(command)

    def shows(self, command: str) -> bool:
        """Whether this page is on show."""
        return self.currentWidget() is self._built.get(command, self)
