"""What conversations have evaluated comes back from the disk as if it had stayed in memory."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from qwen_desktop.core.engine import FinishReason, GenerateRequest, LoadRequest
from qwen_desktop.engine.llama_context import Context, Piece
from qwen_desktop.engine.local import LocalWorkerEngine
from qwen_desktop.engine.prompt_cache import cache as prompt_cache
from qwen_desktop.engine.prompt_cache import files as kept_files
from qwen_desktop.engine.prompt_cache import writer
from qwen_desktop.engine.prompt_cache.cache import PromptCache
from qwen_desktop.engine.prompt_cache.files import Folder
from qwen_desktop.process.spawn import worker_command

from .conftest import Answered, Files, loaded
from .in_process import Steps, context, logits
from .talk import ask, assistant, user

BUDGET = 1 << 28


def kept(folder: Path, budget: int = BUDGET) -> PromptCache:
    return PromptCache(folder, budget, b"this model")


def written(folder: Path, end: str = ".rows") -> list[Path]:
    return sorted(folder.rglob(f"*{end}"))


def back(cache: PromptCache, made: Context, tokens: list[int], have: int = 0) -> int:
    """Read the conversation "talk" back into the context's last sequence; returns how many tokens that has then."""
    found = cache.find("talk", made, (made.flash,), adapters=(), tokens=tokens, have=have)
    if found is None:
        return 0
    read = cache.read(found, lambda: True).result(30)
    sequence = made.sequences[-1]
    sequence.forget()
    assert read is not None and cache.give(read, sequence, ())
    return len(sequence.tokens)


# The same rows -------------------------------------------------------------------------------------------------------

FORMS: list[dict[str, Any]] = [
    {"flash": "off", "kv_type": "f16"},
    {"flash": "on", "kv_type": "f16"},
    {"flash": "on", "kv_type": "q8_0"},
    {"flash": "off", "kv_type": "k_q8_0"},
]


@pytest.mark.parametrize("shape", FORMS, ids=lambda shape: f"{shape['flash']}-{shape['kv_type']}")
@pytest.mark.parametrize("kind", ("small", "hybrid"))
def test_what_comes_back_is_what_was_kept_in_memory(
    files: Files, tmp_path: Path, shape: dict[str, Any], kind: str
) -> None:
    """Bit for bit, in a context with more streams, whole and in part, also where it was written in pieces."""
    dice = random.Random(str(shape) + kind)
    path, cache = getattr(files, kind)(), kept(tmp_path)
    first, second = context(path, **shape), context(path, streams=3, **shape)
    try:
        source = first.sequences[0]
        source.key, source.keep = "talk", True
        prompt = [dice.randrange(300, 600) for _ in range(400)]
        source.stops = (90, 200, 333)
        for end in (120, 121, 250, 390):
            first.read(source, prompt[:end])
            assert cache.save(source) and cache.writer.wait(30)
        assert len(written(tmp_path)) == 4
        for length in (390, 333, 200, 95):
            first.go_back(source, length)
            held = len(source.tokens)
            assert held and back(cache, second, prompt[: held + 1]) == held
            came = second.sequences[-1]
            for name in ("tokens", "steps", "alone", "threads", "flash", "born"):
                assert getattr(came, name) == getattr(source, name), name
            assert [each.position for each in came.checkpoints] == [each.position for each in source.checkpoints]
            for made, sequence in ((first, source), (second, came)):
                made.evaluate((Piece(sequence, prompt[held : held + 3]),))
                made.evaluate((Piece(sequence, prompt[held + 3 : held + 4]),))
            assert logits(first) == logits(second)
    finally:
        first.close()
        second.close()


def test_of_another_model_or_setting_nothing_is_taken(files: Files, tmp_path: Path) -> None:
    prompt = [300 + at % 250 for at in range(200)]
    made = context(files.small(), flash="on")
    other = [context(files.small(), flash="off"), context(files.small(), flash="on", kv_type="q8_0")]
    try:
        cache, sequence = kept(tmp_path), made.sequences[0]
        sequence.key, sequence.keep = "talk", True
        made.read(sequence, prompt)
        assert cache.save(sequence) and cache.writer.wait(30)
        assert back(cache, made, prompt) == 199
        assert not any(back(cache, each, prompt) for each in other)
        assert not back(PromptCache(tmp_path, BUDGET, b"another model"), made, prompt)
        assert cache.find("talk", made, (True,), adapters=(("other", 1.0),), tokens=prompt, have=0) is None
        assert cache.find("other", made, (True,), adapters=(), tokens=prompt, have=0) is None
        assert cache.find("talk", made, (True,), adapters=(), tokens=prompt, have=150) is None  # hardly more
        # what claims to be of this model and is not: llama.cpp looks at its form
        strange = PromptCache(tmp_path, BUDGET, b"this model")
        strange.key = lambda *_args, **_more: cache.key(made, ())  # type: ignore[method-assign]
        found = strange.find("talk", other[1], (True,), adapters=(), tokens=prompt, have=0)
        assert found is not None
        read = strange.read(found, lambda: True).result(30)
        assert read is not None and not strange.give(read, other[1].sequences[0], ())
        assert not other[1].sequences[0].tokens
    finally:
        for each in (made, *other):
            each.close()


@pytest.mark.parametrize("seed", range(12))
def test_damaged_files_are_ignored_and_removed(files: Files, tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    made = context(files.small())
    try:
        cache, sequence = kept(tmp_path), made.sequences[0]
        sequence.key, sequence.keep = "talk", True
        prompt = [dice.randrange(300, 600) for _ in range(300)]
        for end in (130, 280):
            made.read(sequence, prompt[:end])
            assert cache.save(sequence) and cache.writer.wait(30)
        path = dice.choice([*written(tmp_path), *written(tmp_path, ".index")])
        data = bytearray(path.read_bytes())
        if dice.random() < 0.5:
            data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
        else:
            del data[dice.randrange(len(data)) :]
        path.write_bytes(data)
        found = cache.find("talk", made, (False,), adapters=(), tokens=prompt, have=0)
        assert found is None or cache.read(found, lambda: True).result(30) is None
        assert not path.exists() and cache.find("talk", made, (False,), adapters=(), tokens=prompt, have=0) is None
        assert sequence.tokens == prompt[:280]
    finally:
        made.close()


# Conversations -------------------------------------------------------------------------------------------------------


class Talks:
    """Conversations that go on at random, in a run that ends after each turn or in one that goes on."""

    def __init__(self, path: str, folder: Path, *, ends: bool, **how: Any) -> None:
        self._path, self._folder, self._ends, self._how = path, folder, ends, how
        self._steps: Steps | None = None

    def answer(self, request: GenerateRequest) -> tuple[str, int, int]:
        """What was answered, how many tokens were there, and how many came from the disk."""
        if self._steps is None:
            self._steps = Steps(self._path, kept=kept(self._folder), **self._how)
        call = self._steps.ask(request)
        self._steps.run()
        assert call.result is not None, call.error
        self._steps.keep()
        if self._ends:
            self.close()
        return call.text, call.result.stats.cached_tokens, call.result.stats.restored_tokens

    def close(self) -> None:
        if self._steps is not None:
            self._steps.close()
            self._steps = None


@pytest.mark.parametrize("seed", range(4))
def test_a_run_that_ends_after_each_turn_says_the_same_as_one_that_goes_on(
    files: Files, tmp_path: Path, seed: int
) -> None:
    """Turns, other questions in their place and conversations in turn: the same tokens, and as many are there."""
    dice = random.Random(seed)
    path, border = (files.hybrid(), 0) if seed % 3 == 2 else (files.small(), (0, 150)[seed % 2])
    how = {"size": 1500, "chunk": 32, "border": border, "cells": 5000}
    ends = Talks(path, tmp_path / "ends", ends=True, streams=1, **how)
    goes_on = Talks(path, tmp_path / "on", ends=False, streams=3, **how)
    try:
        talks: list[list[Any]] = [[], [], []]
        restored = 0
        for _ in range(14):
            number = dice.randrange(1 if border else 3)  # another one would send it away from its beginning
            held = talks[number]
            if held and dice.random() < 0.3:
                del held[-2 * dice.randrange(1, len(held) // 2 + 1) :]
            held.append(user(f"{number} " + " ".join(dice.choices(("one", "two", "three"), k=dice.randrange(5, 60)))))
            request = ask(*held, cache_key=f"talk {number}", keep=True, max_tokens=dice.randrange(1, 9), seed=seed)
            first, second = ends.answer(request), goes_on.answer(request)
            assert first[0] == second[0]
            assert first[1] >= second[1] - prompt_cache.WORTH
            restored += first[2]
            held.append(assistant(first[0] or "-"))
        assert restored > 200
    finally:
        ends.close()
        goes_on.close()


def test_more_conversations_than_streams_are_read_once(files: Files, tmp_path: Path) -> None:
    """Also where there was no moment of rest between: what is taken from a conversation is kept before."""
    steps = Steps(files.small(), kept=kept(tmp_path), size=900, chunk=32, streams=1)
    try:
        talks = [[user(f"{number} " + "word " * 40)] for number in range(4)]
        for turn in range(3):
            for number, held in enumerate(talks):
                request = ask(*held, cache_key=f"talk {number}", keep=True, max_tokens=4)
                result = steps.answer(request)
                stats = result.stats
                if turn:
                    assert stats.restored_tokens == stats.cached_tokens > 150 * turn
                    assert stats.evaluated_tokens == stats.prompt_tokens - stats.cached_tokens < 200
                held += [assistant("yes"), user("word " * 20)]
    finally:
        steps.keep()
        steps.close()


def test_a_conversation_alone_takes_no_further_stream(files: Files, tmp_path: Path) -> None:
    steps = Steps(files.small(), kept=kept(tmp_path), size=900, chunk=32, streams=3)
    try:
        held = [user("word " * 40)]
        for _ in range(3):
            steps.answer(ask(*held, cache_key="talk", keep=True, max_tokens=4))
            steps.keep()
            held += [assistant("yes"), user("word " * 20)]
        assert len(steps.session.context.sequences) == 1
    finally:
        steps.close()


def test_another_version_and_the_one_before_are_both_there(files: Files, tmp_path: Path) -> None:
    first = [user("word " * 60), assistant("yes"), user("more " * 60)]
    other = [*first[:2], user("else " * 60)]
    talks = Talks(files.small(), tmp_path, ends=True, size=2000, chunk=32)
    share = {"cache_key": "talk", "keep": True, "max_tokens": 3}
    talks.answer(ask(*first, **share))
    _, cached, restored = talks.answer(ask(*other, **share))
    assert 250 < restored == cached
    segments = {path: path.stat().st_size for path in written(tmp_path)}
    assert len(segments) == 2 and len(written(tmp_path, ".index")) == 2  # what both begin with is there once
    for messages in (first, other, first):
        _, cached, restored = talks.answer(ask(*messages, **share))
        assert restored == cached > 500
    folder = Folder(tmp_path)
    assert folder.size()[1] == 1 and len(written(tmp_path, ".index")) == 2


def test_what_an_agent_adds_is_all_that_is_read(files: Files, tmp_path: Path) -> None:
    talks = Talks(files.small(), tmp_path, ends=True, size=4000, chunk=32)
    messages = [user("start " * 40)]
    total = 0
    for turn in range(8):
        request = ask(*messages, cache_key="agent", keep=True, max_tokens=4)
        text, cached, _ = talks.answer(request)
        if turn:
            assert cached >= total
        total = cached
        messages += [assistant(text or "-"), user(f"result {turn} " + "value " * 20)]
    size = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    assert size < 3 * (total + 400) * 530


def test_only_what_may_be_kept_is_written(files: Files, tmp_path: Path) -> None:
    steps = Steps(files.small(), kept=kept(tmp_path), size=900, chunk=32, streams=3)
    try:
        words = "word " * 60
        steps.answer(ask(words, cache_key="temporary", max_tokens=3))
        steps.answer(ask("else " + words, keep=True, max_tokens=3))  # it has no name
        steps.answer(ask("third " + words, cache_key="batch", keep=True, batch="b", max_tokens=3))
        steps.keep()
        assert not written(tmp_path)
        steps.answer(ask(words, cache_key="kept", keep=True, max_tokens=3))
        steps.keep()
        assert len(written(tmp_path, ".index")) == 1
    finally:
        steps.close()


def test_where_there_is_no_room_answers_are_made_as_ever(
    files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_files, "DISK_RESERVE", 1 << 60)
    blocked = tmp_path / "blocked"
    blocked.write_text("a file, where the folder should be")
    for folder in (tmp_path / "full", blocked):
        talks = Talks(files.small(), folder, ends=True, size=900, chunk=32)
        for _ in range(2):
            assert talks.answer(ask("word " * 60, cache_key="talk", keep=True, max_tokens=3))[1:] == (0, 0)
    assert blocked.is_file()


def test_a_state_that_would_hold_up_others_is_not_taken(
    files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prompt_cache, "_MOST_S", 0.0)
    steps = Steps(files.small(), kept=kept(tmp_path), size=900, chunk=32)
    try:
        steps.answer(ask("word " * 60, cache_key="talk", keep=True, max_tokens=3))
        steps.keep()
        assert not written(tmp_path)
        monkeypatch.undo()
        monkeypatch.setattr(prompt_cache, "_has_memory", lambda _size: False)
        steps.answer(ask("else " * 60, cache_key="talk", keep=True, max_tokens=3))
        steps.keep()
        assert not written(tmp_path)
    finally:
        steps.close()


def test_a_beginning_in_the_small_context_comes_back_into_it(files: Files, tmp_path: Path) -> None:
    """Without flash attention conversations begin in a small context with it, and their recipe says so."""
    question = [user("word " * 20)]
    told = []
    for ends in (True, False):
        talks = Talks(files.small(), tmp_path / str(ends), ends=ends, size=900, chunk=32, border=250, cells=5000)
        share = {"cache_key": "talk", "keep": True, "max_tokens": 3}
        texts = [talks.answer(ask(*question, **share))]
        texts.append(talks.answer(ask(*question, assistant("yes"), user("on " * 4), **share)))
        steps = (
            Steps(files.small(), kept=kept(tmp_path / str(ends)), size=900, chunk=32, border=250, cells=5000)
            if ends
            else None
        )
        if steps is not None:
            result = steps.answer(ask(*question, assistant("yes"), user("on " * 4), assistant("-"), user("x"), **share))
            assert result.recipe is not None and result.recipe.flash_tokens == result.recipe.evaluated > 100
            assert result.recipe.alone and result.stats.restored_tokens > 100
            steps.close()
        texts.append(talks.answer(ask(*question, assistant("yes"), user("on " * 200), **share)))  # it goes over
        told.append([text for text, _, _ in texts])
        assert all(cached > 100 for _, cached, _ in texts[1:])
        talks.close()
    assert told[0] == told[1]


def test_what_is_forgotten_in_mid_answer_is_read_again(files: Files, tmp_path: Path) -> None:
    request = ask("word " * 60, cache_key="talk", keep=True, max_tokens=20)
    steps = Steps(files.small(), kept=kept(tmp_path), size=900, chunk=32)
    try:
        wanted = steps.answer(request)
        steps.keep()
        call = steps.ask(request)
        for _ in range(12):
            steps.scheduler.step()
        steps.scheduler.forget(("talk",))
        assert not any(each.tokens for each in steps.session.sequences)
        steps.run()
        assert call.result is not None and call.result.finish_reason is wanted.finish_reason
        assert call.result.stats.completion_tokens == 20 and call.result.stats.evaluated_tokens > 200
    finally:
        steps.close()


def test_a_conversation_that_is_deleted_while_it_is_answered_leaves_nothing(files: Files, tmp_path: Path) -> None:
    """It is stopped and forgotten in one go: nothing of it is read once more, remembered or written."""
    steps = Steps(files.small(), kept=kept(tmp_path), size=900, chunk=32)
    try:
        call = steps.ask(ask("word " * 60, lively=False, cache_key="talk", keep=True, max_tokens=100))
        while not call.text:
            steps.scheduler.step()
        call.cancelled = True
        steps.scheduler.forget(("talk",))
        steps.run()
        assert call.text and call.result is not None and call.result.finish_reason is FinishReason.CANCELLED
        evaluated = [each.evaluated for each in steps.session.sequences]
        steps.keep()
        assert evaluated == [each.evaluated for each in steps.session.sequences] and not written(tmp_path)
        assert not any(each.tokens or each.key for each in steps.session.sequences)
        assert not steps.session._writings._written
    finally:
        steps.close()


@pytest.mark.parametrize("when", ("waits", "is read back", "began in the small context"))
def test_what_is_forgotten_is_not_written_by_an_answer_that_was_asked_for_before(
    files: Files, tmp_path: Path, when: str
) -> None:
    border = 360 if when.startswith("began") else 0
    steps = Steps(files.small(), kept=kept(tmp_path), size=900, chunk=32, border=border, cells=2000)
    try:
        request = ask("word " * 60, lively=False, cache_key="talk", keep=True, max_tokens=60)
        if when == "is read back":
            steps.answer(request)
            steps.keep()
            for sequence in steps.session.sequences:
                sequence.forget()
        other = steps.ask(ask("else " * 60, max_tokens=9)) if when == "waits" else None
        call = steps.ask(request)
        steps.scheduler.step()
        if border:
            assert call.made is not None and call.made.sequence is not None
            assert call.made.sequence.context is not steps.session.context
        steps.scheduler.forget(("talk",))
        assert steps.session.kept is not None
        steps.session.kept.forget(("talk",), lambda: None)
        steps.run()
        steps.keep()
        assert call.result is not None and call.result.stats.completion_tokens == 60
        assert other is None or other.result is not None
        assert not written(tmp_path) and not written(tmp_path, ".index")
    finally:
        steps.close()


def test_what_waits_to_be_written_can_be_had_at_once(
    files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is slow, and the conversation is returned to before it is written."""
    cache = kept(tmp_path)
    go_on = threading.Event()
    write = writer.Writer._write

    def slow(self: writer.Writer, job: writer.Job) -> None:
        assert go_on.wait(30)
        write(self, job)

    monkeypatch.setattr(writer.Writer, "_write", slow)
    steps = Steps(files.small(), kept=cache, size=900, chunk=32)
    try:
        share = {"keep": True, "max_tokens": 3}
        steps.answer(ask("word " * 60, cache_key="one", **share))
        steps.answer(ask("else " * 60, cache_key="two", **share))
        again = steps.answer(ask("word " * 60, cache_key="one", **share))
        assert again.stats.restored_tokens == again.stats.prompt_tokens - 1 and not written(tmp_path)
        go_on.set()
        steps.keep()
        assert Folder(tmp_path).size()[1] == 2
    finally:
        go_on.set()
        steps.close()


def test_tokens_that_are_evaluated_in_vain_are_counted(files: Files, tmp_path: Path) -> None:
    steps = Steps(files.small(), size=900, chunk=32)
    try:
        call = steps.ask(ask("word " * 60, max_tokens=3))
        steps.scheduler.step()
        real = steps.session.context.evaluate
        aborted = 0

        def evaluate(pieces: Any) -> Any:
            nonlocal aborted
            if not aborted:
                aborted += sum(len(piece.tokens) for piece in pieces)
                steps.session.context.flag.set()
                try:
                    return real(pieces)
                finally:
                    steps.session.context.flag.clear()
            return real(pieces)

        steps.session.context.evaluate = evaluate  # type: ignore[method-assign]
        steps.run()
        assert call.result is not None and aborted == 32
        assert call.result.stats.evaluated_tokens == call.result.stats.prompt_tokens + aborted
        again = steps.answer(ask("word " * 60, max_tokens=3))
        assert again.stats.evaluated_tokens == 1
    finally:
        steps.close()


# Worker processes ----------------------------------------------------------------------------------------------------


def run(path: str, folder: Path, *requests: GenerateRequest, forgets: tuple[str, ...] = ()) -> list[Answered]:
    """Answers of a worker process of its own, which is ended right after the last one."""

    async def use() -> list[Answered]:
        async with loaded(path, context=2048, cache_folder=str(folder), cache_bytes=BUDGET) as engine:
            answers = [await engine.answer(request) for request in requests]
            if forgets:
                await engine.engine.forget(forgets)
            return answers

    return asyncio.run(use())


def test_after_a_restart_nothing_is_read_again(files: Files, tmp_path: Path) -> None:
    """Also where the worker is ended as soon as it has answered; another file with the same header has its own."""
    request = ask("word " * 150, cache_key="talk", keep=True, max_tokens=4)
    cold = run(files.small(), tmp_path, request)[0]
    warm = run(files.small(), tmp_path, request)[0]
    assert warm.text == cold.text and cold.stats.restored_tokens == 0
    assert warm.stats.restored_tokens == warm.stats.prompt_tokens - 1 and warm.stats.evaluated_tokens == 1
    twin = tmp_path / "twin.gguf"
    data = bytearray(Path(files.small()).read_bytes())
    for at in range(len(data) // 2, len(data), 97):
        data[at] ^= 1
    twin.write_bytes(data)
    assert run(str(twin), tmp_path, request)[0].stats.restored_tokens == 0


def test_a_worker_forgets_in_memory_and_on_the_disk(files: Files, tmp_path: Path) -> None:
    first = ask("word " * 150, cache_key="first", keep=True, max_tokens=4)
    second = ask("else " * 150, cache_key="second", keep=True, max_tokens=4)
    run(files.small(), tmp_path, first, second, forgets=("first",))
    assert Folder(tmp_path).size()[1] == 1
    one, two, three = run(files.small(), tmp_path, first, second, second, forgets=("*",))
    assert one.stats.cached_tokens == 0 and two.stats.restored_tokens > 100 and three.stats.restored_tokens == 0
    assert Folder(tmp_path).size() == (0, 0) and not written(tmp_path) and not written(tmp_path, ".index")


def test_a_killed_worker_leaves_nothing_wrong(files: Files, tmp_path: Path) -> None:
    dice = random.Random(11)
    request = ask("word " * 150, cache_key="talk", keep=True, max_tokens=4)

    async def killed(after: float) -> None:
        engine = LocalWorkerEngine(worker_command("engine"))
        try:
            async for _ in engine.load(
                LoadRequest(files.small(), context=2048, cache_folder=str(tmp_path), cache_bytes=BUDGET)
            ):
                pass
            async with engine.generate(request) as run:
                async for _ in run:
                    pass
            if engine.pid is not None:
                await asyncio.sleep(after)
                os.kill(engine.pid, signal.SIGTERM if os.name == "nt" else signal.SIGKILL)
        finally:
            await engine.aclose()

    cold = run(files.small(), tmp_path / "cold", request)[0]
    for _ in range(3):
        asyncio.run(killed(dice.uniform(0, 0.03)))
    warm = run(files.small(), tmp_path, request)[0]
    assert warm.text == cold.text and warm.stats.restored_tokens in (0, warm.stats.prompt_tokens - 1)


def test_a_worker_with_nothing_to_write_ends_at_once(files: Files, tmp_path: Path) -> None:
    async def use() -> float:
        async with loaded(files.small(), context=2048, cache_folder=str(tmp_path), cache_bytes=BUDGET) as engine:
            await engine.answer(ask("word " * 9, max_tokens=4))
            began = time.monotonic()
            await engine.engine.aclose()
            return time.monotonic() - began

    assert asyncio.run(use()) < 0.9
