"""Commands run in this process over real services; only the engine is scripted."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

from qwen_desktop.cli import interrupt
from qwen_desktop.cli.app import main
from qwen_desktop.core.paths import Paths
from qwen_desktop.services.assistants import Assistants
from qwen_desktop.services.backup import Backups
from qwen_desktop.services.chat import Chat
from qwen_desktop.services.engines import Engines
from qwen_desktop.services.events import EventBus
from qwen_desktop.services.history import History
from qwen_desktop.services.models import Models
from qwen_desktop.services.preferences import Preferences
from qwen_desktop.services.prompt_cache import PromptCache
from qwen_desktop.services.search import Search
from qwen_desktop.store.database import Database
from qwen_desktop.store.settings_file import SettingsFile
from tests.app import any_file
from tests.scripted_engine import Script, ScriptedEngine


class Joined:
    """What ``bootstrap.Services`` is, around a scripted engine."""

    def __init__(self, paths: Paths, settings_file: SettingsFile, engine: ScriptedEngine, *, history: bool) -> None:
        self.bus = EventBus()
        self.preferences = Preferences(settings_file, self.bus)
        self.prompt_cache = PromptCache(self.preferences, self.bus, paths, keeps=history)
        self.engines = Engines(lambda: engine, self.preferences, self.bus, paths, kept=self.prompt_cache.filled)
        self.prompt_cache.tells(self.engines)
        self.models = Models(self.engines, self.preferences, self.bus, paths, check=any_file)
        self.database = Database(paths.database_file if history else None)
        self.history = History(self.database, self.bus)
        elsewhere = None if history else paths.database_file
        self.assistants = Assistants(self.database, self.bus, elsewhere=elsewhere)
        self.search = Search(self.database, self.bus)
        self.backups = Backups(self.database, paths)
        self.chat = Chat(self.history, self.engines, self.models, self.preferences, self.bus)


def builder(engine: ScriptedEngine) -> Callable[..., AbstractAsyncContextManager[Joined]]:
    """Join the services as ``bootstrap.for_command`` does."""

    @contextlib.asynccontextmanager
    async def build(paths: Paths, *, history: bool, settings_file: SettingsFile) -> AsyncIterator[Joined]:
        services = Joined(paths, settings_file, engine, history=history)
        try:
            await services.database.open(fallback=False)
            yield services
        finally:
            await services.chat.aclose()
            await services.models.aclose()
            await services.engines.aclose()
            await services.prompt_cache.aclose()
            await services.database.aclose()

    return build


class Ending(NamedTuple):
    """How a command ended and what it printed; ``engine`` has the requests it made."""

    code: int
    out: str
    err: str
    engine: ScriptedEngine


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ending]:
    """Run ``qwen-desktop`` with these arguments; ``script`` is what the engine says."""
    unarmed = SimpleNamespace(arm=lambda *_when: None, armed=False)  # this process lives on after the command
    monkeypatch.setattr(interrupt, "last_resort", unarmed)

    def run(*arguments: str, script: Script | None = None, **engine: Any) -> Ending:
        scripted = ScriptedEngine(script, **engine)
        code = main(arguments, builder(scripted))
        printed = capsys.readouterr()
        return Ending(code, printed.out, printed.err, scripted)

    return run
