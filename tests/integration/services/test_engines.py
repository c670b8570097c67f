"""Who gets which engine when, and what a crash is to those who have it: the registry with scripted engines."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from qwen_desktop.core.chat import Status
from qwen_desktop.core.errors import Cancelled, Environment, UserFacing
from qwen_desktop.core.model_ref import FileRef
from qwen_desktop.services.events import (
    EngineChanged,
    ModelChanged,
    ModelStatus,
)
from qwen_desktop.services.leases import Priority
from tests.app import App, run
from tests.engine_holders import Holder, answer_to, on, say, until
from tests.engine_schedules import random_schedule
from tests.scripted_engine import Script
from tests.small_computer import KILLED, Computer


def test_priorities_then_first_come_first_served() -> None:
    computer = Computer()

    async def test(app: App) -> None:
        ref = FileRef(app.model_file("a-1.gguf"))
        order: list[str] = []
        ahead: dict[str, int] = {}

        async def want(name: str, priority: Priority) -> None:
            async with app.engines.lease(ref, priority=priority, on_load=lambda n: ahead.update({name: n})):
                order.append(name)

        first = Holder(app, ref, Priority.TITLE)
        await first.has.wait()
        asked = [("title", Priority.TITLE), ("batch", Priority.BATCH), ("api", Priority.API)]
        asked += [("window", Priority.WINDOW), ("batch 2", Priority.BATCH), ("window 2", Priority.WINDOW)]
        tasks = [asyncio.create_task(want(*one)) for one in asked]
        await until(lambda: len(ahead) == 6)
        assert ahead == {"title": 1, "batch": 1, "api": 1, "window": 1, "batch 2": 4, "window 2": 2}
        await first.end()
        await asyncio.gather(*tasks)
        assert order == ["window", "window 2", "api", "batch", "batch 2", "title"]

    on(computer, test)


def test_loads_go_by_priority_one_at_a_time() -> None:
    computer = Computer(10_000)

    async def test(app: App) -> None:
        refs = {name: FileRef(app.model_file(f"{name}-1.gguf")) for name in ("first", "title", "batch", "window")}
        priorities = {
            "first": Priority.TITLE,
            "title": Priority.TITLE,
            "batch": Priority.BATCH,
            "window": Priority.WINDOW,
        }
        holders = []
        for name, ref in refs.items():
            holders.append(Holder(app, ref, priorities[name]))
            await asyncio.sleep(0)
        for holder in holders:
            await holder.has.wait()
            await holder.end()
        loaded = [Path(engine.loads[0].path).name for engine in computer.made]
        assert loaded == ["first-1.gguf", "window-1.gguf", "batch-1.gguf", "title-1.gguf"]

    on(computer, test)


def test_a_cancelled_caller_does_not_end_a_load_the_next_one_finds_it_further_on() -> None:
    computer = Computer(load_s=0.05)

    async def test(app: App) -> None:
        ref = FileRef(app.model_file("a-1.gguf"))
        holder = Holder(app, ref)
        await until(lambda: app.engines.state(ref).fraction > 0.3)
        holder.task.cancel()
        await asyncio.wait({holder.task})
        assert app.engines.state(ref).status is ModelStatus.LOADING
        await app.engines.load(ref)
        assert len(computer.made) == 1 and len(computer.made[0].loads) == 1

    on(computer, test)


def test_a_load_that_nobody_waits_for_is_given_up_for_another_model() -> None:
    computer = Computer(load_s=60)

    async def test(app: App) -> None:
        slow, quick = FileRef(app.model_file("slow-1.gguf")), FileRef(app.model_file("quick-1.gguf"))
        holder, behind = Holder(app, slow), Holder(app, quick)
        await until(lambda: computer.loading)
        assert not computer.made[0].closed
        computer.load_s = 0
        holder.task.cancel()
        await asyncio.wait_for(behind.has.wait(), 1)
        assert computer.made[0].closed and app.engines.state(slow).status is ModelStatus.IDLE
        await behind.end()

    on(computer, test)


def test_one_failed_load_is_one_error_for_all_who_waited_and_none_for_who_comes_later() -> None:
    computer = Computer()

    async def test(app: App) -> None:
        ref = FileRef(app.model_file("a-1.gguf"))
        computer.refusals.add("a-1.gguf")
        holders = [Holder(app, ref) for _ in range(3)]
        for holder in holders:
            with pytest.raises(Environment, match="not enough memory"):
                await holder.task
        assert len(computer.made) == 1 and computer.made[0].closed
        state = app.engines.state(ref)
        assert state.status is ModelStatus.FAILED and state.problem is not None
        computer.refusals.clear()
        await app.engines.load(ref)
        assert app.engines.state(ref).status is ModelStatus.READY and app.engines.state(ref).problem is None

    on(computer, test)


def test_closing_sends_everybody_away_and_ends_a_load_that_hangs() -> None:
    computer = Computer(load_s=60)

    async def test(app: App) -> None:
        refs = [FileRef(app.model_file(f"{name}-1.gguf")) for name in "abc"]
        holders = [Holder(app, ref) for ref in (*refs, *refs)]
        await until(lambda: computer.loading)
        await asyncio.wait_for(app.engines.aclose(), 1)
        ends = await asyncio.gather(*(holder.task for holder in holders), return_exceptions=True)
        assert all(isinstance(end, Cancelled) for end in ends)
        assert len(computer.made) == 1 and computer.made[0].closed

    on(computer, test)


# Crashes ----------------------------------------------------------


def test_an_engine_that_crashes_in_mid_answer_is_loaded_again_for_all_to_see() -> None:
    computer = Computer(script=Script("abcd" * 50, rate=400), load_s=0.01)

    async def test(app: App) -> None:
        path = app.model_file("a-1.gguf")
        await app.models.open_file(path)
        question = await app.send("Go")
        behind = await say(app, FileRef(path))  # waits for its turn
        await until(app.deltas)
        app.seen.clear()
        computer.made[0].crash()
        assert app.models.state.status is ModelStatus.IDLE
        await app.chat.idle()
        answer = await answer_to(app, question)
        assert answer.status is Status.FAILED and answer.problem == KILLED and answer.parts
        assert (await answer_to(app, behind)).status is Status.DONE
        states = [event.state for event in app.events(ModelChanged)]
        assert states[0].status is ModelStatus.IDLE and states[-1].status is ModelStatus.READY
        assert len({s.fraction for s in states if s.status is ModelStatus.LOADING}) > 5  # its progress is shown
        assert app.stages() == ["loading", "reading"]

    on(computer, test)


def test_an_engine_that_ends_while_nobody_uses_it_is_loaded_again_with_the_next_message() -> None:
    computer = Computer()

    async def test(app: App) -> None:
        ref = FileRef(app.model_file("a-600.gguf"))
        await app.engines.load(ref)
        computer.made[0].crash()
        assert app.engines.state(ref).status is ModelStatus.IDLE and app.engines.resident() == ()
        async with app.engines.lease(ref) as engine:
            assert engine.info is not None
        assert len(computer.made[0].loads) == 2

    on(computer, test)


def test_an_engine_that_always_ends_when_it_is_loaded_is_one_error() -> None:
    computer = Computer()

    async def test(app: App) -> None:
        ref = FileRef(app.model_file("a-1.gguf"))
        crash = lambda event: computer.made[-1].crash() if event.state.status is ModelStatus.READY else None  # noqa: E731
        app.bus.subscribe(EngineChanged, crash)
        with pytest.raises(Environment, match="killed"):
            await app.engines.load(ref)
        assert len(computer.made[0].loads) == 1 and app.engines.state(ref).status is ModelStatus.IDLE

    on(computer, test)


def test_a_missing_file_is_said_by_its_name() -> None:
    async def test(app: App) -> None:
        with pytest.raises(UserFacing, match=r"There is no model file /nowhere/a\.gguf"):
            await app.engines.load(FileRef("/nowhere/a.gguf"))

    on(Computer(), test)


def test_random_schedules() -> None:
    async def main() -> None:
        for seed in range(15):
            await asyncio.wait_for(random_schedule(seed), 5)

    run(main(), seconds=30)
