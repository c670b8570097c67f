"""Choosing and loading models, with scripted engines."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from qwen_desktop.core.chat import Status
from qwen_desktop.core.engine import LocalEngine
from qwen_desktop.core.errors import Environment, UserFacing
from qwen_desktop.core.text import Text
from qwen_desktop.services.events import ModelChanged, ModelStatus
from qwen_desktop.services.models import ModelFile
from tests.app import run, running_app
from tests.scripted_engine import Script, ScriptedEngine


def remove(path: str) -> None:
    Path(path).unlink()


class Factory:
    """Makes scripted engines and keeps them."""

    def __init__(self, script: Script | None = None, load_s: float = 0.0) -> None:
        self.made: list[ScriptedEngine] = []
        self._script = script
        self._load_s = load_s

    def __call__(self) -> LocalEngine:
        engine = ScriptedEngine(self._script, load_s=self._load_s)
        self.made.append(engine)
        return engine


def test_the_guide_is_there_from_the_start() -> None:
    async def main() -> None:
        factory = Factory()
        async with running_app(factory) as app:
            state = app.models.state
            assert (state.status, state.name, state.path, state.guide) == (ModelStatus.IDLE, "Guide", "", True)
            await app.ask("Hello")
            assert app.models.state.status is ModelStatus.READY and app.models.state.info is not None
            assert factory.made[0].loads[0].path == str(app.paths.guide_file)

    run(main())


def test_the_guides_own_file_is_the_guide_by_whatever_door() -> None:
    async def main() -> None:
        async with running_app(Factory()) as app:
            await app.preferences.set("engine.model", str(app.paths.guide_file))
        async with running_app(Factory()) as app:
            assert app.models.state.guide
            await app.ask("Hello")
            assert app.models.state.status is ModelStatus.READY
            await app.models.open_file(app.paths.guide_file)
            assert app.models.state.guide and app.models.state.status is ModelStatus.READY

    run(main())


def test_opening_a_file_shows_progress_and_is_remembered() -> None:
    async def main() -> None:
        async with running_app(Factory(load_s=0.05)) as app:
            path = app.model_file("tiny.gguf")
            await app.models.open_file(path)
            told = [event.state for event in app.events(ModelChanged)]
            assert [s.status for s in told][:3] == [ModelStatus.LOADING, ModelStatus.IDLE, ModelStatus.LOADING]
            assert all(s.name == "tiny" and s.path == path for s in told)
            fractions = [s.fraction for s in told[1:] if s.status is ModelStatus.LOADING]
            assert fractions == sorted(fractions) and len(fractions) == 11
            assert all(s.size_bytes == 1_000_000 for s in told[1:])
            assert told[-2].seconds > 0.03
            assert (told[-1].status, told[-1].name, told[-1].path) == (ModelStatus.READY, "tiny", path)
        async with running_app(Factory()) as app:
            assert app.models.state.path == path and app.models.recent() == (path,)
            await app.models.use_guide()
            assert app.models.state.guide and app.preferences.settings.engine.model == ""

    run(main())


def test_recent_files_newest_first_without_doubles() -> None:
    async def main() -> None:
        async with running_app(Factory()) as app:
            paths = [app.model_file(f"m{n}.gguf") for n in range(10)]
            for path in [*paths, paths[5]]:
                await app.models.open_file(path)
            assert app.models.recent() == tuple(paths[n] for n in (5, 9, 8, 7, 6, 4, 3, 2))

    run(main())


def test_a_bad_file_changes_nothing() -> None:
    async def refuse(path: Path) -> ModelFile:
        raise UserFacing(Text("gguf", "{name} is not a GGUF file.", {"name": path.name}))

    async def main() -> None:
        async with running_app(Factory(), check=refuse) as app:
            with pytest.raises(UserFacing, match=r"x\.txt is not a GGUF file"):
                await app.models.open_file(app.model_file("x.txt"))
            assert app.models.state.guide and app.models.recent() == ()

    run(main())


def test_a_missing_chosen_file_is_said_at_start_and_under_the_message() -> None:
    async def main() -> None:
        async with running_app(Factory()) as app:
            path = app.model_file("gone.gguf")
            await app.models.open_file(path)
        remove(path)
        async with running_app(Factory()) as app:
            await app.models.start()
            state = app.models.state
            assert state.status is ModelStatus.FAILED and state.problem is not None
            assert state.problem.sentence() == (
                f"There is no model file {path}. Open another GGUF file, or use the guide."
            )
            assert state.problem.action == "model.open"
            conversation = await app.ask("Hello")
            answer = (await app.history.tail(conversation, 1))[0]
            assert answer.status is Status.FAILED and answer.problem == state.problem
            await app.models.use_guide()
            await app.chat.regenerate(answer.id)
            await app.chat.idle()
            assert (await app.history.tail(conversation, 1))[0].status is Status.DONE

    run(main())


def test_a_file_that_went_bad_is_said_at_start() -> None:
    async def refuse(path: Path) -> ModelFile:
        raise UserFacing(Text("gguf", "{name} is cut off.", {"name": path.name}))

    async def main() -> None:
        async with running_app(Factory()) as app:
            await app.models.open_file(app.model_file("a.gguf"))
        async with running_app(Factory(), check=refuse) as app:
            await app.models.start()
            state = app.models.state
            assert state.status is ModelStatus.FAILED and state.problem is not None
            assert str(state.problem.what) == "a.gguf is cut off." and state.problem.action == "model.open"

    run(main())


def test_a_commands_model_is_not_remembered() -> None:
    async def main() -> None:
        async with running_app(Factory()) as app:
            await app.models.open_file(app.model_file("a.gguf"), remember=False)
            assert app.models.state.name == "a" and app.models.recent() == ()
            async with app.engines.lease(app.models.ref) as engine:
                assert engine.info is not None and engine.info.name == "a"
        assert not app.paths.settings_file.exists()

    run(main())


def test_a_failed_load_is_told_and_tried_again_with_the_next_message() -> None:
    engines = [
        ScriptedEngine(load_error=Environment(Text("memory", "There is not enough memory."))),
        ScriptedEngine(),
    ]
    pending = list(engines)

    async def main() -> None:
        async with running_app(lambda: pending.pop(0)) as app:
            with pytest.raises(Environment):
                await app.models.open_file(app.model_file("big.gguf"))
            state = app.models.state
            assert state.status is ModelStatus.FAILED and state.name == "big"
            assert state.problem is not None and str(state.problem.what) == "There is not enough memory."
            assert engines[0].closed and app.engines.resident() == ()
            await app.ask("Again")
            assert app.models.state.status is ModelStatus.READY and app.models.state.problem is None

    run(main())


def test_another_model_makes_room_and_the_guide_stays() -> None:
    async def main() -> None:
        factory = Factory()
        async with running_app(factory) as app:
            await app.ask("To the guide")
            first, second = app.model_file("a.gguf"), app.model_file("b.gguf")
            await app.models.open_file(first)
            await app.models.open_file(second)
            assert app.engines.resident() == (str(app.paths.guide_file), second)
            assert [engine.closed for engine in factory.made] == [False, True, False]
            await app.models.use_guide()
            assert len(factory.made) == 3 and app.models.state.status is ModelStatus.READY
        assert all(engine.closed for engine in factory.made)

    run(main())


def test_settings_of_loading_apply_with_the_next_message() -> None:
    async def main() -> None:
        factory = Factory()
        async with running_app(factory) as app:
            await app.models.open_file(app.model_file("a.gguf"))
            await app.preferences.set("engine.context", 2048)
            await app.preferences.set("engine.threads", 1)
            (engine,) = factory.made
            assert len(engine.loads) == 1
            await app.ask("Hello")
            assert [(load.context, load.threads) for load in engine.loads] == [(None, None), (2048, 1)]
            await app.preferences.set("sampling.temperature", 0.5)
            await app.ask("Hello")
            assert len(engine.loads) == 2 and len(factory.made) == 1  # the weights stayed where they were

    run(main())


def test_a_running_answer_keeps_its_model_until_it_ends() -> None:
    async def main() -> None:
        factory = Factory(Script("abcd" * 10, rate=50))
        async with running_app(factory) as app:
            await app.models.open_file(app.model_file("a.gguf"))
            question = await app.send("Go")
            await asyncio.sleep(0.05)
            await app.models.open_file(app.model_file("b.gguf"))
            await app.chat.idle()
            answer = (await app.history.tail(question.conversation_id, 1))[0]
            assert answer.status is Status.DONE and answer.provenance is not None
            assert answer.provenance.model_name == "a" and app.models.state.name == "b"

    run(main())


def test_a_load_is_given_up_when_another_model_is_chosen() -> None:
    async def main() -> None:
        factory = Factory(load_s=5)
        async with running_app(factory) as app:
            slow = asyncio.create_task(app.models.open_file(app.model_file("slow.gguf")))
            while app.models.state.fraction == 0:  # noqa: ASYNC110 - seen from outside
                await asyncio.sleep(0.01)
            factory._load_s = 0
            await asyncio.wait_for(app.models.open_file(app.model_file("quick.gguf")), 1)
            await asyncio.wait_for(slow, 1)
            assert factory.made[0].closed and app.models.state.name == "quick"
            assert app.models.state.status is ModelStatus.READY

    run(main())


def test_unload_frees_and_the_next_message_loads_again() -> None:
    async def main() -> None:
        factory = Factory()
        async with running_app(factory) as app:
            await app.ask("One")
            await app.engines.unload(app.models.ref)
            assert factory.made[0].closed and app.models.state.status is ModelStatus.IDLE
            await app.ask("Two")
            assert app.models.state.status is ModelStatus.READY and len(factory.made) == 2

    run(main())


@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes there")
def test_a_file_whose_name_is_no_text_is_opened_and_remembered(tmp_path: Path) -> None:
    path = str(tmp_path / "mod\udce9le.gguf")
    Path(path).write_bytes(b"")

    async def main() -> None:
        async with running_app(Factory()) as app:
            await app.models.open_file(path)
            assert {event.state.name for event in app.events(ModelChanged)} == {"mod\ufffdle"}  # while it is read too
            assert app.models.state.path == path
            assert app.models.recent() == (path,)

    run(main())


def test_closing_begins_no_other_load() -> None:
    """Three wait for a model; when the first load is given up, none of the others may begin its own."""

    async def main() -> None:
        factory = Factory(load_s=60)
        async with running_app(factory) as app:
            path = app.model_file("tiny.gguf")
            waiting = [asyncio.create_task(app.models.open_file(path))]
            await asyncio.sleep(0.05)
            await app.send("Hello")
            waiting.append(asyncio.create_task(app.models.open_file(path)))
            await asyncio.sleep(0.05)
            app.engines.refuse()
            await app.chat.aclose()
            await app.models.aclose()
            await app.engines.aclose()
            await asyncio.wait(waiting, timeout=2)
            assert len(factory.made) == 1
            assert all(task.done() for task in waiting)
            for task in waiting:
                task.cancelled() or task.exception()

    run(main())
