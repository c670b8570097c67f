"""What a window hears from the services ends with it."""

from __future__ import annotations

import asyncio
import weakref
from typing import TYPE_CHECKING, Any, cast

import shiboken6
from PySide6.QtCore import QCoreApplication, QEvent, QObject
from PySide6.QtWidgets import QApplication, QWidget

from qwen_desktop.services.events import BranchChanged, DownloadsChanged, EventBus, SettingsChanged
from qwen_desktop.ui.main_window import MainWindow
from qwen_desktop.ui.models.machine_dialog import MachineDialog
from qwen_desktop.ui.pages import PAGES
from tests.ui.conftest import Make

if TYPE_CHECKING:
    from qwen_desktop.services.services import Services


class Page(QWidget):
    """Listens as pages do, by a method of its own."""

    def __init__(self, bus: EventBus, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.heard: list[str] = []
        bus.subscribe(BranchChanged, self._on_branch, owner=self)

    def _on_branch(self, event: BranchChanged) -> None:
        self.heard.append(event.conversation_id)
        self.setToolTip(event.conversation_id)  # fails without the C++ half


def delete_later() -> None:
    """Do what ``deleteLater`` put off."""
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


def listeners(bus: EventBus) -> int:
    """How many subscriptions there are."""
    return sum(map(len, bus._listeners.values()))


def test_a_deleted_page_hears_nothing_more(qapp: QApplication) -> None:
    bus = EventBus()
    window = QWidget()
    pages = [Page(bus, window) for _ in range(3)]
    bus.publish(BranchChanged("all"))
    shiboken6.delete(pages[0])
    pages[1].deleteLater()
    delete_later()
    bus.publish(BranchChanged("one"))
    window.deleteLater()  # and its child with it
    delete_later()
    bus.publish(BranchChanged("none"))
    assert [page.heard for page in pages] == [["all"], ["all"], ["all", "one"]]
    assert listeners(bus) == 0


def test_pages_deleted_while_an_event_is_told(qapp: QApplication) -> None:
    bus = EventBus()
    pages: list[Page] = []

    def close(_: BranchChanged) -> None:
        leave()
        pages[0].deleteLater()  # still there: it hears this one
        shiboken6.delete(pages[1])

    leave = bus.subscribe(BranchChanged, close)
    pages += [Page(bus), Page(bus), Page(bus)]
    bus.publish(BranchChanged("a"))
    delete_later()
    bus.publish(BranchChanged("b"))
    assert [page.heard for page in pages] == [["a"], [], ["a", "b"]]
    assert listeners(bus) == 1


def test_whoever_is_deleted_already_cannot_begin_to_listen(qapp: QApplication) -> None:
    bus = EventBus()
    page = Page(bus)
    shiboken6.delete(page)
    bus.subscribe(BranchChanged, page._on_branch, owner=page)
    bus.publish(BranchChanged("a"))
    assert page.heard == []
    assert listeners(bus) == 0


def test_the_bus_keeps_no_page_alive(qapp: QApplication) -> None:
    bus = EventBus()
    page = Page(bus)
    gone: list[str] = []
    page.destroyed.connect(lambda: gone.append("page"))
    held = weakref.ref(page)
    del page  # without a parent Python's last reference ends the widget
    assert held() is None
    assert gone == ["page"]
    assert listeners(bus) == 0


async def test_a_hundred_dialogs_that_were_opened_and_closed_leave_no_listener(make: Make) -> None:
    ui = await make()
    bus = ui.app.bus
    before = listeners(bus)
    for _ in range(100):
        dialog = MachineDialog(ui.window.ui, ui.window)
        dialog.open()
        assert listeners(bus) > before
        dialog.close()
        dialog.deleteLater()
    delete_later()
    assert listeners(bus) == before


async def test_a_closed_window_with_all_its_pages_leaves_no_listener(make: Make) -> None:
    ui = await make()
    bus, settings = ui.app.bus, ui.app.preferences.settings
    before = listeners(bus)
    window = MainWindow(ui.app.paths)
    window.build(cast("Services", ui.app), ui.theme)
    for row in PAGES:
        window.show_page(row.command)
    bus.publish(DownloadsChanged())
    await ui.rest()
    assert listeners(bus) > before
    window.deleteLater()
    delete_later()
    bus.publish(SettingsChanged(settings, settings, ()))
    assert listeners(bus) == before


async def test_the_error_of_a_page_is_told_like_any_other(make: Make) -> None:
    ui = await make()
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: told.append(context))

    class Broken(QObject):
        def hear(self, _: BranchChanged) -> None:
            raise ValueError("text of a chat")

    broken = Broken(ui.window)
    ui.app.bus.subscribe(BranchChanged, broken.hear, owner=broken)
    ui.app.bus.publish(BranchChanged("a"))
    assert [type(context["exception"]) for context in told] == [ValueError]
