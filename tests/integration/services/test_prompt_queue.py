"""Drafts and prompts in line through the services alone: what goes on by itself, what waits, and what an end keeps."""

from __future__ import annotations

import asyncio
import contextlib
import random
import shutil
import threading
from pathlib import Path

import pytest

from qwen_desktop.core.chat import Status, new_id
from qwen_desktop.core.drafts import Draft
from qwen_desktop.core.engine import ThinkingMode
from qwen_desktop.core.errors import Environment, UserFacing
from qwen_desktop.core.parts import Part, Role, TextPart, visible_text
from qwen_desktop.core.paths import find_paths
from qwen_desktop.core.text import Text
from qwen_desktop.services.events import Notified
from qwen_desktop.services.services import Services
from qwen_desktop.store import drafts
from qwen_desktop.store.database import Database
from tests.app import App, run, running_app
from tests.races import slow, until, write
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


@pytest.mark.parametrize("seed", [14, 15])
def test_a_line_of_prompts_is_sent_in_order_whatever_ends_an_answer(seed: int) -> None:
    """A walk beside a slow disk: answers end, fail or are stopped, prompts come, move and go; each is sent once."""
    rng = random.Random(seed)
    failure = Environment(Text("x", "Broken."), Text("y", "Mend it."))

    def script(_request: object) -> Script:
        broken = rng.random() < 0.3
        return Script(text="word " * 12, rate=1000, error=failure if broken else None, fail_after=3)

    async def main() -> None:  # noqa: PLR0912 - a table of what can happen
        async with running_app(lambda: ScriptedEngine(script)) as app:
            where, number = new_id(), 0
            await app.chat.send((TextPart("0"),), conversation_id=where, new=True, thinking=ThinkingMode.AUTO)
            expected: list[str] = ["0"]
            taken: set[str] = set()
            slow(app, lambda: rng.choice([0, 0, 0.004]))
            for _ in range(60):
                queue = app.queue.of(where)
                match rng.choice(("add", "add", "move", "remove", "stop", "go on", "now", "pause")):
                    case "add" if app.chat.running():
                        for _ in range(2):
                            number += 1
                            app.queue.add(where, Draft(str(number)))
                    case "add":
                        number += 1
                        with contextlib.suppress(UserFacing):  # the line was faster
                            await app.send(str(number), where)
                            continue
                        taken.add(str(number))
                    case "move" if queue:
                        app.queue.move(where, rng.choice(queue).id, rng.randrange(len(queue)))
                    case "remove" if queue:
                        prompt = rng.choice(queue)
                        if app.queue.remove(where, prompt.id) is not None:
                            taken.add(visible_text(prompt.draft.parts))
                    case "stop":
                        await app.queue.stop(where)
                        assert not app.chat.running() and (app.queue.waits(where) or not app.queue.of(where))
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
            await asyncio.sleep(0.05)
            found = await asked(app, where)
            assert len(found) > 8
            assert sorted([*found, *taken], key=int) == [str(n) for n in range(number + 1)]

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


def test_killed_at_any_moment_a_prompt_is_written_in_one_place(tmp_path: Path) -> None:
    """The file is looked at as a start would find it after each single change of it."""
    snapshots: list[Path] = []

    async def main() -> str:
        async with running_app(lambda: ScriptedEngine(Script(text="word"))) as app:
            where = await app.ask("0")

            def copy() -> None:
                if not threading.current_thread().name.startswith("database_"):
                    return  # that one only reads
                place = tmp_path / str(len(snapshots))
                place.mkdir()
                for name in ("", "-wal"):
                    shutil.copy(f"{app.paths.database_file}{name}", place / f"history.sqlite3{name}")
                snapshots.append(place / "history.sqlite3")

            slow(app, lambda: 0.0, copy)
            for number in range(1, 4):
                app.drafts.put(where, Draft(f"typed {number}"))
                await app.drafts.save()
                app.drafts.put(where, Draft())
                await write(app, where, f"typed {number}")
                app.queue.add(where, Draft(f"queued {number}"))
                await app.drafts.save()
                app.queue.go_on(where)
                await until(lambda: not (app.queue.of(where) or app.chat.running()))
            return where

    where = run(main())
    assert len(snapshots) > 20

    async def left(file: Path) -> list[str]:
        db = Database(file)
        await db.open()
        found: list[tuple[Part, ...]] = []
        for unsent in (await db.call(drafts.load)).values():
            found += [unsent.draft.parts, *(queued.draft.parts for queued in unsent.queue)]
        rows = await db.read(lambda c: c.execute("SELECT parts FROM messages WHERE role = 'user'").fetchall())
        assert await db.call(drafts.load) == await db.call(drafts.load)
        await db.aclose()
        said = " ".join(visible_text(parts) for parts in found) + str(rows)
        return [w for n in range(1, 4) for w in (f"typed {n}", f"queued {n}") for _ in range(said.count(w))]

    seen: set[str] = set()
    for file in snapshots:
        words = asyncio.run(left(file))
        assert len(words) == len(set(words)), file  # none in two places
        assert seen <= set(words), file  # and none is lost
        seen |= set(words)
    assert len(seen) == 6 and where


def test_what_is_put_in_line_before_its_conversation_is_there_is_not_lost_with_it(tmp_path: Path) -> None:
    async def main() -> None:
        async with running_app(ScriptedEngine) as app:
            app.drafts.put("", Draft("typed"))
            app.queue.add(new_id(), Draft("second"))
            await app.drafts.save()
            found = await app.db.call(drafts.load)
            assert {name: unsent.draft.text for name, unsent in found.items()} == {"": "second\n\ntyped"}

    run(main())


def test_a_window_that_goes_while_it_sends_neither_sends_twice_nor_loses_it() -> None:
    """The operation is cancelled; the message is stored all the same."""

    async def main() -> None:
        async with running_app(lambda: ScriptedEngine(Script(text="word"))) as app:
            where = await app.ask("0")
            slow(app, lambda: 0.02)
            operation = asyncio.create_task(write(app, where, "one"))
            await asyncio.sleep(0.03)
            operation.cancel()
            await asyncio.sleep(0.3)
            assert await asked(app, where) == ["0", "one"] and not app.drafts.of(where)

    run(main())


def test_esc_between_two_answers_of_a_line_stops_it() -> None:
    async def main() -> None:
        async with running_app(lambda: ScriptedEngine(Script(text="word " * 30, rate=300))) as app:
            message = await app.send("one")
            where = message.conversation_id
            app.queue.add(where, Draft("two"))
            app.queue.add(where, Draft("three"))
            slow(app, lambda: 0.01)
            await until(lambda: where not in app.chat.running())
            assert app.queue.sending(where)
            await app.queue.stop(where)
            assert not app.chat.running() and app.queue.waits(where)
            before = await asked(app, where)
            await asyncio.sleep(0.15)
            assert await asked(app, where) == before == ["one"]
            app.queue.go_on(where)
            await asyncio.sleep(0.03)  # its message is just being stored
            await app.queue.stop(where)
            assert not app.chat.running() and app.queue.waits(where) == bool(app.queue.of(where))
            assert len(await asked(app, where)) + len(app.queue.of(where)) == 3

    run(main())


@pytest.mark.parametrize("moment", range(8))
def test_what_is_being_sent_cannot_be_taken_out_and_put_back(moment: int) -> None:
    """Else the undo of that would send it twice."""

    async def main() -> None:
        async with running_app(lambda: ScriptedEngine(Script(text="word"))) as app:
            where = await app.ask("0")
            slow(app, lambda: 0.005)
            queued = app.queue.add(where, Draft("one"))
            app.queue.go_on(where)
            await asyncio.sleep(0.003 * moment)
            place = app.queue.remove(where, queued.id)
            await until(lambda: not (app.queue.sending(where)))
            assert ("one" in await asked(app, where)) == (place is None)
            if place is not None:
                app.queue.insert(where, queued, place)
                app.queue.go_on(where)
            await until(lambda: not (app.queue.sending(where)))
            await app.chat.idle()
            assert await asked(app, where) == ["0", "one"]
            assert not app.events(Notified)

    run(main())


def test_a_line_goes_on_by_itself_though_answers_are_faster_than_the_disk() -> None:
    async def main() -> None:
        async with running_app(lambda: ScriptedEngine(Script(text="w"))) as app:
            message = await app.send("0")
            where = message.conversation_id
            slow(app, lambda: 0.01)
            for number in range(1, 5):
                app.queue.add(where, Draft(str(number)))
            while app.queue.of(where):
                assert not app.queue.waits(where)
                await asyncio.sleep(0.001)
            await app.chat.idle()
            assert await asked(app, where) == ["0", "1", "2", "3", "4"]

    run(main())


@pytest.mark.parametrize("moment", range(8))
def test_a_deleted_chat_sends_nothing_more(moment: int) -> None:
    """Whatever is under way when it is deleted: no model answers where nobody looks."""

    async def main() -> None:
        async with running_app(lambda: ScriptedEngine(Script(text="word " * 3, rate=300))) as app:
            where = (await app.send("0")).conversation_id
            for number in range(1, 4):
                app.queue.add(where, Draft(str(number)))
            slow(app, lambda: 0.005)
            await until(lambda: app.queue.sending(where))
            await asyncio.sleep(0.003 * moment)
            await app.history.delete(where)
            waiting = app.queue.of(where)
            assert not app.chat.running()
            await asyncio.sleep(0.05)
            assert app.queue.of(where) == waiting and not app.chat.running()
            assert not app.events(Notified)

    run(main())
