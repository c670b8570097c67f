"""What real workers keep on the disk of conversations: deleted while it is written, killed while it is written, and
written at the end of the app."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable

import pytest

from qwen_desktop.core.parts import visible_text
from qwen_desktop.engine.local import LocalWorkerEngine
from qwen_desktop.engine.prompt_cache.files import Folder
from qwen_desktop.process.spawn import worker_command
from tests import gguf_files
from tests.app import App, run, running_app

LONG = "Say it once more. " * 40


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("kept") / "small.gguf"
    gguf_files.write(path, vocab=600, tied=False, prefer=gguf_files.NEVER_ENDS, context=8192)
    return str(path)


def engine() -> LocalWorkerEngine:
    return LocalWorkerEngine(worker_command("engine"))


async def opened(app: App, model: str) -> None:
    await app.preferences.change({"sampling.temperature": 0.0, "sampling.max_tokens": 8, "chat.titles": False})
    await app.models.open_file(model)


async def last_text(app: App, chat: str) -> str:
    return visible_text((await app.history.tail(chat, 1))[0].parts)


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - of files nobody tells
        await asyncio.sleep(0.01)


def test_the_end_of_the_app_waits_for_what_is_written_and_a_next_one_goes_on_from_it(model: str) -> None:
    async def main() -> None:
        async with running_app(engine) as app:
            await opened(app, model)
            chat = await app.ask(LONG)
        async with running_app(engine) as app:
            await opened(app, model)
            await app.ask("And now?", chat)
            stats = (await app.history.tail(chat, 1))[0].stats
            assert stats is not None and stats.restored_tokens > 200
            assert stats.evaluated_tokens < 60 < stats.prompt_tokens
            restored = await last_text(app, chat)
        async with running_app(engine) as app:  # read from the beginning it says the same
            await opened(app, model)
            await app.prompt_cache.clear()
            await app.chat.regenerate((await app.history.tail(chat, 1))[0].id)
            await app.chat.idle()
            assert (await app.history.tail(chat, 1))[0].stats.restored_tokens == 0  # type: ignore[union-attr]
            assert await last_text(app, chat) == restored

    run(main())


def test_deleted_at_any_time_nothing_comes_back(model: str) -> None:
    chance = random.Random(16)

    async def main() -> None:
        async with running_app(engine) as app:
            await opened(app, model)
            folder = Folder(app.paths.prompt_cache)
            for turn in range(5):
                chat = await app.ask(f"{turn} {LONG}")
                await asyncio.sleep(chance.random() * 0.08)  # somewhere between the answer's end and its being written
                await app.history.delete(chat)
                await until(lambda: not app.prompt_cache._tasks)
                assert folder.size()[1] == 0
            chat = await app.ask(LONG)
            await app.history.delete(chat)
        assert folder.size()[1] == 0  # also where the app ends at once

    run(main(), seconds=40)


def test_one_that_was_killed_while_it_wrote_is_read_again_and_says_the_same(model: str) -> None:
    chance = random.Random(61)

    async def main() -> None:
        async with running_app(engine) as app:
            await opened(app, model)
            expected = ""
            for _ in range(4):
                chat = await app.ask(LONG)
                expected = expected or await last_text(app, chat)
                worker = app.engines.loaded(app.models.ref)
                assert isinstance(worker, LocalWorkerEngine)
                await asyncio.sleep(chance.random() * 0.06)
                worker._client.kill()
                await app.engines.unload(app.models.ref)
                await app.chat.regenerate((await app.history.tail(chat, 1))[0].id)
                await app.chat.idle()
                assert await last_text(app, chat) == expected

    run(main(), seconds=40)


def test_a_smaller_size_holds_for_a_model_that_is_in_memory(model: str) -> None:
    async def main() -> None:
        async with running_app(engine) as app:
            await opened(app, model)
            folder = Folder(app.paths.prompt_cache)
            await app.ask(LONG)
            await until(lambda: folder.size()[1] == 1)
            one = folder.size()[0]
            await app.engines.limit(int(2.5 * one))
            for turn in range(4):
                await app.ask(f"{turn} {LONG}")
        assert one <= folder.size()[0] <= 2.5 * one and folder.size()[1] <= 2

    run(main())


def test_a_worker_that_has_nothing_to_write_ends_at_once(model: str) -> None:
    async def main() -> None:
        async with running_app(engine) as app:
            await opened(app, model)
            await app.ask(LONG)
            folder = Folder(app.paths.prompt_cache)
            await until(lambda: folder.size()[1] == 1)
            began = time.monotonic()
            await app.engines.unload(app.models.ref)
            assert time.monotonic() - began < 1.5  # the grace is 2 s: a worker that waits would take it whole

    run(main())
