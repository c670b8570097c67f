"""What commands need of one run: its folders, services and console, and settings that hold for it only."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct

from qwen_desktop.cli.console import Console
from qwen_desktop.core.paths import Paths
from qwen_desktop.core.settings import replaced
from qwen_desktop.store.settings_file import Loaded, SettingsFile

if TYPE_CHECKING:
    from qwen_desktop.services.services import Services


class Build(Protocol):
    """Who makes them: ``services.services.for_command``. Without ``history`` it is kept in memory; with it, one that
    cannot be written raises ``AppError``."""

    def __call__(
        self, paths: Paths, *, history: bool, settings_file: SettingsFile
    ) -> AbstractAsyncContextManager[Services]: ...


class CommandRun(Struct, frozen=True):
    """What the work of a command is given. ``as_json``: it prints one JSON object, and no words for people."""

    paths: Paths
    build: Build
    console: Console
    as_json: bool = False

    def services(self) -> AbstractAsyncContextManager[Services]:
        """The services, without the history."""
        return self.build(self.paths, history=False, settings_file=SettingsFile(self.paths.settings_file))


class Guard(Protocol):
    """Runs a command's work and turns its failure into one sentence and an exit code. Ends by ``typer.Exit``."""

    def __call__(self, work: Callable[[CommandRun], Coroutine[Any, Any, int]], *, as_json: bool = False) -> None: ...


class OneRunSettings(SettingsFile):
    """The user's settings with some replaced for this run; nothing is ever written to the file."""

    def __init__(self, path: Path, values: Mapping[str, Any]) -> None:
        super().__init__(path)
        self._values = dict(values)

    def load(self) -> Loaded:
        """The file's settings, then the replaced ones. Raises ``msgspec.ValidationError`` for a value out of range."""
        loaded = super().load()
        settings = loaded.settings
        for key, value in self._values.items():
            settings = replaced(settings, key, value)
        return Loaded(settings, loaded.problems)

    def write(self, changes: Mapping[str, Any]) -> Path | None:
        """Keep the change in memory only."""
        self._values.update(changes)
        return None
