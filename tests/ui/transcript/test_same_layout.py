"""A layout follows from the message, the style and the width, never from how it came about."""

from __future__ import annotations

import random

import pytest

from qwen_desktop.core.parts import visible_text
from qwen_desktop.jobs.blocks import projection
from qwen_desktop.jobs.markdown import Markdown
from tests import layouts


@pytest.mark.parametrize("seed", range(20))
def test_at_once_plain_first_or_streamed_is_the_same(seen, seed):
    chance = random.Random(seed)
    message = layouts.message(chance, f"p{seed}")
    once = layouts.at_once(seen.view, message)
    assert layouts.plain_first(seen.view, message) == once
    if message.role.value != "user":
        assert layouts.streamed(seen.view, message, chance) == once
        assert once.projection == projection(Markdown().blocks(visible_text(message.parts)))
