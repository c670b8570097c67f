"""The real window over the real services with a scripted engine, on one qasync loop a test.

A test that is a coroutine runs on that loop, so that slots find it running, as they do in the app.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, cast

import pytest
from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog, QLineEdit, QWidget

from qwen_desktop.core.chat import Message
from qwen_desktop.core.engine import LocalEngine
from qwen_desktop.core.paths import resources_folder
from qwen_desktop.services import network
from qwen_desktop.services.models import FileCheck
from qwen_desktop.services.services import Services
from qwen_desktop.ui import translation
from qwen_desktop.ui.event_loop import EventLoop
from qwen_desktop.ui.main_window import MainWindow
from qwen_desktop.ui.theme import Theme
from tests.app import App, any_file, running_app
from tests.scripted_engine import Script, ScriptedEngine
from tests.ui.models.scripted import attach


@pytest.fixture(scope="module", autouse=True)
def garbage_here() -> Iterator[None]:
    """What Qt owns a part of is let go on this thread, as in the window: collected by chance on another one, where a
    later test has threads, it would take the process along."""
    gc.disable()
    yield
    gc.collect()
    gc.enable()


@pytest.fixture(scope="session", autouse=True)
def qapp(qapp: QApplication) -> Iterator[QApplication]:
    """The application as the window's start makes it: in English, with its forms of one and many."""
    translation.install(qapp, resources_folder(), "en")
    yield qapp
    # What Python has put there is Python's: Qt's offscreen clipboard would delete it when there is no Python any more.
    qapp.clipboard().clear()


@pytest.fixture
def loop(qapp: QApplication) -> Iterator[EventLoop]:
    """The window's kind of event loop."""
    loop = EventLoop(qapp, already_running=False)
    asyncio.set_event_loop(loop)
    yield loop
    loop.close()
    asyncio.set_event_loop(None)


@pytest.fixture(autouse=True)
def no_metered_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that costs nothing: what the window does with them is tested here."""

    async def metered() -> bool:
        return False

    monkeypatch.setattr(network, "metered", metered)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run coroutine tests on the loop, 30 s at most."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    loop = pyfuncitem._request.getfixturevalue("loop")
    wanted = inspect.signature(pyfuncitem.obj).parameters
    arguments = {name: pyfuncitem.funcargs[name] for name in wanted}

    async def whole() -> None:
        try:
            await asyncio.wait_for(pyfuncitem.obj(**arguments), 30)
        finally:
            # In the same run of the loop: qasync forgets what is scheduled when it stops.
            # A time limit here too: the one of pytest cannot wake a loop in which nothing happens any more.
            if isinstance(maker := arguments.get("make"), Make):
                await asyncio.wait_for(maker.aclose(), 30)

    loop.run_until_complete(whole())
    return True


class Ui:
    """A window, what is behind it, and the ways in which a test looks at it and touches it."""

    def __init__(self, app: App, window: MainWindow, theme: Theme) -> None:
        self.app = app
        self.window = window
        self.theme = theme
        self.engines: list[ScriptedEngine] = []

    @property
    def chat(self) -> Any:
        """The chat page."""
        return self.window.chat

    async def until(self, true: Callable[[], object], seconds: float = 5) -> None:
        """Wait until something is true."""
        async with asyncio.timeout(seconds):
            while not true():  # noqa: ASYNC110 - Qt's state has no event to await
                await asyncio.sleep(0.005)

    async def rest(self) -> None:
        """Wait until no operation and no answer runs, and Qt has done its pending work."""
        await self.window.operations.settle(5)
        await self.app.chat.idle()
        await asyncio.sleep(0.01)

    def key(self, widget: QWidget, key: Qt.Key, *modifiers: Qt.KeyboardModifier) -> None:
        """Press and release a key, shortcuts included."""
        held = Qt.KeyboardModifier.NoModifier
        for modifier in modifiers:
            held |= modifier
        QTest.keyClick(widget, key, held)

    def type(self, text: str) -> None:
        """Type into the message box."""
        QTest.keyClicks(self.chat.pane.composer.edit, text)

    def press(self, key: Qt.Key) -> None:
        """A key straight to the message box."""
        edit = self.chat.pane.composer.edit
        QApplication.sendEvent(edit, QKeyEvent(QEvent.Type.KeyPress, key, Qt.KeyboardModifier.NoModifier, ""))

    async def say(self, text: str) -> None:
        """Send a message from the box and wait for its answer."""
        self.type(text)
        self.press(Qt.Key.Key_Return)
        await self.rest()

    async def messages(self) -> tuple[Message, ...]:
        """What the chat on show has on disk."""
        return await self.app.history.tail(self.chat.current, 100)

    def pick(self, dialog: QFileDialog, *paths: Path) -> None:
        """Type the names of files into a dialog of Qt's own, and accept it: it tells less than a desktop's."""
        names = [f'"{path}"' for path in paths] if len(paths) > 1 else [str(paths[0])]
        field = dialog.findChild(QLineEdit, "fileNameEdit")
        assert isinstance(field, QLineEdit)
        field.setText(" ".join(names))
        dialog.accept()

    def toasts(self) -> list[str]:
        """What the toasts say."""
        return [toast.text for toast in self.window.notify.toasts.shown]


class Make:
    """Opens a window: ``await make()``. ``script``, ``load_s`` and ``parallel`` tell the engine what to do; ``engine``
    makes another kind of it."""

    def __init__(self, qapp: QApplication) -> None:
        self._qapp = qapp
        self._stack = AsyncExitStack()
        self.script: Script = Script()
        self.load_s = 0.0
        self.context = 4096
        self.parallel = 1
        self.engine: Callable[[], LocalEngine] | None = None

    async def __call__(
        self,
        *,
        welcome: bool = False,
        size: tuple[int, int] = (1280, 820),
        files: tuple[str, ...] = (),
        typed: str = "",
        check: FileCheck = any_file,
        prepare: Callable[[App], Awaitable[None]] | None = None,
        **values: Any,
    ) -> Ui:
        """``welcome`` leaves it to the window what it shows first, else it is the chat page with a new chat. ``typed``
        is typed before the window has its first page; ``prepare`` sees the services before the window does."""
        engines: list[ScriptedEngine] = []

        def engine() -> ScriptedEngine:
            made = ScriptedEngine(
                lambda _request: self.script, load_s=self.load_s, context=self.context, parallel=self.parallel
            )
            engines.append(made)
            return made

        app = await self._stack.enter_async_context(running_app(self.engine or engine, check=check))
        attach(app)
        if prepare is not None:
            await prepare(app)
        for key, value in values.items():
            await app.preferences.set(key.replace("__", "."), value)
        theme = Theme(app.paths.resources)
        theme.set_mode(app.preferences.settings.appearance.theme)
        theme.set_motion(app.preferences.settings.appearance.motion)
        theme.apply(self._qapp)
        window = MainWindow(app.paths)
        window.build(cast("Services", app), theme)
        ui = Ui(app, window, theme)
        ui.engines = engines
        self._stack.push_async_callback(self._close, ui)
        window.resize(*size)
        window.show()
        QTest.qWaitForWindowExposed(window)
        if not welcome:
            window.show_page("view.chat")  # as a user who is quicker than the start
        focused = window.focusWidget()
        assert focused is not None
        QTest.keyClicks(focused, typed)
        await window.start(files)
        await asyncio.sleep(0.01)
        return ui

    async def _close(self, ui: Ui) -> None:
        ui.window.leave()
        await ui.app.stop_all()
        await ui.window.operations.settle(2)
        ui.window.gc_timer.stop()
        gc.disable()
        ui.window.hide()
        ui.window.deleteLater()

    async def aclose(self) -> None:
        """Close what was opened."""
        await self._stack.aclose()


@pytest.fixture
def make(loop: EventLoop, qapp: QApplication) -> Iterator[Make]:
    """A maker of windows; they are closed after the test."""
    maker = Make(qapp)
    yield maker
    gc.collect()
    qapp.setStyleSheet("")
