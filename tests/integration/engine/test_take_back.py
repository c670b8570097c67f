"""Drafts that were wrong are undone within the evaluation that verified them, and never at another time."""

from __future__ import annotations

import random

import pytest

from qwen_desktop.engine.llama_context import AbortedError, Context, Piece

from .conftest import Files
from .in_process import context, logits

SHAPE = {"rollback": 3, "outputs": 4, "chunk": 16}
PROMPT = [300 + index for index in range(40)]


def beginning(made: Context) -> None:
    made.sequences[0].forget()
    made.read(made.sequences[0], PROMPT)


@pytest.mark.parametrize("kind", ["small", "hybrid"])
@pytest.mark.parametrize("wrong", [1, 2, 3])
def test_wrong_drafts_leave_no_trace(files: Files, kind: str, wrong: int) -> None:
    made = context(getattr(files, kind)(), **SHAPE)
    try:
        one = made.sequences[0]
        beginning(made)
        made.evaluate((Piece(one, [7]),))
        right = [8, 9, 10][: 3 - wrong]
        made.evaluate((Piece(one, [*right, 11], 1),))
        expected = logits(made)
        beginning(made)
        rows = made.evaluate((Piece(one, [7, *right, *[500] * wrong], 4),))
        assert len(rows) == 1
        assert made.take_back(one, wrong) and one.tokens == [*PROMPT, 7, *right]
        assert not made.take_back(one, 1)
        made.evaluate((Piece(one, [11]),))
        found = memoryview(logits(made)).cast("f")
        close = [abs(a - b) for a, b in zip(found, memoryview(expected).cast("f"), strict=True)]
        assert max(close) < 0.05
    finally:
        made.close()


def test_it_cannot_be_undone_at_any_other_time(files: Files) -> None:
    """llama.cpp says that it did, and what is computed next is wrong."""
    made = context(files.hybrid(), **SHAPE, streams=2)
    one, two = made.sequences
    try:
        assert made.rollback == 3
        beginning(made)
        assert not made.take_back(one, 1)  # the last one came by itself
        for tokens in ([7], [8], [9]):
            made.evaluate((Piece(one, tokens),))
        assert not made.take_back(one, 1)
        made.evaluate((Piece(one, [1, 2, 3]),))
        assert not made.take_back(one, 3) and not made.take_back(one, 0)  # not its first one, and not nothing
        made.evaluate((Piece(one, [1, 2, 3, 4, 5, 6]),))
        assert not made.take_back(one, 4)  # more than were kept
        assert not made.take_back(two, 1)
        made.evaluate((Piece(two, [5, 6]),))
        assert not made.take_back(one, 1)  # another one was evaluated
        made.evaluate((Piece(one, [1, 2, 3]), Piece(two, [4])))
        assert not made.take_back(two, 1) and made.take_back(one, 2) and not made.take_back(one, 1)
        made.evaluate((Piece(one, [1, 2, 3]),))
        made.resize(3)
        assert not made.take_back(made.sequences[0], 1)
        made.evaluate((Piece(one, [1, 2, 3]),))
        made.flag.set()
        with pytest.raises(AbortedError):
            made.evaluate((Piece(one, [1, 2, 3]),))
        made.flag.clear()
        assert not made.take_back(one, 1)
    finally:
        made.close()


def test_more_than_there_is_room_for_does_not_end_the_process(files: Files) -> None:
    made = context(files.hybrid(), rollback=99, chunk=8)
    try:
        assert made.rollback == 6
        beginning(made)
    finally:
        made.close()
    shared = context(files.hybrid(), rollback=3, streams=4, unified=True)
    try:
        assert shared.rollback == 0
    finally:
        shared.close()


@pytest.mark.parametrize("seed", range(3))
def test_drafts_of_several_at_once(files: Files, seed: int) -> None:
    """Random drafts of random sequences, some of them wrong: each has the state of its tokens."""
    dice = random.Random(seed)
    made = context(files.hybrid(), **SHAPE, streams=3)
    plain = context(files.hybrid(), chunk=16)
    try:
        for each in made.sequences:
            made.read(each, PROMPT[: dice.randrange(10, 40)])
        for _ in range(12):
            pieces: list[Piece] = []
            for each in dice.sample(made.sequences, dice.randrange(1, 4)):
                count = dice.randrange(1, 5) if not pieces else 1
                pieces.append(Piece(each, [dice.randrange(300, 600) for _ in range(count)], count if not pieces else 1))
            if sum(piece.wanted for piece in pieces) > 4:
                continue
            made.evaluate(pieces)
            for piece in pieces:
                wrong = dice.randrange(len(piece.tokens))
                if wrong:
                    assert made.take_back(piece.sequence, wrong)
        for each in made.sequences:
            tokens = [*each.tokens, 5]
            row = made.evaluate((Piece(each, [5]),))[0]
            found = memoryview(logits(made, row)).cast("f")
            plain.sequences[0].forget()
            plain.read(plain.sequences[0], tokens)
            expected = memoryview(logits(plain)).cast("f")
            assert max(abs(a - b) for a, b in zip(found, expected, strict=True)) < 0.05
    finally:
        made.close()
        plain.close()
