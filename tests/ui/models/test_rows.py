"""The rows of both lists: what a screen reader finds and presses, the keyboard's way, and how few are made at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from msgspec import structs
from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QAccessible, QAccessibleActionInterface, QAccessibleInterface
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QWidget

from qwen_desktop.core.models import CatalogModel, DownloadStatus
from tests.ui.models import scripted
from tests.ui.models.helpers import dialog, names, no_dialog, opened, row_of, services

if TYPE_CHECKING:
    from qwen_desktop.ui.models.page import ModelsPage
    from tests.ui.conftest import Make, Ui


def below(found: QAccessibleInterface) -> Iterator[QAccessibleInterface]:
    for place in range(found.childCount()):
        child = found.child(place)
        yield child
        yield from below(child)


def buttons(widget: QWidget) -> dict[str, QAccessibleInterface]:
    """The buttons that a screen reader finds, in its order."""
    found = below(QAccessible.queryAccessibleInterface(widget))
    return {
        one.text(QAccessible.Text.Name): one
        for one in found
        if one.role() == QAccessible.Role.Button and not one.state().invisible
    }


def acts(found: Iterable[str]) -> dict[str, str]:
    """What the buttons of rows do, by the model's name."""
    parts = [name.partition(": ") for name in found]
    return {
        name: verb for verb, _, name in parts if verb in {"Download", "Installed", "Why?", "Details", "Use", "More"}
    }


def rows(found: Iterable[str]) -> list[str]:
    """The models of the rows themselves."""
    return [name.partition(", ")[0] for name in found if ", " in name]


def press(ui: Ui, key: Qt.Key) -> None:
    there = ui.window.focusWidget()
    assert there is not None
    QTest.keyClick(there, key)


def many(count: int) -> tuple[CatalogModel, ...]:
    base = scripted.catalogue()[0]
    return tuple(structs.replace(base, id=f"m{n}", name=f"Model {n:03}", repo=f"one/m{n:03}") for n in range(count))


async def built(ui: Ui, page: ModelsPage) -> None:
    """Wait until no row is left to be made."""
    await ui.until(lambda: not page.catalogue.list.pending and not page.installed.list.pending)


async def test_a_screen_reader_finds_and_presses_what_each_row_offers(make: Make) -> None:
    ui = await make()
    app = services(ui)
    app.library.items = scripted.installed()
    app.library.changed()
    page = await opened(ui)
    await built(ui, page)
    offered = buttons(page.catalogue.list)
    action = acts(offered)
    assert list(action) == rows(offered) == names(page)  # each row has one, and is one; from above
    assert action["Qwen3 8B"] == "Download"
    assert action["Qwen2.5 Coder 7B"] == "Installed"
    mine = buttons(page.installed.list)
    for verb in ("Use", "More"):
        found_ = [name for name in mine if name.startswith(f"{verb}: ")]
        assert found_ == [f"{verb}: {row.name}" for row in page.installed.list.rows]
    for name, found in offered.items():
        assert QAccessibleActionInterface.pressAction() in found.actionInterface().actionNames(), name
    offered["Download: Qwen3 8B"].actionInterface().doAction(QAccessibleActionInterface.pressAction())
    await ui.until(lambda: app.downloads.calls)
    assert [call[1].repo for call in app.downloads.calls] == ["Qwen/Qwen3-8B-GGUF"]
    row = next(found for name, found in offered.items() if name.startswith("Qwen3 4B, "))
    row.actionInterface().doAction(QAccessibleActionInterface.pressAction())
    await ui.until(lambda: not no_dialog(ui))
    assert dialog(ui).windowTitle() == "Qwen3 4B"
    dialog(ui).close()
    mine["Use: Qwen3 1.7B"].actionInterface().doAction(QAccessibleActionInterface.pressAction())
    await ui.until(lambda: app.models.state.path.endswith("sha256-7f4030143c1c"))


async def test_tab_goes_through_one_row_and_the_arrows_through_all(make: Make) -> None:
    ui = await make()
    services(ui).library.items = scripted.installed()
    page = await opened(ui)
    page._show_installed()
    await built(ui, page)
    view = page.installed.list
    view.enter()
    press(ui, Qt.Key.Key_Down)
    way = []
    for _ in range(4):
        there = ui.window.focusWidget()
        assert there is not None
        way.append(there)
        press(ui, Qt.Key.Key_Tab)
    row = view.row(1)
    assert way[:3] == [row, row.use, row.more]  # type: ignore[attr-defined]
    assert not view.isAncestorOf(way[3])
    row.setFocus()
    press(ui, Qt.Key.Key_End)
    assert view.row(3).hasFocus()
    press(ui, Qt.Key.Key_Down)  # there is nothing below
    assert view.row(3).hasFocus()
    press(ui, Qt.Key.Key_Home)
    press(ui, Qt.Key.Key_Tab)
    press(ui, Qt.Key.Key_Up)  # from a button of the row too
    assert view.row(0).hasFocus()


async def test_a_narrowed_list_keeps_its_widgets_and_the_keyboard_its_model(make: Make) -> None:
    ui = await make()
    page = await opened(ui)
    await built(ui, page)
    view = page.catalogue.list
    place = row_of(page, "Qwen2.5 Coder 7B")
    view.row(place).setFocus()
    before = {view.row(n) for n in range(len(names(page)))}
    page.catalogue.filters.family._choose("Qwen2.5 Coder")
    await built(ui, page)
    assert names(page).index("Qwen2.5 Coder 7B") != place
    assert {view.row(n) for n in range(len(names(page)))} <= before
    there = ui.window.focusWidget()
    assert there is not None
    assert there.accessibleName().startswith("Qwen2.5 Coder 7B")
    assert rows(buttons(view)) == names(page)


async def test_of_a_long_list_only_what_is_near_is_made(make: Make) -> None:
    ui = await make()
    services(ui).catalogue.set(many(600))
    page = await opened(ui)
    await built(ui, page)
    view = page.catalogue.list
    assert len(view.findChildren(QWidget)) < 2 * 250
    bar = page.verticalScrollBar()
    bar.setValue(bar.maximum())
    await ui.until(lambda: page.childAt(page.width() // 2, page.height() - 60) is not view)
    last = page.childAt(page.width() // 2, page.height() - 60)
    assert last is not None
    assert last.accessibleName().startswith(names(page)[-1])
    await built(ui, page)
    said = rows(buttons(view))
    assert said == sorted(said)  # read in the order of the list, though the end was made before what is above it


async def test_a_model_that_comes_in_is_not_shown_by_both_lists_in_one_turn(make: Make) -> None:
    """Each takes as long as one turn may; together they would hold up the window."""
    ui = await make(size=(1280, 2400))
    page = await opened(ui)
    await built(ui, page)
    services(ui).library.items = [m for m in scripted.installed() if m.name == "Qwen2.5 Coder 7B"]
    services(ui).library.changed()
    view = page.catalogue.list
    assert page.installed.list.rows and len(view._stale) == len(view.rows) > 0
    await built(ui, page)
    assert acts(buttons(view))["Qwen2.5 Coder 7B"] == "Installed"


async def test_the_progress_of_a_download_paints_its_row_alone(make: Make) -> None:
    ui = await make(size=(1280, 2400))
    page = await opened(ui)
    running = scripted.every_state()[0]
    services(ui).downloads.add(running)
    await ui.rest()
    await built(ui, page)
    view = page.catalogue.list
    place = row_of(page, "Qwen3 4B")

    class Painted(QObject):
        def __init__(self) -> None:
            super().__init__()
            self.rows: set[QObject] = set()

        def eventFilter(self, watched: QObject, event: QEvent) -> bool:
            if event.type() == QEvent.Type.Paint:
                self.rows.add(watched)
            return False

    painted = Painted()
    for n in range(len(names(page))):
        view.row(n).installEventFilter(painted)
    await asyncio.sleep(0.05)
    painted.rows.clear()
    services(ui).downloads.push(running.id, status=DownloadStatus.RUNNING, done_bytes=2_000_000_000)
    await asyncio.sleep(0.05)
    assert painted.rows == {view.row(place)}
    percent = int(100 * 2_000_000_000 / running.total_bytes)
    assert f"Downloading: Qwen3 4B, {percent} %" in buttons(view)


async def test_from_right_to_left_a_row_is_mirrored(make: Make) -> None:
    ui = await make()
    services(ui).library.items = scripted.installed()
    page = await opened(ui)
    page._show_installed()
    page.setLayoutDirection(Qt.LayoutDirection.RightToLeft)
    await built(ui, page)
    await asyncio.sleep(0.02)
    filters = page.catalogue.filters
    assert filters.family.x() > filters.purpose.x() > filters.size_.x()
    row = page.installed.list.row(0)
    assert row.more.geometry().left() == 4  # type: ignore[attr-defined]
    assert row.use.geometry().left() == 4 + row.more.width() + 6  # type: ignore[attr-defined]
    picture = row.grab().toImage()
    half = picture.width() // 2

    def words(start: int, end: int) -> int:
        ground = picture.pixel(half, picture.height() // 2)
        return sum(picture.pixel(x, y) != ground for x in range(start, end, 2) for y in range(4, picture.height() - 4))

    assert words(half, picture.width()) > 2 * words(200, half)  # the name and what is said of it stand at the right
