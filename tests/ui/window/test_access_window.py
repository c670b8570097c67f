"""The keyboard reaches every part of the window, and a screen reader gets a name and a role for all that it reaches."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QAccessible, QAccessibleAnnouncementEvent, QAccessibleInterface
from PySide6.QtWidgets import QApplication, QLabel, QWidget

from qwen_desktop.core.commands import COMMANDS, WIDGET_KEYS
from qwen_desktop.core.drafts import Draft, pasted
from qwen_desktop.core.parts import ImagePart
from qwen_desktop.ui.chat import transcript
from qwen_desktop.ui.shortcuts_dialog import ShortcutsDialog
from tests.scripted_engine import Script

if TYPE_CHECKING:
    from tests.ui.conftest import Make, Ui

ENTER = Qt.Key.Key_Return
#: What something that one can go to may be. A bare group or window says nothing of what it does.
ROLES = {
    QAccessible.Role.Button, QAccessible.Role.CheckBox, QAccessible.Role.RadioButton, QAccessible.Role.EditableText,
    QAccessible.Role.Link, QAccessible.Role.List, QAccessible.Role.Tree, QAccessible.Role.ListItem,
    QAccessible.Role.TreeItem, QAccessible.Role.ComboBox, QAccessible.Role.SpinBox, QAccessible.Role.Slider,
    QAccessible.Role.PushButton, QAccessible.Role.PageTab, QAccessible.Role.ButtonMenu, QAccessible.Role.Table,
    QAccessible.Role.Cell,
}  # fmt: skip


def tree(top: QAccessibleInterface) -> Iterator[QAccessibleInterface]:
    """Everything that an assistive program finds, from the window down."""
    yield top
    for number in range(top.childCount()):
        child = top.child(number)
        if child is not None and child.isValid() and not child.state().invisible:
            yield from tree(child)


def nameless(window: QWidget) -> list[str]:
    """What takes the keyboard and has no name, or a role that says nothing."""
    wrong = []
    for each in tree(QAccessible.queryAccessibleInterface(window)):
        if not each.state().focusable or each.state().disabled or each.role() is QAccessible.Role.Client:
            continue
        thing = each.object()
        if isinstance(thing, QWidget) and not isinstance(thing, QLabel):
            takes = thing.focusPolicy() & Qt.FocusPolicy.TabFocus and thing.focusProxy() is None
            if not takes or not thing.isVisible():
                continue
        name, role = each.text(QAccessible.Text.Name).strip(), each.role()
        if not name or role not in ROLES:
            path, up = [], thing
            while isinstance(up, QObject):
                path.append(type(up).__name__)
                up = up.parent()
            wrong.append(f"{role} {name!r} {' < '.join(path[:4])}")
    return wrong


async def busy(make: Make) -> Ui:
    """A window in which everything of the composer is on show."""
    make.script = Script(text="word " * 4000, thinking="Hm.", rate=50)
    ui = await make()
    ui.type("first")
    ui.press(ENTER)
    await ui.until(ui.app.deltas)
    for text in ("second", "third"):
        ui.type(text)
        ui.press(ENTER)
    picture = ImagePart("ab" * 32, "image/png", name="sea.png")
    ui.chat.pane.composer.take(Draft("half", (pasted("x" * 5000), picture)))
    return ui


async def test_all_that_takes_the_keyboard_has_a_name_and_a_role(make: Make) -> None:
    ui = await busy(make)
    assert nameless(ui.window) == []
    ui.chat.pane.composer.button.setAccessibleName("")
    assert len(nameless(ui.window)) == 1  # it would be found
    ui.chat.pane.composer.button.setAccessibleName("Send")
    ui.window.actions_.trigger("answer.stop")
    await ui.rest()
    assert nameless(ui.window) == []
    names = [each.text(QAccessible.Text.Name) for each in tree(QAccessible.queryAccessibleInterface(ui.window))]
    for wanted in ("Message", "Messages", "Send", "Go on", "Remove the pasted text", "Put into the text", "Send now"):
        assert wanted in names, wanted
    assert "Waits to be sent, number 1: second" in names
    assert any(name.startswith("Pasted text: xxx") for name in names)


@pytest.mark.parametrize("page", ["view.models", "view.settings", "help.welcome"])
async def test_so_it_is_on_every_page(make: Make, page: str) -> None:
    ui = await make()
    ui.window.actions_.trigger(page)
    await ui.rest()
    assert nameless(ui.window) == []


async def test_tab_goes_from_the_line_to_the_attachments_to_the_box(make: Make) -> None:
    ui = await busy(make)
    ui.window.actions_.trigger("answer.stop")
    await ui.rest()
    composer = ui.chat.pane.composer
    ui.window.activateWindow()
    composer.line.go_on.setFocus()
    way: list[QWidget] = [composer.line.go_on]
    while way[-1] is not composer.edit and len(way) < 30:
        ui.key(way[-1], Qt.Key.Key_Tab)
        now = QApplication.focusWidget()
        assert now is not None
        way.append(now)
    one, two = composer.line.chips
    paste, picture = composer.attached.chips
    assert way == [
        composer.line.go_on, one.prompt, one.send, one.remove, two.prompt, two.send, two.remove,
        paste.body, paste.insert, paste.remove, picture.body, picture.remove, composer.edit,
    ]  # fmt: skip
    ui.key(composer.edit, Qt.Key.Key_Backtab)
    assert picture.remove.hasFocus()


async def test_tab_goes_through_all_of_the_window_as_one_reads_it(make: Make) -> None:
    ui = await make()
    await ui.say("one")
    ui.window.activateWindow()
    await ui.until(ui.window.isActiveWindow)
    chat, composer = ui.chat, ui.chat.pane.composer
    composer.edit.setFocus()
    way: list[QWidget] = [composer.edit]
    for key in (Qt.Key.Key_Tab, Qt.Key.Key_Backtab):
        way = way[-1:]
        while len(way) == 1 or (way[-1] is not composer.edit and len(way) < 60):
            ui.key(way[-1], key)
            now = QApplication.focusWidget()
            assert now is not None
            way.append(now)
        order = way if key == Qt.Key.Key_Tab else way[::-1]
        wanted = [
            composer.edit, composer.attach_button, composer.slash, composer.model, ui.window.rail.button("view.chat"),
            chat.sidelist.new_button, chat.sidelist.search, chat.sidelist.view, chat.header.find_button,
            chat.header.menu_button, chat.pane.transcript,
        ]  # fmt: skip
        assert list(dict.fromkeys(each for each in order[:-1] if each in wanted)) == wanted


async def test_f6_goes_through_the_parts_of_the_window(make: Make) -> None:
    ui = await make()
    await ui.say("one")
    pane, rail = ui.chat.pane, ui.window.rail
    pane.setFocus()
    seen: list[QWidget | None] = []
    for _ in range(4):
        ui.key(ui.window, Qt.Key.Key_F6)
        seen.append(ui.window.focusWidget())
    wanted = [rail.button("view.chat"), ui.chat.sidelist.view, pane.transcript, pane.composer.edit]
    assert seen == wanted
    ui.key(ui.window, Qt.Key.Key_F6, Qt.KeyboardModifier.ShiftModifier)
    assert pane.transcript.hasFocus()
    ui.chat.show_list(False)
    ui.key(ui.window, Qt.Key.Key_F6, Qt.KeyboardModifier.ShiftModifier)
    assert rail.isAncestorOf(ui.window.focusWidget())
    ui.window.show_page("view.settings")
    for _ in range(3):
        ui.key(ui.window, Qt.Key.Key_F6)
    assert ui.window.pages.currentWidget().isAncestorOf(ui.window.focusWidget())


async def test_the_help_lists_every_key_and_finds_one(make: Make) -> None:
    ui = await make(chat__send_with="ctrl_enter")
    ui.window.actions_.trigger("help.shortcuts")
    dialog = ui.window.findChild(ShortcutsDialog)
    assert dialog is not None
    said = [words for group in dialog.groups for words, _ in group.rows]
    for command in COMMANDS + WIDGET_KEYS:
        if command.shortcut:
            assert any(str(command.title).casefold() in words for words in said), command.id
    assert "message box send the message ctrl+enter" in said
    assert "prompts in line in an empty box: go on with the line ctrl+enter" in said
    dialog.field.setText("alt+up")
    shown = [words for group in dialog.groups for words, parts in group.rows if parts[0].isVisible()]
    assert shown == ["prompts in line send the prompt sooner alt+up"]
    dialog.field.setText("no such key")
    assert dialog._nothing.isVisible()
    assert nameless(dialog) == []
    dialog.field.setText("ctrl+z")
    await asyncio.sleep(0.02)
    (group,) = [group for group in dialog.groups if group.isVisible()]
    assert group.geometry().right() < dialog.width() / 2  # where one begins to read
    ui.key(dialog.field, Qt.Key.Key_Escape)
    assert not dialog.field.text() and dialog.isVisible()
    await asyncio.sleep(0.02)
    assert {group.x() for group in dialog.groups} == {dialog.groups[0].x(), dialog.groups[-1].x()}
    ui.key(dialog.field, Qt.Key.Key_Escape)
    assert not dialog.isVisible()


async def test_tooltips_name_the_keys(make: Make) -> None:
    ui = await make()
    composer = ui.chat.pane.composer
    assert composer.button.toolTip() == "Send (Enter)"
    assert "(Ctrl+M)" in composer.model.toolTip()
    await ui.app.preferences.set("chat.send_with", "ctrl_enter")
    assert composer.button.toolTip() == "Send (Ctrl+Enter)"
    make.script = Script(text="word " * 400, rate=50)
    await ui.app.preferences.set("chat.send_with", "enter")
    ui.type("go")
    ui.press(ENTER)
    assert composer.button.toolTip() == "Stop (Esc)"


async def test_a_new_answer_is_announced_only_where_its_chat_is_on_show(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    announced: list[str] = []
    monkeypatch.setattr(QAccessible, "isActive", lambda: True)

    def heard(event: object) -> None:
        if isinstance(event, QAccessibleAnnouncementEvent):
            announced.append(event.message())

    monkeypatch.setattr(QAccessible, "updateAccessibility", heard)
    make.script = Script(text="Blue, since air scatters it. " * 200)
    ui = await make()
    await ui.say("Why is the sky blue?")
    await ui.until(announced.copy)
    (said,) = announced
    assert said.startswith("Answer: Blue, since air scatters it.")
    assert said.endswith("The answer goes on; it can be read in the list of messages.")
    assert len(said) < transcript._ANNOUNCED + 200
    announced.clear()
    make.script = Script(text="word " * 30, rate=200)
    ui.type("Once more")
    ui.press(ENTER)
    await ui.until(ui.app.chat.running)
    ui.chat.new_chat()
    await ui.rest()
    assert announced == []


async def test_what_is_put_in_line_and_what_waits_is_said(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    announced: list[str] = []
    monkeypatch.setattr(QAccessible, "isActive", lambda: True)

    def heard(event: object) -> None:
        if isinstance(event, QAccessibleAnnouncementEvent):
            announced.append(event.message())

    monkeypatch.setattr(QAccessible, "updateAccessibility", heard)
    ui = await busy(make)
    assert announced == ["Put in line: second", "Put in line: third"]
    ui.window.actions_.trigger("answer.stop")
    await ui.rest()
    assert "These wait until you go on." in announced
