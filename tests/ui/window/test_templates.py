"""Prompt templates in the message box: the menu behind the slash, fields as tab stops; and their dialog."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from qwen_desktop.core.chat import new_id
from qwen_desktop.core.engine import Capabilities, ThinkingMode
from qwen_desktop.core.parts import visible_text
from qwen_desktop.core.prompt_templates import PromptTemplate
from tests.ui.conftest import Make, Ui

CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
LETTER = "Write to {{name}} in a {{tone:polite|firm}} tone.\n\n{{text:long}}\n\nGreet {{name}}."


def menu(ui: Ui) -> Any:
    return ui.chat.pane.templates


def box(ui: Ui) -> Any:
    return ui.chat.pane.composer.edit


def names(ui: Ui) -> list[str]:
    return [menu(ui).list.item(row).text() for row in range(menu(ui).list.count())]


async def ready(make: Make, *templates: tuple[str, str]) -> Ui:
    ui = await make()
    for name, text in templates:
        await ui.app.prompt_templates.save(PromptTemplate(new_id(), name, text))
    box(ui).setFocus()
    await ui.rest()
    return ui


async def test_a_slash_opens_the_menu_and_typing_filters_it(make: Make) -> None:
    ui = await ready(make, ("Epistle", LETTER))
    ui.type("/")
    await ui.until(lambda: "Epistle" in names(ui))
    assert menu(ui).isVisible()
    assert menu(ui).geometry().bottom() <= ui.chat.pane.composer.mapTo(ui.chat.pane, box(ui).pos()).y() + 12
    assert len(names(ui)) > 8
    ui.type("wr")
    assert names(ui) == ["Write tests"]
    assert "Write tests, 1 of 1" in box(ui).accessibleDescription().replace("\u2068", "").replace("\u2069", "")
    ui.type("zz")
    assert not menu(ui).isVisible()
    for _ in range(4):
        ui.press(Qt.Key.Key_Backspace)
    assert menu(ui).isVisible()
    ui.press(Qt.Key.Key_Down)
    assert menu(ui).list.currentRow() == 1
    ui.press(Qt.Key.Key_Escape)
    assert not menu(ui).isVisible()
    assert box(ui).toPlainText() == "/"
    ui.type("t")
    assert not menu(ui).isVisible()  # Esc has said that it is a slash


async def test_the_first_one_is_marked_where_nobody_has_templates_of_their_own(make: Make) -> None:
    ui = await ready(make)
    ui.type("/")
    await ui.rest()
    assert menu(ui).list.currentRow() == 0, "Enter inserts it"


async def test_the_box_is_as_high_as_what_is_put_in_at_once(make: Make) -> None:
    ui = await ready(make, ("Long", "Lines that need more room than there is on one, " * 6 + "\n\n{{text:long}}"))
    ui.type("/")
    await ui.until(lambda: "Long" in names(ui))
    ui.press(Qt.Key.Key_Return)
    await ui.rest()
    shown = box(ui)
    rows = shown.document().documentLayout().documentSize().height()
    assert rows > 4
    assert shown.viewport().height() >= rows * shown.fontMetrics().lineSpacing()


async def test_a_slash_elsewhere_is_a_slash(make: Make) -> None:
    ui = await ready(make)
    for text in ("1/", "/usr/l", "and /t"):
        ui.type(text)
        assert not menu(ui).isVisible(), text
        box(ui).clear()


async def test_the_fields_are_filled_in_with_tab_and_the_whole_is_sent(make: Make) -> None:
    ui = await ready(make, ("Epistle", LETTER))
    ui.type("/epi")
    await ui.until(lambda: names(ui) == ["Epistle"])
    ui.press(Qt.Key.Key_Return)
    assert not menu(ui).isVisible()
    assert box(ui).toPlainText() == "Write to [name] in a polite tone.\n\n[text]\n\nGreet [name]."
    assert box(ui).textCursor().selectedText() == "[name]"
    fields = ui.chat.pane.composer.fields
    assert fields.isVisible()
    assert "1 of 4" in fields.label.text().replace("\u2068", "").replace("\u2069", "")
    ui.type("Ada")
    ui.press(Qt.Key.Key_Tab)
    assert box(ui).textCursor().selectedText() == "polite"
    ui.press(Qt.Key.Key_Down)
    assert box(ui).textCursor().selectedText() == "firm"
    ui.press(Qt.Key.Key_Tab)
    assert box(ui).textCursor().selectedText() == "[text]"
    QTest.keyClick(box(ui), Qt.Key.Key_Backtab, SHIFT)
    assert box(ui).textCursor().selectedText() == "firm"
    ui.press(Qt.Key.Key_Return)  # what nobody has filled in comes first
    assert box(ui).textCursor().selectedText() == "[text]"
    assert ui.chat.current == ""
    ui.type("All is well.")
    ui.press(Qt.Key.Key_Tab)
    assert box(ui).textCursor().selectedText() == "Ada"  # it takes what was written in the first one
    ui.press(Qt.Key.Key_Tab)
    assert not fields.isVisible()
    ui.press(Qt.Key.Key_Return)
    await ui.rest()
    said = (await ui.messages())[0]
    assert visible_text(said.parts) == "Write to Ada in a firm tone.\n\nAll is well.\n\nGreet Ada."


async def test_it_can_be_sent_as_it_stands(make: Make) -> None:
    ui = await ready(make, ("Epistle", "Write to {{name}}."))
    ui.type("/epi")
    await ui.until(lambda: names(ui) == ["Epistle"])
    ui.press(Qt.Key.Key_Return)
    ui.press(Qt.Key.Key_Return)
    assert ui.chat.current == ""
    ui.press(Qt.Key.Key_Return)
    await ui.rest()
    assert visible_text((await ui.messages())[0].parts) == "Write to [name]."


async def test_undo_brings_back_what_stood_there(make: Make) -> None:
    ui = await ready(make, ("Epistle", LETTER))
    ui.type("/epi")
    await ui.until(lambda: names(ui) == ["Epistle"])
    ui.press(Qt.Key.Key_Return)
    ui.key(box(ui), Qt.Key.Key_Z, CTRL)
    assert box(ui).toPlainText() == "/epi"
    assert not ui.chat.pane.composer.fields.isVisible()


async def test_what_stood_in_the_box_fills_the_field_of_lines(make: Make) -> None:
    ui = await ready(make, ("Epistle", LETTER))
    box(ui).setPlainText("Two lines\nof mine")
    ui.chat.pane.composer.slash.click()
    await ui.until(lambda: "Epistle" in names(ui))
    assert menu(ui).search.hasFocus()
    QTest.keyClicks(menu(ui).search, "xyz")
    assert names(ui) == []
    assert menu(ui).height() > 60  # it says that there is none
    menu(ui).search.clear()
    QTest.keyClicks(menu(ui).search, "epi")
    assert names(ui) == ["Epistle"]
    QTest.keyClick(menu(ui).search, Qt.Key.Key_Return)
    assert "\n\nTwo lines\nof mine\n\n" in box(ui).toPlainText()
    assert box(ui).hasFocus()
    assert box(ui).textCursor().selectedText() == "[name]"


async def test_what_is_selected_alone_is_replaced(make: Make) -> None:
    ui = await ready(make, ("Bold", "**{{text}}**"))
    box(ui).setPlainText("one two three")
    cursor = box(ui).textCursor()
    cursor.setPosition(4)
    cursor.setPosition(7, cursor.MoveMode.KeepAnchor)
    box(ui).setTextCursor(cursor)
    ui.chat.pane.composer.slash.click()
    await ui.until(lambda: "Bold" in names(ui))
    QTest.keyClicks(menu(ui).search, "bold")
    QTest.keyClick(menu(ui).search, Qt.Key.Key_Return)
    assert box(ui).toPlainText() == "one **two** three"


async def test_a_text_too_long_for_the_box_stands_beside_it(make: Make) -> None:
    ui = await ready(make, ("Long", "x" * 9000 + "{{text}}"))
    box(ui).setPlainText("y " * 7000)
    ui.chat.pane.composer.slash.click()
    await ui.until(lambda: "Long" in names(ui))
    QTest.keyClicks(menu(ui).search, "long")
    QTest.keyClick(menu(ui).search, Qt.Key.Key_Return)
    draft = ui.chat.pane.composer.draft
    assert draft.text.endswith("[text]")
    assert len(draft.attachments) == 1


async def test_words_that_switch_thinking_are_still_offered(make: Make) -> None:
    ui = await ready(make)
    ui.chat.pane.composer.set_thinking(
        Capabilities(thinking=tuple(ThinkingMode), soft_switches=True), ThinkingMode.AUTO
    )
    switches = ui.chat.pane.composer.switches
    for typed, templates in (("/", True), ("t", False), ("r", True)):
        ui.type(typed)
        assert (menu(ui).isVisible(), switches.offers) == (templates, not templates)
    box(ui).clear()
    ui.type("/no")
    assert not menu(ui).isVisible()
    assert switches.offers


async def test_the_dialog_makes_changes_copies_and_deletes(make: Make, tmp_path: Path) -> None:
    ui = await ready(make)
    ui.window.actions_.trigger("prompts.manage")
    from qwen_desktop.ui.chat.template_dialog import TemplatesDialog  # noqa: PLC0415

    dialog: Any = ui.window.findChild(TemplatesDialog)
    await ui.rest()
    assert dialog.text.isReadOnly()
    assert not dialog.delete.isEnabled()
    dialog.copy.click()
    await ui.rest()
    assert [t.name for t in await ui.app.prompt_templates.own()] == ["Translate (copy)"]
    assert not dialog.text.isReadOnly()
    dialog.name.selectAll()
    QTest.keyClicks(dialog.name, "Mine")
    dialog.text.setPlainText("Say {{word}}")
    assert "word" in dialog.note.text()
    await ui.until(lambda: not dialog._timer.isActive())
    await ui.rest()
    assert [(t.name, t.text) for t in await ui.app.prompt_templates.own()] == [("Mine", "Say {{word}}")]
    dialog.name.clear()
    QTest.keyClicks(dialog.name, " ")
    dialog.store()
    assert "name" in dialog.problem.text()
    assert [t.name for t in await ui.app.prompt_templates.own()] == ["Mine"]
    QTest.keyClicks(dialog.name, "Mine")
    dialog.store()
    await ui.rest()
    file = tmp_path / "mine.json"
    dialog.export_to(str(file))
    await ui.rest()
    dialog.delete.click()
    await ui.rest()
    assert await ui.app.prompt_templates.own() == ()
    dialog.undo.click()
    await ui.rest()
    assert [t.name for t in await ui.app.prompt_templates.own()] == ["Mine"]
    dialog.delete.click()
    await ui.rest()
    dialog.import_from(str(file))
    await ui.rest()
    assert [t.text for t in await ui.app.prompt_templates.own()] == ["Say {{word}}"]
    file.write_text("nothing")
    dialog.import_from(str(file))
    await ui.rest()
    assert "holds no prompt templates" in dialog.problem.text()
    dialog.new.click()
    await ui.rest()
    QTest.keyClicks(dialog.name, "Typed and closed at once")
    dialog.accept()
    await ui.rest()
    assert "Typed and closed at once" in [t.name for t in await ui.app.prompt_templates.own()]
