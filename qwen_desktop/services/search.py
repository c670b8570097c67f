"""The search over titles and messages, as somebody types."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from qwen_desktop.core.errors import Cancelled, Failure
from qwen_desktop.core.queries import Found, Hit, Query, parse
from qwen_desktop.core.text import QT_TRANSLATE_NOOP
from qwen_desktop.services.events import EventBus
from qwen_desktop.store import searching
from qwen_desktop.store.database import Database

__all__ = ["Found", "Hit", "Search"]

# fmt: off
_newer = Failure(
    Cancelled, "search.newer", "", QT_TRANSLATE_NOOP("history", "Something else is searched for now."),
)
# fmt: on


#: So many hits are asked for as one types: for each a snippet is made, and more nobody reads before typing on.
SHOWN = 24


class Search:
    """Finds titles and messages. Answers that are still being written are found once they are final."""

    def __init__(self, db: Database, bus: EventBus, *, clock: Callable[[], float] = time.time) -> None:
        self._db = db
        self._bus = bus
        self._clock = clock
        self._about = searching.Conversations()
        self._asked: asyncio.Future[Found] | None = None

    async def find(self, text: str | Query, limit: int = SHOWN) -> Found:
        """What ``text`` asks for, the best hits first, ``limit`` at most. A newer call gives an older one up, which
        then raises ``Cancelled``. Raises ``AppError`` for what SQLite reports."""
        query = parse(text) if isinstance(text, str) else text
        if self._asked is not None:
            self._asked.cancel()
        asked = self._asked = asyncio.ensure_future(
            self._db.glance(searching.find, query, limit, self._clock(), self._about)
        )
        try:
            return await asked
        except asyncio.CancelledError:
            if self._asked is not asked and not _cancelling():
                raise _newer() from None
            asked.cancel()
            raise
        finally:
            if self._asked is asked:
                self._asked = None


def _cancelling() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
