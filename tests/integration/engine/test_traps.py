"""What ends the process or corrupts silently in llama.cpp's interface, and that nothing of it is ever reached."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

import qwen_desktop
from qwen_desktop.core.errors import UserFacing
from qwen_desktop.engine import generation, kv_state
from qwen_desktop.engine.bindings import api
from qwen_desktop.engine.drafting.policy import Drafts
from qwen_desktop.engine.llama import set_fields
from qwen_desktop.engine.llama_context import AbortedError, Piece
from qwen_desktop.engine.llama_sampler import Sampler

from .conftest import Files
from .in_process import Call, Steps, context, logits
from .talk import ask


class Watched:
    """Looks at all that llama.cpp is asked for, before it is."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._decode, self._share, self._row = api.llama_decode, api.llama_memory_seq_cp, api.llama_get_logits_ith
        self._outputs = dict[int, int]()
        make = api.llama_init_from_model
        self.most = 0
        self.decoded = 0
        self.samplers: list[Sampler] = []
        patch.setattr(api, "llama_decode", self.decode)
        patch.setattr(api, "llama_memory_seq_cp", self.share)
        patch.setattr(api, "llama_get_logits_ith", self.row)
        patch.setattr(generation, "Sampler", self.sampler)

        def made(model: Any, params: Any) -> Any:
            pointer = make(model, params)
            self._outputs[pointer] = params.n_outputs_max
            return pointer

        patch.setattr(api, "llama_init_from_model", made)

    def decode(self, pointer: Any, batch: Any) -> int:
        """Neither more tokens than a batch has, nor more outputs than the context was made for, and none of a sequence
        twice apart: each of these ends the process."""
        count = batch.n_tokens
        assert 0 < count <= min(api.llama_n_batch(pointer), api.llama_n_ubatch(pointer))
        owners = [batch.seq_id[row][0] for row in range(count)]
        assert all(0 <= owner < api.llama_n_seq_max(pointer) for owner in owners)
        assert all(batch.n_seq_id[row] == 1 for row in range(count))
        runs = [owner for row, owner in enumerate(owners) if not row or owners[row - 1] != owner]
        assert len(runs) == len(set(runs))
        wanted = sum(bool(batch.logits[row]) for row in range(count))
        assert wanted <= self._outputs[pointer]
        assert wanted <= len(runs) or len(runs) == 1  # only one that writes alone is written ahead
        self.most = max(self.most, wanted)
        for row in range(1, count):
            assert owners[row] != owners[row - 1] or batch.pos[row] == batch.pos[row - 1] + 1
        self.decoded += 1
        return int(self._decode(pointer, batch))

    def row(self, pointer: Any, row: int) -> Any:
        """Nothing is chosen from a row that was not wanted: llama.cpp has nothing there."""
        values = self._row(pointer, row)
        assert values
        return values

    def share(self, memory: Any, source: int, to: int, begin: int, end: int) -> None:
        assert (begin, end) == (0, -1)  # partial copies between streams end the process
        self._share(memory, source, to, begin, end)

    def sampler(self, *how: Any) -> Sampler:
        self.samplers.append(Sampler(*how))
        return self.samplers[-1]


@pytest.mark.parametrize("seed", (0, 1, 2, 6, 14, 37, 45))
def test_no_schedule_asks_llama_cpp_for_what_ends_the_process(
    files: Files, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Conversations, batches, stops and answers that are made again; every sampler is freed in the end."""
    dice = random.Random(seed)
    watched = Watched(monkeypatch)
    memory = {"streams": dice.choice((1, 3)), "cells": dice.choice((300, 5000)), "border": dice.choice((0, 80))}
    path = files.hybrid() if seed % 3 == 2 else files.small()
    steps = Steps(path, **memory, size=400, chunk=dice.choice((8, 32)), outputs=dice.choice((1, 4, 16)))
    tokens = range(300, 600) if seed % 2 else range(300, 302)
    monkeypatch.setattr(  # guesses at random, right ones as well
        Drafts, "next", lambda _, most: dice.choices(tokens, k=dice.choice((0, 3, 15))) if most >= 15 else [301] * most
    )
    steps.session.batch_width = dice.choice((2, 4, 16))
    try:
        recipes = [None, steps.answer(ask("before " * 9, max_tokens=5)).recipe]
        calls: list[Call] = []
        for _ in range(30):
            words = "same words " * dice.choice((0, 20)) + "x " * dice.randrange(60)
            batch, again = dice.choice(("", "a", "a", "b")), dice.choice((*recipes, None, None))
            calls.append(steps.ask(ask(words, max_tokens=dice.randrange(1, 30), batch=batch, again=again)))
            for _ in range(dice.randrange(4)):
                steps.scheduler.step()
            if dice.random() < 0.2:
                dice.choice(calls).cancelled = True
            if dice.random() < 0.1:
                steps.session.idle()
        steps.run()
        assert not [call.error for call in calls if call.result is None and "is empty" not in str(call.error)]
        assert watched.decoded > 30 and len(watched.samplers) > 20
        assert not any(sampler.pointer for sampler in watched.samplers)
    finally:
        steps.close()


def test_more_tokens_than_a_batch_has_do_not_reach_llama_cpp(files: Files) -> None:
    made = context(files.small(), chunk=8)
    try:
        with pytest.raises(ValueError):
            made.evaluate((Piece(made.sequences[0], [300] * 9),))
        assert not made.sequences[0].tokens
        made.evaluate((Piece(made.sequences[0], [300] * 8),))
    finally:
        made.close()


def test_a_recurrent_state_goes_back_to_a_checkpoint_or_not_at_all(files: Files) -> None:
    """llama.cpp says that it went back a part of the way, and computes something else (``test_take_back``)."""
    made = context(files.hybrid(), streams=2, chunk=16)
    try:
        first, second = made.sequences
        prompt = [300 + index for index in range(50)]
        made.read(first, prompt)
        wanted = logits(made)
        assert not made.cut(first, 20) and len(first.tokens) == 50
        assert not kv_state.copy(first, second, 20) and not second.tokens
        assert first.reuse([*prompt[:20], 1, 2, 3]) == 0 and not first.tokens
        made.read(first, prompt[:40])
        made.flag.set()
        with pytest.raises(AbortedError):
            made.evaluate((Piece(first, prompt[40:48]),))
        made.flag.clear()
        assert not first.tokens  # it may have been half-way
        first.stops = (30,)
        made.read(first, prompt)
        assert first.reuse([*prompt[:40], 1, 2, 3]) == 30 and first.reach(29) == 0
        made.read(first, prompt)
        first.stops = ()
        first.forget()
        made.read(first, prompt)
        assert logits(made) == wanted
    finally:
        made.close()


def test_a_recurrent_state_is_not_taken_without_its_attention(files: Files) -> None:
    """llama.cpp takes it also then, and computes something else: not of another sequence's, of another place, or
    damaged, nor behind what is there."""
    made = context(files.hybrid(), streams=2, chunk=16)
    try:
        first, second = made.sequences
        prompt = [300 + index for index in range(50)]
        first.stops = (20, 40)
        made.read(first, prompt)
        early, late = first.checkpoints
        made.read(second, prompt[:30])
        assert not kv_state.give_recurrent(second, late)
        second.forget()
        assert not kv_state.give_recurrent(second, early)  # it has no tokens
        attention = bytes(kv_state.take(first))
        assert not kv_state.give(second, attention) and not kv_state.give(second, attention, late._replace(position=41))
        assert not kv_state.give(second, attention, late._replace(position=39))
        cut = b"".join((attention[:12], (30).to_bytes(4, "little"), attention[16:]))
        for state in (b"", attention[:-1], attention + b" ", cut):
            assert not kv_state.give(second, state, late)
        for state in (b"", late.state[:10], late.state[:-1], late.state[:8] + bytes(8) + late.state[16:]):
            assert not kv_state.give(second, attention, late._replace(state=state))
            assert api.llama_memory_seq_pos_max(api.llama_get_memory(made.pointer), second.number) == -1
        first.checkpoints = [early, late._replace(state=late.state[:-1])]  # of the two, the one that is whole
        assert first.reuse([*prompt[:45], 1, 2]) == 20 and first.checkpoints == [early]
        assert kv_state.give(second, attention, early)
        second.tokens = prompt[:20]
        for each in made.sequences:
            each.stops = (40,)
            made.read(each, prompt)
        again = kv_state.take_recurrent(first)
        assert again[8:] == kv_state.take_recurrent(second)[8:] and len(again) == len(late.state)
    finally:
        made.close()


@pytest.mark.parametrize("order", [(0, 2, 1, 3), (1, 3, 2, 0), (3, 2, 1, 0)])
@pytest.mark.parametrize("pair", [(0, 1), (1, 2), (2, 3), (0, 2)])
def test_a_step_that_is_ended_harms_nobody_between_those_that_took_part(
    files: Files, order: tuple[int, ...], pair: tuple[int, int]
) -> None:
    """llama.cpp puts the recurrent states of a step side by side, and so moves those of others: they lie in the order
    in which they came."""
    made = context(files.hybrid(), streams=4, chunk=16)
    fresh = context(files.hybrid(), chunk=16)
    try:
        for number in order:
            made.sequences[number].stops = (20, 39)
            made.read(made.sequences[number], [300 + number + index for index in range(40)])
        made.flag.set()
        with pytest.raises(AbortedError):
            made.evaluate([Piece(made.sequences[number], (9,)) for number in pair])
        made.flag.clear()
        for number, each in enumerate(made.sequences):
            one, tokens = fresh.sequences[0], [300 + number + index for index in range(40)]
            one.forget()
            one.stops = (20, 39)
            for held in (each, one):
                held.context.read(held, tokens)
                held.context.evaluate((Piece(held, (5,)),))
            assert logits(made) == logits(fresh), number
    finally:
        made.close()
        fresh.close()


def test_a_field_that_is_not_there_is_not_set() -> None:
    """ctypes takes any name and does nothing with it."""
    with pytest.raises((AttributeError, ValueError)):
        set_fields(api.llama_context_default_params(), n_contexts=1)


@pytest.mark.parametrize(
    "name",
    [
        "llama_sampler_init_grammar",  # dies of any token that it does not allow
        "json_schema_to_gbnf",  # ignores half of the schema
        "FLAGS_ON_DEVICE",  # throws outside of the library's own try
        "state_seq_load_file",  # takes damaged files
        "load_mtp",  # a context for it aborts where there is none
        "threadpool",  # does nothing in this build
    ],
)
def test_what_cannot_be_trusted_is_not_used(name: str) -> None:
    folder = Path(qwen_desktop.__file__).parent / "engine"
    texts = [path.read_text(encoding="utf-8") for path in folder.rglob("*.py")]
    assert len(texts) > 30 and not any(name in text for text in texts)


def test_a_quantized_source_never_comes_to_llama_cpp_unasked(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would leave a stub of a file and say so in its log alone."""
    from qwen_desktop.engine import quantize  # noqa: PLC0415 - only here

    path = files.small()
    header = quantize.read_header(path)
    rounded = tuple(structs.replace(tensor, type=12) for tensor in header.tensors)
    monkeypatch.setattr(quantize, "read_header", lambda _path: structs.replace(header, tensors=rounded))
    monkeypatch.setattr(api, "llama_model_quantize", lambda *_how: pytest.fail("it was asked"))
    with pytest.raises(UserFacing, match="quantized already"):
        quantize.plan(quantize.Wanted(path, ("Q4_K_M",)), lambda _planned: None)


def test_the_quantizer_holds_few_rows_and_never_writes_to_what_it_reads(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    from qwen_desktop.engine import quantize  # noqa: PLC0415 - only here

    asked: list[tuple[int, bool, bytes]] = []
    real = api.llama_model_quantize

    def look(source: bytes, target: bytes, params: Any) -> int:
        found = params._obj
        asked.append((found.max_buf_size, found.dry_run, target))
        return int(real(source, target, params))

    monkeypatch.setattr(api, "llama_model_quantize", look)
    told: list[Any] = []
    quantize.plan(quantize.Wanted(files.small(), ("Q4_K_M", "Q2_K")), told.append)
    assert asked == [(64 << 20, True, b"")] * 2 and len(told) == 2


def test_a_library_that_nobody_holds_any_more_is_still_heard(files: Files) -> None:
    """C keeps the pointer of the callback that gets its log: a collected one ends the process."""
    code = (
        "import ctypes, gc, sys\n"
        "from qwen_desktop.core.gguf import read_header\n"
        "from qwen_desktop.core.placement import Placement\n"
        "from qwen_desktop.engine.llama import Flag, LlamaLibrary\n"
        "from qwen_desktop.engine.llama_context import Context, ContextShape\n"
        "header = read_header(sys.argv[1])\n"
        "model = LlamaLibrary(lambda _line: None).load(header, Placement(0), lambda _part: True)\n"
        "gc.collect()\n"
        "hits = []\n"
        "others = [ctypes.CFUNCTYPE(None, ctypes.c_int)(hits.append) for _ in range(500)]\n"  # in a free one's place
        "Context(model, ContextShape(64, 1, 32, 'off', 'f16'), Flag()).close()\n"  # says a lot
        "sys.exit(len(hits))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, files.small()], capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
