"""A transcript as the window has it, for its benches: a real job worker for Markdown, and qasync's loop around it."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import traceback
from collections.abc import Callable

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from pathlib import Path

# Another checkout's package is measured where its folder stands in PYTHONPATH.
sys.path[:0] = [os.environ.get("PYTHONPATH", "").split(os.pathsep)[0] or str(Path(__file__).parents[2])]

from PySide6.QtCore import QEventLoop, QTimer  # noqa: E402
from PySide6.QtWidgets import QApplication, QMainWindow  # noqa: E402

from qwen_desktop.core.chat import Message, Status  # noqa: E402
from qwen_desktop.core.parts import Part, PartBegun, PartDelta, PartEvent, Role  # noqa: E402
from qwen_desktop.core.paths import resources_folder  # noqa: E402
from qwen_desktop.jobs.client import JobWorker  # noqa: E402
from qwen_desktop.process.spawn import worker_command  # noqa: E402
from qwen_desktop.services.events import AnswerEvent  # noqa: E402
from qwen_desktop.ui.chat.transcript import TranscriptView  # noqa: E402
from qwen_desktop.ui.event_loop import EventLoop  # noqa: E402
from qwen_desktop.ui.theme import Theme  # noqa: E402

SIZE = (1000, 760)


def run_for(milliseconds: int) -> None:
    """Let the event loop run."""
    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()


def in_loop(work: Callable[[], int]) -> int:
    """Call ``work`` inside the running loop of an application (no task: it may let the loop run); its result."""
    gc.disable()  # as in the app, where it waits for idle moments (ui/gc_timer.py)
    app = QApplication.instance() or QApplication(sys.argv[:1])
    loop = EventLoop(app)
    asyncio.set_event_loop(loop)
    found = [1]

    def call() -> None:
        try:
            found[0] = work()
        except BaseException:
            traceback.print_exc()
        finally:
            loop.stop()

    QTimer.singleShot(0, call)
    with loop:
        loop.run_forever()
    return found[0]


class Pane:
    """A window with a transcript alone. An answer is streamed into it by ``begin`` and ``feed``."""

    def __init__(self) -> None:
        app = QApplication.instance()
        assert isinstance(app, QApplication)
        theme = Theme(resources_folder())
        theme.apply(app)
        self.jobs = jobs = JobWorker(worker_command("jobs"))
        self.window = QMainWindow()
        self.window.resize(*SIZE)
        self.view = TranscriptView(theme, self.window)
        self.view.markdown.set_jobs(
            render=lambda text: jobs.call("markdown.render", {"text": text}),
            plain=lambda texts: jobs.call("markdown.plain", {"texts": texts}),
            grow=lambda *given: jobs.call("markdown.grow", dict(zip(("text", "number", "known"), given, strict=False))),
        )
        self.window.setCentralWidget(self.view)
        self._fed = 0

    def show(self, messages: list[Message]) -> None:
        """Show these."""
        self.view.set_messages(messages, more_above=False)
        self.window.show()
        run_for(300)

    def begin(self, messages: list[Message], part: Part) -> None:
        """Show these, and an answer that is about to come."""
        live = Message("live", "c", messages[-1].id, Role.ASSISTANT, (), 0.0, status=Status.STREAMING)
        self.show([*messages, live])
        self._take(PartBegun(0, part))

    def feed(self, text: str) -> None:
        """Some more of the answer."""
        self._take(PartDelta(0, text))

    def _take(self, event: PartEvent) -> None:
        self.view.live.take(AnswerEvent("c", "live", event))

    def close(self) -> None:
        """End the worker."""
        ended = asyncio.ensure_future(self.jobs.aclose())
        while not ended.done():
            run_for(10)
        self.window.close()
