"""Which models are in memory: by default one chat model and, beside it, the small guide.

Loading another chat model takes the least recently used one out first, so that two never need memory at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable

from qwen_desktop.core.engine import LoadProgress, LoadRequest, LocalEngine

log = logging.getLogger(__name__)


class _Session:
    def __init__(self, engine: LocalEngine, request: LoadRequest, guide: bool) -> None:
        self.engine = engine
        self.request = request
        self.guide = guide


class Sessions:
    """Loaded models by path. ``engine_factory`` makes an engine without a model; ``chat_models`` is how many models
    besides the guide may stay."""

    def __init__(self, engine_factory: Callable[[], LocalEngine], *, chat_models: int = 1) -> None:
        self._factory = engine_factory
        self._chat_models = chat_models
        self._sessions: OrderedDict[str, _Session] = OrderedDict()
        self._loading: set[LocalEngine] = set()
        self._closed = False

    def resident(self) -> tuple[str, ...]:
        """Paths of the loaded models, least recently used first."""
        return tuple(self._sessions)

    def find(self, request: LoadRequest) -> LocalEngine | None:
        """The engine that has this model loaded with just these settings, or None. Marks it as used."""
        session = self._sessions.get(request.path)
        if session is None or session.request != request or session.engine.info is None:
            return None
        self._sessions.move_to_end(request.path)
        return session.engine

    async def load(
        self, request: LoadRequest, *, guide: bool, on_progress: Callable[[LoadProgress], None]
    ) -> LocalEngine:
        """Have the model loaded with these settings. Raises ``AppError``; a failed or cancelled load leaves nothing
        behind. Call it for one model at a time, and not while an answer runs in a model that must make room."""
        engine = self.find(request)
        if engine is not None:
            return engine
        await self.unload(request.path)
        await self._make_room(guide)
        if self._closed:
            raise asyncio.CancelledError
        engine = self._factory()
        self._loading.add(engine)
        try:
            async for progress in engine.load(request):
                on_progress(progress)
            if self._closed:
                raise asyncio.CancelledError
        except BaseException:
            await asyncio.shield(engine.aclose())
            raise
        finally:
            self._loading.discard(engine)
        self._sessions[request.path] = _Session(engine, request, guide)
        return engine

    async def unload(self, path: str) -> None:
        """Take a model out of memory; nothing happens when it is not there."""
        session = self._sessions.pop(path, None)
        if session is not None:
            await session.engine.aclose()

    async def aclose(self) -> None:
        """End all workers at once, also one that is loading and hangs. Cancelled, it kills them. Safe to call twice."""
        self._closed = True
        engines = [*self._loading, *(session.engine for session in self._sessions.values())]
        self._sessions.clear()
        results = await asyncio.gather(*(engine.aclose() for engine in engines), return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                log.warning("session.close kind=%s", type(result).__name__)

    async def _make_room(self, guide: bool) -> None:
        limit = 1 if guide else self._chat_models
        same = [path for path, session in self._sessions.items() if session.guide == guide]
        for path in same[: max(0, len(same) - limit + 1)]:
            await self.unload(path)
