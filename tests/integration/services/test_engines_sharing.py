"""Several leases of one loaded model: who shares an engine, who waits for all who do, and that none waits for ever."""

from __future__ import annotations

import asyncio

import pytest

from qwen_desktop.core.chat import Status
from qwen_desktop.core.engine import GenerateRequest
from qwen_desktop.core.errors import Cancelled
from qwen_desktop.core.model_ref import FileRef, LoadOptions, ModelRef
from qwen_desktop.core.parts import TextPart
from qwen_desktop.services.events import EngineChanged, ModelStatus, RunStage
from qwen_desktop.services.leases import Priority
from tests.app import App, run
from tests.engine_holders import Holder, answer_to, on, say, until
from tests.engine_schedules import random_schedule
from tests.scripted_engine import Script
from tests.small_computer import KILLED, Computer


def several(parallel: int = 2, **more: object) -> Computer:
    """A computer whose engines work on several answers at once."""
    computer = Computer(**more)  # type: ignore[arg-type]
    computer.parallel = parallel
    return computer


async def having(*holders: Holder) -> None:
    """Wait until each has its lease."""
    for holder in holders:
        await holder.has.wait()


async def settle() -> None:
    """Let whatever can begin do so."""
    for _ in range(20):
        await asyncio.sleep(0)


# Places ----------------------------------------------------------------------------------------------------------


def test_as_many_have_it_as_it_can_work_for_and_the_next_is_told_how_many_must_end() -> None:
    computer = several(3)

    async def test(app: App) -> None:
        ref = FileRef(app.model_file("a-1.gguf"))
        first = [Holder(app, ref, p) for p in (Priority.WINDOW, Priority.API, Priority.WINDOW)]
        await having(*first)
        later = [Holder(app, ref) for _ in range(2)]
        await settle()
        assert [holder.has.is_set() for holder in later] == [False, False]
        assert [holder.ahead for holder in later] == [1, 2]
        await first[1].end()
        await having(later[0])
        assert not later[1].has.is_set() and later[1].ahead == 1
        await first[2].end()
        await having(later[1])
        for holder in (first[0], *later):
            await holder.end()
        assert len(computer.loads) == 1

    on(computer, test)


@pytest.mark.parametrize("known", [False, True])
def test_who_comes_while_it_loads_waits_for_the_load_alone_as_far_as_is_known(*, known: bool) -> None:
    computer = several(2, load_s=0.02)

    async def test(app: App) -> None:
        ref = FileRef(app.model_file("a-1.gguf"))
        if known:
            await app.engines.load(ref)
            await app.engines.unload(ref)
        holders = [Holder(app, ref) for _ in range(3)]
        await settle()
        assert [holder.ahead for holder in holders] == [0, 0, 1 if known else 0]
        await having(*holders[:2])
        await settle()
        assert holders[2].ahead == 1
        for holder in holders:
            await holder.end()

    on(computer, test)


def test_a_loaded_model_is_loaded_for_whoever_asks_however_many_answer() -> None:
    async def test(app: App) -> None:
        ref = FileRef(app.model_file("a-1.gguf"))
        holders = [Holder(app, ref) for _ in range(2)]
        loading = asyncio.create_task(app.engines.load(ref))
        await having(*holders)
        await loading
        assert not any(holder.task.done() for holder in holders)
        for holder in holders:
            await holder.end()

    on(several(), test)


# Alone ----------------------------------------------------------------------------------------------------------


def test_another_way_of_loading_waits_for_all_and_nobody_who_came_later_goes_first() -> None:
    computer = several(3)

    async def test(app: App) -> None:
        path = app.model_file("a-1.gguf")
        ref, other = FileRef(path), FileRef(path, LoadOptions(context=1024))
        first = [Holder(app, ref) for _ in range(2)]
        await having(*first)
        reload, behind = Holder(app, other), Holder(app, ref)  # there is a place for this one, but it came later
        beside = Holder(app, other)
        await settle()
        assert (reload.ahead, behind.ahead, beside.ahead) == (2, 3, 4)
        await first[0].end()
        await settle()
        assert not reload.has.is_set() and reload.ahead == 1
        await first[1].end()
        await having(reload)
        assert not behind.has.is_set() and not beside.has.is_set()
        await reload.end()
        await having(behind)
        assert not beside.has.is_set()
        await behind.end()
        await beside.end()
        assert [load.context for load in computer.loads] == [None, 1024, None, 1024]

    on(computer, test)


def test_an_unload_waits_for_all_and_what_came_later_loads_it_again() -> None:
    computer = several(3)

    async def test(app: App) -> None:
        ref = FileRef(app.model_file("a-1.gguf"))
        first = [Holder(app, ref) for _ in range(2)]
        await having(*first)
        unload = asyncio.create_task(app.engines.unload(ref))
        await asyncio.sleep(0)
        later = Holder(app, ref)
        await first[0].end()
        await settle()
        assert not unload.done() and not later.has.is_set()
        await first[1].end()
        await having(later)
        assert unload.done() and len(computer.made) == 2 and computer.made[0].closed
        await later.end()

    on(computer, test)


async def stream(app: App, ref: ModelRef, priority: Priority, ends: asyncio.Event, count: list[int]) -> None:
    """Short leases, each begun before the one before it ends."""
    before: Holder | None = None
    while not ends.is_set():
        holder = Holder(app, ref, priority)
        while not holder.has.is_set() and not ends.is_set():
            await asyncio.sleep(0)
            if before is not None and holder.ahead:  # it waits, so it is not this one that keeps others waiting
                await before.end()
                before = None
        count[0] += 1
        if before is not None:
            await before.end()
        before = holder
    if before is not None:
        await before.end()


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_stream_of_leases_keeps_nobody_waiting_who_came_between(*, elsewhere: bool) -> None:
    computer = several(2)

    async def test(app: App) -> None:
        path = app.model_file("a-600.gguf")
        other = FileRef(app.model_file("b-600.gguf")) if elsewhere else FileRef(path, LoadOptions(context=1024))
        ends, count = asyncio.Event(), [0]
        streaming = asyncio.create_task(stream(app, FileRef(path), Priority.WINDOW, ends, count))
        await until(lambda: count[0] > 5)
        told: list[int] = []  # how many there had been each time it heard whom it waits for
        wants = Holder(app, other, heard=lambda: told.append(count[0]))
        await having(wants)
        assert told and count[0] - told[0] < 20
        asked = count[0]
        await wants.end()
        await until(lambda: count[0] > asked + 20)  # and it keeps no stream waiting
        ends.set()
        await streaming

    on(computer, test)


def test_a_load_goes_in_the_place_of_the_first_who_waits_for_it() -> None:
    computer = several(2)

    async def test(app: App) -> None:
        a, b = FileRef(app.model_file("a-600.gguf")), FileRef(app.model_file("b-600.gguf"))
        ends, count = asyncio.Event(), [0]
        streaming = asyncio.create_task(stream(app, a, Priority.API, ends, count))
        await until(lambda: count[0] > 5)
        batch = Holder(app, b, Priority.BATCH)
        await until(lambda: app.engines._leases.short)
        asked = count[0]
        await until(lambda: count[0] > asked + 20)
        assert not batch.has.is_set()  # the stream comes first
        person = Holder(app, b)
        await having(batch, person)  # beside it, in an engine that was loaded for a batch
        ends.set()
        for holder in (batch, person):
            await holder.end()
        await streaming

    on(computer, test)


# Batches and titles ----------------------------------------------------------------------------------------------


def test_one_batch_runs_beside_the_others_and_takes_no_place_of_theirs() -> None:
    async def test(app: App) -> None:
        ref = FileRef(app.model_file("a-1.gguf"))
        first = Holder(app, ref)
        await having(first)
        batch = Holder(app, ref, Priority.BATCH)
        await having(batch)
        second_batch, second = Holder(app, ref, Priority.BATCH), Holder(app, ref, Priority.API)
        await having(second)
        third = Holder(app, ref)
        await settle()
        assert not second_batch.has.is_set() and second_batch.ahead == 1
        assert not third.has.is_set() and third.ahead == 1
        await batch.end()
        await settle()
        assert not third.has.is_set() and not second_batch.has.is_set()  # who waits for a place goes first
        await first.end()
        await having(third, second_batch)
        for holder in (second, third, second_batch):
            await holder.end()

    on(several(), test)


@pytest.mark.parametrize("parallel", [1, 2])
def test_a_batch_keeps_nobody_waiting(parallel: int) -> None:
    async def test(app: App) -> None:
        ref = FileRef(app.model_file("a-1.gguf"))
        batch = Holder(app, ref, Priority.BATCH)
        await having(batch)
        for priority in (Priority.WINDOW, Priority.API):
            other = Holder(app, ref, priority)
            await having(other)
            assert not batch.task.done()
            await other.end()
        await batch.end()

    on(several(parallel), test)


def test_where_one_answer_is_worked_on_a_batch_begins_when_nobody_answers() -> None:
    async def test(app: App) -> None:
        ref = FileRef(app.model_file("a-1.gguf"))
        first = Holder(app, ref)
        await having(first)
        batch = Holder(app, ref, Priority.BATCH)
        await settle()
        assert not batch.has.is_set() and batch.ahead == 1
        await first.end()
        await having(batch)
        await batch.end()

    on(several(1), test)


def test_a_title_is_written_when_nobody_wants_anything_and_shares_with_who_comes_then() -> None:
    async def test(app: App) -> None:
        a, b = FileRef(app.model_file("a-1.gguf")), FileRef(app.model_file("b-1.gguf"))
        for ref in (a, b):
            await app.engines.load(ref)
        here, elsewhere = Holder(app, a), Holder(app, b, Priority.BATCH)
        await having(here, elsewhere)
        title = Holder(app, a, Priority.TITLE)
        await settle()
        assert not title.has.is_set() and title.ahead == 2
        await here.end()
        await settle()
        assert not title.has.is_set() and title.ahead == 1
        await elsewhere.end()
        await having(title)
        second_title, person = Holder(app, a, Priority.TITLE), Holder(app, a)
        await having(person)
        assert not second_title.has.is_set()
        await title.end()
        await settle()
        assert not second_title.has.is_set()
        await person.end()
        await second_title.end()

    on(several(), test)


# What happens to a model that several have ----------------------------------------------------------------------


def test_a_crash_fails_all_who_had_it_with_one_sentence_and_who_waits_gets_it_loaded_again() -> None:
    computer = several(2, script=Script("abcd" * 50, rate=400))

    async def test(app: App) -> None:
        ref = FileRef(app.model_file("a-1.gguf"))
        questions = [await say(app, ref, f"Question {number}") for number in range(3)]
        chats = [question.conversation_id for question in questions]
        await until(lambda: {told.conversation_id for told in app.deltas()} == {*chats[:2]})
        computer.made[0].crash()
        await app.chat.idle()
        answers = [await answer_to(app, question) for question in questions]
        assert [answer.status for answer in answers] == [Status.FAILED, Status.FAILED, Status.DONE]
        assert [answer.problem for answer in answers] == [KILLED, KILLED, None]
        assert all(answer.parts for answer in answers) and len(computer.loads) == 2

    on(computer, test)


def test_a_file_that_moves_leaves_memory_with_the_last_who_has_it() -> None:
    computer = several()

    async def test(app: App) -> None:
        ref = FileRef(app.model_file("a-600.gguf"))
        first = [Holder(app, ref) for _ in range(2)]
        await having(*first)
        new = app.model_file("elsewhere-600.gguf")
        app.engines.moved(lambda path: new if path == ref.path else path)
        await first[0].end()
        assert app.engines.resident() == (new,) and not computer.made[0].closed
        await first[1].end()
        assert app.engines.resident() == ()
        await app.engines.load(FileRef(new))
        assert [load.path for load in computer.loads] == [ref.path, new]

    on(computer, test)


def test_a_model_rests_and_goes_only_when_all_have_left() -> None:
    computer = several()

    async def test(app: App) -> None:
        ref = FileRef(app.model_file("a-1.gguf"))
        await app.preferences.set("engine.unload_minutes", 1)
        holders = [Holder(app, ref) for _ in range(2)]
        await having(*holders)
        left = asyncio.Event()
        app.bus.subscribe(EngineChanged, lambda e: left.set() if e.state.status is ModelStatus.IDLE else None)
        await holders[0].end()
        await app.engines.free(ref.path)  # its file is to be deleted: not while somebody has it
        await app.engines.drop(ref)
        await asyncio.sleep(0.05)
        assert app.engines.resident() == (ref.path,) and not left.is_set()
        await holders[1].end()
        await asyncio.wait_for(left.wait(), 1)
        assert app.engines.resident() == () and computer.made[0].closed

    on(computer, test, minute_s=0.01)


def test_closing_ends_the_engine_of_several_and_sends_away_who_waits() -> None:
    computer = several()

    async def test(app: App) -> None:
        ref = FileRef(app.model_file("a-1.gguf"))
        holders = [Holder(app, ref) for _ in range(2)]
        await having(*holders)
        waiting = [Holder(app, ref), Holder(app, ref, Priority.TITLE)]
        await settle()
        await asyncio.wait_for(app.engines.aclose(), 1)
        for holder in waiting:
            with pytest.raises(Cancelled):
                await holder.task
        assert computer.made[0].closed
        for holder in holders:
            await holder.end()

    on(computer, test)


# Chats ----------------------------------------------------------------------------------------------------------


def text_of(parts: object) -> str:
    return "".join(part.text for part in parts if isinstance(part, TextPart))  # type: ignore[attr-defined]


def test_two_chats_are_answered_at_once_each_with_its_own_words_and_the_third_waits_for_one() -> None:
    def script(request: GenerateRequest) -> Script:
        return Script(f"{text_of(request.messages[-1].parts)} " * 30, rate=300)

    computer = several(load_s=0.01)
    computer.script = script  # type: ignore[assignment]

    async def test(app: App) -> None:
        ref = FileRef(app.model_file("a-1.gguf"))
        questions = [await say(app, ref, f"Question {number}") for number in range(3)]
        chats = [question.conversation_id for question in questions]
        speaking = [RunStage.SPEAKING] * 2
        await until(lambda: [run.stage for run in map(app.chat.run, chats[:2]) if run is not None] == speaking)
        third = app.chat.run(chats[2])
        assert third is not None and (third.stage, third.ahead) == (RunStage.QUEUED, 1)
        assert app.chat.running() == {*chats}
        await app.chat.stop(chats[0])
        await until(lambda: (run := app.chat.run(chats[2])) is not None and run.stage is RunStage.SPEAKING)
        assert app.chat.running() == {*chats[1:]}
        await app.chat.idle()
        answers = [await answer_to(app, question) for question in questions]
        assert [answer.status for answer in answers] == [Status.STOPPED, Status.DONE, Status.DONE]
        for number, answer in enumerate(answers):
            whole = f"Question {number} " * 30
            said = text_of(answer.parts)
            assert said and whole.startswith(said.rstrip()) and (number == 0 or len(said.split()) == 60)
            assert app.shown(answer.conversation_id) == answer.parts
        assert computer.made[0].most == 2 and len(computer.loads) == 1

    on(computer, test)


def test_an_answer_that_waits_for_the_memory_of_others_is_told_of_each() -> None:
    computer = several(3, total=1000)

    async def test(app: App) -> None:
        a, b = FileRef(app.model_file("a-600.gguf")), FileRef(app.model_file("b-600.gguf"))
        holders = [Holder(app, a) for _ in range(3)]
        await having(*holders)
        await say(app, b)
        for holder in holders:
            await until(lambda: app.engines._leases.short)
            await settle()
            await holder.end()
        await app.chat.idle()
        assert app.stages()[-5:] == ["queued 3", "queued 2", "queued 1", "loading", "reading"]

    on(computer, test)


@pytest.mark.parametrize("parallel", [2, 3])
def test_random_schedules_with_several_holders(parallel: int) -> None:
    async def main() -> None:
        for seed in range(100 * parallel, 100 * parallel + 6):
            await asyncio.wait_for(random_schedule(seed, parallel), 5)

    run(main(), seconds=30)
