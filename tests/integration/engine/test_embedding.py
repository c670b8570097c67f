"""Texts as vectors: right against what the tokens give one by one, whoever they are read beside, or refused."""

from __future__ import annotations

import asyncio
import math
import random
import threading
import time
from array import array
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from qwen_desktop.core.embeddings import Embedded, Embeddings, EmbedEnd, EmbedRequest, Pooling, RerankRequest
from qwen_desktop.core.engine import LoadRequest
from qwen_desktop.core.errors import AppError, Environment, UserFacing
from qwen_desktop.core.hardware import Memory
from qwen_desktop.engine import embedding
from qwen_desktop.engine.bindings import api
from qwen_desktop.engine.llama_context import ContextError, Piece
from qwen_desktop.process.serve import _stopped
from tests import smollm2

from .conftest import Files, loaded
from .in_process import Call, Steps, context
from .talk import ask

_ALPHABET = "abcdefgh ijkl mnop.,\n日ö"


class _Call(Call):
    """Somebody who waits for vectors."""

    def emit(self, value: Any) -> None:
        assert isinstance(value, Embedded) and not self.over
        self.events.append(value)  # type: ignore[arg-type]

    def do(self, work: Callable[[], Any]) -> None:
        try:
            super().do(work)
        except Exception as error:  # as a worker's request does
            self.fail(error)

    def check(self) -> None:
        if self.cancelled:
            raise _stopped()


class Reader:
    """A model that makes vectors in the test's own process, and how."""

    def __init__(self, path: str, **shape: Any) -> None:
        self.steps = Steps(path, size=shape.pop("size", 512), **shape)
        self.lane = self.steps.scheduler.embedding

    def ask(self, texts: Sequence[str]) -> _Call:
        call = _Call()
        self.lane.embed(EmbedRequest(tuple(texts)), call)
        return call

    def finish(self, call: _Call) -> list[list[float]]:
        self.steps.run()
        if call.error is not None:
            raise call.error
        end: Any = call.result
        assert isinstance(end, EmbedEnd)
        numbers = [n for event in call.events for n in array("f", event.vectors)]  # type: ignore[attr-defined]
        return [numbers[at : at + end.dimensions] for at in range(0, len(numbers), end.dimensions)]

    def embed(self, *texts: str) -> list[list[float]]:
        return self.finish(self.ask(texts))

    def marks(self, query: str, *documents: str) -> list[float]:
        call = _Call()
        self.lane.rerank(RerankRequest(query, documents), call)
        return [mark for (mark,) in self.finish(call)]

    def tokens(self, text: str) -> list[int]:
        return self.lane._text_tokens(text)

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self.steps.close()


def each(path: str, tokens: Sequence[int]) -> list[list[float]]:
    """The vector of each token of a text, read alone and in small steps."""
    made = context(path, size=max(512, len(tokens)), chunk=32, outputs=32, pooling=0)
    try:
        found: list[list[float]] = []
        for at in range(0, len(tokens), 32):
            part = list(tokens[at : at + 32])
            made.evaluate((Piece(made.sequences[0], part, len(part)),))
            width = int(api.llama_model_n_embd_out(made.model.pointer))
            found += [api.llama_get_embeddings_ith(made.pointer, row)[:width] for row in range(len(part))]
        return found
    finally:
        made.close()


def unit(values: Sequence[float]) -> list[float]:
    length = math.sqrt(sum(value * value for value in values))
    return [value / length for value in values]


def near(one: Sequence[float], other: Sequence[float], by: float = 1e-5) -> bool:
    return max(abs(a - b) for a, b in zip(one, other, strict=True)) < by


def some(dice: random.Random, longest: int) -> str:
    return "".join(dice.choice(_ALPHABET) for _ in range(dice.randrange(1, longest))) + "a"


@pytest.mark.parametrize("pooling", (1, 2, 3))
@pytest.mark.parametrize("length", (1, 40, 250))
def test_a_text_of_any_length_is_pooled_as_the_file_says(files: Files, pooling: int, length: int) -> None:
    """Also one that is longer than a step: llama.cpp alone would pool its last step."""
    path = files.embedding(pooling)
    text = " ".join(f"word{number}" for number in range(length))
    with Reader(path) as reader:
        found = reader.embed(text)[0]
        tokens = reader.tokens(text)
    assert length < 250 or len(tokens) > 2 * embedding._CHUNK
    vectors = each(path, tokens)
    mean = [sum(column) / len(vectors) for column in zip(*vectors, strict=True)]
    wanted = unit({1: mean, 2: vectors[0], 3: vectors[-1]}[pooling])
    assert near(found, wanted)
    assert not near(found, unit([vectors[-1], vectors[-1], mean][pooling - 1]), 0.02) or length == 1


@pytest.mark.parametrize("kind", ("mean", "last", "bert", "hybrid", "chat"))
@pytest.mark.parametrize("seed", range(3))
def test_alone_or_beside_others_and_in_whatever_order_a_text_is_the_same(files: Files, kind: str, seed: int) -> None:
    dice = random.Random(seed)
    paths = {"mean": lambda: files.embedding(1), "last": lambda: files.embedding(3), "bert": files.bert}
    path = {**paths, "hybrid": files.hybrid, "chat": files.small}[kind]()
    longest = 100 if kind == "bert" else 400
    texts = [some(dice, dice.choice((10, longest))) for _ in range(8)]
    mixed = dice.sample(texts, len(texts))
    with Reader(path) as reader:
        alone = {text: reader.embed(text)[0] for text in texts}
        together = dict(zip(texts, reader.embed(*texts), strict=True))
        again = dict(zip(mixed, reader.embed(*mixed), strict=True))
    for text in texts:
        assert math.isclose(math.hypot(*alone[text]), 1, abs_tol=1e-5)
        assert near(alone[text], together[text]) and near(alone[text], again[text])
    assert not near(*[alone[text] for text in texts[:2]], 0.02)


def test_the_last_token_is_the_one_that_a_conversation_would_see(files: Files) -> None:
    path, text = files.embedding(3), "what a conversation reads " * 9
    with Reader(path) as reader:
        found, tokens = reader.embed(text)[0], reader.tokens(text)
    made = context(path, size=512, pooling=0, outputs=32)
    try:
        api.llama_set_embeddings(made.pointer, False)
        made.read(made.sequences[0], tokens[:-1])
        api.llama_set_embeddings(made.pointer, True)
        made.evaluate((Piece(made.sequences[0], tokens[-1:], 1),))
        width = int(api.llama_model_n_embd_out(made.model.pointer))
        assert near(found, unit(api.llama_get_embeddings_ith(made.pointer, -1)[:width]))
    finally:
        made.close()


def test_an_end_stands_behind_texts_for_the_last_token_unless_the_file_says_otherwise(files: Files) -> None:
    end = "<|endoftext|>"
    for path, ends in (
        (files.embedding(3), 1),
        (files.embedding(3, extra={"tokenizer.ggml.add_eos_token": False}), 0),
        (files.embedding(1), 0),
    ):
        with Reader(path) as reader:
            model = reader.steps.session.model
            tokens = reader.tokens("a text")
            assert tokens.count(model.single_token(end) or -1) == ends
            assert ends == 0 or model.special_text(tokens[-1]) == end
            typed = reader.tokens(f"a text{end}")  # somebody's words are no sign
            assert typed.count(model.single_token(end) or -1) == ends and len(typed) > len(tokens) + 3


@pytest.mark.parametrize("form", (True, False))
def test_documents_are_marked_by_the_head(files: Files, form: bool) -> None:
    path = files.reranker() if form else files.bert(4, head=True)
    documents = ["aa bb cc", "dd", "ee ff " * 6]
    with Reader(path) as reader:
        together = reader.marks("which one", *documents)
        alone = [reader.marks("which one", document)[0] for document in documents]
        other = reader.marks("another query", *documents)
        if form:
            tokens = reader.lane._form("which one")("aa <|im_end|> bb")
            model = reader.steps.session.model
            assert tokens.count(model.single_token("<|im_end|>") or -1) == 1  # the document's own stays text
            whole = "judge <Query>: which one <Document>: aa <|im_end|> bb"
            assert tokens[1:-1] == model.tokenize(whole, special=False, begin=False)
        with pytest.raises(UserFacing, match="query is empty"):
            reader.marks("  ", "a")
        with pytest.raises(UserFacing, match="is a reranker"):
            reader.embed("a text")
    assert all(map(math.isfinite, together)) and len(set(together)) == 3
    assert near(together, alone) and not near(together, other, 1e-6)
    assert not form or all(0 <= mark <= 1 for mark in together)


def test_what_cannot_be_is_refused_in_a_sentence(files: Files) -> None:
    with Reader(files.embedding(3)) as reader:
        with pytest.raises(UserFacing, match="has no head"):
            reader.marks("query", "document")
        with pytest.raises(UserFacing, match="Text 2 is empty"):
            reader.embed("a", "", "b")
        assert len(reader.embed(" ", "\n")) == 2
        with pytest.raises(UserFacing, match=r"Text 2 has [\d,]+ tokens, and this model reads 4,096 at most"):
            reader.embed("short", "long " * 4200)
        assert reader.embed("it goes on")
    with Reader(files.bert()) as reader, pytest.raises(UserFacing, match="reads 128 at most"):
        reader.embed("abcdefgh" * 20)
    for headless in (files.embedding(4), files.embedding(4, labels=1)):
        with Reader(headless) as reader:
            with pytest.raises(UserFacing, match="has no head"):
                reader.marks("query", "document")
            with pytest.raises(UserFacing, match="is a reranker"):
                reader.embed("a text")
    formless = files.embedding(4, labels=2, extra={"qwen3.classifier.output_labels": ["yes", "no"]})
    with Reader(formless) as reader, pytest.raises(UserFacing, match="does not say how"):
        reader.marks("query", "document")


def test_memory_is_looked_at_before_it_is_taken(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    free = [10_000_000_000]
    monkeypatch.setattr(embedding.main_memory, "read", lambda: Memory(16_000_000_000, free[0]))
    with Reader(files.bert(context=4096)) as reader:
        long = "abcd " * 700
        assert reader.embed(long)
        shape = reader.lane._own and reader.lane._own.shape
        assert shape is not None
        reader.steps.scheduler.rest()
        assert not reader.lane.holds and reader.steps.session.beside == 0
        least = reader.lane._bytes(shape)
        free[0] = next(n for n in range(0, 10**10, 10**7) if free.__setitem__(0, n) or reader.lane._room() > least // 2)
        with pytest.raises(Environment, match=r"has 2,\d{3} tokens, and the free memory has room for [\d,]+ that"):
            reader.embed(long)
        assert reader.embed("a short one")
        free[0] = 0
        reader.steps.scheduler.rest()
        with pytest.raises(Environment):
            reader.embed("a short one")


@pytest.mark.parametrize("kind", ("mean", "first", "last", "bert", "hybrid", "ranker"))
def test_llama_cpp_is_asked_for_nothing_that_ends_the_process(
    files: Files, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """More tokens than a step has, more outputs than there is room for, a text in two steps where it must be in one, a
    position that the model does not have; and marks without a head."""
    paths = {
        "mean": lambda: files.embedding(1),
        "first": lambda: files.embedding(2),
        "last": lambda: files.embedding(3),
    }
    more = {"bert": files.bert, "hybrid": files.hybrid, "ranker": files.reranker}
    dice, decode, decoded = random.Random(kind), api.llama_decode, 0
    with Reader({**paths, **more}[kind]()) as reader:

        def watched(pointer: Any, batch: Any) -> int:
            nonlocal decoded
            made = reader.lane._own
            assert made is not None and pointer == made.pointer
            count, outputs = batch.n_tokens, sum(bool(batch.logits[row]) for row in range(batch.n_tokens))
            assert 0 < count <= min(api.llama_n_batch(pointer), api.llama_n_ubatch(pointer))
            assert outputs <= max(made.shape.outputs, made.shape.streams)
            assert outputs in (0, count) if kind in ("last", "ranker") else outputs == count
            owners = [batch.seq_id[row][0] for row in range(count)]
            runs = [owner for row, owner in enumerate(owners) if not row or owners[row - 1] != owner]
            assert len(runs) == len(set(runs)) and max(runs) < api.llama_n_seq_max(pointer)
            assert max(batch.pos[row] for row in range(count)) < reader.steps.session.model.context_train
            assert kind != "bert" or all(batch.pos[owners.index(owner)] == 0 for owner in runs)
            decoded += 1
            return int(decode(pointer, batch))

        monkeypatch.setattr(api, "llama_decode", watched)
        longest = 90 if kind == "bert" else 600
        texts = [some(dice, dice.choice((8, 60, longest))) for _ in range(40)]
        found: Sequence[object] = reader.marks("query", *texts) if kind == "ranker" else reader.embed(*texts)
        assert len(found) == 40 and decoded > 2


def test_numbers_that_are_none_are_told(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    with Reader(files.embedding(1)) as reader:
        for value in (math.nan, math.inf, 0.0):
            monkeypatch.setattr(api, "llama_get_embeddings_seq", lambda *_, value=value: [value] * 64)
            with pytest.raises(UserFacing, match="no usable numbers for text 1"):
                reader.embed("a text")


def test_a_conversation_goes_first_and_neither_changes_the_other(files: Files) -> None:
    """Steps that are given up have not happened."""
    with Reader(files.small(), streams=2) as reader:
        texts = ["same words " * 60, "other words " * 120]
        wanted = reader.embed(*texts)
        answer = reader.steps.answer(ask("question " * 20, max_tokens=8))
        call = reader.ask(texts)
        order: list[str] = []
        for _ in range(3):
            reader.steps.scheduler.step()
        talk = reader.steps.ask(ask("question " * 20, max_tokens=8))
        while not (talk.over and call.over):
            before = talk.over, len(call.events)
            reader.steps.scheduler.step()
            order += ["talk"] if talk.over != before[0] else []
            order += ["embedded"] if len(call.events) != before[1] else []
        assert order[0] == "talk" and talk.result is not None
        assert talk.result.finish_reason == answer.finish_reason
        found = reader.finish(call)
        assert all(near(a, b) for a, b in zip(found, wanted, strict=True))
        interrupted = reader.ask(texts)
        evaluated = 0
        while not interrupted.over and evaluated < 500:
            evaluated += 1
            if evaluated % 2:
                reader.steps.gate.arrived()  # gives way at once
                reader.steps.scheduler.step()
                reader.steps.gate.taken()
            else:
                reader.steps.scheduler.step()
        assert all(near(a, b) for a, b in zip(reader.finish(interrupted), wanted, strict=True))


@pytest.mark.parametrize("error", (ContextError(), MemoryError()))
def test_a_context_that_nobody_waits_for_and_cannot_be_made_harms_nobody(
    files: Files, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """Who asked for it went away while it was made; then the worker rests, or loads another model."""
    with Reader(files.embedding(1)) as reader:
        fails = threading.Event()

        def make(*_: object) -> None:
            assert fails.wait(30)
            raise error

        monkeypatch.setattr(embedding, "Context", make)
        call = reader.ask(["one"])
        reader.steps.scheduler.step()
        assert reader.lane.holds and reader.steps.session.sequences.making
        call.cancelled = True
        reader.steps.run()
        fails.set()
        reader.steps.scheduler.rest()
        assert not reader.lane.holds and not reader.steps.session.sequences.making and not reader.steps.session.beside
        with pytest.raises(Environment if isinstance(error, ContextError) else MemoryError):
            reader.embed("two")
        monkeypatch.undo()
        assert len(reader.embed("three")) == 1


def test_who_goes_away_is_left_and_the_next_one_is_served(files: Files) -> None:
    with Reader(files.embedding(1)) as reader:
        first, second = reader.ask(["long " * 2000]), reader.ask(["short"])
        for _ in range(4):
            reader.steps.scheduler.step()
        first.cancelled = True
        assert len(reader.finish(second)) == 1
        assert first.error is not None and not first.events


def test_a_worker_embeds_cancels_and_refuses(files: Files) -> None:
    async def run() -> None:
        async with loaded(files.embedding(1, layers=2), purpose="embed") as engine:
            can = engine.engine.info and engine.engine.info.capabilities
            assert can is not None and can.embeddings and not can.rerank and not can.chat
            told: list[int] = []
            found = await engine.engine.embed(["one", "two", "three " * 300], told.append)
            assert isinstance(found, Embeddings) and len(found) == 3 and found.pooling is Pooling.MEAN
            assert told[-1] == 3 and found.dimensions == 64 and found.tokens[2] > 300
            assert [len(vector) for vector in found] == [64] * 3
            begun = asyncio.Event()
            task = asyncio.create_task(engine.engine.embed(["word " * 300] * 300, lambda _done: begun.set()))
            await begun.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            began = time.monotonic()
            assert len(await engine.engine.embed(["next"])) == 1
            assert time.monotonic() - began < 10
            with pytest.raises(AppError, match="Text 2 is empty"):
                await engine.engine.embed(["a", ""])
            with pytest.raises(AppError, match="writes no answers"):
                await engine.answer(ask("hello"))
            with pytest.raises(UserFacing, match="embedding model"):
                async for _ in engine.engine.load(LoadRequest(files.embedding(1))):
                    pass

    asyncio.run(run())


def test_sentences_of_the_same_meaning_are_nearer_with_a_real_model() -> None:
    pairs = (
        ("The cat sleeps on the sofa.", "A kitten is sleeping on the couch."),
        ("Interest rates were raised by the central bank.", "The central bank increased its interest rates."),
        ("How do I bake bread at home?", "What is the way to make bread in my own oven?"),
    )

    async def run() -> None:
        async with loaded(str(smollm2.model_path()), purpose="embed") as engine:
            found = list(await engine.engine.embed([text for pair in pairs for text in pair]))
        for at in range(0, len(found), 2):
            same = sum(a * b for a, b in zip(found[at], found[at + 1], strict=True))
            others = [v for number, v in enumerate(found) if number // 2 != at // 2]
            assert same > max(sum(a * b for a, b in zip(found[at], other, strict=True)) for other in others) + 0.02

    asyncio.run(run())
