"""A real language model in the real window: three turns, saved and there again after a restart."""

from __future__ import annotations

from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from qwen_desktop.core.chat import Status
from qwen_desktop.core.engine import FinishReason
from qwen_desktop.core.parts import Role
from qwen_desktop.services.events import ModelStatus
from tests.smollm2 import model_path
from tests.window_driver import Driver, drive, text_of


def test_three_turns_with_a_real_model(qtbot: QtBot) -> None:
    model = model_path()

    async def talk(app: Driver) -> None:
        await app.services.preferences.set("sampling.temperature", 0.0)
        await app.services.preferences.set("sampling.max_tokens", 60)
        await app.open_model(model)
        week = await app.ask("How many days are in a week?")
        assert "7" in text_of(week)
        water = await app.ask("What is the chemical symbol of water?")
        assert "H2O" in text_of(water)
        third = await app.ask("Thank you. Say goodbye.")
        assert text_of(third).strip()
        for answer in (week, water, third):
            assert answer.status is Status.DONE
            assert answer.finish_reason in (FinishReason.STOP, FinishReason.LENGTH)
            assert answer.provenance is not None
            assert answer.provenance.model_path == str(model)
            assert answer.stats is not None
            assert answer.stats.completion_tokens > 0
            assert text_of(answer).splitlines()[0] in app.shown()
        # What was read for the first turns is not read again.
        assert water.stats is not None and third.stats is not None
        assert water.stats.cached_tokens > 0
        assert third.stats.cached_tokens > water.stats.cached_tokens

    drive(talk)

    async def return_to_it(app: Driver) -> None:
        (chat,) = await app.services.history.list()
        assert chat.title == "How many days are in a week?"
        app.window.chat.open(chat.id)
        await app.until(lambda: "H2O" in app.shown())
        messages = await app.services.history.tail(chat.id, 10)
        assert [m.role for m in messages] == [Role.USER, Role.ASSISTANT] * 3
        assert app.services.models.state.path == str(model)
        again = await app.ask("How many days are in a week?")
        assert text_of(again).strip()

    drive(return_to_it)


def test_the_guide_answers_on_a_fresh_data_folder(qtbot: QtBot) -> None:
    async def ask(app: Driver) -> None:
        answer = await app.ask("How do I start a new chat?")
        assert "Ctrl+N" in text_of(answer)
        assert answer.provenance is not None
        assert answer.provenance.guide
        await app.until(lambda: "Ctrl+N" in app.shown())

    drive(ask)


def test_a_model_is_loaded_while_its_first_message_is_written(qtbot: QtBot) -> None:
    model = model_path()

    async def open_once(app: Driver) -> None:
        await app.open_model(model)

    drive(open_once)

    async def write(app: Driver) -> None:
        models = app.services.models
        assert models.state.status is ModelStatus.IDLE
        QTest.keyClicks(app.window.chat.pane.composer.edit, "W")
        await app.until(lambda: models.state.status is ModelStatus.READY)

    drive(write)
