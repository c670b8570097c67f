"""Choices of models in random order and with random delays: the last wish wins."""

from __future__ import annotations

import random
import time

from tests.app import run
from tests.last_wishes import random_choices


def test_the_last_choice_of_a_model_wins(seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        run(random_choices(random.randrange(1 << 32)))  # a failure names its seed
