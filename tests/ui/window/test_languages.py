"""The window in two languages that nobody speaks: one with longer words, one that reads from right to left. No English
is left on any page and in any dialog, and nothing is cut off."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest
from PySide6.QtGui import QContextMenuEvent
from PySide6.QtWidgets import QApplication, QDialog, QWidget

from qwen_desktop.core.errors import Bug
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text
from qwen_desktop.ui.chat.diagram_window import DiagramDialog
from qwen_desktop.ui.chat.diagrams import Picture
from qwen_desktop.ui.widgets.filter_chip import FilterChip
from tests import pseudo
from tests.ui.foreign import English, english
from tests.ui.looks import stays_cut_off
from tests.ui.models import scripted
from tests.ui.models.helpers import opened, services

if TYPE_CHECKING:
    from tests.ui.conftest import Make


@pytest.fixture(params=list(pseudo.LOCALES), scope="module")
def language(request: pytest.FixtureRequest, qapp: QApplication) -> Iterator[str]:
    """The application speaks it."""
    with pseudo.spoken(qapp, request.param):
        yield request.param


class Found:
    """What is wrong at each place, in words."""

    def __init__(self) -> None:
        self.wrong: list[str] = []
        self._told: set[English] = set()

    async def look(self, place: str) -> None:
        """See what is on the screen."""
        texts = sorted(english() - self._told)
        self._told.update(texts)
        self.wrong += [f"{place}: {one.module.removeprefix('qwen_desktop.ui.')} shows “{one.text}”" for one in texts]
        shown = [window for window in QApplication.topLevelWidgets() if window.isVisible()]
        for window in shown:
            self.wrong += [f"{place}: {text}" for text in await stays_cut_off(window)]


async def test_no_page_speaks_english(make: Make, language: str) -> None:
    ui = await make(size=(900, 760))
    found = Found()
    ui.window.show_page("help.welcome")
    await ui.rest()
    await found.look("welcome")
    services(ui).library.items = scripted.installed()
    services(ui).library.changed()
    services(ui).downloads.add(*scripted.every_state())
    await opened(ui)
    await ui.rest()
    await found.look("models")
    ui.window.show_page("view.settings")
    page = ui.window.pages.built("view.settings")
    assert page is not None
    for name in [*page.sections, "about"]:
        page.show_section(name)
        await ui.rest()
        await found.look(f"settings {name}")
    ui.window.show_page("view.chat")
    await ui.say("2 + 2")
    await found.look("chat")
    assert not found.wrong, "\n".join(found.wrong)


async def test_no_dialog_speaks_english(make: Make, language: str) -> None:
    ui = await make(size=(900, 760))
    services(ui).library.items = scripted.installed()
    page = await opened(ui)
    installed = services(ui).library.items
    drawn = Picture('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 30"/>', 40.0, 30.0, "pie")
    found = Found()
    wrong = Bug(Text("x", QT_TRANSLATE_NOOP("tests", "It went wrong.")))
    opening: dict[str, Callable[[], object]] = {
        "details": lambda: page.details(page.state.rows[0].model),  # type: ignore[index] # it is loaded
        "computer": page.show_machine,
        "import": page.import_models,
        "installed": lambda: page.installed_details(installed[3]),
        "delete": lambda: page.delete(installed[0]),
        "shortcuts": ui.window._show_shortcuts,
        "about": ui.window._show_about,
        "diagram": lambda: DiagramDialog(ui.chat.pane._ui, drawn, "1 + 1", ui.window).open(),
        "link": lambda: ui.window.notify.link("https://example.org/a/page"),
        "bug": lambda: ui.window.notify.problem(wrong.problem),
    }
    for name, show in opening.items():
        show()
        await asyncio.sleep(0.02)
        await found.look(name)
        for dialog in ui.window.findChildren(QDialog):
            if dialog.isVisible():
                dialog.reject()
        await asyncio.sleep(0.02)
    assert not found.wrong, "\n".join(found.wrong)


def asked_for_a_menu(widget: QWidget) -> None:
    """Press the key for it."""
    place = widget.rect().center()
    reason = QContextMenuEvent.Reason.Keyboard
    QApplication.sendEvent(widget, QContextMenuEvent(reason, place, widget.mapToGlobal(place)))


async def test_menus_open_towards_the_inside_of_the_window(make: Make, language: str) -> None:
    ui = await make(size=(900, 760))
    await ui.say("2 + 2")
    page = await opened(ui)
    await ui.rest()
    places: dict[str, tuple[str, Callable[[], object]]] = {
        "app": ("view.chat", ui.window.rail.menu_button.click),
        "chat": ("view.chat", ui.chat.header.menu_button.click),
        "model": ("view.chat", ui.chat.pane.composer.model.click),
        "filter": ("view.models", page.findChildren(FilterChip)[1].click),
        "list": ("view.chat", lambda: asked_for_a_menu(ui.chat.sidelist.view.viewport())),
    }
    for name, (command, show) in places.items():
        ui.window.show_page(command)
        show()
        await asyncio.sleep(0.02)
        menu = QApplication.activePopupWidget()
        assert menu is not None, name
        shown, room = menu.geometry(), ui.window.geometry()
        assert room.left() <= shown.left() and shown.right() <= room.right(), name
        menu.close()
