"""Adapters (LoRA) that people choose: what a file says of itself, and what keeps it from being used.

The engine is the one that refuses; here the same is found out before anybody has asked it for an answer.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

import msgspec
from msgspec import Struct

from qwen_desktop.core.engine import Adapter
from qwen_desktop.core.errors import AppError, Failure, Problem, UserFacing
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, shown
from qwen_desktop.jobs.client import JobWorker

#: The command that shows a conversation's adapters: what the button of a failed answer does.
COMMAND = "chat.adapters"
#: So many files are remembered.
_MOST = 64

# fmt: off
_missing = Failure(
    UserFacing, "adapter.missing", "file",
    QT_TRANSLATE_NOOP("adapters", "The adapter {file} is not on this computer, or not where it was."),
    QT_TRANSLATE_NOOP("adapters", "Choose its file again, or remove it."), COMMAND,
)
# fmt: on


class AdapterFacts(Struct, frozen=True):
    """What an adapter says of itself: its ``name``, the ``architecture`` of the models that it is for, the name of the
    ``base`` that it was trained on ("" unknown), its ``rank``; ``alora``: words in the prompt activate it. Bytes, and
    the SHA-256 of the whole file."""

    name: str
    architecture: str
    base: str = ""
    rank: int = 0
    alora: bool = False
    size_bytes: int = 0
    sha256: str = ""


class About(Struct, frozen=True):
    """What is known of an adapter, and why it cannot be used, if it cannot."""

    facts: AdapterFacts | None = None
    problem: Problem | None = None


class Adapters(Protocol):
    """What the window asks."""

    async def look(self, path: str) -> AdapterFacts:
        """What the file ``path`` says of itself. Raises ``AppError`` for one that is no adapter."""

    async def about(self, path: str, model: str) -> About:
        """The same, and whether it can be used with the model file ``model`` ("" for none in particular)."""


class AdapterFiles(Adapters):
    """Reads them in the job worker. A file is read once, as long as its size and time stay the same."""

    def __init__(self, jobs: JobWorker) -> None:
        self._jobs = jobs
        self._known: dict[tuple[str, int, int], AdapterFacts] = {}

    async def look(self, path: str) -> AdapterFacts:
        key = await asyncio.to_thread(_mark, path)
        if key is None:
            raise _missing(shown(file_name(path)))
        if key not in self._known:
            found = await self._jobs.call("gguf.adapter", {"path": path})
            self._known[key] = msgspec.convert(found, AdapterFacts)
            for old in tuple(self._known)[:-_MOST]:
                del self._known[old]
        return self._known[key]

    async def about(self, path: str, model: str) -> About:
        facts = None
        try:
            facts = await self.look(path)
            if model:
                await self._jobs.call("gguf.adapter_fits", {"path": path, "model": model})
        except AppError as error:
            return About(facts, error.problem)
        return About(facts)


def file_name(path: str) -> str:
    """The name of an adapter's file, of whatever system its path is."""
    return re.split(r"[\\/]", path)[-1] or path


def title(adapter: Adapter) -> str:
    """What an adapter is called as long as nobody has looked into its file."""
    return shown(file_name(adapter.path).removesuffix(".gguf"))


def check_there(adapters: Iterable[Adapter]) -> None:
    """Raise ``UserFacing`` for the first one whose file is not there. Blocking."""
    for adapter in adapters:
        if _mark(adapter.path) is None:
            raise _missing(shown(file_name(adapter.path)))


def _mark(path: str) -> tuple[str, int, int] | None:
    """What a file is known by; None where there is none. A mere name is that of a file on another computer."""
    place = Path(path)
    try:
        found = place.stat() if place.is_absolute() and not place.is_dir() else None
    except (OSError, ValueError):
        return None
    return None if found is None else (path, found.st_size, found.st_mtime_ns)
