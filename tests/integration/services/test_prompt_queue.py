"""Drafts and prompts in line through the services alone: what goes on by itself, what waits, and what an end keeps."""

from __future__ import annotations

import asyncio
import random

from qwen_desktop.core.chat import Status, new_id
from qwen_desktop.core.drafts import Draft
from qwen_desktop.core.engine import ThinkingMode
from qwen_desktop.core.errors import Environment
from qwen_desktop.core.parts import Role, TextPart, visible_text
from qwen_desktop.core.paths import find_paths
from qwen_desktop.core.text import Text
from qwen_desktop.services.services import Services
from tests.app import App, run, running_app
from tests.scripted_engine import Script, ScriptedEngine


def test_what_was_written_last_is_there_after_an_ordinary_end() -> None:
    async def main() -> None:
        first = Services(find_paths())
        await first.open()
        first.drafts.put("", Draft("the last words"))
        await first.aclose()
        second = Services(find_paths())
        await second.open()
        assert second.drafts.of("") == Draft("the last words")
        await second.aclose()

    run(main())


async def asked(app: App, where: str) -> list[str]:
    """The questions, in order."""
    found = await app.history.tail(where, 1000)
    return [visible_text(entry.parts) for entry in found if entry.role is Role.USER]


def test_a_line_of_prompts_is_sent_in_order_whatever_ends_an_answer() -> None:
    """A walk: answers end, fail or are stopped, prompts come, move and go; each is sent once."""
    rng = random.Random(14)
    failure = Environment(Text("x", "Broken."), Text("y", "Mend it."))

    def script(_request: object) -> Script:
        broken = rng.random() < 0.3
        return Script(text="word " * 12, rate=1000, error=failure if broken else None, fail_after=3)

    async def main() -> None:
        async with running_app(lambda: ScriptedEngine(script)) as app:
            where, number = new_id(), 0
            await app.chat.send((TextPart("0"),), conversation_id=where, new=True, thinking=ThinkingMode.AUTO)
            expected: list[str] = ["0"]
            for _ in range(60):
                queue = app.queue.of(where)
                match rng.choice(("add", "add", "move", "remove", "stop", "go on", "now", "pause")):
                    case "add" if app.chat.running():
                        for _ in range(2):
                            number += 1
                            app.queue.add(where, Draft(str(number)))
                    case "add":
                        number += 1
                        await app.send(str(number), where)
                    case "move" if queue:
                        app.queue.move(where, rng.choice(queue).id, rng.randrange(len(queue)))
                    case "remove" if queue:
                        app.queue.remove(where, rng.choice(queue).id)
                    case "stop":
                        await app.chat.stop(where)
                        await asyncio.sleep(0)
                        sending = app.chat.running() or app.queue._sending
                        assert app.queue.waits(where) or not app.queue.of(where) or sending
                    case "go on" if queue:
                        app.queue.go_on(where)
                    case "now" if queue:
                        await app.queue.send_now(where, rng.choice(queue).id)
                    case _:
                        await asyncio.sleep(0.005)
                found = await asked(app, where)
                assert found[: len(expected)] == expected  # what was sent stays, each once
                expected = found
                assert len(set(found)) == len(found)
            while app.queue.of(where):
                if app.queue.waits(where):
                    app.queue.go_on(where)
                await asyncio.sleep(0.005)
            await app.chat.idle()
            assert len(await asked(app, where)) > 8

    run(main())


def test_an_answer_that_was_cut_by_a_stop_holds_the_line_and_one_that_ended_does_not() -> None:
    async def main() -> None:
        async with running_app(lambda: ScriptedEngine(Script(text="word " * 400, rate=50))) as app:
            message = await app.send("one")
            where = message.conversation_id
            app.queue.add(where, Draft("two"))
            assert not app.queue.waits(where)
            await app.chat.stop(where)
            assert app.queue.waits(where)
            await asyncio.sleep(0.05)
            assert await asked(app, where) == ["one"]
            assert (await app.history.tail(where, 1))[0].status is Status.STOPPED

    run(main())
