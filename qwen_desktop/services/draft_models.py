"""Which small model guesses for a large one: the one that was chosen, or one that is installed and proven to fit."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from msgspec import structs

from qwen_desktop.core.engine import LoadRequest
from qwen_desktop.core.errors import AppError
from qwen_desktop.core.gguf.draft_models import LARGE, SHARE
from qwen_desktop.core.models import InstalledModel
from qwen_desktop.jobs.client import JobWorker

#: What may stand where a model is named: none, and one that fits.
OFF, AUTO = "off", "auto"


class _Pair(NamedTuple):
    """What is known of two files for as long as they stay as they are."""

    bytes: int
    offered: bool
    problem: AppError | None = None


class DraftModels:
    """What the job worker says of pairs of models, kept as long as their files stay the same."""

    def __init__(self, jobs: JobWorker, installed: Callable[[], Iterable[InstalledModel]]) -> None:
        self._jobs = jobs
        self._installed = installed
        self._known: dict[tuple[Any, ...], _Pair] = {}
        self._found: dict[tuple[str, str], tuple[str, int]] = {}

    async def filled(self, request: LoadRequest) -> LoadRequest:
        """``request`` with the file that guesses for it, "" for none."""
        path = "" if request.drafts == OFF else (await self._find(request.path, request.draft_model))[0]
        return structs.replace(request, draft_model=path)

    async def bytes_of(self, path: str, wish: str) -> int:
        """What that takes beside the model at ``path``."""
        return (await self._find(path, wish))[1]

    def known_bytes(self, path: str, wish: str) -> int | None:
        """The same at once, None where it must be looked for."""
        return 0 if wish in ("", OFF) else self._found.get((path, wish), (wish, None))[1]

    async def check(self, path: str, draft: str) -> None:
        """Raise ``AppError`` where the model at ``draft`` cannot guess for the one at ``path``."""
        pair = await self._look(path, draft)
        if pair.problem is not None:
            raise pair.problem

    async def offered(self, path: str) -> tuple[InstalledModel, ...]:
        """The installed models that may guess for the one at ``path``, the smallest first."""
        models = [model for model in self._installed() if model.problem is None]
        own = next((model.parameters for model in models if model.path == path), None)
        if own is not None and own < LARGE:
            return ()
        small = [m for m in models if m.path != path and m.chats and m.parameters * SHARE <= (own or sys.maxsize)]
        found = [model for model in small if (await self._look(path, model.path)).offered]
        return tuple(sorted(found, key=lambda model: model.size_bytes))

    async def _find(self, path: str, wish: str) -> tuple[str, int]:
        if wish in ("", OFF):
            return "", 0
        draft = wish
        if wish == AUTO:
            draft = next((model.path for model in await self.offered(path)), "")
        elif not await asyncio.to_thread(os.path.exists, wish):  # it may have been moved with the others
            name = Path(wish).name
            draft = next((m.path for m in self._installed() if Path(m.path).name == name), wish)
        found = (draft, (await self._look(path, draft)).bytes if draft else 0)
        self._found[path, wish] = found
        return found

    async def _look(self, path: str, draft: str) -> _Pair:
        key = (path, await asyncio.to_thread(_stamp, path), draft, await asyncio.to_thread(_stamp, draft))
        if key not in self._known:
            try:
                found = await self._jobs.call("gguf.draft_model", {"path": path, "draft": draft})
                pair = _Pair(int(found["bytes"]), bool(found["offered"]))
            except AppError as error:
                pair = _Pair(0, offered=False, problem=error)
            self._known[key] = pair
        return self._known[key]


def _stamp(path: str) -> tuple[int, int]:
    try:
        found = Path(path).stat()
    except (OSError, ValueError):
        return 0, 0
    return found.st_size, found.st_mtime_ns
