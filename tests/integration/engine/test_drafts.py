"""Writing ahead: whatever is guessed, an answer is what it would have been, and it is so even when guesses are wrong.

Guesses are given by the test: right ones (what the plain answer says), damaged ones and junk, in every mixture. Batches
of another size give slightly other logits, so where two answers differ, the two best tokens must lie within 1.0.
"""

from __future__ import annotations

import random
import time
from array import array
from collections.abc import Callable
from typing import Any

import pytest
from msgspec import structs

from qwen_desktop.core.engine import FinishReason, GenerateRequest, Grammar, Sampling, ThinkingMode
from qwen_desktop.core.parts import PartEvent
from qwen_desktop.engine.bindings import api
from qwen_desktop.engine.drafting.policy import FEW, MANY, Drafts
from qwen_desktop.engine.llama_context import Context, Piece
from qwen_desktop.engine.llama_sampler import Sampler

from .conftest import Files
from .in_process import Call, Steps, context, gap, logits
from .talk import ask, user

#: Two tokens that are so near to each other may change places.
TIE = 1.0
Guess = Callable[[Drafts, int], list[int]]


class Seen:
    """What was computed and chosen: for each token of the answers the row of logits and the token. What another model
    chose in the context ``but`` is left out."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.rows: list[tuple[bytes, int]] = []
        self.but: Context | None = None
        chosen, seen = Sampler.next, self.rows

        def choose(sampler: Sampler, made: Context, row: int, refused: int | None = None) -> int:
            if made is self.but:
                return chosen(sampler, made, row, refused)
            values = logits(made, row)
            token = chosen(sampler, made, row, refused)
            if refused is not None:
                seen.pop()
            seen.append((values, token))
            return token

        patch.setattr(Sampler, "next", choose)

    def take(self) -> list[tuple[bytes, int]]:
        rows = list(self.rows)
        self.rows.clear()
        return rows


def guesses(patch: pytest.MonkeyPatch, guess: Guess) -> None:
    def draft(drafts: Drafts, most: int) -> list[int]:
        found = guess(drafts, most)
        length = next((length for length in (MANY, FEW, 0) if length <= min(most, len(found))), 0)
        return found[:length]

    patch.setattr(Drafts, "next", draft)


def oracle(begins: int, said: list[int], dice: random.Random) -> Guess:
    """Guesses how an answer behind a prompt of ``begins`` tokens goes on, as it ``said`` before: rightly, damaged here
    and there, with junk, or not at all."""

    def guess(drafts: Drafts, most: int) -> list[int]:
        kind, right = dice.random(), said[len(drafts._tokens) - begins :][: max(0, most)]
        if kind < 0.1:
            return []
        if kind < 0.2:
            return [dice.randrange(300, 600) for _ in range(most)]
        return [dice.randrange(300, 600) if dice.random() < 0.1 else token for token in right]

    return guess


def steps_of(files: Files, **shape: Any) -> Steps:
    return Steps(files.small(), **({"size": 400, "chunk": 32, "outputs": 16} | shape))


def same(plain: list[tuple[bytes, int]], ahead: list[tuple[bytes, int]]) -> bool:
    """Whether both say the same; where they part, the two best tokens are near each other."""
    for (row, token), (_, other) in zip(plain, ahead, strict=False):
        if token != other:
            assert gap(row) < TIE
            return False
    return True


def wrote(call: Call) -> tuple[Any, ...]:
    """What is the same whether it was written ahead or not."""
    result = call.result
    assert result is not None, call.error
    stats = result.stats
    return (
        call.text, result.finish_reason, result.budget_spent, result.stopped_loop, stats.completion_tokens,
        stats.thinking_tokens, stats.context_used, stats.prompt_tokens,
    )  # fmt: skip


def mirrors(steps: Steps) -> None:
    """What the sequences say they hold is what llama.cpp's memory holds."""
    for sequence in steps.session.context.sequences:
        held = api.llama_memory_seq_pos_max(api.llama_get_memory(sequence.context.pointer), sequence.number) + 1
        assert held == len(sequence.tokens) == sum(kept * times for _, kept, times in sequence.steps)


FORM = Grammar(
    "json_schema", '{"type":"object","properties":{"name":{"type":"string","maxLength":40}},"required":["name"]}'
)
WAYS: dict[str, Callable[[int], GenerateRequest]] = {
    "greedy": lambda seed: ask(f"tell me {seed}", lively=False, max_tokens=90),
    "sampled": lambda seed: ask(f"tell me {seed}", seed=seed, max_tokens=90),
    "penalties": lambda seed: GenerateRequest(
        (user(f"tell {seed}"),), max_tokens=90,
        sampling=Sampling(temperature=0.8, top_k=20, top_p=0.95, presence_penalty=1.0, repeat_penalty=1.1, seed=seed),
    ),
    "stops": lambda seed: ask(f"tell me {seed}", lively=False, max_tokens=90, stop=("3", ";", "a")),
    "form": lambda seed: ask(f"who {seed}", seed=seed, max_tokens=90, grammar=FORM, thinking=ThinkingMode.DIRECT),
    "budget": lambda seed: ask(
        f"think {seed}", seed=seed, max_tokens=120, thinking=ThinkingMode.THINK, thinking_budget=20 + seed
    ),
    "guard": lambda seed: ask(f"tell me {seed}", lively=False, max_tokens=330, loop_guard=True),
    "to the end of the context": lambda seed: ask(f"tell me {seed}", lively=False),
    "one token": lambda seed: ask(f"tell me {seed}", lively=False, max_tokens=1 + seed % 3),
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_an_answer_is_the_same_whatever_is_guessed(files: Files, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    seen = Seen(monkeypatch)
    alike, accepted = 0, 0
    for seed in range(4):
        dice = random.Random(seed)
        request = WAYS[way](seed)
        plain = steps_of(files, outputs=1)
        try:
            first = plain.ask(request)
            plain.run()
            held = list(plain.session.context.sequences[0].tokens)
        finally:
            plain.close()
        assert first.result is not None
        before, begins = seen.take(), first.result.stats.prompt_tokens
        said = [*held[begins:], *([before[-1][1]] if before else [])]
        guesses(monkeypatch, oracle(begins, said, dice))
        steps = steps_of(files)
        try:
            call = steps.ask(request)
            steps.run()
            mirrors(steps)
            assert call.result is not None
            stats = call.result.stats
            assert stats.accepted_tokens <= stats.drafted_tokens and stats.accepted_tokens < stats.completion_tokens
            accepted += stats.accepted_tokens
            if same(before, seen.take()):
                alike += 1
                assert wrote(call) == wrote(first)
                kept = steps.session.context.sequences[0].tokens
                assert kept == held
        finally:
            steps.close()
    assert alike >= 3 and (accepted > 40 or way == "one token")


def test_each_accepted_token_is_the_best_of_the_pass_that_verified_it(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And it was computed behind the tokens that stand before it: another pass computes the same."""
    seen = Seen(monkeypatch)
    steps = steps_of(files)
    try:
        guesses(monkeypatch, lambda drafts, most: drafts.again(MANY) if most >= MANY else [])
        call = steps.ask(ask("x y z " * 20, lively=False, max_tokens=200))
        steps.run()
        assert call.result is not None and call.result.stats.accepted_tokens > 30
        rows = seen.take()
        assert len(rows) == 200
        for values, token in rows:
            numbers = array("f", values)
            assert numbers[token] == max(numbers)
        # once more, token by token
        sequence = steps.session.context.sequences[0]
        told = list(sequence.tokens)
        sequence.forget()
        begins = call.result.stats.prompt_tokens
        sequence.context.read(sequence, told[:begins])
        for token, (values, _) in zip(told[begins:], rows, strict=False):
            one, other = array("f", logits(sequence.context)), array("f", values)
            assert max(abs(a - b) for a, b in zip(one, other, strict=True)) < 0.1
            sequence.context.evaluate((Piece(sequence, (token,)),))
    finally:
        steps.close()


@pytest.mark.parametrize("seed", range(3))
def test_it_can_be_made_again_exactly(files: Files, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """With the same steps, whatever the clock would have them be: bit for bit the same logits."""
    seen, dice = Seen(monkeypatch), random.Random(seed)
    guesses(monkeypatch, lambda drafts, _: drafts.again(dice.choice((0, FEW, MANY))))
    steps = steps_of(files)
    try:
        sampling = Sampling(temperature=0.3 * (seed == 1), top_k=20, seed=seed)
        request = GenerateRequest((user("a b c d " * 20),), sampling=sampling, max_tokens=150, cache_key="a")
        first = steps.ask(request)
        steps.run()
        assert first.result is not None and first.result.recipe is not None
        before, recipe = seen.take(), first.result.recipe
        assert recipe.alone and recipe.written
        assert sum(kept * times for _, kept, times in recipe.written) == 149
        guesses(monkeypatch, lambda _drafts, most: [301] * most)  # it is not asked
        again = steps.ask(ask("a b c d " * 20, max_tokens=9, again=recipe))
        steps.run()
        assert again.result is not None and again.result.recipe is not None
        assert again.result.differs == () and again.text == first.text and seen.take() == before
        assert again.result.recipe.written == recipe.written
        # what comes after it is read in those steps, too
        guesses(monkeypatch, lambda _drafts, _most: [])
        steps.answer(ask("something else", max_tokens=3))
        plain = steps_of(files, outputs=1)
        try:
            one_by_one = plain.answer(ask("a b c d " * 20, again=recipe))
            assert [text.code for text in one_by_one.differs] == ["again.alone"]
        finally:
            plain.close()
    finally:
        steps.close()


def test_impossible_steps_of_a_recipe_from_elsewhere_end_nothing(files: Files) -> None:
    """Conversations are imported, and what made their answers with them."""
    steps = steps_of(files)
    try:
        first = steps.answer(ask("tell me 4", lively=False, max_tokens=20))
        assert first.recipe is not None
        for written in (((16, 1, 1 << 62),), ((4, 9, 3), (0, 0, 7)), ((-5, -5, -5),), ((1, 1, 2), (1 << 40, 1, 1))):
            result = steps.answer(ask("tell me 4", again=structs.replace(first.recipe, written=written)))
            assert result.stats.completion_tokens == 20 and [each.code for each in result.differs] == ["again.alone"]
        steps.answer(ask("tell me 4", again=structs.replace(first.recipe, read=((32, 32, 1 << 62),))))
    finally:
        steps.close()


def test_text_that_does_not_repeat_is_written_as_ever(files: Files) -> None:
    steps = steps_of(files)
    try:
        call = steps.ask(ask("tell me 4", lively=False, max_tokens=60))
        steps.run()
        assert call.result is not None and call.result.recipe is not None
        assert call.result.stats.drafted_tokens == 0 and call.result.recipe.written == ()
        assert call.result.recipe.alone
    finally:
        steps.close()


def test_where_several_write_none_is_written_ahead(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    guesses(monkeypatch, lambda _drafts, most: [301] * most)
    sizes: list[list[int]] = []
    evaluate = Context.evaluate
    monkeypatch.setattr(
        Context, "evaluate", lambda made, pieces: sizes.append([p.wanted for p in pieces]) or evaluate(made, pieces)
    )
    steps = steps_of(files, streams=3)
    try:
        calls = [steps.ask(ask(f"tell {n}", max_tokens=30 + 20 * n, cache_key=str(n))) for n in range(2)]
        steps.run()
        mirrors(steps)
        assert all(call.result is not None for call in calls)
        assert any(len(wanted) == 2 for wanted in sizes)
        assert all(max(wanted) == 1 for wanted in sizes if len(wanted) > 1)
        alone = [index for index, wanted in enumerate(sizes) if wanted[0] > 1]
        assert alone and max(alone) > max(index for index, wanted in enumerate(sizes) if len(wanted) > 1)
        batch = [steps.ask(ask("tell", max_tokens=9, batch="b")) for _ in range(1)]
        sizes.clear()
        steps.run()
        assert batch[0].result is not None and all(wanted == [min(1, wanted[0])] for wanted in sizes)
    finally:
        steps.close()


@pytest.mark.parametrize("seed", range(4))
def test_an_answer_that_is_stopped_while_guesses_are_verified(
    files: Files, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """At once, without what was not verified; what it had said goes on, and the memory is as it says."""
    dice = random.Random(seed)
    guesses(monkeypatch, lambda drafts, _: drafts.again(MANY))
    steps = steps_of(files)
    decode, stops, calls = api.llama_decode, dice.randrange(4, 12), []

    def stopped(pointer: Any, batch: Any) -> int:
        if batch.n_tokens == MANY + 1:
            calls.append(1)
            if len(calls) == stops:
                call.cancelled = True
                steps.gate.cancelled(call)  # type: ignore[arg-type]
        return int(decode(pointer, batch))

    monkeypatch.setattr(api, "llama_decode", stopped)
    try:
        request = ask("x y z " * 20, lively=False, max_tokens=250, cache_key="a")
        call = steps.ask(request)
        steps.run()
        assert call.result is not None and call.result.finish_reason is FinishReason.CANCELLED
        assert len(calls) == stops
        mirrors(steps)
        sequence = steps.session.context.sequences[0]
        assert call.result.stats.context_used == len(sequence.tokens)
        first = call.text
        whole = steps.ask(ask("x y z " * 20, lively=False, max_tokens=250, cache_key="a"))
        steps.run()
        assert whole.text.startswith(first.rstrip("�")) and len(whole.text) > len(first)
        mirrors(steps)
    finally:
        steps.close()


def test_events_come_in_frames_also_where_many_tokens_come_at_once(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    guesses(monkeypatch, lambda drafts, _: drafts.again(MANY))
    frames: list[float] = []
    steps = steps_of(files)
    try:
        emit = Call.emit
        monkeypatch.setattr(Call, "emit", lambda call, value: frames.append(time.monotonic()) or emit(call, value))
        call = steps.ask(ask("x y z " * 20, lively=False, max_tokens=200))
        steps.run()
        assert call.result is not None and call.result.stats.accepted_tokens > 30
        told = sum(isinstance(event, PartEvent) for event in call.events)
        assert 0 < told <= len(call.events) and len(frames) <= 3 + (frames[-1] - frames[0]) / 0.016
    finally:
        steps.close()


def test_conversations_that_begin_with_flash_attention_are_written_ahead_to_the_border(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never over it: such an answer could not be made again."""
    guesses(monkeypatch, lambda drafts, most: drafts.again(MANY if most >= MANY else FEW))
    reached: list[int] = []
    evaluate = Context.evaluate

    def watched(made: Context, pieces: Any) -> Any:
        if made.shape.flash == "on":
            reached.extend(len(each.sequence.tokens) + len(each.tokens) for each in pieces)
        return evaluate(made, pieces)

    monkeypatch.setattr(Context, "evaluate", watched)
    for border in (90, 93, 97, 104):
        steps = steps_of(files, cells=1000, border=border, streams=2, size=500)
        try:
            call = steps.ask(ask("x y z " * 6, lively=False, max_tokens=90, cache_key="a"))
            steps.run()
            mirrors(steps)
            assert call.result is not None and call.result.recipe is not None
            recipe = call.result.recipe
            assert max(reached) == recipe.flash_tokens == border < recipe.evaluated
            assert call.result.stats.accepted_tokens > 5
            again = steps.ask(ask("x y z " * 6, again=recipe))
            steps.run()
            assert again.result is not None and again.text == call.text and again.result.differs == ()
        finally:
            steps.close()


def test_models_that_cannot_go_back_are_not_written_ahead(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    guesses(monkeypatch, lambda _drafts, most: [301] * most)
    steps = Steps(files.hybrid(), size=400, chunk=32, outputs=16)
    try:
        result = steps.answer(ask("x y z " * 20, lively=False, max_tokens=40))
        assert result.stats.drafted_tokens == 0 and result.stats.completion_tokens == 40
    finally:
        steps.close()


def test_a_setting_turns_it_off(files: Files, with_engine: Callable[..., None]) -> None:
    """A real engine: greedy random weights that run in circles are written ahead, and not where that is off."""
    found: dict[str, Any] = {}

    for drafts in ("auto", "off"):

        async def check(engine: Any, drafts: str = drafts) -> None:
            found[drafts] = await engine.answer(ask("x y z " * 30, lively=False, max_tokens=400))

        with_engine(files.small(), check, drafts=drafts, context=1024, threads=1)
    assert found["auto"].stats.drafted_tokens > 0 == found["off"].stats.drafted_tokens
    assert found["off"].recipe.written == ()


def test_more_rows_than_there_is_room_for_do_not_reach_llama_cpp(files: Files) -> None:
    """It would end the process."""
    made = context(files.small(), outputs=4)
    try:
        sequence = made.sequences[0]
        with pytest.raises(ValueError):
            made.evaluate((Piece(sequence, [300] * 8, 5),))
        assert not sequence.tokens
        assert made.evaluate((Piece(sequence, [300] * 8, 4),)) == (7,)
        assert all(bool(api.llama_get_logits_ith(made.pointer, row)) for row in (4, 5, 6, 7))
    finally:
        made.close()
