"""The last wish wins: whatever is slow, the state in the end is that of what was asked for last."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from qwen_desktop.core.chat import Status
from qwen_desktop.core.engine import LocalEngine, ThinkingMode
from qwen_desktop.core.errors import AppError, UserFacing
from qwen_desktop.core.text import Text
from qwen_desktop.services.events import ModelStatus
from qwen_desktop.services.models import ModelFile
from qwen_desktop.store.settings_file import SettingsFile
from tests.app import App, run, running_app
from tests.scripted_engine import ScriptedEngine

GUIDE = ""


class Slow:
    """A check that takes as long as the file's own delay, in seconds; the name ``bad…`` is refused."""

    def __init__(self) -> None:
        self.delays: dict[str, list[float]] = {}

    async def __call__(self, path: Path) -> ModelFile:
        delays = self.delays.get(path.name, [])
        await asyncio.sleep(delays.pop(0) if delays else 0.0)
        if path.name.startswith("bad"):
            raise UserFacing(Text("bad", "This file is no model."))
        return ModelFile(path.stem, 1_000_000)


def engine() -> LocalEngine:
    return ScriptedEngine(load_s=0.004)


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
            assert len(app.sessions.resident()) == 1

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


async def choose(app: App, rng: random.Random, check: Slow, names: list[str]) -> str:
    """Choose at random moments; returns the last choice that can be fulfilled."""
    tasks: list[asyncio.Task[None]] = []
    wanted = GUIDE
    for _ in range(rng.randint(2, 6)):
        name = rng.choice(names)
        if name == GUIDE:
            tasks.append(asyncio.create_task(app.models.use_guide()))
        else:
            check.delays.setdefault(name, []).append(rng.choice([0.0, 0.002, 0.01]))
            tasks.append(asyncio.create_task(app.models.open_file(app.model_file(name))))
        if not name.startswith("bad"):
            wanted = name
        if rng.random() < 0.3:
            tasks.append(asyncio.create_task(app.models.warm()))
        await asyncio.sleep(rng.choice([0.0, 0.0, 0.001, 0.006]))
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        assert result is None or isinstance(result, AppError), result
    return wanted


def test_random_choices_end_with_the_last_one() -> None:
    async def main() -> None:
        for seed in range(12):
            rng = random.Random(seed)
            check = Slow()
            async with running_app(engine, check=check) as app:
                await app.models.use_guide()
                wanted = await choose(app, rng, check, ["a.gguf", "b.gguf", "c.gguf", "bad.gguf", GUIDE])
                state = app.models.state
                assert Path(state.path).name == wanted, f"seed {seed}"
                assert state.status is ModelStatus.READY, f"seed {seed}"
                assert state.info is not None and Path(state.info.path).name == (wanted or "guide.gguf"), f"seed {seed}"
                kept = app.preferences.settings.engine.model
                assert Path(kept).name == wanted, f"seed {seed}"
                assert SettingsFile(app.paths.settings_file).load().settings.engine.model == kept, f"seed {seed}"
                await app.chat.send("Hello", conversation_id=None, thinking=ThinkingMode.AUTO)
                await app.chat.idle()

    run(main())
