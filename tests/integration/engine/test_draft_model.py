"""A small model that guesses for another one: an answer is what it would have been, whatever that one is."""

from __future__ import annotations

import random
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from qwen_desktop.core import memory
from qwen_desktop.core.engine import FinishReason, LoadRequest
from qwen_desktop.core.errors import Environment
from qwen_desktop.core.hardware import Memory
from qwen_desktop.engine.bindings import api
from qwen_desktop.engine.drafting import draft_model
from qwen_desktop.engine.drafting.policy import FEW, MANY, Drafts
from qwen_desktop.engine.drafting.worth import Act, Next, Worth
from qwen_desktop.engine.llama_context import Context, ContextError, DecodeError
from tests import gguf_files

from .conftest import Files
from .in_process import Steps, library
from .talk import ask
from .test_drafts import WAYS, Seen, mirrors, same, steps_of, wrote


def random_one(files: Files) -> str:
    """Of the same vocabulary, with other weights."""
    return files.get("qwen3-other", vocab=600, layers=1, tied=False, seed=7, prefer=gguf_files.NEVER_ENDS)


def with_draft(steps: Steps, path: str) -> draft_model.DraftModel:
    session = steps.session
    assert session.costs is not None
    made = draft_model.load(library(), path, session.context, steps.gate.flag, session.costs)
    session.guesses_with(made)
    return made


def always(patch: pytest.MonkeyPatch, dice: random.Random) -> None:
    """It guesses at every turn, and looks at what was written now and then."""

    def choose(_worth: Worth, missing: int, *, unseen: int, without: int, most: int) -> Next | None:
        length = max((length for length in (MANY, FEW) if length <= most), default=0)
        if missing > 16:
            return Next(Act.READ)
        if unseen >= 16 and dice.random() < 0.5:
            return Next(Act.PROBE)
        return Next(Act.GUESS, dice.choice((length, min(FEW, length)))) if length else None

    patch.setattr(Worth, "next", choose)
    patch.setattr(Worth, "on", True)
    patch.setattr(Drafts, "next", lambda _drafts, _most: [])


@pytest.mark.parametrize("right", [True, False])
def test_an_answer_is_the_same_whatever_it_guesses(
    files: Files, monkeypatch: pytest.MonkeyPatch, *, right: bool
) -> None:
    """The same file guesses all that is greedy; one with other weights next to nothing."""
    seen, next_one, alike = Seen(monkeypatch), Drafts.next, 0
    for way in ("greedy", "sampled", "penalties", "form", "budget", "to the end of the context", "one token"):
        request = WAYS[way](3)
        plain = steps_of(files, outputs=1)
        try:
            first = plain.ask(request)
            plain.run()
        finally:
            plain.close()
        before = seen.take()
        with monkeypatch.context() as patch:
            always(patch, random.Random(3))
            steps = steps_of(files)
            try:
                made = with_draft(steps, files.small() if right else random_one(files))
                chosen, seen.but = made._sampler, made.context
                call = steps.ask(request)
                steps.run()
                mirrors(steps)
                assert call.result is not None and call.result.recipe is not None
                stats = call.result.stats
                assert way in ("one token", "form") or stats.drafted_tokens > 20
                assert way != "greedy" or not right or stats.accepted_tokens > 0.8 * stats.drafted_tokens
                # what it guessed cannot be told again
                assert not (stats.drafted_tokens and (call.result.recipe.alone or call.result.recipe.written))
                if same(before, seen.take()):
                    alike += 1
                    assert wrote(call) == wrote(first)
            finally:
                steps.close()
        assert steps.session.draft_model is None and not chosen.pointer and Drafts.next is next_one
    assert alike >= 5


def test_each_token_is_the_best_of_the_pass_that_verified_it(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = Seen(monkeypatch)
    always(monkeypatch, random.Random(1))
    steps = steps_of(files)
    try:
        seen.but = with_draft(steps, files.small()).context
        result = steps.answer(ask("tell me 1", lively=False, max_tokens=150))
        assert result.stats.accepted_tokens > 90
        rows = seen.take()
        assert len(rows) == 150
        for values, token in rows:
            numbers = array("f", values)
            assert numbers[token] == max(numbers)
    finally:
        steps.close()


def test_a_long_conversation_is_seen_from_its_end(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own context is short; what it holds is what it says, and what it is asked about is what was written."""
    monkeypatch.setattr(memory, "DRAFT_CONTEXT", 256)
    always(monkeypatch, random.Random(2))
    steps = steps_of(files, size=1024)
    try:
        made = with_draft(steps, files.small())
        assert made.context.size == 256
        for words in ("long ago " * 60, "short", "long ago " * 40, "long ago " * 40):
            call = steps.ask(ask(words, lively=False, max_tokens=200))
            steps.run()
            mirrors(steps)
            assert call.result is not None and call.result.stats.drafted_tokens > 60
            held = made.context.sequences[0].tokens
            assert held and len(held) == api.llama_memory_seq_pos_max(api.llama_get_memory(made.context.pointer), 0) + 1
            tokens = [*steps.session.context.sequences[0].tokens]
            begin = made._begin
            common = next((n for n, (a, b) in enumerate(zip(held, tokens[begin:], strict=False)) if a != b), len(held))
            assert common >= min(len(held), len(tokens) - begin) - MANY - 1
    finally:
        steps.close()


def test_what_is_forgotten_it_has_not_read_either(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    always(monkeypatch, random.Random(3))
    steps = steps_of(files)
    try:
        made = with_draft(steps, files.small())
        steps.answer(ask("nobody's business", lively=False, max_tokens=60, cache_key="a"))
        assert made.context.sequences[0].tokens
        steps.session.forget(("a",))
        held = api.llama_memory_seq_pos_max(api.llama_get_memory(made.context.pointer), 0)
        assert not made.context.sequences[0].tokens and held == -1
        wrote = steps.answer(ask("another", lively=False, max_tokens=60, cache_key="b"))
        assert wrote.stats.accepted_tokens > 10
    finally:
        steps.close()


@pytest.mark.parametrize("seed", range(4))
def test_an_answer_that_is_stopped_while_it_guesses_ends_at_once(
    files: Files, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    always(monkeypatch, random.Random(seed))
    steps = steps_of(files)
    made = with_draft(steps, files.small())
    decode, counts, stops = api.llama_decode, [0], 5 + 9 * seed

    def stopped(pointer: Any, batch: Any) -> int:
        if pointer == made.context.pointer:
            counts[0] += 1
            if counts[0] == stops:
                call.cancelled = True
                steps.gate.cancelled(call)  # type: ignore[arg-type]
        return int(decode(pointer, batch))

    monkeypatch.setattr(api, "llama_decode", stopped)
    try:
        call = steps.ask(ask("x y z " * 20, lively=False, max_tokens=250, cache_key="a"))
        steps.run()
        assert call.result is not None and call.result.finish_reason is FinishReason.CANCELLED
        assert counts[0] == stops
        mirrors(steps)
        held = api.llama_memory_seq_pos_max(api.llama_get_memory(made.context.pointer), 0) + 1
        assert held == len(made.context.sequences[0].tokens)
        whole = steps.ask(ask("x y z " * 20, lively=False, max_tokens=250, cache_key="a"))
        steps.run()
        assert whole.text.startswith(call.text.rstrip("�")) and len(whole.text) > len(call.text)
    finally:
        steps.close()


@pytest.mark.parametrize("fails", ["decode", "memory"])
def test_answers_go_on_without_one_that_fails(files: Files, monkeypatch: pytest.MonkeyPatch, fails: str) -> None:
    always(monkeypatch, random.Random(1))
    steps = steps_of(files, streams=2)
    made = with_draft(steps, random_one(files))
    evaluate, counts = Context.evaluate, [0]

    def broken(context: Context, pieces: Any) -> Any:
        counts[0] += context is made.context
        if context is made.context and counts[0] > 40:
            raise DecodeError(-3) if fails == "decode" else ContextError
        return evaluate(context, pieces)

    monkeypatch.setattr(Context, "evaluate", broken)
    try:
        result = steps.answer(ask("tell me 1", lively=False, max_tokens=150, cache_key="a"))
        assert result.stats.completion_tokens == 150 and result.stats.drafted_tokens > 0
        assert steps.session.draft_model is None and made.context.pointer is None
        assert steps.answer(ask("tell me 2", max_tokens=20, cache_key="b")).stats.drafted_tokens == 0
    finally:
        steps.close()


def test_the_rate_turns_one_on_that_is_right_and_leaves_one_off_that_is_not(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told by a clock of the test's own, by which the small model takes a tenth of the time."""
    monkeypatch.setattr(Drafts, "next", lambda _drafts, _most: [])
    found: dict[str, Any] = {}
    for kind, path in (("right", files.small()), ("wrong", random_one(files))):
        steps = steps_of(files, size=1400)
        made = with_draft(steps, path)
        made.worth._share = 0.1
        clock, spent, decode = [0.0], [0.0, 0.0], api.llama_decode

        def costs(
            pointer: Any, batch: Any, *, made: Any = made, c: Any = clock, s: Any = spent, do: Any = decode
        ) -> int:
            own, tokens = pointer == made.context.pointer, batch.n_tokens
            takes = (1.0 if tokens == 1 else 2.5 if tokens <= 4 else 7.5) * (0.1 if own else 1.0)
            c[0] += takes
            s[own] += takes
            return int(do(pointer, batch))

        monkeypatch.setattr(api, "llama_decode", costs)
        steps.scheduler._effort = lambda clock=clock: clock[0]  # type: ignore[assignment, misc]
        try:
            result = steps.answer(ask("tell me 1", lively=False, max_tokens=1200))
            found[kind] = result.stats, spent[0] + spent[1], spent[1]
        finally:
            monkeypatch.setattr(api, "llama_decode", decode)
            steps.close()
    stats, took, _ = found["right"]
    assert stats.accepted_tokens > 0.6 * stats.completion_tokens and took < stats.completion_tokens / 1.3
    stats, took, vain = found["wrong"]
    assert stats.drafted_tokens == 0 and 0 < vain < 0.01 * took


def test_a_real_engine_loads_one_and_keeps_it_when_only_options_change(
    files: Files, with_engine: Callable[..., None]
) -> None:
    async def check(engine: Any) -> None:
        info = engine.engine.info
        assert info.local.draft_model == "Random Test Model" and not info.notices
        result = await engine.answer(ask("x y z " * 20, lively=False, max_tokens=300))
        assert result.stats.completion_tokens == 300
        request = LoadRequest(files.small(), draft_model=random_one(files), context=512, threads=1)
        async for _ in engine.engine.load(request):
            pass
        assert engine.engine.info.local.draft_model and engine.engine.info.context_size == 512
        assert (await engine.answer(ask("hello", max_tokens=20))).stats.completion_tokens == 20
        async for _ in engine.engine.load(structs.replace(request, draft_model="")):
            pass
        assert not engine.engine.info.local.draft_model
        async for _ in engine.engine.load(structs.replace(request, drafts="off")):
            pass
        assert not engine.engine.info.local.draft_model and not engine.engine.info.notices
        assert (await engine.answer(ask("hello", max_tokens=20))).stats.completion_tokens == 20

    with_engine(files.small(), check, draft_model=random_one(files), context=1024, threads=1)


@pytest.mark.parametrize("what", ["gone", "words", "larger", "junk", "hybrid"])
def test_one_that_cannot_be_used_is_a_notice_and_answers_come_without(
    files: Files, with_engine: Callable[..., None], what: str, tmp_path: Path
) -> None:
    junk = tmp_path / "junk.gguf"
    junk.write_bytes(b"GGUF" + bytes(100))
    path = {
        "gone": str(tmp_path / "gone.gguf"), "junk": str(junk),
        "words": files.get("qwen3-words", vocab=900, layers=1, hidden=32),
        "larger": files.get("qwen3-larger", vocab=600, layers=6, tied=False),
        "hybrid": files.hybrid(),
    }[what]  # fmt: skip

    async def check(engine: Any) -> None:
        info = engine.engine.info
        assert not info.local.draft_model and len(info.notices) == 1
        assert Path(path).name in str(info.notices[0])
        result = await engine.answer(ask("hello", max_tokens=20))
        assert result.stats.completion_tokens == 20

    with_engine(files.small(), check, draft_model=path, context=512, threads=1)


def test_where_there_is_no_memory_for_it_the_model_goes_without(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = steps_of(files)
    try:
        monkeypatch.setattr(draft_model.main_memory, "read", lambda: Memory(1 << 30, 100 << 20))
        with pytest.raises(Environment, match="not enough memory for qwen3-other"):
            with_draft(steps, random_one(files))
        assert steps.answer(ask("hello", max_tokens=20)).stats.completion_tokens == 20
    finally:
        steps.close()
