"""A process in which nothing moves by itself: one moment, known ids, one time zone, no caret that blinks.

``freeze`` comes before anything of the app is imported, since some of it keeps ``time.time`` as a default.
"""

from __future__ import annotations

import itertools
import os
import platform
import sys
import time
import uuid
from collections.abc import Callable

#: Wednesday, 18 March 2026, 14:30 UTC: the time of every picture.
NOW = 1_773_844_200.0
#: Only these look at the clock that stands still; whoever waits (asyncio, Qt's loop) needs the real one.
_OURS = ("qwen_desktop.", "tests.scripted_engine", "tests.ui.models.scripted")


class Clock:
    """What the app takes for the time."""

    def __init__(self) -> None:
        self._passed = 0.0

    def advance(self, seconds: float) -> None:
        """Let time pass for the app."""
        self._passed += seconds

    def reset(self) -> None:
        """It is ``NOW`` again."""
        self._passed = 0.0

    def now(self) -> float:
        """Seconds since the epoch."""
        return NOW + self._passed


CLOCK = Clock()


def freeze() -> None:
    """Stop this process's clocks for the app, and count its ids."""
    os.environ["TZ"] = "UTC"
    if hasattr(time, "tzset"):
        time.tzset()
    time.time = _for_the_app(time.time, CLOCK.now)
    time.monotonic = _for_the_app(time.monotonic, lambda: CLOCK.now() - NOW + 1000.0)
    platform.platform = lambda *_a, **_k: "Linux-6.12-x86_64"  # it is shown beside our version
    count_ids()


def count_ids() -> None:
    """Begin again with the first id, so that a picture does not depend on those before it."""
    numbers = itertools.count(1)
    uuid.uuid4 = lambda: uuid.UUID(int=next(numbers), version=4)


def _for_the_app(real: Callable[[], float], still: Callable[[], float]) -> Callable[[], float]:
    def clock() -> float:
        name = sys._getframe(1).f_globals.get("__name__", "")
        return still() if name.startswith(_OURS) else real()

    return clock
