"""What is on show at a start, and that nothing typed before is lost: with and without a history, models, settings, a
file, and after a kill at any moment."""

from __future__ import annotations

import asyncio
import itertools
import random
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QAccessible
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QWidget

from qwen_desktop.core.chat import Conversation, Status
from qwen_desktop.core.errors import UserFacing
from qwen_desktop.core.parts import Role, visible_text
from qwen_desktop.core.paths import find_paths
from qwen_desktop.core.text import Text
from qwen_desktop.services.events import ModelStatus
from qwen_desktop.services.models import ModelFile
from qwen_desktop.store.settings_file import SettingsFile
from qwen_desktop.ui.first_page import FirstPage, first_page
from qwen_desktop.ui.widgets.skeleton import Skeleton
from qwen_desktop.ui.window_state import StateFile, WindowState
from tests.app import App
from tests.scripted_engine import Script

if TYPE_CHECKING:
    from tests.ui.conftest import Make, Ui

CUT = "Qwen Desktop ended while this answer ran"


def chat(number: int) -> Conversation:
    return Conversation(f"c{number}", f"chat {number}", 0.0, float(number), pinned=number == 1)


@pytest.mark.parametrize("count", range(4))
@pytest.mark.parametrize("last", ["", "c1", "c3", "gone"])
@pytest.mark.parametrize("model", [False, True])
def test_the_first_page_follows_from_what_there_is(count: int, last: str, model: bool) -> None:
    chats = [chat(n) for n in range(1, count + 1)]
    first = first_page(chats=chats, last=last, model=model)
    ids = [c.id for c in chats]
    wanted = last if last in ids else f"c{count}" if chats else ""
    assert first == FirstPage("view.chat" if chats or model else "help.welcome", wanted)


def spoken(ui: Ui) -> str:
    """What a screen reader finds in the transcript."""
    top = QAccessible.queryAccessibleInterface(ui.chat.pane.transcript)
    found = [top.child(i) for i in range(top.childCount())]
    return "\n".join(child.text(QAccessible.Text.Name) for child in found if child is not None)


def model_file(home: Path, name: str) -> Path:
    """A file that passes for a model."""
    home.mkdir(exist_ok=True)
    (home / name).write_bytes(b"GGUF")
    return home / name


def written(ui: Ui) -> str:
    """What stands in the message box."""
    return str(ui.chat.pane.composer.edit.toPlainText())


CASES = list(itertools.product(["", "history"], ["", "chosen", "installed"], ["", "file"]))


@pytest.mark.parametrize(("history", "model", "file"), CASES)
async def test_the_window_shows_it(make: Make, home: Path, history: str, model: str, file: str) -> None:
    """No case has a settings file of an earlier run but the one with a chosen model."""
    asked: list[str] = []

    async def prepare(app: App) -> None:
        if history:
            asked.extend([await app.ask("older"), await app.ask("newest")])
        if model == "installed":

            async def one() -> bool:
                return True

            app.library.has_any = one  # type: ignore[attr-defined] # scripted

    path = model_file(home, "opened.gguf")
    if model == "chosen":
        SettingsFile(find_paths().settings_file).write({"engine.model": str(model_file(home, "chosen.gguf"))})
    ui = await make(welcome=True, prepare=prepare, files=(str(path),) if file else (), typed="Wha")
    await ui.rest()
    page = ui.window.pages.currentWidget()
    if not (history or model or file):
        assert page is ui.window.pages.built("help.welcome")
        assert ui.window.pages.built("help.welcome").box.edit.hasFocus()
        assert ui.window.pages.built("help.welcome").box.edit.toPlainText() == "Wha"
        return
    assert page is ui.chat
    assert ui.chat.current == (asked[-1] if history and not file else "")
    assert ui.chat.sidelist.model.ids() == (list(reversed(asked)) if history else [])
    assert ui.chat.pane.composer.edit.hasFocus()
    QTest.keyClicks(ui.window.focusWidget(), "t")
    assert written(ui) == "What"
    assert ui.chat.pane.composer.model.name == ("opened" if file else "chosen" if model == "chosen" else "Guide")


@pytest.mark.parametrize("shown", [True, False])
@pytest.mark.parametrize("width", [900, 1280])
async def test_what_stands_there_until_the_chat_comes_stands_where_it_comes(
    make: Make, home: Path, monkeypatch: pytest.MonkeyPatch, width: int, shown: bool
) -> None:
    def across(box: QWidget) -> tuple[int, int]:
        left = box.mapTo(box.window(), QPoint(0, 0)).x()
        return left, left + box.width()

    early: list[tuple[int, int]] = []
    take = Skeleton.take
    monkeypatch.setattr(Skeleton, "take", lambda self: (early.append(across(self.box)), take(self))[1])

    async def prepare(app: App) -> None:
        chat_id = await app.ask("Anything")
        file = StateFile(home / "window.json")
        file.writing(WindowState(conversation=chat_id, sidelist=320))()

    ui = await make(welcome=True, prepare=prepare, size=(width, 820), appearance__sidelist=shown)
    await asyncio.sleep(0.05)
    assert early == [across(ui.chat.pane.composer.edit)]


async def test_what_is_wrong_with_the_settings_file_is_told(make: Make, home: Path) -> None:
    file = find_paths().settings_file
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("[chat]\nshow_speed = 3\n", encoding="utf-8")
    ui = await make()
    await ui.rest()
    assert ui.toasts() == ["chat.show_speed is 3; it must be true or false. The default is used."]


async def test_typing_and_sending_while_the_file_is_being_looked_at_and_loaded(make: Make, home: Path) -> None:
    looking = asyncio.Event()

    async def slow(path: Path) -> ModelFile:
        await looking.wait()
        return ModelFile(path.stem, 1_000_000)

    make.load_s = 0.05
    path = model_file(home, "opened.gguf")
    ui = await make(welcome=True, files=(str(path),), check=slow)
    assert ui.chat.pane.composer.edit.hasFocus()
    assert ui.chat.pane.composer.edit.placeholderText() == "Ask opened"
    assert ui.chat.pane.composer.model.name == "opened"
    assert "opened" in "".join(label.text() for label in ui.chat.pane.empty.findChildren(QLabel))
    QTest.keyClicks(ui.window.focusWidget(), "Hello")
    QTest.keyClick(ui.window.focusWidget(), Qt.Key.Key_Return)
    looking.set()
    await ui.rest()
    question, answer = await ui.messages()
    assert visible_text(question.parts) == "Hello"
    assert answer.status is Status.DONE
    assert answer.provenance is not None
    assert answer.provenance.model_path == str(path)
    assert ui.app.models.state.status is ModelStatus.READY


async def test_a_file_that_is_no_good_is_told_and_what_was_typed_stays(make: Make, home: Path) -> None:
    async def bad(_path: Path) -> ModelFile:
        raise UserFacing(Text("bad", "This file is no model."))

    ui = await make(welcome=True, files=(str(home / "bad.gguf"),), check=bad, typed="Hel")
    await ui.rest()
    assert ui.toasts() == ["This file is no model."]
    assert written(ui) == "Hel"
    assert ui.chat.pane.composer.model.name == "Guide"


async def test_what_the_user_asks_for_during_the_start_stays(make: Make) -> None:
    """Here the chat page with a new chat, before the history is read."""

    async def prepare(app: App) -> None:
        await app.ask("older")

    ui = await make(prepare=prepare)
    assert ui.chat.current == ""
    assert len(ui.chat.sidelist.model) == 1


async def test_after_a_kill_the_conversation_that_was_open_is_on_show_with_a_note_where_it_was_cut(
    make: Make, home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    words = " ".join(f"word{n}" for n in range(6000))  # more than a busy machine lets it say until the kill
    ui = await make(welcome=True)
    ui.window.show_page("view.chat")
    older = await ui.app.ask("older")
    make.script = Script(text=words, rate=400)
    for seed in range(2):
        rng = random.Random(seed)
        if seed % 2:
            await ui.app.stop_all()
            ui.chat.open(older)  # in a conversation that is not the newest, too
            await ui.rest()
        else:
            ui.window.actions_.trigger("chat.new")
        ui.type(f"question {seed}")
        ui.press(Qt.Key.Key_Return)
        await ui.until(lambda: ui.chat.current and ui.chat.pane.transcript.shown.newest(Role.ASSISTANT))
        await asyncio.sleep(rng.uniform(0.0, 0.7))
        shown = ui.chat.current
        await ui.until(lambda wanted=shown: StateFile(home / "window.json").read().conversation == wanted, 2)
        killed = tmp_path / f"killed{seed}"
        # In the database's thread, so that the files are as a kill between two writes leaves them.
        await ui.app.db.call(lambda _connection, to=killed: shutil.copytree(home, to))
        with monkeypatch.context() as patch:
            patch.setenv("QWEN_DESKTOP_HOME", str(killed))
            again = await make(welcome=True)
        await again.rest()
        assert again.window.pages.currentWidget() is again.chat, f"seed {seed}"
        assert again.chat.current == shown, f"seed {seed}"
        answer = (await again.messages())[-1]
        assert answer.status is Status.INTERRUPTED, f"seed {seed}"
        assert words.startswith(visible_text(answer.parts)), f"seed {seed}"
        assert CUT in spoken(again), f"seed {seed}"
        await ui.app.stop_all()


def test_of_several_states_the_last_one_made_is_kept_in_whatever_order_they_are_written(tmp_path: Path) -> None:
    for seed in range(6):
        rng = random.Random(seed)
        file = StateFile(tmp_path / f"{seed}.json")
        works = [file.writing(WindowState(conversation=str(n))) for n in range(5)]
        rng.shuffle(works)
        for write in works:
            write()
        assert file.read().conversation == "4", f"seed {seed}"
