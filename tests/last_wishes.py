"""Choices of models at random moments with files that are slow to look at, and what must be true in the end."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

from qwen_desktop.core.engine import LocalEngine
from qwen_desktop.core.errors import AppError, UserFacing
from qwen_desktop.core.text import Text
from qwen_desktop.services.events import ModelStatus
from qwen_desktop.services.models import ModelFile
from qwen_desktop.store.settings_file import SettingsFile
from tests.app import App, running_app
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


async def random_choices(seed: int) -> None:
    """A window's run with some choices; the last one that can be fulfilled must be in force everywhere."""
    rng = random.Random(seed)
    check = Slow()
    async with running_app(engine, check=check) as app:
        await app.models.use_guide()
        wanted = await choose(app, rng, check, ["a.gguf", "b.gguf", "c.gguf", "bad.gguf", GUIDE])
        state = app.models.state
        assert Path(state.path).name == wanted, f"seed {seed}"
        assert state.status is ModelStatus.READY, f"seed {seed}"
        assert state.info is not None and state.info.local is not None, f"seed {seed}"
        assert Path(state.info.local.path).name == (wanted or "guide.gguf"), f"seed {seed}"
        kept = app.preferences.settings.engine.model
        assert Path(kept).name == wanted, f"seed {seed}"
        assert SettingsFile(app.paths.settings_file).load().settings.engine.model == kept, f"seed {seed}"
        await app.send("Hello")
        await app.chat.idle()
