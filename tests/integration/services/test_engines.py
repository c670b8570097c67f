"""Who gets which engine when, and who leaves memory: the registry with scripted engines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from msgspec import structs

from qwen_desktop.core.chat import Conversation, Message, Status
from qwen_desktop.core.engine import GenerateRequest
from qwen_desktop.core.errors import Cancelled, Environment, UserFacing
from qwen_desktop.core.model_ref import FileRef, GuideRef, LoadOptions, ModelRef
from qwen_desktop.core.parts import Role
from qwen_desktop.services.engines import Priority
from qwen_desktop.services.events import (
    EngineChanged,
    EngineState,
    MessageAdded,
    ModelChanged,
    ModelStatus,
)
from tests.app import App, run, running_app
from tests.engine_schedules import random_schedule
from tests.scripted_engine import Script
from tests.small_computer import KILLED, Computer, Heavy


@asynccontextmanager
async def running_on(computer: Computer, **more: object) -> AsyncIterator[App]:
    async with running_app(computer, needs=computer.needs, free=computer.free, **more) as app:
        yield app


def on(computer: Computer, test: Callable[[App], Awaitable[None]], **more: object) -> None:
    async def main() -> None:
        async with running_on(computer, **more) as app:
            await test(app)

    run(main())


class Holder:
    """Holds a lease until it is let go."""

    def __init__(self, app: App, ref: ModelRef, priority: Priority = Priority.WINDOW) -> None:
        self.has = asyncio.Event()
        self.release = asyncio.Event()
        self.task = asyncio.create_task(self._hold(app, ref, priority))

    async def _hold(self, app: App, ref: ModelRef, priority: Priority) -> None:
        async with app.engines.lease(ref, priority=priority):
            self.has.set()
            await self.release.wait()

    async def end(self) -> None:
        self.release.set()
        await self.task


async def until(reached: Callable[[], object]) -> None:
    """Wait for something that is seen from outside."""
    while not reached():  # noqa: ASYNC110 - nothing tells it
        await asyncio.sleep(0.001)


async def say(app: App, ref: ModelRef, text: str = "Go") -> Message:
    """Ask in a new conversation, of this model."""
    app.models._state = app.models._chosen(ref.path if isinstance(ref, FileRef) else "")
    return await app.send(text)


async def answer_to(app: App, question: Message) -> Message:
    return (await app.history.tail(question.conversation_id, 1))[0]


def made_by(message: Message) -> str:
    assert message.provenance is not None
    return Path(message.provenance.model_path).name


# Residency ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mapped", [0.0, 0.7])
def test_what_fits_stays_and_the_least_recently_used_leaves(mapped: float) -> None:
    computer = Computer(1000, mapped=mapped)

    async def test(app: App) -> None:
        a, b, c = (FileRef(app.model_file(f"{name}-400.gguf")) for name in "abc")
        for ref in (GuideRef(), a, b, a):
            await app.engines.load(ref)
            async with app.engines.lease(ref):
                pass
        assert computer.taken() == {"a-400.gguf": 400, "b-400.gguf": 400} and len(computer.made) == 3
        await app.engines.load(c)
        assert computer.taken() == {"a-400.gguf": 400, "c-400.gguf": 400}
        assert app.engines.state(b).status is ModelStatus.IDLE
        assert app.engines.resident()[0] == str(app.paths.guide_file)  # the guide is no burden
        assert app.engines.resident()[1:] == (a.path, c.path)

    on(computer, test)


def test_a_model_that_is_too_large_for_all_others_is_loaded_alone() -> None:
    computer = Computer(1000)

    async def test(app: App) -> None:
        for name in ("a-300", "b-300", "huge-5000"):
            await app.engines.load(FileRef(app.model_file(f"{name}.gguf")))
        assert computer.taken() == {"huge-5000.gguf": 5000}

    on(computer, test)


def test_an_answer_goes_on_while_another_model_loads_if_both_fit() -> None:
    computer = Computer(1000, load_s=0.05)

    async def test(app: App) -> None:
        a, b = FileRef(app.model_file("a-400.gguf")), FileRef(app.model_file("b-400.gguf"))
        first = Holder(app, a)
        await first.has.wait()
        await app.engines.load(b)
        assert not computer.of(a.path).closed and set(computer.taken()) == {"a-400.gguf", "b-400.gguf"}
        await first.end()

    on(computer, test)


def test_a_model_that_answers_keeps_its_memory_and_nobody_who_came_later_goes_first() -> None:
    computer = Computer(1000)

    async def test(app: App) -> None:
        a, b = FileRef(app.model_file("a-600.gguf")), FileRef(app.model_file("b-600.gguf"))
        first, second = Holder(app, a), Holder(app, a)
        await first.has.wait()
        other, third = Holder(app, b), Holder(app, a)
        await until(lambda: app.engines._short)  # it is known that both do not fit
        assert not other.has.is_set() and set(computer.taken()) == {"a-600.gguf"}
        await first.end()
        await second.has.wait()  # it came before
        await second.end()
        await other.has.wait()
        assert set(computer.taken()) == {"b-600.gguf"} and not third.has.is_set()
        await other.end()
        await third.has.wait()
        assert set(computer.taken()) == {"a-600.gguf"}
        await third.end()
        assert computer.most == 0  # never were there two

    on(computer, test)


def test_the_guide_answers_while_another_model_waits_for_memory() -> None:
    computer = Computer(1000)

    async def test(app: App) -> None:
        await app.engines.load(GuideRef())
        a, b = FileRef(app.model_file("a-600.gguf")), FileRef(app.model_file("b-600.gguf"))
        first = Holder(app, a)
        await first.has.wait()
        waiting = asyncio.create_task(app.engines.load(b))
        await until(lambda: app.engines._short)
        async with asyncio.timeout(1), app.engines.lease(GuideRef()):
            assert not first.task.done() and not waiting.done()
        await first.end()
        await waiting

    on(computer, test)


def test_of_models_on_a_graphics_card_there_is_one() -> None:
    computer = Computer(1000)
    computer.cards = 20

    async def test(app: App) -> None:
        a, b = FileRef(app.model_file("a-100.gguf")), FileRef(app.model_file("b-100.gguf"))
        c = FileRef(app.model_file("c-100.gguf"), LoadOptions(gpu_layers=0))
        await app.engines.load(a)
        await app.engines.load(c)  # keeps to the processor
        assert set(computer.taken()) == {"a-100.gguf", "c-100.gguf"}
        await app.engines.load(b)
        assert set(computer.taken()) == {"b-100.gguf", "c-100.gguf"}

    on(computer, test)


def test_two_ways_of_loading_one_file_take_turns_in_one_engine() -> None:
    computer = Computer(1000)

    async def test(app: App) -> None:
        path = app.model_file("a-600.gguf")
        short, long = FileRef(path, LoadOptions(context=1024)), FileRef(path, LoadOptions(context=8192))
        for ref in (short, long, short):
            async with app.engines.lease(ref) as engine:
                assert engine.info is not None and engine.info.context_size == ref.options.context
        (only,) = computer.made
        assert [load.context for load in only.loads] == [1024, 8192, 1024]

    on(computer, test)


def test_options_of_the_request_go_before_those_of_the_model_and_those_before_the_settings() -> None:
    computer = Computer()
    kept = LoadOptions(context=2048, threads=3, kv_type="q8_0")

    async def test(app: App) -> None:
        await app.preferences.change({"engine.context": 512, "engine.threads": 1, "engine.gpu_layers": 7})
        ref = FileRef(app.model_file("a-1.gguf"), LoadOptions(context=1024, flash_attention="on"))
        await app.engines.load(ref)
        (load,) = computer.made[0].loads
        assert (load.context, load.threads, load.gpu_layers) == (1024, 3, 7)
        assert (load.flash_attention, load.kv_type) == ("on", "q8_0")

    on(computer, test, options=lambda path: kept if "a-1" in path else LoadOptions())


def test_unused_models_leave_after_the_minutes_of_the_settings() -> None:
    computer = Computer()

    async def test(app: App) -> None:
        a, b = FileRef(app.model_file("a-1.gguf")), FileRef(app.model_file("b-1.gguf"))
        await app.engines.load(a)
        held = Holder(app, b)
        await held.has.wait()
        left = asyncio.Event()
        app.bus.subscribe(EngineChanged, lambda e: left.set() if e.state.status is ModelStatus.IDLE else None)
        await app.preferences.set("engine.unload_minutes", 1)
        await asyncio.wait_for(left.wait(), 1)
        assert app.engines.resident() == (b.path,)  # in use
        left.clear()
        await held.end()
        await asyncio.wait_for(left.wait(), 1)
        assert app.engines.resident() == () and all(engine.closed for engine in computer.made)
        await app.engines.load(a)
        assert app.engines.state(a).status is ModelStatus.READY

    on(computer, test, minute_s=0.02)


def move(app: App, path: str) -> str:
    """Move a model's file, as the models folder does, and say so."""
    new = str(app.paths.data / "elsewhere" / Path(path).name)
    Path(new).parent.mkdir(exist_ok=True)
    Path(path).rename(new)
    app.engines.moved(lambda known: new if known == path else known)
    return new


def test_who_waits_for_a_file_that_moves_gets_it_from_its_new_place() -> None:
    computer = Computer(1000)

    async def test(app: App) -> None:
        ref = FileRef(app.model_file("a-600.gguf"), LoadOptions(context=1024))
        first, second = Holder(app, ref), Holder(app, ref)
        await first.has.wait()
        new = move(app, ref.path)
        third = Holder(app, FileRef(new))  # this one knows it already, and there is no room for two
        assert app.engines.state(FileRef(new)).status is ModelStatus.READY
        assert not computer.made[0].closed  # it answers
        await first.end()
        await second.has.wait()
        await second.end()
        await third.has.wait()
        assert [(load.path, load.context) for load in computer.of(new).loads] == [
            (ref.path, 1024), (new, 1024), (new, None),
        ]  # fmt: skip
        assert app.engines.resident() == (new,)
        await third.end()

    on(computer, test)


def test_who_waits_for_memory_while_the_file_moves_gets_it_from_its_new_place() -> None:
    computer = Computer(1000)

    async def test(app: App) -> None:
        a, b = FileRef(app.model_file("a-600.gguf")), FileRef(app.model_file("b-600.gguf"))
        await app.models.open_file(a.path)
        first = Holder(app, a)
        await first.has.wait()
        question = await say(app, b)
        await until(lambda: "queued 1" in app.stages())
        new = move(app, b.path)
        await first.end()
        await app.chat.idle()
        answer = await answer_to(app, question)
        assert answer.status is Status.DONE and answer.provenance is not None
        assert answer.provenance.model_path == new and app.engines.resident() == (new,)

    on(computer, test)


def test_what_was_loaded_from_the_old_place_leaves_memory() -> None:
    computer = Computer(1000)

    async def test(app: App) -> None:
        a, b = FileRef(app.model_file("a-300.gguf")), FileRef(app.model_file("b-300.gguf"))
        held = Holder(app, a)
        await held.has.wait()
        await app.engines.load(b)
        old = {ref: EngineState(ModelStatus.READY) for ref in (a, b)}
        app.bus.subscribe(EngineChanged, lambda event: old.__setitem__(event.ref, event.state))
        places = [move(app, b.path), move(app, a.path)]
        assert app.engines.resident() == (places[1],)
        await held.end()
        assert app.engines.resident() == ()
        await until(lambda: computer.taken() == {})
        assert {state.status for state in old.values()} == {ModelStatus.IDLE} and FileRef(places[1]) in old

    on(computer, test)


def test_a_file_that_is_to_be_deleted_leaves_memory_unless_somebody_uses_it() -> None:
    computer = Computer()

    async def test(app: App) -> None:
        ref = FileRef(app.model_file("a-300.gguf"))
        holder = Holder(app, ref)
        await holder.has.wait()
        await app.engines.free(ref.path)
        assert computer.taken() == {"a-300.gguf": 300}
        await holder.end()
        await app.engines.free(ref.path)
        assert computer.taken() == {} and app.engines.state(ref).status is ModelStatus.IDLE
        await app.engines.free(app.model_file("never-loaded-1.gguf"))

    on(computer, test)


def test_a_model_that_had_to_leave_is_not_called_ready_when_the_other_is_not_wanted_any_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    computer = Computer(1000)
    leaving, gone = asyncio.Event(), asyncio.Event()
    aclose = Heavy.aclose

    async def slowly(engine: Heavy) -> None:
        leaving.set()
        await gone.wait()
        await aclose(engine)

    monkeypatch.setattr(Heavy, "aclose", slowly)

    async def test(app: App) -> None:
        a, b = (FileRef(app.model_file(f"{name}-600.gguf")) for name in "ab")
        await app.engines.load(a)
        wanted = asyncio.create_task(app.engines.load(b))
        await leaving.wait()
        wanted.cancel()
        await asyncio.wait({wanted})
        await app.engines.drop(b)  # as when another model is chosen
        gone.set()
        assert app.engines.state(a).status is app.engines.state(b).status is ModelStatus.IDLE
        assert app.engines.resident() == ()

    on(computer, test)


# Turns ----------------------------------------------------------------------------------------------------------


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


# Crashes ----------------------------------------------------------------------------------------------------------


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


# Chats ----------------------------------------------------------------------------------------------------------


def test_a_queued_answer_is_made_by_the_model_that_it_was_asked_of() -> None:
    computer = Computer(1000, script=Script("abcd" * 10, rate=200))

    async def test(app: App) -> None:
        a, b = FileRef(app.model_file("a-600.gguf")), FileRef(app.model_file("b-600.gguf"))
        await app.models.open_file(a.path)
        first = await app.send("One")
        queued = await app.send("Two")
        await app.models.open_file(b.path)
        third = await app.send("Three")
        await app.chat.idle()
        answers = [await answer_to(app, question) for question in (first, queued, third)]
        assert [made_by(answer) for answer in answers] == ["a-600.gguf", "a-600.gguf", "b-600.gguf"]
        assert {answer.status for answer in answers} == {Status.DONE}
        assert Path(app.models.state.path).name == "b-600.gguf"
        assert computer.most == 0

    on(computer, test)


def test_a_conversation_is_answered_by_its_own_model(monkeypatch: pytest.MonkeyPatch) -> None:
    computer = Computer(1000)

    async def test(app: App) -> None:
        own, chosen = FileRef(app.model_file("own-1.gguf")), FileRef(app.model_file("chosen-1.gguf"))
        await app.models.open_file(chosen.path)
        question = await app.send("One")
        await app.chat.idle()
        get = app.history.get

        async def with_model(conversation_id: str) -> Conversation | None:
            found = await get(conversation_id)
            return structs.replace(found, model=own) if found is not None else None

        monkeypatch.setattr(app.history, "get", with_model)
        await app.send("Two", question.conversation_id)
        (expected,) = [e.message for e in app.events(MessageAdded) if e.message.role is Role.ASSISTANT][1:]
        assert expected.provenance is not None and expected.provenance.model_name == "own-1"
        await app.chat.idle()
        answer = await answer_to(app, question)
        assert made_by(answer) == "own-1.gguf" and answer.status is Status.DONE
        await app.chat.regenerate(answer.id)
        await app.chat.idle()
        assert made_by(await answer_to(app, question)) == "own-1.gguf"
        assert app.models.state.path == chosen.path and app.models.state.status is ModelStatus.READY

    on(computer, test)


def test_a_conversation_that_begins_with_a_model_keeps_it() -> None:
    computer = Computer(1000)

    async def test(app: App) -> None:
        own, chosen = FileRef(app.model_file("own-1.gguf")), FileRef(app.model_file("chosen-1.gguf"))
        await app.models.open_file(chosen.path)
        question = await app.send("One", model=own)
        await app.chat.idle()
        await app.chat.regenerate((await answer_to(app, question)).id)
        await app.chat.idle()
        assert made_by(await answer_to(app, question)) == "own-1.gguf"
        kept = await app.history.get(question.conversation_id)
        assert kept is not None and kept.model == own
        assert app.models.state_of(own).path == own.path and app.models.state_of(own).status is ModelStatus.READY
        assert app.models.state_of(None) == app.models.state_of(chosen) == app.models.state

    on(computer, test)


def test_an_answer_that_waits_for_the_memory_of_another_says_so() -> None:
    computer = Computer(1000, load_s=0.01)

    async def test(app: App) -> None:
        a, b = FileRef(app.model_file("a-600.gguf")), FileRef(app.model_file("b-600.gguf"))
        first = Holder(app, a)
        await first.has.wait()
        await say(app, b)
        await until(lambda: "queued 1" in app.stages())
        await first.end()
        await app.chat.idle()
        assert app.stages()[-3:] == ["queued 1", "loading", "reading"]

    on(computer, test)


def test_a_second_model_asked_for_while_the_first_loads() -> None:
    computer = Computer(1000, load_s=0.05)

    async def test(app: App) -> None:
        a, b = FileRef(app.model_file("a-600.gguf")), FileRef(app.model_file("b-600.gguf"))
        first = await say(app, a)
        await asyncio.sleep(0.01)
        second = await say(app, b)
        await app.chat.idle()
        assert [made_by(await answer_to(app, q)) for q in (first, second)] == ["a-600.gguf", "b-600.gguf"]
        assert [len(engine.loads) for engine in computer.made] == [1, 1] and computer.most == 0

    on(computer, test)


def test_what_was_asked_of_a_file_that_is_loading_is_answered_by_it_whatever_is_chosen_then() -> None:
    computer = Computer(1000, load_s=0.05)

    async def test(app: App) -> None:
        slow, other = app.model_file("slow-1.gguf"), app.model_file("other-1.gguf")
        opening = asyncio.create_task(app.models.open_file(slow))
        await asyncio.sleep(0.01)
        question = await app.send("To the slow one")
        await until(app.stages)
        assert set(app.stages()) == {"loading"}  # it waits for nobody's answer
        await app.models.open_file(other)
        await opening
        await app.chat.idle()
        answer = await answer_to(app, question)
        assert made_by(answer) == "slow-1.gguf" and answer.status is Status.DONE
        assert app.models.state.path == other and app.models.state.status is ModelStatus.READY
        assert [len(engine.loads) for engine in computer.made] == [1, 1]

    on(computer, test)


@pytest.mark.parametrize("total", [1000, 2000])
def test_six_conversations_over_two_models(total: int) -> None:
    asked: list[GenerateRequest] = []

    def script(request: GenerateRequest) -> Script:
        asked.append(request)
        return Script("abcd" * 5, rate=500)

    computer = Computer(total)
    computer.script = script  # type: ignore[assignment]

    async def test(app: App) -> None:
        refs = [FileRef(app.model_file("a-600.gguf")), FileRef(app.model_file("b-600.gguf"))]
        questions = [await say(app, refs[number % 2], f"Question {number}") for number in range(6)]
        await app.chat.idle()
        answers = [await answer_to(app, question) for question in questions]
        assert {answer.status for answer in answers} == {Status.DONE}
        assert [made_by(answer) for answer in answers] == ["a-600.gguf", "b-600.gguf"] * 3
        told = [request.messages[-1].parts[0].text for request in asked]  # type: ignore[union-attr]
        if total == 1000:  # one at a time, in the order in which they were asked
            assert told == [f"Question {number}" for number in range(6)] and computer.most == 0
        else:
            assert [len(engine.loads) for engine in computer.made] == [1, 1]

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
