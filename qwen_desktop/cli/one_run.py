"""What commands need from the layers below: the services of one run, and settings that hold for that run only."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Protocol

from qwen_desktop.core.paths import Paths
from qwen_desktop.core.settings import replaced
from qwen_desktop.services.catalogue import Catalogue
from qwen_desktop.services.chat import Chat
from qwen_desktop.services.events import EventBus
from qwen_desktop.services.fits import Fits
from qwen_desktop.services.history import History
from qwen_desktop.services.machines import Machines
from qwen_desktop.services.models import Models
from qwen_desktop.services.preferences import Preferences
from qwen_desktop.store.settings_file import Loaded, SettingsFile


class Services(Protocol):
    """The use cases, joined by ``bootstrap``."""

    @property
    def bus(self) -> EventBus: ...
    @property
    def preferences(self) -> Preferences: ...
    @property
    def models(self) -> Models: ...
    @property
    def history(self) -> History: ...
    @property
    def chat(self) -> Chat: ...
    @property
    def machines(self) -> Machines: ...
    @property
    def catalogue(self) -> Catalogue: ...
    @property
    def fits(self) -> Fits: ...


class Build(Protocol):
    """``bootstrap``'s builder, handed in from above. Without ``history`` it is kept in memory; with it, one that cannot
    be written raises ``AppError``."""

    def __call__(
        self, paths: Paths, *, history: bool, settings_file: SettingsFile
    ) -> AbstractAsyncContextManager[Services]: ...


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
