"""The registry over real workers: what scripted engines cannot show."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import psutil
import pytest
from msgspec import structs

from qwen_desktop.core.chat import Message, Status
from qwen_desktop.core.engine import LoadProgress, LoadRequest
from qwen_desktop.core.model_ref import FileRef
from qwen_desktop.core.parts import PartDelta
from qwen_desktop.engine.local import LocalWorkerEngine
from qwen_desktop.process.spawn import worker_command
from qwen_desktop.services.events import AnswerEvent, EngineChanged, ModelStatus, RunStage
from tests import gguf_files, gguf_shapes
from tests.app import App, run, running_app


class Workers:
    """Makes real engines and keeps them."""

    def __init__(self) -> None:
        self.made: list[LocalWorkerEngine] = []

    def __call__(self) -> LocalWorkerEngine:
        self.made.append(LocalWorkerEngine(worker_command("engine")))
        return self.made[-1]


class Several(LocalWorkerEngine):
    """Is given two answers at once, whether its worker has the memory to compute them side by side or not (``beside``:
    it says it has)."""

    beside = False

    async def load(self, request: LoadRequest) -> AsyncGenerator[LoadProgress, None]:
        async for step in super().load(request):
            yield step
        assert self.info is not None and self.info.local is not None
        self.beside = self.info.local.parallel > 1
        self.info = structs.replace(self.info, local=structs.replace(self.info.local, parallel=2))


@pytest.fixture(scope="module")
def endless(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A small model whose greedy answers never end by themselves."""
    path = tmp_path_factory.mktemp("endless") / "endless.gguf"
    gguf_files.write(path, vocab=600, tied=False, prefer=gguf_files.NEVER_ENDS, context=4096)
    return str(path)


async def last(app: App, conversation_id: str) -> Message:
    return (await app.history.tail(conversation_id, 1))[0]


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is a POSIX signal")
def test_a_killed_worker_ends_the_answer_and_the_next_one_loads_visibly(endless: str) -> None:
    async def main() -> None:
        workers = Workers()
        async with running_app(workers) as app:
            await app.preferences.change({"sampling.temperature": 0.0, "sampling.max_tokens": 3000})
            await app.models.open_file(endless)
            came = asyncio.Event()
            app.bus.subscribe(AnswerEvent, lambda told: came.set() if isinstance(told.event, PartDelta) else None)
            question = await app.send("Go")
            await came.wait()
            pid = workers.made[0].pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            await app.chat.idle()
            failed = await last(app, question.conversation_id)
            assert failed.status is Status.FAILED and failed.problem is not None and failed.parts
            assert app.models.state.status is ModelStatus.IDLE and app.engines.resident() == ()
            app.seen.clear()
            await app.preferences.set("sampling.max_tokens", 5)
            await app.chat.regenerate(failed.id)
            await app.chat.idle()
            assert (await last(app, question.conversation_id)).status is Status.DONE
            states = [event.state.status for event in app.events(EngineChanged)]
            assert states[0] is ModelStatus.LOADING and states[-1] is ModelStatus.READY
            assert len(workers.made) == 1 and workers.made[0].pid not in (None, pid)
        assert not psutil.pid_exists(pid)

    run(main())


def test_two_models_answer_at_once_each_in_its_own_worker(endless: str, tmp_path: Path) -> None:
    other = tmp_path / "other.gguf"
    gguf_files.write(other, vocab=600, tied=False, prefer=gguf_files.NEVER_ENDS, seed=5, name="Other", context=4096)

    async def needs(_request: object) -> int:
        return 1

    async def main() -> None:
        workers = Workers()
        async with running_app(workers, needs=needs) as app:
            await app.preferences.change({"sampling.temperature": 0.0, "sampling.max_tokens": 40})
            await app.engines.load(FileRef(str(other)))
            await app.models.open_file(endless)
            first = await app.send("Go")
            await app.models.open_file(str(other))
            second = await app.send("Go")
            await app.chat.idle()
            answers = [await last(app, question.conversation_id) for question in (first, second)]
            assert [answer.status for answer in answers] == [Status.DONE] * 2
            paths = [answer.provenance.model_path for answer in answers if answer.provenance is not None]
            assert paths == [endless, str(other)]
            assert len({worker.pid for worker in workers.made}) == 2

    run(main())


def test_two_chats_of_one_model_are_answered_at_once_and_stopping_one_does_not_touch_the_other(endless: str) -> None:
    async def main() -> None:
        engine = Several(worker_command("engine"))
        async with running_app(lambda: engine) as app:
            await app.preferences.change({"sampling.temperature": 0.0, "sampling.max_tokens": 240})
            await app.models.open_file(endless)
            questions = [await app.send(text) for text in ("Go", "And what about this?", "The third")]
            chats = [question.conversation_id for question in questions]
            while not app.deltas():  # noqa: ASYNC110 - several events may be the first
                await asyncio.sleep(0.001)
            states = [app.chat.run(chat) for chat in chats]
            stages = [state.stage for state in states if state is not None]
            assert stages[2:] == [RunStage.QUEUED] and RunStage.QUEUED not in stages[:2]
            await app.chat.idle()
            answers = [await last(app, chat) for chat in chats]
            assert [answer.status for answer in answers] == [Status.DONE] * 3
            assert all(answer.stats is not None and answer.stats.completion_tokens == 240 for answer in answers)
            assert all(answer.parts == app.shown(chat) for answer, chat in zip(answers, chats, strict=True))
            await app.preferences.set("sampling.max_tokens", 3000)
            app.seen.clear()
            first, second = [await app.send("Go on", chat) for chat in chats[:2]]
            speak = {*chats[:2]} if engine.beside else {chats[0]}
            while not speak <= {told.conversation_id for told in app.deltas()}:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
            await app.chat.stop(first.conversation_id)
            assert app.chat.running() == {second.conversation_id}
            count = len(app.deltas())
            while len(app.deltas()) < count + 3:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
            await app.chat.stop(second.conversation_id)
            ends = [await last(app, chat) for chat in chats[:2]]
            assert [answer.status for answer in ends] == [Status.STOPPED] * 2

    run(main())


def test_the_size_of_the_context_changes_between_two_messages_and_the_weights_stay(tmp_path: Path) -> None:
    path = tmp_path / "Qwen3-0.6B.gguf"
    plan = gguf_shapes.PLANS["Qwen3-0.6B"]
    gguf_shapes.write(path, plan, kind=gguf_shapes.Kind.Q4_K, weights=True, vocab=20_000)

    async def main() -> None:
        workers = Workers()
        async with running_app(workers) as app:
            await app.preferences.change({"engine.context": 1024, "sampling.max_tokens": 2})
            await app.models.open_file(str(path))
            conversation = await app.ask("Hello")
            (worker,) = workers.made
            pid = worker.pid
            await app.preferences.set("engine.context", 2048)
            app.seen.clear()
            assert pid is not None
            process = psutil.Process(pid)
            before = sum(process.cpu_times()[:2])
            await app.engines.load(app.models.ref)
            took = sum(process.cpu_times()[:2]) - before
            info = app.models.state.info
            assert worker.pid == pid and info is not None and info.context_size == 2048
            fractions = [event.state.fraction for event in app.events(EngineChanged)]
            assert fractions == [0.0, 1.0]  # no weights were read: that is told as it goes on
            assert took <= 1.0  # of the processor, whatever else this machine does
            await app.ask("And now?", conversation)
            assert (await last(app, conversation)).status is Status.DONE

    run(main())
