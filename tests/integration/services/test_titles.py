"""Titles by the model: when they are written, what they never do, and that nobody waits for them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from qwen_desktop.core.chat import new_id
from qwen_desktop.core.engine import GenerateRequest, LocalEngine, ThinkingMode
from qwen_desktop.core.model_ref import FileRef
from qwen_desktop.core.parts import FilePart, PartDelta, TextPart, visible_text
from qwen_desktop.core.titles import ASK
from qwen_desktop.engine.local import LocalWorkerEngine
from qwen_desktop.process.spawn import worker_command
from qwen_desktop.services.events import AnswerEvent
from qwen_desktop.services.titles import Titles
from tests.app import App, run, running_app
from tests.scripted_engine import Script, ScriptedEngine
from tests.smollm2 import model_path

TITLE = "Colours of the Sky"
QUESTION = "Why is the sky blue? Tell me all."


def wants_title(request: GenerateRequest) -> bool:
    return visible_text(request.messages[-1].parts) == ASK


class Desk:
    """The services with titles after 30 ms of rest, and a scripted engine for a file."""

    def __init__(self, app: App, titles: Titles, engines: list[ScriptedEngine]) -> None:
        self.app, self.titles, self.made = app, titles, engines
        self.title = Script(TITLE)

    @property
    def asked(self) -> list[GenerateRequest]:
        """The requests for titles."""
        return [request for request in self.made[-1].requests if wants_title(request)]

    async def called(self, where: str) -> str:
        found = await self.app.history.get(where)
        assert found is not None
        return found.title

    async def until(self, ready: Callable[[], Any]) -> None:
        async with asyncio.timeout(5):
            while not ready():  # noqa: ASYNC110 - whatever it is that changes it
                await asyncio.sleep(0.01)

    async def rest(self) -> None:
        """Wait until nothing waits for a title, and none is being written."""
        await self.app.chat.idle()
        await asyncio.sleep(0.05)
        titles = self.titles
        await self.until(lambda: not (titles._waiting or titles._work or titles._tasks))


@asynccontextmanager
async def desk(*, parallel: int = 1, guide: bool = False, idle_s: float = 0.03) -> AsyncIterator[Desk]:
    made: list[ScriptedEngine] = []
    found: list[Desk] = []

    def engine() -> ScriptedEngine:
        made.append(
            ScriptedEngine(
                lambda request: found[0].title if wants_title(request) else Script("An answer. " * 3), parallel=parallel
            )
        )
        return made[-1]

    async with running_app(engine) as app:
        titles = Titles(app.history, app.engines, app.models, app.preferences, app.bus, idle_s=idle_s)
        titles.watch()
        found.append(Desk(app, titles, made))
        if not guide:
            await app.models.open_file(app.model_file("model.gguf"))
        try:
            yield found[0]
        finally:
            await titles.aclose()


def test_a_chat_gets_one_after_its_first_answer_and_another_after_its_third() -> None:
    async def main() -> None:
        async with desk() as here:
            where = await here.app.ask(QUESTION)
            assert await here.called(where) == QUESTION
            await here.rest()
            assert await here.called(where) == TITLE
            request = here.asked[0]
            assert request.cache_key == where
            assert visible_text(request.messages[0].parts) == QUESTION
            here.title = Script("Light in the Air")
            await here.app.ask("And in the evening?", where)
            await here.rest()
            assert await here.called(where) == TITLE
            await here.app.ask("And on Mars?", where)
            await here.rest()
            assert await here.called(where) == "Light in the Air"
            for number in range(3):
                await here.app.ask(f"More {number}", where)
            await here.rest()
            assert len(here.asked) == 2

    run(main())


@pytest.mark.parametrize(
    "part", [FilePart("", "text/plain", "Lease.pdf", 5, "Rent"), FilePart("", "text/plain", "", 9, "A long one")]
)
def test_a_chat_that_begins_with_a_file_alone_gets_one_too(part: FilePart) -> None:
    async def main() -> None:
        async with desk() as here:
            where = new_id()
            await here.app.chat.send((part,), conversation_id=where, thinking=ThinkingMode.AUTO, new=True)
            await here.app.chat.idle()
            assert await here.called(where) == (part.name or part.text)
            await here.rest()
            assert await here.called(where) == TITLE

    run(main())


@pytest.mark.parametrize(
    "said", ["", QUESTION, "Sure, here is one", "a b c d e f g h i j k", "x x x x x x", "One\nTwo", "Небо и цвет"]
)
def test_nonsense_leaves_the_first_line(said: str) -> None:
    async def main() -> None:
        async with desk() as here:
            here.title = Script(said) if said else Script("", thinking="Hm")
            where = await here.app.ask(QUESTION)
            await here.rest()
            assert here.asked
            assert await here.called(where) == QUESTION

    run(main())


def test_a_title_of_a_person_stays_also_one_that_comes_while_it_is_written() -> None:
    async def main() -> None:
        async with desk() as here:
            where = await here.app.ask(QUESTION)
            await here.app.history.rename(where, "Mine")
            await here.rest()
            assert here.asked == []
            here.title = Script(TITLE, first_s=0.2)
            second = await here.app.ask(QUESTION)
            await here.until(lambda: here.asked)
            await here.app.history.rename(second, "Mine too")
            await here.rest()
            assert await here.called(second) == "Mine too"
            third = await here.app.ask(QUESTION)
            await here.until(lambda: len(here.asked) == 2)
            await here.app.history.delete(third)
            await here.rest()
            assert await here.app.history.get(third) is None

    run(main())


@pytest.mark.parametrize("parallel", [1, 4])
def test_whoever_asks_meanwhile_does_not_wait_and_it_is_written_later(parallel: int) -> None:
    async def main() -> None:
        async with desk(parallel=parallel) as here:
            here.title = Script(TITLE, first_s=30.0)  # far longer than this test may take
            where = await here.app.ask(QUESTION)
            await here.until(lambda: here.asked)
            began = time.monotonic()
            here.title = Script(TITLE)
            other = await here.app.ask("Something else?")
            assert time.monotonic() - began < 1.0
            await here.rest()
            assert await here.called(other) == TITLE
            assert await here.called(where) == TITLE

    run(main())


def test_it_never_loads_a_model_and_the_guide_writes_none() -> None:
    async def main() -> None:
        async with desk(idle_s=0.1) as here:
            where = await here.app.ask(QUESTION)
            ref = here.app.models.ref
            assert isinstance(ref, FileRef)
            await here.app.engines.unload(ref)
            loads = len(here.made)
            await here.rest()
            assert len(here.made) == loads
            assert await here.called(where) == QUESTION
        async with desk(guide=True) as here:
            await here.app.models.use_guide()
            where = await here.app.ask(QUESTION)
            await here.rest()
            assert here.asked == []
            assert await here.called(where) == QUESTION

    run(main())


def test_the_setting_ends_it_and_the_end_of_the_app_too() -> None:
    async def main() -> None:
        async with desk() as here:
            await here.app.preferences.set("chat.titles", False)
            where = await here.app.ask(QUESTION)
            await here.rest()
            assert here.asked == []
            await here.app.preferences.set("chat.titles", True)
            here.title = Script(TITLE, first_s=30.0)
            await here.app.ask(QUESTION)
            await here.until(lambda: here.asked)
            began = time.monotonic()
            await here.titles.aclose()
            assert time.monotonic() - began < 0.5
            assert not here.app.engines.busy
            assert await here.called(where) == QUESTION

    run(main())


def test_what_was_stopped_forked_or_named_from_the_start_is_left_alone() -> None:
    async def main() -> None:
        async with desk() as here:
            where = await here.app.ask(QUESTION)
            await here.rest()
            fork, _ = await here.app.history.fork((await here.app.history.tail(where, 1))[0].id)
            await here.app.ask("More", fork.id)
            await here.app.ask("More", fork.id)
            await here.rest()
            assert await here.called(fork.id) == f"{TITLE} (fork)"
            named = await here.app.history.create("Named")
            await here.app.ask(QUESTION, named.id)
            await here.rest()
            assert await here.called(named.id) == "Named"
            assert len(here.asked) == 1

    run(main())


def test_a_temporary_chat_has_its_title_in_memory_alone() -> None:
    async def main() -> None:
        async with desk() as here:
            where = (await here.app.history.create_temporary()).id
            await here.app.ask(QUESTION, where)
            await here.rest()
            assert await here.called(where) == TITLE
            assert await here.app.history.list() == ()

    run(main())


# The real worker ------------------------------------------------------------------------------------------------------


def engine() -> LocalEngine:
    return LocalWorkerEngine(worker_command("engine"))


async def _talk(app: App, titles: Titles | None, *, meanwhile: bool) -> tuple[int, float]:
    """How many tokens of the second prompt were known, and after how long its first word came. With ``titles`` one is
    written before it is sent, or, ``meanwhile``, is being written when it is."""
    where = await app.ask("What is 2+2?")
    if titles is not None:
        async with asyncio.timeout(10):
            while not (titles._work or (meanwhile and app.engines.busy)):  # noqa: ASYNC110
                await asyncio.sleep(0.002)
            if meanwhile:
                while not app.engines.busy:  # noqa: ASYNC110
                    await asyncio.sleep(0.001)
                await asyncio.sleep(0.03)
            else:
                while titles._work or titles._waiting:  # noqa: ASYNC110
                    await asyncio.sleep(0.002)
    app.seen.clear()
    began = time.monotonic()
    first: list[float] = []

    def told(event: AnswerEvent) -> None:
        if isinstance(event.event, PartDelta) and not first:
            first.append(time.monotonic() - began)

    end = app.bus.subscribe(AnswerEvent, told)
    await app.chat.send((TextPart("And 3+3?"),), conversation_id=where, thinking=ThinkingMode.AUTO)
    await app.chat.idle()
    end()
    stats = (await app.history.tail(where, 1))[0].stats
    assert stats is not None
    return stats.cached_tokens, first[0]


@pytest.mark.parametrize("streams", [1, None])
def test_the_next_prompt_is_read_as_little_and_answered_as_soon_as_without_titles(streams: int | None) -> None:
    async def main() -> None:
        found: dict[str, tuple[int, float]] = {}
        async with running_app(engine) as app:
            await app.preferences.set("engine.context", 1024)
            await app.preferences.set("engine.streams", streams)
            await app.preferences.set("sampling.max_tokens", 16)
            await app.preferences.set("sampling.temperature", 0.0)
            await app.models.open_file(str(model_path()))
            for kind in ("warm", "without", "after", "meanwhile"):
                titles = Titles(app.history, app.engines, app.models, app.preferences, app.bus, idle_s=0.05)
                watched = kind in ("after", "meanwhile")
                if watched:
                    titles.watch()
                found[kind] = await _talk(app, titles if watched else None, meanwhile=kind == "meanwhile")
                await titles.aclose()
        cached, soon = found["without"]
        assert cached > 20
        assert min(found["after"][0], found["meanwhile"][0]) >= cached
        assert max(found["after"][1], found["meanwhile"][1]) < soon + 0.5

    run(main(), seconds=60)
