"""Leases of engines in random schedules, of engines that work on one answer or on several at once."""

from __future__ import annotations

import random
import time

from tests.app import run
from tests.engine_schedules import random_schedule


def test_nobody_is_overtaken_and_everybody_served(seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        run(random_schedule(random.randrange(1 << 32), random.randint(1, 4)))  # a failure names its seed
