"""Adapters in the real window: in a chat's panel, its header, with assistants, and files that are dropped or wrong."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from msgspec import structs
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QAccessible, QDropEvent, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog

from qwen_desktop.core.assistants import Assistant
from qwen_desktop.core.chat import MOST_ADAPTERS
from qwen_desktop.core.engine import Adapter, UsedAdapter
from qwen_desktop.core.errors import UserFacing
from qwen_desktop.core.parts import visible_text
from qwen_desktop.core.text import Text
from qwen_desktop.engine.local import LocalWorkerEngine
from qwen_desktop.process.spawn import worker_command
from qwen_desktop.services.adapters import AdapterFiles
from qwen_desktop.ui.chat import section_notes
from qwen_desktop.ui.widgets.labels import Label
from tests import adapter_files, gguf_files
from tests.inline_jobs import InlineJobs
from tests.scripted_engine import Script
from tests.smollm2 import model_path

if TYPE_CHECKING:
    from qwen_desktop.jobs.client import JobWorker
    from tests.ui.conftest import Make, Ui


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two models and adapters for them."""
    folder = tmp_path_factory.mktemp("adapters")
    model = gguf_files.write(folder / "model.gguf")
    other = gguf_files.write(folder / "other.gguf", width=128, name="Other Model")
    for number, name in enumerate(("Pirate", "Formal")):
        adapter_files.write(folder / f"{name.lower()}.gguf", model, name=name, seed=number, rank=4)
    adapter_files.write(folder / "wide.gguf", other, name="Wide")
    return folder


async def opened(make: Make, files: Path, *, model: bool = True, **more: Any) -> Ui:
    ui = await make(**more)
    ui.app.adapters = AdapterFiles(cast("JobWorker", InlineJobs()))
    if model:
        await ui.app.models.open_file(str(files / "model.gguf"))
    return ui


def panel(ui: Ui) -> Any:
    return ui.chat.pane.instructions


def listed(ui: Ui) -> Any:
    return panel(ui).adapters


async def stored(ui: Ui) -> tuple[Adapter, ...]:
    listed(ui).flush()
    await ui.rest()
    found = await ui.app.history.get(ui.chat.current)
    assert found is not None
    return found.adapters


async def add(ui: Ui, *paths: Path) -> None:
    for path in paths:
        panel(ui).add_adapter(str(path))
        await ui.rest()


def asked(ui: Ui) -> tuple[Adapter, ...]:
    return ui.engines[-1].requests[-1].adapters


def drop(ui: Ui, *paths: Path) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    action, button = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton
    ui.window.dropEvent(QDropEvent(QPointF(400, 300), action, data, button, Qt.KeyboardModifier.NoModifier))


async def test_one_that_is_added_counts_from_the_next_answer_on_without_loading_the_model_again(
    make: Make, files: Path
) -> None:
    ui = await opened(make, files)
    await ui.say("One")
    assert asked(ui) == () and ui.chat.header.adapters.isHidden()
    ui.window.actions_.trigger("chat.adapters")
    assert listed(ui).note.text().startswith("None.") and listed(ui).add_button.hasFocus()
    QTest.keyClick(listed(ui).add_button, Qt.Key.Key_Space)
    dialog = ui.window.findChild(QFileDialog)
    assert isinstance(dialog, QFileDialog)
    ui.pick(dialog, files / "pirate.gguf")
    await ui.rest()
    (row,) = listed(ui).rows
    assert (row.name.text(), row.facts.text()) == ("Pirate", "for qwen3 models · rank 4")
    assert ui.window.focusWidget() is row.slider and row.slider.accessibleName() == "Strength of Pirate"
    assert not listed(ui).note.isVisible() and not row.problem.isVisible()
    (kept,) = await stored(ui)
    assert (kept.path, kept.scale, len(kept.sha256)) == (str(files / "pirate.gguf"), 1.0, 64)
    assert ui.chat.header.adapters.text() == "1 adapter" and "pirate" in ui.chat.header.adapters.toolTip()
    await ui.say("Two")
    assert asked(ui) == (Adapter(kept.path),)
    await add(ui, files / "formal.gguf")
    await ui.say("Three")
    assert [Path(adapter.path).name for adapter in asked(ui)] == ["pirate.gguf", "formal.gguf"]
    assert ui.chat.header.adapters.text() == "2 adapters"
    loads = [Path(load.path).name for engine in ui.engines for load in engine.loads]
    assert loads.count("model.gguf") == 1
    ui.chat.new_chat()
    assert listed(ui).rows == [] and ui.chat.header.adapters.isHidden()


async def test_strength_by_keyboard_by_mouse_and_typed(make: Make, files: Path) -> None:
    ui = await opened(make, files)
    await ui.say("One")
    await add(ui, files / "pirate.gguf")
    (row,) = listed(ui).rows
    for key, scale in (
        (Qt.Key.Key_Right, 1.05), (Qt.Key.Key_PageUp, 1.3), (Qt.Key.Key_End, 2.0), (Qt.Key.Key_Home, 0.0),
    ):  # fmt: skip
        QTest.keyClick(row.slider, key)
        assert row.adapter.scale == pytest.approx(scale) and row.field.text() == f"{scale:g}"
    assert (await stored(ui))[0].scale == 0.0
    assert "Off" in row.facts.text() and ui.chat.header.adapters.isHidden()
    await ui.say("Off")
    assert asked(ui) == ()
    place = row.slider.rect().center()
    place.setX(round(row.slider.x_of(100)) + 4)  # nearly where it was trained
    QTest.mouseClick(row.slider, Qt.MouseButton.LeftButton, pos=place)
    assert row.adapter.scale == 1.0
    place.setX(round(row.slider.x_of(150)))
    QTest.mouseClick(row.slider, Qt.MouseButton.LeftButton, pos=place)
    assert row.adapter.scale == 1.5
    wheel = QWheelEvent(
        QPointF(place), row.slider.mapToGlobal(QPointF(place)), place, place * 0 + place, Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(row.slider, wheel)
    assert row.adapter.scale == 1.5
    for text, scale, good in (("0.333", 0.333, True), ("0,5", 0.5, True), ("9", 0.5, False), ("x", 0.5, False)):
        row.field.setFocus()
        row.field.selectAll()
        QTest.keyClicks(row.field, text)
        QTest.keyClick(row.field, Qt.Key.Key_Return)
        assert row.refused.isVisible() is not good and row.adapter.scale == scale
        assert (await stored(ui))[0].scale == scale
    assert row.refused.text() == "Enter a number from 0 to 2."
    await ui.say("Two")
    assert asked(ui)[0].scale == 0.5
    interface = QAccessible.queryAccessibleInterface(row.slider)
    assert interface.valueInterface().currentValue() == 50 and interface.valueInterface().maximumValue() == 200


async def test_a_slider_tells_its_value_shortly_after_its_last_move(make: Make, files: Path) -> None:
    ui = await opened(make, files)
    await ui.say("One")
    await add(ui, files / "pirate.gguf")
    (row,) = listed(ui).rows
    for _ in range(4):
        QTest.keyClick(row.slider, Qt.Key.Key_Left)
    await ui.until(lambda: not listed(ui)._timer.isActive())
    await ui.rest()
    assert [adapter.scale for adapter in await stored_all(ui)] == [0.8]
    await ui.say("Two")
    assert row.adapter.scale == 0.8 and asked(ui)[0].scale == 0.8


async def test_tab_comes_to_the_rows_from_above_and_to_the_buttons_after_them(make: Make, files: Path) -> None:
    ui = await opened(make, files)
    await add(ui, files / "pirate.gguf")
    await add(ui, files / "formal.gguf")
    first, second = listed(ui).rows
    first.remove.setFocus()
    seen = []
    for _ in range(8):
        at = QApplication.focusWidget()
        assert at is not None
        seen.append(at)
        QTest.keyClick(at, Qt.Key.Key_Tab)
    rows = [part for row in (first, second) for part in (row.remove, row.slider, row.field)]
    assert seen == [*rows, listed(ui).add_button, panel(ui).reset_button]


async def test_the_last_move_of_a_slider_is_never_lost(make: Make, files: Path) -> None:
    ui = await opened(make, files)
    await ui.say("One")
    first = ui.chat.current
    await add(ui, files / "pirate.gguf")
    QTest.keyClick(listed(ui).rows[0].slider, Qt.Key.Key_Right)
    ui.chat.new_chat()  # before it was told
    await ui.rest()
    found = await ui.app.history.get(first)
    assert found is not None and [adapter.scale for adapter in found.adapters] == [1.05]
    assert listed(ui).rows == []
    ui.chat.open(first)
    await ui.rest()
    QTest.keyClick(listed(ui).rows[0].slider, Qt.Key.Key_Right)
    ui.window.leave()
    await ui.rest()
    found = await ui.app.history.get(first)
    assert found is not None and [adapter.scale for adapter in found.adapters] == [1.1]


async def test_one_is_removed_with_undo_whatever_is_on_show_by_then(make: Make, files: Path) -> None:
    ui = await opened(make, files)
    await ui.say("One")
    first = ui.chat.current
    await add(ui, files / "pirate.gguf", files / "formal.gguf")
    both = await stored(ui)
    QTest.keyClick(listed(ui).rows[0].remove, Qt.Key.Key_Return)
    assert [row.name.text() for row in listed(ui).rows] == ["Formal"] and listed(ui).rows[0].remove.hasFocus()
    assert await stored(ui) == both[1:]
    assert "Pirate was removed." in ui.toasts()
    ui.key(ui.window, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert await stored(ui) == both
    await ui.rest()
    assert [row.name.text() for row in listed(ui).rows] == ["Pirate", "Formal"]
    listed(ui).rows[1].remove.click()
    await ui.rest()
    ui.chat.new_chat()
    ui.window.notify.undo_last()
    await ui.rest()
    found = await ui.app.history.get(first)
    assert found is not None and found.adapters == both
    assert listed(ui).rows == []


async def test_what_is_wrong_with_a_file_is_said_in_its_row_and_mended_there(
    make: Make, files: Path, tmp_path: Path
) -> None:
    ui = await opened(make, files)
    await ui.say("One")
    moved = tmp_path / "moved.gguf"
    moved.write_bytes((files / "pirate.gguf").read_bytes())
    await add(ui, files / "wide.gguf", moved)
    wide, second = listed(ui).rows
    assert "64" in wide.problem.text() and "128" in wide.problem.text() and not second.problem.isVisible()
    moved.unlink()
    panel(ui).leave()
    panel(ui).open()
    await ui.rest()
    wide, second = listed(ui).rows
    gone = "The adapter moved.gguf is not on this computer, or not where it was. Choose its file again, or remove it."
    assert second.problem.text() == gone and second.choose.isVisible()
    wide.remove.click()
    # An answer is not made without it, as if nothing were: it says so, and leads here.
    panel(ui).leave()
    await ui.say("Two")
    answer = (await ui.messages())[-1]
    assert answer.problem is not None and answer.problem.what.code == "adapter.missing"
    ui.window.actions_.trigger(answer.problem.action)
    await ui.rest()
    assert panel(ui).isVisible()
    (row,) = listed(ui).rows
    row.choose.click()
    dialog = ui.window.findChild(QFileDialog)
    assert isinstance(dialog, QFileDialog)
    ui.pick(dialog, files / "formal.gguf")
    await ui.rest()
    assert any("It is another file" in toast for toast in ui.toasts())
    (row,) = listed(ui).rows
    assert row.name.text() == "Formal" and not row.problem.isVisible()
    await ui.say("Three")
    assert [Path(adapter.path).name for adapter in asked(ui)] == ["formal.gguf"]


async def test_what_is_no_adapter_is_not_added(make: Make, files: Path, tmp_path: Path) -> None:
    ui = await opened(make, files)
    await ui.say("One")
    (tmp_path / "text.gguf").write_text("no model")
    for path, sentence in (
        (tmp_path / "text.gguf", "text.gguf"),
        (files / "model.gguf", "no adapter"),
        (tmp_path, "folder"),
        (tmp_path / "nowhere.gguf", "not on this computer"),
    ):
        await add(ui, path)
        assert sentence in listed(ui).problem.text() or path is tmp_path
        assert listed(ui).problem.isVisible() and listed(ui).rows == []
    await add(ui, files / "pirate.gguf")
    assert not listed(ui).problem.isVisible()
    await add(ui, files / "pirate.gguf")
    assert listed(ui).problem.text() == "This adapter is in the list already."
    for number in range(MOST_ADAPTERS):
        copy = tmp_path / f"{number}.gguf"
        copy.write_bytes((files / "pirate.gguf").read_bytes())
        await add(ui, copy)
    assert len(listed(ui).rows) == MOST_ADAPTERS and "8 adapters at most" in listed(ui).problem.text()
    assert len(await stored(ui)) == MOST_ADAPTERS


async def test_dropped_adapters_come_into_the_chat_on_show_also_a_temporary_one(make: Make, files: Path) -> None:
    ui = await opened(make, files)
    ui.window.actions_.trigger("chat.temporary")
    await ui.rest()
    drop(ui, files / "pirate.gguf", files / "formal.gguf")
    await ui.until(lambda: len(listed(ui).rows) == 2 if panel(ui).rows else False)
    await ui.say("Hello")
    assert sorted(Path(adapter.path).name for adapter in asked(ui)) == ["formal.gguf", "pirate.gguf"]
    assert await ui.app.history.list() == ()
    ui.window.actions_.trigger("chat.keep")
    await ui.until(lambda: not ui.chat.pane.temporary)
    assert len(await stored(ui)) == 2
    loads = [Path(load.path).name for engine in ui.engines for load in engine.loads]
    assert set(loads) == {"guide.gguf", "model.gguf"}  # none of them was opened as a model


async def test_one_that_was_opened_as_a_model_is_offered_for_the_chat(make: Make, files: Path) -> None:
    async def check(path: Path) -> Any:
        return await AdapterCheck()(path)

    ui = await opened(make, files, model=False, check=check)
    ui.window.open_files((str(files / "pirate.gguf"),))
    await ui.rest()
    assert any("is an adapter (LoRA)" in toast for toast in ui.toasts())
    ui.window.notify.toasts.shown[-1].act()
    await ui.rest()
    assert [row.name.text() for row in listed(ui).rows] == ["Pirate"]


class AdapterCheck:
    """What the services ask a file: see ``Services._check``."""

    async def __call__(self, path: Path) -> Any:
        header = await InlineJobs().call("gguf.header", {"path": str(path)})
        raise AssertionError(header)


async def test_what_is_chosen_for_a_new_chat_goes_with_it_and_survives_a_restart(make: Make, files: Path) -> None:
    ui = await opened(make, files)
    await add(ui, files / "pirate.gguf")
    assert ui.chat.header.adapters.text() == "1 adapter"
    await ui.app.drafts.save(durable=True)
    again = type(ui.app.drafts)(ui.app.db, ui.app.bus)
    await again.load()
    assert [Path(adapter.path).name for adapter in again.setup("").adapters or ()] == ["pirate.gguf"]
    listed(ui).rows[0].remove.click()
    await ui.rest()
    assert not ui.app.drafts.setup("")
    ui.window.notify.undo_last()
    await ui.rest()
    ui.chat.pane.composer.edit.setFocus()
    await ui.say("Hello")
    assert [Path(adapter.path).name for adapter in asked(ui)] == ["pirate.gguf"]
    panel(ui).reset_button.click()
    assert await stored(ui) == ()
    ui.window.notify.undo_last()
    await ui.rest()
    assert len(await stored(ui)) == 1


async def test_an_assistant_brings_its_adapters(make: Make, files: Path) -> None:
    ui = await opened(make, files)
    cook = await ui.app.assistants.save(Assistant("", "Cook", system_prompt="Cook."))
    ui.window.actions_.trigger("view.assistants")
    await ui.rest()
    page: Any = ui.window.pages.currentWidget()
    page.own.cards[cook.id].click()
    await ui.rest()
    editor = page.editor
    editor.content.adapters.add(str(files / "pirate.gguf"))
    await ui.rest()
    QTest.keyClick(editor.content.adapters.rows[0].slider, Qt.Key.Key_Right)
    editor.keep()
    await ui.rest()
    kept = ui.app.assistants.get(cook.id)
    assert kept is not None and [adapter.scale for adapter in kept.adapters] == [1.05]
    editor.content.adapters.rows[0].remove.click()
    editor.keep()
    await ui.rest()
    kept = ui.app.assistants.get(cook.id)
    assert kept is not None and kept.adapters == ()
    ui.window.notify.undo_last()
    editor.keep()
    await ui.rest()
    assert len(editor.content.adapters.rows) == 1
    ui.window.chat_with(cook.id)
    assert ui.chat.header.adapters.text() == "1 adapter"
    await ui.say("Soup")
    assert [adapter.scale for adapter in asked(ui)] == [1.05]
    ui.chat.pane.setup.assist("")
    await ui.rest()
    assert await stored_all(ui) == ()


async def stored_all(ui: Ui) -> tuple[Adapter, ...]:
    found = await ui.app.history.get(ui.chat.current)
    assert found is not None
    return found.adapters


async def test_a_real_model_answers_otherwise_with_one_and_as_without_at_strength_0(make: Make, tmp_path: Path) -> None:
    model = model_path()
    adapter_files.write(tmp_path / "strange.gguf", model, name="Strange", strength=2.0)
    make.engine = lambda: LocalWorkerEngine(worker_command("engine"))
    ui = await make(engine__context=1024, sampling__max_tokens=6, sampling__temperature=0.0, chat__titles=False)
    await ui.app.models.open_file(str(model))

    async def answered() -> str:
        """What it says to the same question, as a new version."""
        if not ui.chat.current:
            await ui.say("Name a colour of the sea.")
        else:
            listed(ui).flush()
            await ui.rest()
            ui.window.actions_.trigger("answer.regenerate")
            await ui.rest()
        last = (await ui.messages())[-1]
        assert last.problem is None, last.problem
        return visible_text(last.parts)

    without = await answered()
    await add(ui, tmp_path / "strange.gguf")
    (row,) = listed(ui).rows
    assert row.name.text() == "Strange" and not row.problem.isVisible()
    with_it = await answered()
    assert with_it != without
    QTest.keyClick(row.slider, Qt.Key.Key_Home)
    assert await answered() == without
    place = row.slider.rect().center()
    place.setX(round(row.slider.x_of(100)))
    QTest.mouseClick(row.slider, Qt.MouseButton.LeftButton, pos=place)
    assert await answered() == with_it


async def test_nothing_of_the_panel_is_cut_off_where_words_are_long(make: Make, files: Path) -> None:
    ui = await opened(make, files)
    await add(ui, files / "pirate.gguf")
    area = panel(ui)._area
    for label in area.body.findChildren(Label, options=Qt.FindChildOption.FindDirectChildrenOnly):
        label.setText("Wie Wörter gewählt werden und weswegen")
    await ui.rest()
    assert area.body.width() <= area.viewport().width()


async def test_an_answer_names_its_adapters_as_strong_as_their_rows_say(make: Make, files: Path) -> None:
    ui = await opened(make, files)
    await add(ui, files / "pirate.gguf")
    (row,) = listed(ui).rows
    row.slider.setValue(80)
    listed(ui).flush()
    used = UsedAdapter(str(files / "pirate.gguf"), 0.8, row.adapter.sha256, "Pirate")
    assert section_notes._adapted(used) == f"With the adapter Pirate, strength {row.field.text()}"
    assert section_notes._adapted(structs.replace(used, scale=1.0)) == "With the adapter Pirate, strength 1"


async def test_an_answer_that_an_adapter_stopped_leads_to_the_adapters(make: Make, files: Path) -> None:
    what = Text("adapter.architecture", "It was made for another model.")
    make.script = Script(error=UserFacing(what))
    ui = await opened(make, files)
    await ui.say("One")
    answer = (await ui.messages())[-1]
    assert answer.problem is not None and answer.problem.action == "chat.adapters"
    ui.window.actions_.trigger(answer.problem.action)
    assert panel(ui).isVisible() and listed(ui).isVisible()
