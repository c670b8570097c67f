"""The real app in a process of its own, brought into a state by a story that runs beside it; then it prints "ready".

Started as ``end_child.py STORY [ARGUMENT]...``; the data folder comes by the environment, as always.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import re
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

import psutil
import PySide6
import shiboken6
from PySide6.QtCore import QCoreApplication, QTimer
from PySide6.QtGui import QSessionManager
from PySide6.QtWidgets import QApplication

from qwen_desktop.core.chat import new_id
from qwen_desktop.core.engine import ThinkingMode
from qwen_desktop.core.models import DownloadRequest, DownloadStatus, RemoteFile
from qwen_desktop.core.parts import TextPart
from qwen_desktop.core.paths import Paths, find_paths
from qwen_desktop.services.events import ModelStatus
from qwen_desktop.services.services import Services
from qwen_desktop.ui import startup
from qwen_desktop.ui.main_window import MainWindow
from qwen_desktop.ui.shortcuts_dialog import ShortcutsDialog


class App:
    """What the stories use."""

    def __init__(self, services: Services, arguments: list[str]) -> None:
        self.services = services
        self.arguments = arguments

    @property
    def window(self) -> MainWindow:
        return next(w for w in QApplication.topLevelWidgets() if isinstance(w, MainWindow))

    async def until(self, what: Callable[[], object]) -> None:
        while not what():  # noqa: ASYNC110 - what is waited for is on show, not an event
            await asyncio.sleep(0.01)

    async def send(self, words: str = "Tell me a long story about a river.") -> str:
        chat = new_id()
        await self.services.chat.send((TextPart(words),), conversation_id=chat, new=True, thinking=ThinkingMode.AUTO)
        return chat

    async def answering(self) -> str:
        """Have an answer of some length on show; returns its chat."""
        await self.services.preferences.set("sampling.max_tokens", 100_000)
        await self.services.preferences.set("sampling.temperature", 1.2)
        self.window.open_files((self.arguments[0],))
        state = lambda: self.services.models.state  # noqa: E731
        await self.until(lambda: state().path == self.arguments[0] and state().status is ModelStatus.READY)
        chat = await self.send()
        self.window.show_page("view.chat")
        self.window.chat.open(chat)
        (answer,) = self.services.chat._answers.values()
        await self.until(lambda: len(str(answer.message().parts)) > 80)
        return chat


async def idle(app: App) -> None:
    await app.until(lambda: app.services.chat is not None)


async def answering(app: App) -> None:
    await app.answering()


async def queued(app: App) -> None:
    await app.answering()
    await app.send("And a second one.")
    await app.until(lambda: len(app.services.chat.running()) == 2)


async def loading(app: App) -> None:
    """The worker never says hello: its command waits for ever."""
    os.environ["QWEN_DESKTOP_WORKER_PREFIX"] = "sh -c 'exec sleep 600'"
    app.window.open_files((app.arguments[0],))
    await app.until(lambda: app.services.models.state.status is ModelStatus.LOADING)
    await app.send()


async def everything(app: App) -> None:
    """Answers run and wait, a download runs, dialogs are open, and the question of a click on close."""
    await download(app)
    await dialog(app)
    await app.send("And a second one.")
    app.window.close()


async def quit_event(app: App) -> None:
    """What macOS sends at a log-out, and an X11 session manager as its last word."""
    await app.answering()
    QTimer.singleShot(300, QCoreApplication.quit)


async def frozen_worker(app: App) -> None:
    """The engine hears nothing any more."""
    await app.answering()
    for child in psutil.Process().children():
        if "engine" in child.cmdline():
            os.kill(child.pid, signal.SIGSTOP)


async def download(app: App) -> None:
    wanted = DownloadRequest("owner/Large-GGUF", "Q4_K_M", (RemoteFile("large-Q4_K_M.gguf"),))
    await asyncio.sleep(1.0)  # the list of the last run is read first
    item = await app.services.downloads.start(wanted)

    def runs() -> bool:
        found = next(d for d in app.services.downloads.items() if d.id == item.id)
        assert found.status is not DownloadStatus.FAILED, found.problem
        return found.done_bytes > 1_000_000

    await app.until(runs)


async def dialog(app: App) -> None:
    """A dialog, one over it, a menu and a file dialog, while an answer runs."""
    await app.answering()
    window = app.window
    ShortcutsDialog(window._theme, window).open()
    window.notify.ask("Sure?", "It cannot be taken back.", "Yes", lambda: print("agreed", flush=True))
    window.chat.ask_for_model()
    window.chat.sidelist._menu.popup(window.pos())


async def asked(app: App) -> None:
    """A click on close has its question open."""
    await app.answering()
    app.window.close()
    await app.until(lambda: app.window.quitting.question is not None)


async def hung_database(app: App) -> None:
    await app.send("How do I start a new chat?")
    app.later = asyncio.create_task(app.services.database.call(lambda _connection: time.sleep(600)))  # type: ignore[attr-defined]
    await asyncio.sleep(0.1)


async def hung_thread(app: App) -> None:
    app.later = asyncio.create_task(asyncio.to_thread(time.sleep, 600))  # type: ignore[attr-defined]
    await asyncio.sleep(0.1)


async def hung_loop(app: App) -> None:
    await app.answering()
    QTimer.singleShot(300, lambda: time.sleep(600))


async def hung_gil(app: App) -> None:
    QTimer.singleShot(300, lambda: re.match(r"(a+)+$", "a" * 60 + "b"))


def session_manager_speaks() -> None:
    """Emit ``commitDataRequest`` as Qt's own code does; Python cannot pass a reference."""
    app = QApplication.instance()
    assert isinstance(app, QApplication)
    manager = app.findChild(QSessionManager)
    gui = ctypes.CDLL(str(Path(PySide6.__path__[0]) / "Qt" / "lib" / "libQt6Gui.so.6"))
    emit = gui._ZN15QGuiApplication17commitDataRequestER15QSessionManager
    emit.argtypes, emit.restype = [ctypes.c_void_p] * 2, None
    emit(shiboken6.getCppPointer(app)[0], shiboken6.getCppPointer(manager)[0])


async def closed(app: App) -> None:
    """A click on close while a thread hangs for ever."""
    await hung_thread(app)
    QTimer.singleShot(300, app.window.close)


async def committed(app: App) -> None:
    """The session manager speaks, as Qt tells it: when this returns, the process may be killed."""
    await loading(app)

    def commit() -> None:
        begun = time.monotonic()
        session_manager_speaks()
        print(f"committed {time.monotonic() - begun:.2f}", flush=True)
        os._exit(9)

    QTimer.singleShot(0, commit)
    await asyncio.sleep(600)


async def _play(services: Services, story: Callable[[App], Awaitable[None]], arguments: list[str]) -> None:
    app = App(services, arguments)
    await app.until(lambda: app.window.pages.currentWidget() is not app.window._skeleton)
    await asyncio.sleep(0.3)
    await story(app)
    shown = [str(a.message().parts[0].text) for a in services.chat._answers.values() if a.message().parts]  # type: ignore[union-attr]
    print("ready", json.dumps(shown), flush=True)


def main() -> int:
    for number in (signal.SIGINT, signal.SIGHUP):  # whoever runs the tests may ignore them, and so would we
        signal.signal(number, signal.SIG_DFL)
    story: Callable[[App], Awaitable[None]] = globals()[sys.argv[1]]

    def build(paths: Paths) -> Services:
        services = Services(paths)
        QTimer.singleShot(
            0, lambda: setattr(build, "task", asyncio.ensure_future(_play(services, story, sys.argv[2:])))
        )
        return services

    return startup.run(find_paths(), build, ())


if __name__ == "__main__":
    sys.exit(main())
