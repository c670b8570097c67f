"""Opens every dialog and page of a window, begins their work with services that are slow or fail, and closes them at
any moment by any way. ``Faults`` holds what must never come of it."""

from __future__ import annotations

import asyncio
import gc
import inspect
import logging
import random
import sys
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import shiboken6
from PySide6.QtCore import QCoreApplication, QEvent, Qt, QtMsgType, qInstallMessageHandler
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QAbstractButton, QApplication, QDialog, QFileDialog, QMenu, QWidget

from qwen_desktop.core.commands import ABOUT_MESSAGES
from qwen_desktop.core.errors import Environment, Problem
from qwen_desktop.core.models import CatalogModel, InstalledModel
from qwen_desktop.core.text import Text
from qwen_desktop.services import events
from qwen_desktop.ui import dialogs
from qwen_desktop.ui.main_window import MainWindow
from qwen_desktop.ui.pages import PAGES
from qwen_desktop.ui.theme import Theme

_LIFE = frozenset({"aclose", "open", "recover", "idle"})
_MAY_FAIL = ("library", "fits", "catalogue", "secrets", "downloads")
_SLOW = (*_MAY_FAIL, "machines", "history", "chat", "models")
#: What Qt says without a screen, and when a name is being edited already.
_HARMLESS = ("This plugin does not support", "edit: editing failed")
_SIGNS = ("already deleted", "has been deleted", "Traceback", "never retrieved", "was destroyed but")


class Slow:
    """Makes the services' calls take a moment before and after, fail at times, and report progress to the last."""

    def __init__(self, services: Any, rng: random.Random, *, failing: float = 0.15) -> None:
        self._rng = rng
        self._failing = failing
        for name in _SLOW:
            service = getattr(services, name)
            for method in dir(type(service)):
                found = getattr(service, method)
                if not method.startswith("_") and method not in _LIFE and inspect.iscoroutinefunction(found):
                    setattr(service, method, self._slowed(found, fails=name in _MAY_FAIL))

    def _slowed(self, call: Callable[..., Awaitable[Any]], *, fails: bool) -> Callable[..., Coroutine[Any, Any, Any]]:
        async def slow(*args: Any, **more: Any) -> Any:
            reports = [value for value in (*args, *more.values()) if inspect.isroutine(value)]
            try:
                await self._moment(reports)
                if fails and self._rng.random() < self._failing:
                    raise Environment(Text("slow.failed", "The disk could not be read."))
                result = await call(*args, **more)
                await self._moment(reports)
            except asyncio.CancelledError:  # ending takes a moment too
                await self._moment(reports)
                raise
            return result

        return slow

    async def _moment(self, reports: list[Callable[[int, int], None]]) -> None:
        for step in range(self._rng.choice((1, 2, 4))):
            await asyncio.sleep(self._rng.choice((0.0, 0.001, 0.004, 0.012)))
            for report in reports:
                report(step, 4)


class Faults(logging.Handler):
    """Everything that would reach the user as a bug, or the log as one."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        said = record.getMessage()
        if record.levelno >= logging.ERROR or any(sign in said for sign in _SIGNS):
            self.found.append(f"log: {said}")

    def watch(self, window: MainWindow) -> None:
        """Look at what this window tells its user."""
        tell = window.notify.problem

        def problem(problem: Problem) -> None:
            if problem.kind == "bug":
                self.found.append(f"dialog: {problem.what}")
            tell(problem)

        window.notify.problem = problem  # type: ignore[method-assign]

    def _raised(self, told: Any) -> None:
        self.found.append(f"raised: {told.exc_value!r} in {told.object!r}")

    def _slot(self, _kind: object, error: BaseException, *_: object) -> None:
        self.found.append(f"slot: {error!r}")

    def _in_loop(self, _loop: object, context: dict[str, Any]) -> None:
        error = context.get("exception")
        place = traceback.format_exception(error)[-2] if isinstance(error, BaseException) else context["message"]
        self.found.append(f"loop: {error!r} {place}")

    def _qt(self, kind: QtMsgType, _context: object, text: str | None) -> None:
        if kind is not QtMsgType.QtDebugMsg and not any(known in (text or "") for known in _HARMLESS):
            self.found.append(f"qt: {text}")

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Have all errors of this time end here, those of objects that only the collector finds too."""
        loop = asyncio.get_running_loop()
        before = sys.unraisablehook, sys.excepthook
        qt = qInstallMessageHandler(self._qt)
        sys.unraisablehook, sys.excepthook = self._raised, self._slot
        loop.set_exception_handler(self._in_loop)
        logging.getLogger().addHandler(self)
        try:
            yield
            gc.collect()
            await asyncio.sleep(0.01)
        finally:
            logging.getLogger().removeHandler(self)
            loop.set_exception_handler(None)
            sys.unraisablehook, sys.excepthook = before
            qInstallMessageHandler(qt)


class Restless:
    """Somebody who opens things and closes them before they are done. Each story opens one and begins its work."""

    def __init__(self, window: MainWindow, services: Any, rng: random.Random, folder: Path) -> None:
        self.window = window
        self.services = services
        self.rng = rng
        self.folder = folder
        self.stories: dict[str, Callable[[], Awaitable[None]]] = {
            name: story for name, story in inspect.getmembers(self, inspect.iscoroutinefunction) if name[:4] == "open"
        }

    # What there is to open --------------------------------------------------------------------------------------------

    async def open_import(self) -> None:
        self._models().import_models()
        dialog = self.newest("ImportDialog")
        await self.pause()
        if self.there(dialog) and self.rng.random() < 0.7:
            dialog.add_files([str(self.folder / "chosen.gguf")])
            dialog.how.set_value(self.rng.choice(("link", "copy")))
            dialog._import()

    async def open_import_files(self) -> None:
        self._models().import_models()
        dialog = self.newest("ImportDialog")
        await self.pause()
        if self.there(dialog):
            dialog._choose()

    async def open_details(self) -> None:
        dialog = self._models().details(self._model())
        await self.pause()
        if self.there(dialog):
            dialog.show_memory()
            dialog.memory._read_header()
            await self.pause()
        if self.there(dialog) and self.rng.random() < 0.5:
            dialog.button.click()

    async def open_installed(self) -> None:
        model = self._installed()
        if model is not None:
            self._models().installed_details(model)

    async def open_machine(self) -> None:
        self._models().show_machine()
        dialog = self.newest("MachineDialog")
        await self.pause()
        if self.there(dialog):
            dialog.again.click()

    async def open_licences(self) -> None:
        self._settings().show_section("about")
        self._settings()._pages["about"].licences.click()  # type: ignore[attr-defined]  # the section About

    async def open_download(self) -> None:
        """With all that may be asked before."""
        model = self._model()
        self.window.models.starter.get(model, model.recommended_quant or model.quants[0])

    async def open_cancelling(self) -> None:
        for download in self.services.downloads.items():
            self.window.models.starter.cancel(download)

    async def open_delete(self) -> None:
        model = self._installed()
        if model is not None:
            self.rng.choice((self._models().delete, self._models().verify))(model)

    async def open_catalogue(self) -> None:
        page = self._models()
        page.search.setText(self.rng.choice(("", "qwen", "Qwen/Qwen3-4B-GGUF")))
        page.catalogue.search(page.search.text())
        self.rng.choice((page.catalogue.look_for_new, page.catalogue.look_up))()

    async def open_sections(self) -> None:
        page = self._settings()
        page.show_section(self.rng.choice(list(page._pages)))
        page.search.setText(self.rng.choice(("", "", "size")))
        page._change("chat.show_speed", self.rng.random() < 0.5)

    async def open_folder(self) -> None:
        page = self._settings()
        page.show_section("downloads")
        row = page.sections["downloads"]._extras[0].folder  # type: ignore[attr-defined]
        row.ask(str(self.folder / self.rng.choice("ab")))
        self.rng.choice((row._choose, row._stop, row._show))()

    async def open_token(self) -> None:
        page = self._settings()
        page.show_section("downloads")
        row = page.sections["downloads"]._extras[0].token  # type: ignore[attr-defined]
        row.field.setText("hf_abc")
        self.rng.choice((row._save, row._remove))()

    async def open_welcome(self) -> None:
        self.window.show_page("help.welcome")
        self.window.pages.built("help.welcome").advice.get.button.click()  # type: ignore[union-attr]

    async def open_chat(self) -> None:
        chat = self._chat()
        self.rng.choice((chat.new_chat, lambda: chat.step(1), lambda: None))()
        chat.pane.ask("How?")
        await self.pause()
        pane, notify = chat.pane, self.window.notify
        messages = (partial(pane.messages.do, name) for name in ABOUT_MESSAGES)
        rest = (pane.stop, pane.versions.toggle, pane.messages.undo, chat.copy_chat, chat.delete, notify.undo_last)
        self.rng.choice((*messages, *rest))()

    async def open_rename(self) -> None:
        self._chat().rename()
        editor = QApplication.focusWidget()
        if editor is not None and self.rng.random() < 0.5:
            QApplication.sendEvent(editor, QKeyEvent(QEvent.Type.KeyPress, Qt.Key.Key_Return, _NONE))

    async def open_model_menu(self) -> None:
        self._chat().pane.choose_model()

    async def open_model_file(self) -> None:
        self.window.actions_.trigger("model.open")

    async def open_link(self) -> None:
        self.window.notify.link(self.rng.choice(("https://example.org", "file:///etc/passwd")))

    async def open_crash_report(self) -> None:
        dialogs.crash(self.window.ui.theme, self.window, "a report").open()

    async def open_help(self) -> None:
        self.window.actions_.trigger(self.rng.choice(("help.shortcuts", "help.about")))

    # Ways to close ----------------------------------------------------------------------------------------------------

    def close_something(self) -> None:
        """Close, leave or answer what lies on top, or something below it."""
        tops = [top for top in QApplication.topLevelWidgets() if top.isVisible() and top is not self.window]
        way = self.rng.choice(("key", "key", "close", "below", "button", "page"))
        if way == "key":
            target = QApplication.activePopupWidget() or QApplication.activeModalWidget() or QApplication.focusWidget()
            for kind in (QEvent.Type.KeyPress, QEvent.Type.KeyRelease):
                if target is not None and shiboken6.isValid(target):
                    QApplication.sendEvent(target, QKeyEvent(kind, Qt.Key.Key_Escape, _NONE))
        elif way == "page":
            self.window.show_page(self.rng.choice(PAGES).command)
        elif not tops:
            return
        elif way == "close":
            tops[-1].close()
        elif way == "below":
            tops[0].close()
        elif not isinstance(tops[-1], QFileDialog | QMenu):
            buttons = [b for b in tops[-1].findChildren(QAbstractButton) if b.isVisible() and b.isEnabled()]
            if buttons:
                self.rng.choice(buttons).click()

    async def end(self) -> None:
        """Close the window as its user does, and delete it whatever still runs; or only delete it."""
        if self.rng.random() < 0.6:
            over: list[bool] = []
            self.window.finished.connect(lambda: over.append(True))
            self.window.close()
            if not over:
                await asyncio.sleep(0)
            if self.window.quitting.question is not None:
                self.window.quitting.question.accept()
                self.window.quitting.now()
            async with asyncio.timeout(5):
                while not over:  # noqa: ASYNC110 - Qt's state has no event to await
                    await asyncio.sleep(0.005)
        bus, theme = self.services.bus, self.window.ui.theme
        self.window.hide()
        self.window.deleteLater()
        delete_later()
        theme.changed.emit()
        settings = self.services.preferences.settings
        for event in (events.FitsChanged(), events.LibraryChanged(), events.SettingsChanged(settings, settings, ())):
            bus.publish(event)
        await asyncio.sleep(0.1)

    # Helpers ----------------------------------------------------------------------------------------------------------

    async def pause(self) -> None:
        """Let things go on for a moment."""
        await asyncio.sleep(self.rng.choice((0.0, 0.002, 0.01, 0.03)))

    def newest(self, kind: str) -> Any:
        """The newest dialog of a class."""
        return [child for child in self.window.findChildren(QDialog) if type(child).__name__ == kind][-1]

    @staticmethod
    def there(widget: QWidget | None) -> bool:
        """Whether it is still on show."""
        return widget is not None and shiboken6.isValid(widget) and widget.isVisible()

    def _chat(self) -> Any:
        self.window.show_page("view.chat")
        return self.window.chat

    def _models(self) -> Any:
        self.window.show_page("view.models")
        return self.window.pages.built("view.models")

    def _settings(self) -> Any:
        self.window.show_page("view.settings")
        return self.window.pages.built("view.settings")

    def _model(self) -> CatalogModel:
        return self.rng.choice([model for model in self.services.catalogue.models() if model.quants])

    def _installed(self) -> InstalledModel | None:
        models = self.services.library.models()
        return self.rng.choice(models) if models else None


_NONE = Qt.KeyboardModifier.NoModifier


def delete_later() -> None:
    """Do what ``deleteLater`` put off."""
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


async def visit(
    services: Any, qapp: QApplication, seed: int, folder: Path, *, stories: str = "", steps: int = 12
) -> list[str]:
    """A window's life by ``seed``: things are opened (those named by ``stories``, else any), closed while they work,
    and at last the window. Returns what went wrong."""
    rng = random.Random(seed)
    theme = Theme(services.paths.resources)
    theme.apply(qapp)
    faults = Faults()
    async with faults.listening():
        window = MainWindow(services.paths)
        window.build(services, theme)
        faults.watch(window)
        window.resize(1280, 820)
        window.show()
        window.show_page("view.chat")
        await window.start()
        somebody = Restless(window, services, rng, folder)
        for _ in range(steps):
            await somebody.stories[rng.choice(stories.split() or list(somebody.stories))]()
            await somebody.pause()
            somebody.close_something()
            await somebody.pause()
        await somebody.end()
        await services.chat.idle()
    return faults.found
