"""The real window over the real services and workers, driven by keys; nothing in it is scripted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from qwen_desktop.core.chat import Message
from qwen_desktop.core.parts import Role, visible_text
from qwen_desktop.core.paths import find_paths
from qwen_desktop.services.events import ModelStatus
from qwen_desktop.services.services import Services
from qwen_desktop.ui.event_loop import EventLoop
from qwen_desktop.ui.main_window import MainWindow
from qwen_desktop.ui.theme import Theme
from tests import layouts


class Driver:
    """One run of the app, opened and closed as ``ui.startup`` does it."""

    async def __aenter__(self) -> Driver:
        app = QApplication.instance()
        assert isinstance(app, QApplication)
        paths = find_paths()
        self.services = Services(paths)
        self.theme = Theme(paths.resources)
        self.theme.apply(app)
        self.window = MainWindow(self.services.paths)
        self.window.build(self.services, self.theme)
        self.window.show()
        await self.services.open()
        await self.window.start()
        self.window.show_page("view.chat")
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            done = asyncio.Event()
            self.window.finished.connect(done.set)
            self.window.close()
            await asyncio.wait_for(done.wait(), 10)
        await self.services.aclose()
        self.window.hide()
        self.window.deleteLater()
        await asyncio.sleep(0.05)

    async def until(self, what: Callable[[], object], seconds: float = 60) -> None:
        """Wait for something a user would see; fails after ``seconds``."""
        deadline = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < deadline, "it did not happen in time"
            await asyncio.sleep(0.01)

    async def open_model(self, path: Path) -> None:
        """Open a GGUF file as ``Open GGUF…`` does once the dialog has its answer."""
        self.window.open_files((str(path),))
        await self.until(
            lambda: (
                self.services.models.state.path == str(path) and self.services.models.state.status is ModelStatus.READY
            )
        )

    def type(self, text: str) -> None:
        """Type into the message box and press Enter."""
        box = self.window.chat.pane.composer.edit
        box.setFocus()
        QTest.keyClicks(box, text)
        QTest.keyClick(box, Qt.Key.Key_Return)

    async def ask(self, text: str) -> Message:
        """Type, send, wait for the answer's end and return the answer as it lies in the history."""
        before = layouts.last_answer(self.window.chat.pane.transcript)
        self.type(text)
        view = self.window.chat.pane.transcript
        await self.until(lambda: layouts.last_answer(view) not in (None, before))
        await self.services.chat.idle()
        return await self.last_answer()

    async def last_answer(self) -> Message:
        """The last answer of the chat on show, from the history."""
        messages = await self.services.history.tail(self.window.chat.current, 1)
        assert messages and messages[-1].role is Role.ASSISTANT
        return messages[-1]

    def spoken(self) -> str:
        """What a screen reader finds in the transcript: messages with their cards and notes."""
        top = QAccessible.queryAccessibleInterface(self.window.chat.pane.transcript)
        found = [top.child(i) for i in range(top.childCount())]
        return "\n".join(child.text(QAccessible.Text.Name) for child in found if child is not None)

    def shown(self) -> str:
        """All text of the transcript."""
        view = self.window.chat.pane.transcript
        return "\n\n".join(layouts.message_text(view, item.message.id) for item in view.items)


def drive(story: Callable[[Driver], Awaitable[None]], *, runs: int = 1) -> None:
    """Let ``story`` use the app; with more ``runs`` it is opened and closed again in the same data folder."""
    app = QApplication.instance() or QApplication([])

    async def main() -> None:
        for _ in range(runs):
            async with Driver() as driver:
                await story(driver)

    loop = EventLoop(app)
    with loop:
        loop.run_until_complete(asyncio.wait_for(main(), 110))


def text_of(message: Message) -> str:
    """What a message says, without its thinking."""
    return visible_text(message.parts)
