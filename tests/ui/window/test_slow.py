"""Why is it slow? The panel opens from where one wonders, follows what goes on, and its buttons do what they say."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace
from PySide6.QtCore import Qt

from qwen_desktop.core import slowness
from qwen_desktop.core.engine import Stats
from qwen_desktop.core.hardware import Cpu, Gpu, Machine, Moment
from qwen_desktop.core.model_ref import FileRef, LoadOptions
from qwen_desktop.core.slow_facts import Facts
from qwen_desktop.ui.slow_dialog import SlowDialog
from tests.scripted_engine import Script
from tests.shots.slow_states import SPLIT
from tests.ui.conftest import Make, Ui

CPU = Cpu("A Processor", "x86_64", 8, 8, 8, features=("AVX2",))
SEEN = Gpu("NVIDIA GeForce RTX 3060", total_bytes=12 << 30)
BUSY = Moment(seconds=1.0, others=6.2)


def facts(**more: Any) -> Facts:
    return Facts(machine=Machine(cpu=CPU), stats=Stats(decode_tokens_per_s=4.2, ttft_s=1.5), **more)


async def opened(ui: Ui) -> SlowDialog:
    await ui.until(lambda: ui.window.findChildren(SlowDialog))
    dialog: SlowDialog = ui.window.findChildren(SlowDialog)[-1]
    await ui.until(dialog.verdict.text)
    return dialog


def services(ui: Ui) -> Any:
    return ui.app


async def test_the_command_names_causes_with_what_to_do(make: Make) -> None:
    ui = await make()
    asked = LoadOptions(threads=1)
    services(ui).slowness.found = slowness.diagnose(facts(asked=asked, moment=BUSY))
    await ui.app.preferences.set("engine.threads", 1)
    ui.window.actions_.trigger("help.slow")
    dialog = await opened(ui)
    assert dialog.verdict.text()
    assert [row.cause.id for row in dialog.rows] == ["programs", "settings.threads"]
    programs, threads = dialog.rows
    assert "1 thread was set by hand" in threads.what.text()
    assert not threads.button.isHidden() and programs.button.isHidden()  # only the user can close programs
    threads.button.click()
    await ui.until(lambda: ui.app.preferences.settings.engine.threads is None)
    assert any("next message" in toast for toast in ui.toasts())


async def test_it_follows_what_goes_on_and_the_keyboard_stays(make: Make) -> None:
    ui = await make()
    services(ui).slowness.found = slowness.diagnose(facts(asked=LoadOptions(threads=1)))
    ui.window.actions_.trigger("help.slow")
    dialog = await opened(ui)
    button = dialog.rows[0].button
    button.setFocus()
    services(ui).slowness.found = slowness.diagnose(facts(asked=LoadOptions(threads=2)))
    dialog._timer.timeout.emit()
    await ui.until(lambda: "2 threads were set" in dialog.rows[0].what.text())
    assert dialog.rows[0].button is button and dialog.focusWidget() is button
    services(ui).slowness.found = slowness.diagnose(facts())
    dialog._timer.timeout.emit()
    await ui.until(lambda: not dialog.rows)


async def test_the_figures_are_one_click_away(make: Make) -> None:
    ui = await make()
    services(ui).slowness.found = slowness.diagnose(facts(moment=BUSY))
    ui.window.actions_.trigger("help.slow")
    dialog = await opened(ui)
    assert dialog.figures.isHidden() and dialog.figures_link.text() == "Show figures"
    dialog.figures_link.click()
    assert dialog.figures.isVisible() and dialog.figures_link.text() == "Hide figures"
    said = " ".join(value for _, value in dialog._known)
    assert "4.2" in said and "6.2 of 8 processors" in said
    # what changes is shown, and it stays open
    services(ui).slowness.found = slowness.diagnose(facts(moment=replace(BUSY, others=7.5)))
    dialog._timer.timeout.emit()
    await ui.until(lambda: any("7.5" in value for _, value in dialog._known))
    assert dialog.figures.isVisible()


async def test_what_was_written_ahead_is_in_the_figures(make: Make) -> None:
    ui = await make()
    stats = Stats(decode_tokens_per_s=40.0, ttft_s=1.5, drafted_tokens=30, accepted_tokens=21)
    services(ui).slowness.found = slowness.diagnose(replace(facts(moment=BUSY), stats=stats))
    ui.window.actions_.trigger("help.slow")
    dialog = await opened(ui)
    assert "21 of 30 guessed tokens were right" in " ".join(value for _, value in dialog._known)
    services(ui).slowness.found = slowness.diagnose(facts(moment=BUSY))
    dialog._timer.timeout.emit()
    await ui.until(lambda: not any("guessed" in value for _, value in dialog._known))


async def test_what_each_of_several_cards_holds_is_in_the_figures(make: Make) -> None:
    ui = await make()
    services(ui).slowness.found = slowness.diagnose(SPLIT)
    ui.window.actions_.trigger("help.slow")
    dialog = await opened(ui)
    shown = [(name.strip("\u2068\u2069"), size) for name, size in dialog._known if "RTX" in name]
    assert shown == [("NVIDIA GeForce RTX 3060", "1.1 GB"), ("NVIDIA GeForce RTX 3090", "1.4 GB")]


async def test_the_speed_under_an_answer_leads_to_why(make: Make) -> None:
    make.script = Script("A longer answer than one word.", rate=200)
    ui = await make()
    path = ui.app.model_file("a.gguf")
    await ui.app.models.open_file(path)
    await ui.say("hello")
    view = ui.chat.pane.transcript
    item = view.items[-1]
    target = next(t for t in item.targets() if t.action == "slow")
    assert "Why is it slow?" in target.label and "tok/s" in target.label
    view._activate(item, target)
    dialog = await opened(ui)
    ref, message = services(ui).slowness.asked[-1]
    assert ref == FileRef(path)
    assert message is not None and message.id == item.message.id
    ui.key(dialog, Qt.Key.Key_Escape)
    await ui.until(lambda: not any(d.isVisible() for d in ui.window.findChildren(SlowDialog)))


async def test_a_cause_leads_to_where_it_is_mended(make: Make) -> None:
    ui = await make()
    machine = Machine(cpu=replace(CPU, features=("SSE4.2",)))
    services(ui).slowness.found = slowness.diagnose(Facts(machine=machine))
    ui.window.actions_.trigger("help.slow")
    dialog = await opened(ui)
    dialog.rows[0].button.click()
    await ui.until(lambda: ui.window.pages.shows("view.models"))
