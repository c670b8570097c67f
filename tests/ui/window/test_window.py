"""The shell: commands, shortcuts, pages, closing, files, and that nothing is cut off."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent, QKeySequence
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QDialog, QLabel, QLineEdit, QWidget

from qwen_desktop.core.commands import COMMANDS
from qwen_desktop.core.errors import Bug
from qwen_desktop.core.text import Text
from qwen_desktop.services.events import Notified
from qwen_desktop.ui import main_window, pages, rail
from qwen_desktop.ui.actions import Actions
from qwen_desktop.ui.first_paint import FirstPaintWindow
from qwen_desktop.ui.list_page import ListPage
from qwen_desktop.ui.pages import PAGES, PageRow
from qwen_desktop.ui.widgets.dialog import Dialog
from qwen_desktop.ui.widgets.labels import Chip
from tests import layouts
from tests.scripted_engine import Script
from tests.ui.looks import stays_cut_off, walk
from tests.ui.models import scripted
from tests.ui.models.helpers import opened, services

if TYPE_CHECKING:
    from tests.ui.conftest import Make, Ui


def dialogs(ui: Ui) -> list[QDialog]:
    return [child for child in ui.window.findChildren(QDialog) if child.isVisible()]


def test_a_command_that_nothing_answers_to_is_found(qapp: QApplication) -> None:
    window = QWidget()
    actions = Actions(window)
    with pytest.raises(KeyError):
        actions.connect_all({})


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.shortcut], ids=lambda c: c.id)
async def test_every_shortcut_works_from_the_message_box(make: Make, command: object) -> None:
    ui = await make()
    await ui.say("something to regenerate")
    ui.chat.pane.setFocus()
    action = ui.window.actions_[command.id]  # type: ignore[attr-defined] # a Command
    action.setEnabled(True)
    given: list[str] = []
    action.triggered.disconnect()
    action.triggered.connect(lambda _checked=False: given.append(command.id))  # type: ignore[attr-defined]
    keys = QKeySequence(command.shortcut)[0]  # type: ignore[attr-defined]
    QTest.keyClick(ui.chat.pane.composer.edit, keys.key(), keys.keyboardModifiers())
    await asyncio.sleep(0)
    assert given == [command.id]  # type: ignore[attr-defined]


async def test_pages_and_their_marks(make: Make) -> None:
    ui = await make()
    ui.window.actions_.trigger("view.settings")
    assert ui.window.pages.currentWidget() is ui.window.pages.built("view.settings")
    ui.window.actions_.trigger("view.models")
    assert ui.window.pages.currentWidget() is ui.window.pages.built("view.models")
    assert ui.window.rail.button("view.models").isChecked()
    ui.window.actions_.trigger("help.welcome")
    assert ui.window.pages.currentWidget() is ui.window.pages.built("help.welcome")
    ui.window.actions_.trigger("chat.new")
    assert ui.window.pages.currentWidget() is ui.chat
    assert ui.chat.pane.composer.edit.hasFocus()


async def test_the_first_start_shows_the_welcome_and_a_question_there_goes_to_the_guide(make: Make) -> None:
    make.script = Script(text="Press Ctrl+N.")
    ui = await make(welcome=True)
    page = ui.window.pages.built("help.welcome")
    assert page is not None
    assert ui.window.pages.currentWidget() is page
    QTest.keyClicks(page.box.edit, "How do I start a new chat?")
    QTest.keyClick(page.box.edit, Qt.Key.Key_Return)
    await ui.rest()
    assert ui.window.pages.currentWidget() is ui.chat
    assert (
        layouts.message_text(ui.chat.pane.transcript, layouts.last_answer(ui.chat.pane.transcript)) == "Press Ctrl+N."
    )
    assert ui.app.models.state.guide


async def test_closing_without_an_answer_ends_at_once_and_keeps_the_geometry(make: Make) -> None:
    ui = await make(size=(1100, 700))
    ended: list[bool] = []
    ui.window.finished.connect(lambda: ended.append(True))
    ui.window.close()
    await ui.until(lambda: ended)
    assert not dialogs(ui)
    assert (ui.app.paths.config / "window.json").is_file()


async def test_closing_while_an_answer_runs_asks_first(make: Make) -> None:
    make.script = Script(text="word " * 400, rate=50)
    ui = await make()
    ended: list[bool] = []
    ui.window.finished.connect(lambda: ended.append(True))
    ui.type("go")
    ui.press(Qt.Key.Key_Return)
    await ui.until(ui.app.chat.running)
    ui.window.close()
    (asked,) = dialogs(ui)
    asked.reject()
    await asyncio.sleep(0.02)
    assert not ended
    ui.window.close()
    (asked,) = dialogs(ui)
    next(b for b in asked.findChildren(QAbstractButton) if b.text() == "Stop and close").click()
    await ui.until(lambda: ended)


async def test_a_setting_typed_just_before_closing_is_kept(make: Make) -> None:
    ui = await make()
    ui.window.show_page("view.settings")
    page = ui.window.pages.built("view.settings")
    assert page is not None
    page.show_section("chat")
    field = page.row("chat.system_prompt").control.field  # type: ignore[attr-defined] # a TextControl
    field.setFocus()
    QTest.keyClicks(field, "Be brief.")
    ended: list[bool] = []
    ui.window.finished.connect(lambda: ended.append(True))
    ui.window.close()
    await ui.until(lambda: ended)
    assert ui.app.preferences.settings.chat.system_prompt == "Be brief."


async def test_the_side_list_gives_way_under_1000_pixels(make: Make) -> None:
    ui = await make()
    assert ui.chat.sidelist.isVisible()
    ui.window.resize(900, 700)
    await asyncio.sleep(0.02)
    assert not ui.chat.sidelist.isVisible()
    assert ui.chat.header.list_button.isVisible()
    ui.window.actions_.trigger("view.sidelist")
    assert ui.chat.sidelist.isVisible()
    assert ui.app.preferences.settings.appearance.sidelist
    ui.window.resize(1200, 700)
    await asyncio.sleep(0.02)
    assert ui.chat.sidelist.isVisible()


def test_the_first_window_and_its_title_bar_stand_on_the_screen(qapp: QApplication, tmp_path: Path) -> None:
    frame = FirstPaintWindow(tmp_path / "window.json")
    room = qapp.primaryScreen().availableSize()
    assert frame.width() <= room.width()
    assert frame.height() + 32 <= room.height()  # a title bar as systems draw it
    frame.deleteLater()


async def test_hiding_the_list_is_remembered(make: Make) -> None:
    ui = await make()
    ui.window.actions_.trigger("view.sidelist")
    await ui.rest()
    assert not ui.chat.sidelist.isVisible()
    assert not ui.app.preferences.settings.appearance.sidelist


async def test_nothing_is_cut_off(make: Make) -> None:
    ui = await make()
    await ui.app.models.open_file(ui.app.model_file("Qwen3-4B-Instruct-2507-Q4_K_M.gguf"))
    await ui.say("A question with a title")
    for width, percent in ((900, 200), (1000, 180), (1280, 150), (2560, 80)):
        await ui.app.preferences.set("appearance.text_size", percent)
        ui.window.resize(width, 760)
        cut = await walk(ui)
        assert not cut, "\n".join([f"{percent} %, {width} px", *cut])
        assert ui.window.width() == width, percent
        status = ui.chat.pane.status
        assert status.mapTo(ui.window, status.rect().topRight()).x() < width, percent
        hint = ui.chat.pane.composer.edit.placeholderText()
        assert ui.chat.pane.composer.edit.fontMetrics().horizontalAdvance(hint) < ui.chat.pane.composer.edit.width(), (
            percent
        )


@pytest.mark.parametrize("percent", [100, 200])
async def test_dialogs_cut_nothing_off(make: Make, percent: int) -> None:
    ui = await make(size=(900, 760), appearance__text_size=percent)
    ui.theme.set_text_size(percent)
    services(ui).library.items = scripted.installed()
    page = await opened(ui)
    installed = services(ui).library.items
    opening: list[Callable[[], object]] = [
        lambda: page.details(page.state.rows[0].model),  # type: ignore[index] # it is loaded
        page.show_machine,
        page.import_models,
        lambda: page.installed_details(installed[3]),
        lambda: page.delete(installed[0]),
        ui.window._show_shortcuts,
        ui.window._show_about,
        lambda: ui.window.notify.link("https://example.org/a/long/address/of/a/page"),
    ]
    for number, show in enumerate(opening):
        show()
        await asyncio.sleep(0.02)
        (shown,) = dialogs(ui)
        cut = await stays_cut_off(shown)
        assert not cut, "\n".join([str(number), *cut])
        shown.reject()
        await asyncio.sleep(0.02)


async def test_chips_with_the_same_words_are_as_large_wherever_they_stand(make: Make) -> None:
    ui = await make()
    one, other = (chip for chip in ui.chat.findChildren(Chip) if chip.text() == "Built-in guide")
    assert one.isVisible() and one.size() == other.size()
    assert one.height() >= one.fontMetrics().height() + 8


async def test_a_dialog_that_grows_stays_in_its_window(make: Make) -> None:
    ui = await make(size=(900, 700))
    dialog = Dialog(ui.theme, "Title", "Text.", ui.window)
    details = QWidget()
    details.setFixedHeight(480)
    link = dialog.fold("Details", details)
    dialog.open()
    await asyncio.sleep(0.02)
    before = dialog.frameGeometry()
    link.click()
    await asyncio.sleep(0.02)
    assert dialog.height() > 480
    assert ui.window.geometry().contains(dialog.frameGeometry())
    assert dialog.x() == before.x()
    dialog.reject()


async def test_the_rail_grows_with_the_text(make: Make) -> None:
    ui = await make()
    rail, button = ui.window.rail, ui.window.rail.button("view.settings")
    before = (rail.width(), button.height(), button.label_font().pixelSize())
    await ui.app.preferences.set("appearance.text_size", 180)
    await asyncio.sleep(0.02)
    assert all(
        now > then
        for now, then in zip((rail.width(), button.height(), button.label_font().pixelSize()), before, strict=True)
    )
    ui.window.save_state()
    assert ui.window.state.rail_width == rail.width()  # for the next start's first paint


async def test_targets_are_large_enough_and_have_names(make: Make) -> None:
    ui = await make()
    await ui.say("hello")
    ui.window.show_page("view.settings")
    for button in ui.window.findChildren(QAbstractButton):
        if button.objectName().startswith("qt_") or not button.parent():
            continue
        assert button.accessibleName() or button.text(), button
        if button.isVisible():
            assert min(button.width(), button.height()) >= 28, button.accessibleName() or button.text()


async def test_the_app_menu_lists_its_commands(make: Make) -> None:
    ui = await make()
    listed = {action.objectName() for action in ui.window.rail._menu.actions()}
    assert {c.id for c in COMMANDS if c.menu == "app"} <= listed


async def test_files_that_are_dropped(make: Make, tmp_path: Path) -> None:
    ui = await make()

    def drop(path: str) -> None:
        data = QMimeData()
        data.setUrls([QUrl.fromLocalFile(path)])
        action, button = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton
        event = QDropEvent(QPointF(400, 300), action, data, button, Qt.KeyboardModifier.NoModifier)
        ui.window.dropEvent(event)  # sent through Qt it would need a drag that is going on

    notes = tmp_path / "notes.txt"
    notes.write_text("All is well.")
    drop(str(notes))
    await ui.until(lambda: ui.chat.pane.composer.attached.chips)
    drop(str(tmp_path / "large.gguf.part1of2"))
    await ui.rest()
    assert ui.app.models.state.path.endswith("part1of2")  # not refused by its name: what it is, its check says
    drop(ui.app.model_file("dropped"))  # other programs keep models under names without an ending
    await ui.until(lambda: ui.app.models.state.name == "dropped")
    await ui.rest()
    assert ui.chat.pane.composer.model.name == "dropped"


async def test_the_model_menu_lists_guide_recent_and_open(make: Make) -> None:
    ui = await make()
    await ui.app.models.open_file(ui.app.model_file("one.gguf"))
    await ui.app.models.open_file(ui.app.model_file("two.gguf"))
    ui.chat.pane.choose_model()
    entries = [a for a in ui.chat.pane.model_menu.actions() if not a.isSeparator()]
    assert [a.text() for a in entries] == [
        "Use the guide",
        "two",
        "one",
        "Open GGUF…",
        "Get more models…",
        "Why is it slow?",
    ]
    assert [a.isChecked() for a in entries] == [False, True, False, False, False, False]
    ui.chat.pane.model_menu.close()
    entries[0].trigger()
    await ui.rest()
    assert ui.app.models.state.guide


@pytest.mark.expects_errors
async def test_our_own_faults_are_one_sentence_with_folded_details(make: Make) -> None:
    ui = await make()
    ui.window.report_error(Bug(Text("bug", "Something went wrong."), details="Trace of the fault"))
    (shown,) = dialogs(ui)
    assert isinstance(shown, Dialog)
    words = [label.text() for label in shown.findChildren(QLabel)]
    assert "Something went wrong." in words
    details = next(c for c in shown.findChildren(QWidget) if c.objectName() == "details")
    assert details.isHidden()
    next(b for b in shown.findChildren(QAbstractButton) if b.text() == "Show details").click()
    assert details.isVisible()
    shown.close()


async def test_garbage_is_collected_on_the_windows_thread_only(make: Make) -> None:
    ui = await make()
    assert not gc.isenabled()
    ui.window.gc_timer.stop()
    assert gc.isenabled()
    gc.disable()


async def test_the_focus_ring_follows_the_keyboard(make: Make) -> None:
    ui = await make()
    ui.chat.pane.setFocus()
    QTest.keyClick(ui.chat.pane.composer.edit, Qt.Key.Key_Tab)
    await asyncio.sleep(0.01)
    reached = ui.window.focusWidget()
    assert reached is not None
    assert reached is not ui.chat.pane.composer.edit
    ring = next(w for w in ui.window.findChildren(QWidget, "focusRing") if w.isVisible())
    holder = ring.parentWidget()
    assert holder is not None
    target = reached.rect().translated(reached.mapTo(holder, QPoint(0, 0)))
    assert ring.geometry() == target.adjusted(-4, -4, 4, 4)


async def test_what_to_do_stands_with_what_is_wrong_and_stays(make: Make) -> None:
    ui = await make()
    ui.app.bus.publish(Notified(Text("a", "Nothing is saved."), hint=Text("b", "Copy what you want to keep.")))
    for number in range(5):
        ui.window.notify.toast(f"passing {number}")
    assert ui.toasts()[0] == "Nothing is saved. Copy what you want to keep."
    assert len(ui.toasts()) == 4
    await asyncio.sleep(0)
    box = ui.chat.pane.composer
    top = box.mapTo(ui.window, QPoint(0, 0)).y()
    assert all(toast.geometry().bottom() <= top for toast in ui.window.notify.toasts.shown)


async def test_toasts_of_before_the_page_do_not_cover_the_message_box(make: Make) -> None:
    ui = await make()
    ui.window.resize(1280, 820)
    ui.window.notify.toasts.room = ui.window.rect
    toast = ui.window.notify.toast("early")
    ui.window.notify.toasts.room = ui.window._toast_room
    await ui.window.start()
    assert toast.geometry().bottom() <= ui.chat.pane.composer.mapTo(ui.window, QPoint(0, 0)).y()


async def test_quit_ends_the_run_whatever_closing_the_window_means(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    ui = await make()
    ended: list[bool] = []
    ui.window.finished.connect(lambda: ended.append(True))
    monkeypatch.setattr(ui.window.quitting, "ask", ui.window.hide)  # as with a tray
    ui.window.close()
    await asyncio.sleep(0.02)
    assert not ended and not ui.window.isVisible()
    ui.window.show()
    ui.window.actions_.trigger("app.quit")
    await ui.until(lambda: ended)
    ui.window.actions_.trigger("app.quit")
    await asyncio.sleep(0.02)
    assert ended == [True]


async def test_quit_asks_while_answers_run_once_and_says_how_many(make: Make) -> None:
    make.script = Script(text="word " * 400, rate=50)
    ui = await make()
    for text in ("one", "two"):
        await ui.app.send(text)
    ui.window.actions_.trigger("app.quit")
    ui.window.close()
    (asked,) = dialogs(ui)
    assert "2 answers are still running" in [label.text() for label in asked.findChildren(QLabel)]
    asked.reject()
    await ui.app.stop_all()


async def test_every_page_is_a_row_of_the_table(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    class Extra(ListPage):
        def __init__(self, window: main_window.MainWindow) -> None:
            super().__init__(window.ui)
            self.field = QLineEdit(self)
            self.split(QWidget(), self.field, 200)
            self.setFocusProxy(self.field)

    row = PageRow("chat.find", "copy", Extra)  # any command will do
    for module in (pages, main_window, rail):
        monkeypatch.setattr(module, "PAGES", (*PAGES, row))
    ui = await make()
    ui.window.rail.button("chat.find").click()
    page = ui.window.pages.currentWidget()
    assert isinstance(page, Extra) and page.field.hasFocus()
    ui.window.resize(900, 700)
    await asyncio.sleep(0.02)
    assert page.list_hidden
    ui.window.actions_.trigger("view.sidelist")
    assert not page.list_hidden
