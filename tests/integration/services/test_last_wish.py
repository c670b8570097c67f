"""The last wish wins: whatever is slow, the state in the end is that of what was asked for last."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from qwen_desktop.core.chat import Status
from qwen_desktop.core.errors import UserFacing
from qwen_desktop.services.events import ModelChanged, ModelState, ModelStatus
from tests.app import run, running_app
from tests.last_wishes import Slow, engine, random_choices
from tests.scripted_engine import ScriptedEngine


def test_of_two_files_the_later_one_wins_over_a_slower_check() -> None:
    check = Slow()

    async def main() -> None:
        async with running_app(engine, check=check) as app:
            first, second = app.model_file("first.gguf"), app.model_file("second.gguf")
            check.delays["first.gguf"] = [0.05]
            slow = asyncio.create_task(app.models.open_file(first))
            await asyncio.sleep(0)
            await app.models.open_file(second)
            await slow
            assert app.models.state.path == second
            assert app.models.state.status is ModelStatus.READY
            assert app.preferences.settings.engine.model == second
            assert app.models.recent() == (second,)

    run(main())


def test_a_wish_that_cannot_be_fulfilled_leaves_the_one_before_it() -> None:
    check = Slow()

    async def main() -> None:
        async with running_app(engine, check=check) as app:
            good, bad = app.model_file("good.gguf"), app.model_file("bad.gguf")
            check.delays["good.gguf"] = [0.05]
            slow = asyncio.create_task(app.models.open_file(good))
            await asyncio.sleep(0)
            with pytest.raises(UserFacing):
                await app.models.open_file(bad)
            await slow
            assert app.models.state.path == good

    run(main())


def test_a_file_that_is_being_loaded_is_loaded_although_a_later_one_is_no_good() -> None:
    check = Slow()

    async def main() -> None:
        async with running_app(engine, check=check) as app:
            good, bad = app.model_file("good.gguf"), app.model_file("bad.gguf")
            check.delays["bad.gguf"] = [0.05]
            opening = asyncio.create_task(app.models.open_file(good))
            await asyncio.sleep(0)
            with pytest.raises(UserFacing):
                await app.models.open_file(bad)
            await opening
            assert (app.models.state.path, app.models.state.status) == (good, ModelStatus.READY)

    run(main())


def test_a_choice_that_is_written_late_does_not_stop_the_load_of_a_later_one(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with running_app(lambda: ScriptedEngine(load_s=0.1), check=Slow()) as app:
            first, second = app.model_file("first.gguf"), app.model_file("second.gguf")
            write, gate = app.preferences.change, asyncio.Event()

            async def late(values: Mapping[str, Any]) -> None:
                await write(values)
                if values["engine.model"] == first:
                    await gate.wait()

            monkeypatch.setattr(app.preferences, "change", late)
            told: list[ModelState] = []
            app.bus.subscribe(ModelChanged, lambda event: told.append(event.state))
            slow = asyncio.create_task(app.models.open_file(first))
            while app.preferences.settings.engine.model != first:  # noqa: ASYNC110 - seen from outside
                await asyncio.sleep(0)
            opening = asyncio.create_task(app.models.open_file(second))
            while not (told and told[-1].path == second and told[-1].fraction):  # noqa: ASYNC110 - as above
                await asyncio.sleep(0)
            told.clear()
            gate.set()
            await asyncio.gather(slow, opening)
            assert (app.models.state.path, app.models.state.status) == (second, ModelStatus.READY)
            assert ModelStatus.IDLE not in [state.status for state in told]  # it went on where it was

    run(main())


def test_what_is_wished_for_is_named_at_once_and_answers_what_is_asked_meanwhile() -> None:
    check = Slow()

    async def main() -> None:
        async with running_app(engine, check=check) as app:
            path = app.model_file("asked.gguf")
            check.delays["asked.gguf"] = [0.05]
            opening = asyncio.create_task(app.models.open_file(path))
            await asyncio.sleep(0)
            state = app.models.state
            assert (state.name, state.guide, state.status) == ("asked", False, ModelStatus.LOADING)
            await app.models.warm()  # the first letter is typed: the guide need not be loaded for it
            conversation = await app.ask("Who are you?")
            await opening
            (_, answer) = await app.history.tail(conversation, 2)
            assert answer.provenance is not None
            assert answer.provenance.model_path == path
            assert len(app.engines.resident()) == 1

    run(main())


def test_what_is_asked_of_a_file_that_is_no_good_says_so_and_is_not_answered_by_another() -> None:
    check = Slow()

    async def main() -> None:
        async with running_app(engine, check=check) as app:
            check.delays["bad.gguf"] = [0.05]
            opening = asyncio.create_task(app.models.open_file(app.model_file("bad.gguf")))
            await asyncio.sleep(0)
            conversation = await app.ask("Who are you?")
            with pytest.raises(UserFacing):
                await opening
            (_, answer) = await app.history.tail(conversation, 2)
            assert answer.status is Status.FAILED
            assert answer.problem is not None and str(answer.problem.what) == "This file is no model."
            assert app.models.state.guide

    run(main())


def test_random_choices_end_with_the_last_one() -> None:
    async def main() -> None:
        for seed in range(12):
            await random_choices(seed)

    run(main())
