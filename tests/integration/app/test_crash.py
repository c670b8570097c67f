"""The worker dies in mid-answer, in the real window: told, nothing lost, and the next message works."""

from __future__ import annotations

import os
import signal

import psutil
import pytest
from pytestqt.qtbot import QtBot

from qwen_desktop.core.chat import Status
from tests import layouts
from tests.smollm2 import model_path
from tests.window_driver import Driver, drive, text_of

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals; it ends workers otherwise")


def engine_pid() -> int:
    """The engine worker that answers: the guide may have one of its own, which has hardly computed."""
    found = [child for child in psutil.Process().children() if "engine" in child.cmdline()]
    assert found, "no engine worker runs"
    return max(found, key=lambda child: child.cpu_times().user).pid


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_worker_that_dies_keeps_the_partial_answer(qtbot: QtBot, number: signal.Signals) -> None:
    model = model_path()

    async def story(app: Driver) -> None:
        await app.services.preferences.set("sampling.temperature", 0.0)
        await app.open_model(model)
        app.type("Tell me a long story about a river.")
        view = app.window.chat.pane.transcript
        await app.until(lambda: len(app.shown()) > 120)
        shown = layouts.message_text(view, layouts.last_answer(view) or "")
        assert shown
        os.kill(engine_pid(), number)
        await app.services.chat.idle()
        failed = await app.last_answer()
        assert failed.status is Status.FAILED
        assert failed.problem is not None
        assert text_of(failed).startswith(shown.strip())
        await app.until(lambda: str(failed.problem.what) in app.spoken() if failed.problem else False)
        await app.services.preferences.set("sampling.max_tokens", 40)
        following = await app.ask("How many days are in a week?")
        assert following.status is Status.DONE
        assert text_of(following).strip()

    drive(story)

    async def later(app: Driver) -> None:
        (chat,) = await app.services.history.list()
        messages = await app.services.history.tail(chat.id, 10)
        assert [m.status for m in messages][1] is Status.FAILED
        assert messages[1].problem is not None
        app.window.chat.open(chat.id)
        what = str(messages[1].problem.what)
        await app.until(lambda: what in app.spoken())

    drive(later)
