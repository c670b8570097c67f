"""Sequences of a context: however their tokens came there, the same steps give the same logits."""

from __future__ import annotations

import random
import threading
from types import SimpleNamespace
from typing import Any, cast

import pytest

from qwen_desktop.engine import kv_state
from qwen_desktop.engine.bindings import api
from qwen_desktop.engine.llama_context import AbortedError, Context, Piece, Sequence, replay

from .conftest import Files
from .in_process import context, logits

VOCAB = 600


@pytest.mark.parametrize("seed", range(40))
def test_steps_follow_what_is_kept(seed: int) -> None:
    """``steps`` against a list with an entry for each token, after random evaluations and cuts."""
    dice = random.Random(seed)
    sequence = Sequence(cast("Any", SimpleNamespace(size=10_000)), 0)
    evaluated: list[tuple[int, int]] = []  # for each token: in which evaluation, of how many
    for number in range(60):
        if dice.random() < 0.35 and evaluated:
            length = dice.randrange(len(evaluated))
            sequence.dropped(length)
            del evaluated[length:]
        else:
            size = dice.choice((1, 1, 1, 2, 7, 32))
            sequence.took([0] * size, alone=True, threads=1, flash=False)
            evaluated += [(number, size)] * size
        expected = []
        for which in dict.fromkeys(evaluated):
            expected.append((which[1], evaluated.count(which)))
        flat = [(size, kept) for size, kept, times in sequence.steps for _ in range(times)]
        assert flat == expected
        assert len(sequence.tokens) == len(evaluated)


def held(made: Context, sequence: Sequence) -> int:
    return int(api.llama_memory_seq_pos_max(api.llama_get_memory(made.pointer), sequence.number)) + 1


def again(made: Context, sequence: Sequence) -> bytes:
    """The logits of the sequence's tokens, evaluated in its own steps in a context of its own."""
    fresh = Context(made.model, type(made.shape)(*[getattr(made.shape, n) for n in ("size", "threads", "chunk")],
                                                made.shape.flash, made.shape.kv_type), made.flag)  # fmt: skip
    try:
        rows: tuple[int, ...] = ()
        for piece in replay(lambda: fresh.sequences[0], sequence.tokens, sequence.all_steps()):
            rows = fresh.evaluate((piece._replace(wanted=True),))
        assert fresh.sequences[0].tokens == sequence.tokens
        return logits(fresh, rows[0])
    finally:
        fresh.close()


class Doing:
    """Random things done to the sequences of a context."""

    def __init__(self, made: Context, dice: random.Random) -> None:
        self._made = made
        self._dice = dice

    def read(self, sequence: Sequence, room: int) -> None:
        part = [self._dice.randrange(300, VOCAB) for _ in range(min(room, self._dice.choice((1, 5, 31, 32))))]
        if part:
            self._made.evaluate((Piece(sequence, part),))

    def write(self, sequence: Sequence, room: int) -> None:
        for _ in range(min(room, self._dice.randrange(1, 8))):
            self._made.evaluate((Piece(sequence, (self._dice.randrange(300, VOCAB),)),))

    def cut(self, sequence: Sequence, _room: int) -> None:
        if sequence.tokens:
            sequence.reuse([*sequence.tokens[: self._dice.randrange(len(sequence.tokens) + 1)], 1, 2])

    def copy(self, sequence: Sequence, _room: int) -> None:
        source = self._dice.choice(self._made.sequences)
        if source is not sequence and source.tokens:
            sequence.forget()
            length = self._dice.randrange(1, len(source.tokens) + 1)
            assert kv_state.copy(source, sequence, length)
            assert sequence.tokens == source.tokens[:length]

    def grow(self, _sequence: Sequence, _room: int) -> None:
        streams = len(self._made.sequences)
        if streams < 4:
            before = [list(each.tokens) for each in self._made.sequences]
            self._made.resize(streams + 1)
            assert [each.tokens for each in self._made.sequences] == [*before, []]
            assert self._made.size == 512

    def abort(self, sequence: Sequence, room: int) -> None:
        if room > 0:
            self._made.flag.set()
            with pytest.raises(AbortedError):
                self._made.evaluate((Piece(sequence, (7,)),))
            self._made.flag.clear()


@pytest.mark.parametrize(("kv_type", "flash"), [("f16", "off"), ("k_q8_0", "off"), ("q8_0", "on"), ("f16", "on")])
@pytest.mark.parametrize("seed", range(3))
def test_any_way_to_the_same_steps_gives_the_same_logits(files: Files, kv_type: str, flash: str, seed: int) -> None:
    """Reading, writing, cutting, copying, growing, aborting in any order: a sequence that was evaluated by itself can
    be made again from its steps, bit for bit, and the mirror is what llama.cpp holds."""
    dice = random.Random(seed)
    made = context(files.small(), streams=2, kv_type=kv_type, flash=flash)
    doing = Doing(made, dice)
    try:
        for _ in range(30):
            sequence = dice.choice(made.sequences)
            does = dice.choice((doing.read, doing.read, doing.write, doing.cut, doing.copy, doing.grow, doing.abort))
            does(sequence, sequence.size - len(sequence.tokens))
            assert [held(made, each) for each in made.sequences] == [len(each.tokens) for each in made.sequences]
        for sequence in made.sequences:
            if sequence.tokens and len(sequence.tokens) < sequence.size and sequence.alone:
                rows = made.evaluate((Piece(sequence, (5,)),))
                assert logits(made, rows[0]) == again(made, sequence)
    finally:
        made.close()


def test_an_aborted_step_of_several_has_not_happened(files: Files) -> None:
    made = context(files.slow(), streams=3, size=512, chunk=64)
    try:
        for index, sequence in enumerate(made.sequences):
            made.read(sequence, [300 + index + i for i in range(100)])
        before = [sequence.all_steps() for sequence in made.sequences]
        aborted = 0
        for delay in (0.0, 0.0005, 0.002, 0.005):
            timer = threading.Timer(delay, made.flag.set)
            timer.start()
            try:
                made.evaluate([Piece(sequence, (9,)) for sequence in made.sequences])
            except AbortedError:
                aborted += 1
                assert [sequence.all_steps() for sequence in made.sequences] == before
            else:
                for sequence in made.sequences:
                    made.cut(sequence, 100)
            timer.join()
            made.flag.clear()
        assert aborted
        first = made.evaluate([Piece(sequence, (9,)) for sequence in made.sequences])
        one = [logits(made, row) for row in first]
        for sequence in made.sequences:
            made.cut(sequence, 100)
        second = made.evaluate([Piece(sequence, (9,)) for sequence in made.sequences])
        assert [logits(made, row) for row in second] == one
    finally:
        made.close()


def test_a_beginning_is_shared_at_no_cost_in_a_unified_context_only(files: Files) -> None:
    made = context(files.small(), streams=5, size=400, unified=True)
    try:
        base, *others = made.sequences
        made.read(base, list(range(300, 400)))
        made.share(base, others)
        for sequence in others:
            made.evaluate((Piece(sequence, (7, 8, 9)),))
        # four times a hundred tokens would not have fitted
        assert [held(made, sequence) for sequence in made.sequences] == [100, 103, 103, 103, 103]
    finally:
        made.close()
    split = context(files.small(), streams=2)
    try:
        with pytest.raises(ValueError, match="unified"):
            split.share(split.sequences[0], split.sequences[1:])
    finally:
        split.close()


def test_each_conversation_has_the_whole_context_and_one_costs_what_it_did(files: Files) -> None:
    """Streams divide a context's size: the promised one is for each."""
    for streams in (1, 2, 5):
        made = context(files.small(), streams=streams, size=300)
        try:
            assert made.size == 300
            assert int(api.llama_n_ctx(made.pointer)) == 512 * streams  # rounded up to 256
            for sequence in made.sequences:
                made.read(sequence, [300 + i % 200 for i in range(300)])
        finally:
            made.close()


def test_a_context_that_is_made_does_not_take_back_a_set_flag(files: Files) -> None:
    """It may be made on another thread, while a computation is just being ended."""
    made = context(files.small())
    try:
        made.flag.set()
        Context(made.model, made.shape, made.flag).close()
        with pytest.raises(AbortedError):
            made.evaluate((Piece(made.sequences[0], [1, 2, 3]),))
        assert not made.sequences[0].tokens
    finally:
        made.close()
