"""Who leaves memory and who stays: the registry with scripted engines on a computer with little of it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from msgspec import structs

from qwen_desktop.core.chat import Status
from qwen_desktop.core.engine import LoadRequest
from qwen_desktop.core.model_ref import FileRef, GuideRef, LoadOptions
from qwen_desktop.services.events import (
    EngineChanged,
    EngineState,
    ModelStatus,
)
from tests.app import App
from tests.engine_holders import Holder, answer_to, on, say, until
from tests.small_computer import Computer, Heavy


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
        await until(lambda: app.engines._leases.short)  # it is known that both do not fit
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
        await until(lambda: app.engines._leases.short)
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


def test_writing_ahead_is_as_the_settings_say_at_the_load() -> None:
    computer = Computer()

    async def test(app: App) -> None:
        ref = FileRef(app.model_file("a-1.gguf"))
        await app.engines.load(ref)
        await app.preferences.set("engine.drafts", "off")
        async with app.engines.lease(ref):
            pass
        assert [load.drafts for load in computer.made[0].loads] == ["auto", "off"]

    on(computer, test)


def test_a_small_model_that_guesses_is_found_at_the_load_and_has_room_made_for_it() -> None:
    computer = Computer(1000)
    needs: list[str] = []

    async def guessing(request: LoadRequest) -> LoadRequest:
        return structs.replace(request, draft_model={"auto": "small.gguf", "off": ""}[request.draft_model])

    async def needed(request: LoadRequest) -> int:
        needs.append(request.draft_model)
        return await computer.needs(request)

    async def test(app: App) -> None:
        first, ref = FileRef(app.model_file("b-2.gguf")), FileRef(app.model_file("a-1.gguf"))
        await app.engines.load(first)
        app.engines._guessing, app.engines._needs = guessing, needed
        await app.engines.load(GuideRef())
        await app.preferences.set("engine.draft_model", "auto")
        async with app.engines.lease(ref):
            pass
        count = len(computer.loads)
        async with app.engines.lease(ref):  # it is loaded as it is to be
            pass
        assert len(computer.loads) == count
        loads = {Path(load.path).name: load.draft_model for load in computer.loads}
        assert loads["a-1.gguf"] == "small.gguf" and loads["b-2.gguf"] == "" and "small.gguf" in needs
        assert [load.draft_model for load in computer.loads if load.path == str(app.paths.guide_file)] == [""]

    on(computer, test)


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
