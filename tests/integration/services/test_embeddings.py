"""Embeddings over real workers: beside a conversation with the same model, and with one that only embeds."""

from __future__ import annotations

import asyncio
import time

import pytest

from qwen_desktop.core.engine import GenerateRequest
from qwen_desktop.core.errors import UserFacing
from qwen_desktop.core.model_ref import FileRef
from qwen_desktop.services.embeddings import EmbeddingService
from tests import gguf_files
from tests.app import App, run, running_app
from tests.integration.engine.talk import ask
from tests.integration.services.test_engine_worker import Workers


def test_a_model_in_memory_is_used_as_it_is_and_another_gets_no_chats_context() -> None:
    workers = Workers()

    async def test() -> None:
        async with running_app(workers) as app:
            await _use(app, workers)

    run(test())


async def _use(app: App, workers: Workers) -> None:
    service = EmbeddingService(app.engines)
    folder = app.paths.data
    chat = FileRef(str(gguf_files.write(folder / "chat.gguf", vocab=600, tied=False, context=4096)))
    vectors = FileRef(str(gguf_files.write(folder / "v.gguf", vocab=600, extra={"qwen3.pooling_type": 3})))
    with pytest.raises(UserFacing, match="no text"):
        await service.embed(vectors, ())
    made = await service.embed(vectors, [f"text {number}" for number in range(3)])
    assert made.model == "Random Test Model" and len(made.embeddings) == 3
    info = app.engines.state(vectors).info
    assert info is not None and info.context_size == 256 and not info.capabilities.chat
    with pytest.raises(UserFacing, match="cannot rerank"):
        await service.rerank(vectors, "query", ["document"])
    # one that talks: neither loaded anew, nor is what it has read forgotten
    question: GenerateRequest = ask("question " * 30, max_tokens=4, cache_key="talk", lively=False)
    loads = len(workers.made)
    for at in range(2):
        async with app.engines.lease(chat) as engine:
            before = engine.info
            async with engine.generate(question) as answer:
                async for _ in answer:
                    pass
            assert answer.result.stats.cached_tokens > 0 or not at
        told: list[int] = []
        made = await service.embed(chat, ["one", "two"], progress=told.append)
        assert told[-1] == 2 and len(made.embeddings) == 2
        assert app.engines.loaded(chat) is engine and engine.info is before
    assert len(workers.made) <= loads + 1
    begun = asyncio.Event()
    task = asyncio.create_task(service.embed(chat, ["many words " * 100] * 500, progress=lambda _done: begun.set()))
    await begun.wait()
    began = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.monotonic() - began < 5
    assert len((await service.embed(chat, ["after that"])).embeddings) == 1
