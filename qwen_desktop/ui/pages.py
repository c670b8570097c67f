"""The pages of the window, a table: adding one is a row here and a command for it in ``core.commands``.

A page is a widget that has as its focus proxy where the keyboard begins. It is built when it is first asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple, cast

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QStackedWidget, QWidget

if TYPE_CHECKING:
    from qwen_desktop.ui.list_page import ListPage
    from qwen_desktop.ui.main_window import MainWindow

CHAT, MODELS, SETTINGS, WELCOME = "view.chat", "view.models", "view.settings", "help.welcome"


def _chat(window: MainWindow) -> QWidget:
    from qwen_desktop.ui.chat.page import ChatPage  # noqa: PLC0415 - not before the first paint

    page = ChatPage(window.shell)
    page.command_wanted.connect(window.actions_.trigger)
    page.model_opened.connect(window.use_model)
    page.conversation_shown.connect(window.conversation_shown)
    page.splitter.setSizes([window.list_width, max(400, window.width() - window.list_width)])
    window.models.put_into(page.sidelist)
    return page


def _models(window: MainWindow) -> QWidget:
    return window.models.built()


def _settings(window: MainWindow) -> QWidget:
    from qwen_desktop.ui.settings.page import SettingsPage  # noqa: PLC0415 - not before the first paint

    return SettingsPage(window.shell)


def _welcome(window: MainWindow) -> QWidget:
    from qwen_desktop.ui.welcome.page import WelcomePage  # noqa: PLC0415 - not before the first paint

    page = WelcomePage(window.shell, window.models.board, window.models.getting)
    page.asked.connect(window.ask_guide)
    return page


class PageRow(NamedTuple):
    """A page: the command that shows it, its icon on the rail ("" for one that is not there), and what builds it.

    ``sidelist`` is the setting that keeps whether its side list is shown, "" where that is not kept, None where there
    is no list; with one the page is a ``ListPage``. ``at_end``: its button stands at the rail's lower end.
    """

    command: str
    icon: str
    build: Callable[[MainWindow], QWidget]
    sidelist: str | None = None
    at_end: bool = False


PAGES = (
    PageRow(CHAT, "message-square", _chat, sidelist="appearance.sidelist"),
    PageRow(MODELS, "boxes", _models),
    PageRow(SETTINGS, "settings", _settings, sidelist="", at_end=True),
    PageRow(WELCOME, "", _welcome),
)


class Pages(QStackedWidget):
    """``list_built`` tells of a new page with a side list, and of the setting that keeps whether that is shown."""

    list_built = Signal(object, str)

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window = window
        self._rows = {row.command: row for row in PAGES}
        self._built: dict[str, QWidget] = {}

    def page(self, command: str) -> QWidget:
        """The page of a command; raises ``KeyError`` for one that shows none."""
        found = self._built.get(command)
        if found is None:
            row = self._rows[command]
            found = self._built[command] = row.build(self._window)
            self.addWidget(found)
            if row.sidelist is not None:
                self.list_built.emit(found, row.sidelist)
        return found

    def built(self, command: str) -> QWidget | None:
        """The page of a command once it was built."""
        return self._built.get(command)

    def shows(self, command: str) -> bool:
        """Whether this page is on show."""
        return self.currentWidget() is self._built.get(command, self)

    def lists(self) -> Iterator[tuple[ListPage, str]]:
        """The built pages with a side list, each with the setting that keeps whether it is shown."""
        for command, page in self._built.items():
            setting = self._rows[command].sidelist
            if setting is not None:
                yield cast("ListPage", page), setting
