"""Which attachments are too long, and by how much."""

from __future__ import annotations

import random

from qwen_desktop.core.parts import FilePart, ImagePart
from qwen_desktop.services.token_counts import Room, estimate, too_many


def test_the_longest_file_is_the_one_that_is_too_long() -> None:
    assert too_many([820, 41_200], 15_120) == (0, 26_900)
    assert too_many([820, 500], 15_120) == (0, 0)
    assert too_many([], 0) == ()
    assert too_many([10, 20, 30], 0) == (10, 20, 30)


def test_what_is_too_much_adds_up_whatever_is_attached() -> None:
    chance = random.Random(3)
    for _ in range(500):
        counts = [chance.randint(0, 5000) for _ in range(chance.randint(0, 8))]
        left = chance.randint(0, 12_000)
        over = too_many(counts, left)
        assert sum(over) == max(0, sum(counts) - left)
        assert all(0 <= excess <= count for excess, count in zip(over, counts, strict=True))


def test_room_is_never_less_than_none() -> None:
    assert Room(16_384, 2_113, 4_096).left == 10_175
    assert Room(4096, 9000, 1024, 30).left == 0
    assert Room(4096, 9000, 1024, 30).most == 3042


def test_estimates_say_that_they_are_some() -> None:
    assert estimate(FilePart("", "text/plain", "a", 9, "word " * 100)).tokens == 125
    assert not estimate(FilePart("", "text/plain", "a", 9, "word")).exact
    assert estimate(ImagePart("ab", "image/png")).tokens == 0
