"""The real window of one state, and the ways in which a state is brought about: services, commands, keys, clicks.

Names of classes and attributes of the window stand here and in ``parts`` only, as far as that is possible.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import shiboken6
from PySide6.QtCore import QCoreApplication, QEvent, QObject, QPoint, Qt, QTimer
from PySide6.QtGui import QAction, QCursor, QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QDialog, QMainWindow, QPushButton, QWidget

from qwen_desktop.core.paths import find_paths, resources_folder
from qwen_desktop.services.models import ModelFile
from qwen_desktop.ui.first_paint import FirstPaintWindow
from qwen_desktop.ui.main_window import MainWindow
from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.window_state import WindowState
from tests.inline_jobs import InlineJobs
from tests.shots import left, seeds
from tests.shots.engine import Scene, SceneEngine
from tests.shots.matrix import THEMES, Look
from tests.shots.picture import picture, shown_windows
from tests.shots.seeds import Chat
from tests.ui.conftest import Make, Ui

#: A window that was not painted for so long is at rest, and one that never rests has failed after so long, in seconds.
_STILL_S = 0.06
_LIMIT_S = 8.0
#: A timer that fires once within this time brings what belongs to the picture, in ms.
_SOON_MS = 1000
MODEL = "Qwen3-4B-Q4_K_M.gguf"


async def check(path: Path) -> ModelFile:
    """What the header of any file says."""
    return ModelFile("Qwen3 4B" if path.name == MODEL else path.stem, 2_497_280_480)


class Stage:
    """Opens the window with ``open``; everything else needs it open."""

    def __init__(self, app: QApplication, look: Look) -> None:
        self.look = look
        self.scene = Scene()
        self.ui: Ui
        #: a window that ``make`` has not given back: a bare frame, or one whose start goes on
        self._early: QMainWindow | None = None
        self._starting: asyncio.Task[Ui] | None = None
        self._app = app
        self._make = Make(app)
        self._gates: list[asyncio.Event] = []
        self._make.engine = lambda: SceneEngine(self.scene)

    # The window -------------------------------------------------------------------------------------------------------

    async def open(
        self,
        *chats: Chat,
        welcome: bool = False,
        model: bool = True,
        prepare: Callable[[Any], object] | None = None,
        **settings: Any,
    ) -> None:
        """Open it with ``chats`` in its history; ``model``: a model is chosen and loaded, else the guide answers.
        ``prepare`` may change the services first."""

        self.ui = await self._made(chats, prepare, welcome=welcome, **settings)
        if model:
            await self.services.models.open_file(self.services.model_file(MODEL))

    async def open_early(self, prepare: Callable[[Any], object], *, conversation: str = "") -> None:
        """Show it while its start waits for what ``prepare`` has made slow; ``conversation`` was open last time."""
        self._remember(WindowState(conversation=conversation))
        self._starting = asyncio.create_task(self._made((), prepare, welcome=True))
        windows = self._app.topLevelWidgets
        await self.until(lambda: any(isinstance(w, MainWindow) and w.isVisible() for w in windows()))
        self._early = next(w for w in windows() if isinstance(w, MainWindow) and w.isVisible())

    def open_frame(self, grounds: Sequence[str]) -> None:
        """Show the frame of the first paint, with the ``grounds`` (roles of the theme) that the last run has left."""
        theme = Theme(resources_folder())
        theme.set_mode(THEMES[self.look.theme])  # type: ignore[arg-type] # one of the modes
        theme.apply(self._app)
        kept = WindowState(grounds={role: theme.color(role).name() for role in grounds})
        self._early = FirstPaintWindow(self._remember(kept))
        self._early.resize(self.look.width, self.look.height)
        self._early.show()

    def _remember(self, state: WindowState) -> Path:
        """Write the file that the last run of the window left."""
        file = find_paths().config / "window.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(msgspec.json.encode(state))
        return file

    async def _made(
        self, chats: Sequence[Chat], prepare: Callable[[Any], object] | None, *, welcome: bool, **settings: Any
    ) -> Ui:
        async def ready(app: Any) -> None:
            app.jobs = InlineJobs()
            app.library.folder = Path("/home/ada/.local/share/qwen-desktop/models")
            self._gates = [app.machines.gate, app.catalogue.gate, app.library.gate]
            if chats:
                await seeds.plant(app, chats)
            if prepare is not None:
                prepare(app)

        return await self._make(
            welcome=welcome,
            size=(self.look.width, self.look.height),
            check=check,
            prepare=ready,
            appearance__theme=THEMES[self.look.theme],
            appearance__motion="none",
            **settings,
        )

    async def close(self) -> None:
        """End it, whatever is open."""
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.wait({self._starting})
        for gate in self._gates:
            gate.set()
        for widget in self._app.topLevelWidgets():
            if isinstance(widget, QDialog):
                widget.reject()
            elif widget.windowType() is Qt.WindowType.Popup:
                widget.close()
        if isinstance(self._early, MainWindow) or self._early is None:
            await self._make.aclose()
        else:
            self._early.hide()
            self._early.deleteLater()

    @property
    def services(self) -> Any:
        """The services behind it."""
        return self.ui.app

    @property
    def window(self) -> Any:
        """The window itself."""
        return self._early or self.ui.window

    # What a user does -------------------------------------------------------------------------------------------------

    def command(self, command_id: str) -> None:
        """Give a command of ``core.commands``."""
        action = self.window.findChild(QAction, command_id)
        assert action is not None and action.isEnabled(), f"{command_id} cannot be given"
        action.trigger()

    def key(
        self, widget: QWidget, key: Qt.Key, modifiers: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier
    ) -> None:
        """Press and release a key."""
        QTest.keyClick(widget, key, modifiers)

    def click(self, name: str, within: QWidget | None = None) -> None:
        """Click the button with this text, name or tooltip, which is the English one."""
        self.button(name, within).click()

    def button(self, name: str, within: QWidget | None = None) -> QAbstractButton:
        """The visible button with this text, accessible name or tooltip."""
        for place in (within,) if within is not None else (*self.dialogs(), self.window):
            for found in place.findChildren(QAbstractButton):
                called = (found.text(), found.accessibleName(), found.toolTip())
                if found.isVisible() and not {name, *_translations(name, found)}.isdisjoint(called):
                    return found
        raise AssertionError(f"no button {name!r}")

    def dialogs(self) -> list[QDialog]:
        """The dialogs on show, the upper one last."""
        return [child for child in self.window.findChildren(QDialog) if child.isVisible()]

    async def dialog(self) -> QDialog:
        """The dialog that comes."""
        await self.until(self.dialogs)
        return self.dialogs()[-1]

    def default(self, dialog: QDialog) -> QPushButton:
        """The button of a dialog that Enter presses."""
        return next(button for button in dialog.findChildren(QPushButton) if button.isDefault())

    async def until(self, true: Callable[[], object], seconds: float = 5.0) -> None:
        """Wait until something is true."""
        async with asyncio.timeout(seconds):
            while not true():  # noqa: ASYNC110 - Qt's state has no event to await
                await asyncio.sleep(0.005)

    async def rest(self) -> None:
        """Wait until nothing that was begun runs any more."""
        await self.window.operations.settle(3)
        await asyncio.sleep(0.01)

    # The picture ------------------------------------------------------------------------------------------------------

    async def still(self) -> QImage:
        """The picture once nothing is painted any more."""
        loop = asyncio.get_running_loop()
        end = loop.time() + _LIMIT_S
        watch = _Paints()
        try:
            while loop.time() < end:
                watch.attend(shown_windows(self.window))
                await asyncio.sleep(_STILL_S)
                if not watch.painted(shown_windows(self.window)) and not self._due():
                    return picture(self.window)
        finally:
            watch.end()
        raise AssertionError("the window does not come to rest")

    def _due(self) -> bool:
        """Whether something is still to come that waits for its turn: on a busy machine a frame may wait for long."""
        return any(
            timer.isActive() and timer.interval() <= (_SOON_MS if timer.isSingleShot() else 0)
            for timer in self.window.findChildren(QTimer)
        )

    async def repainted(self) -> None:
        """Wait until something of the window is painted again."""
        watch = _Paints()
        watch.attend([self.window])
        try:
            await self.until(lambda: watch.painted([self.window]))
        finally:
            watch.end()


def _translations(english: str, widget: QWidget) -> Iterator[str]:
    """What a text may be in the language on show: its context is a class in which the widget stands, or a part."""
    at: QObject | None = widget
    while at is not None:
        for kind in type(at).__mro__:
            yield QCoreApplication.translate(kind.__name__, english)
        at = at.parent()
    for part in ("models", "dialogs"):
        yield QCoreApplication.translate(part, english)
    yield from left.written(english)


class _Paints(QObject):
    """Knows whether windows are painted: each gets one such event for all that changes in it."""

    def __init__(self) -> None:
        super().__init__()
        self._painted = False
        self._windows: list[QWidget] = []

    def attend(self, windows: list[QWidget]) -> None:
        """Begin, with these windows."""
        self.end()
        self._windows, self._painted = windows, False
        for window in windows:
            window.installEventFilter(self)

    def painted(self, windows: list[QWidget]) -> bool:
        """Whether anything was painted since, or there are other windows now."""
        return self._painted or windows != self._windows

    def end(self) -> None:
        """Watch none any more."""
        for window in self._windows:
            if shiboken6.isValid(window):
                window.removeEventFilter(self)
        self._windows = []

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
        self._painted = self._painted or event.type() in (QEvent.Type.UpdateRequest, QEvent.Type.LayoutRequest)
        return False


def pointer_away(window: QWidget | None = None) -> None:
    """Put the mouse where nothing is."""
    QCursor.setPos(QPoint(0, 0))
    if window is not None:
        QTest.mouseMove(window, QPoint(window.width() - 1, 0))
