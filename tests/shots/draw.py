"""One combination, in a process of its own: every state of the table as a picture, and the sheet of them."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from PySide6.QtCore import QLocale, QMessageLogContext, Qt, QtMsgType, qInstallMessageHandler, qVersion
from PySide6.QtGui import QFontDatabase, QFontInfo, QGuiApplication
from PySide6.QtWidgets import QApplication

from qwen_desktop.core.paths import resources_folder
from qwen_desktop.services import network
from qwen_desktop.ui import translation
from qwen_desktop.ui.event_loop import EventLoop
from tests.shots import left, sheet, still, table
from tests.shots.compare import FACTS
from tests.shots.matrix import Look
from tests.shots.picture import save
from tests.shots.stage import Stage, pointer_away

#: A state that takes longer has failed, in seconds.
_LIMIT_S = 25.0
#: After so many states what is left of their windows is collected.
_COLLECT = 8
#: With anything in this variable each state's time is told.
TIMES = "SHOTS_TIMES"


class Failed(NamedTuple):
    """A state that could not be drawn."""

    name: str
    reason: str


def draw(look: Look, out: Path, only: str = "") -> tuple[list[str], list[Failed]]:
    """Draw the states whose names match ``only`` into ``out``; older pictures of them go. Returns what was drawn, and
    what failed."""
    out.mkdir(parents=True, exist_ok=True)
    for path in out.glob("*.png") if not only else (out / f"{name}.png" for name in table.states(only)):
        path.unlink(missing_ok=True)
    network.metered = _free
    app = _application(look)
    failed: list[Failed] = []
    with (
        tempfile.TemporaryDirectory(prefix="qwen-desktop-shots-") as place,
        _speaking(app, look) as noted,
        _home(place),
    ):
        gc.disable()  # windows end where they are closed, not in the middle of another one
        for number, (name, state) in enumerate(table.states(only).items()):
            began = time.perf_counter()
            problem = _draw_one(app, look, name, state, out, noted=noted)
            if problem:
                failed.append(Failed(name, problem))
            if number % _COLLECT == 0:
                gc.collect()
            if os.environ.get(TIMES):
                print(f"{time.perf_counter() - began:6.2f} s {name}")
    if noted is not None:
        noted.write(out)
    there = [name for name in table.states() if (out / f"{name}.png").is_file()]
    sheet.of_folder(out, there, f"{look.name}: {len(there)} states")
    (out / FACTS).write_text(json.dumps(_facts(app), indent=1) + "\n", encoding="utf-8")
    return [name for name in there if name in table.states(only)], failed


def _application(look: Look) -> QApplication:
    QGuiApplication.setHighDpiScaleFactorRoundingPolicy(Qt.HighDpiScaleFactorRoundingPolicy.PassThrough)
    qInstallMessageHandler(_on_message)
    app = QApplication(["shots"])
    app.setQuitOnLastWindowClosed(False)
    app.setCursorFlashTime(0)
    return app


@contextmanager
def _speaking(app: QApplication, look: Look) -> Iterator[left.Left | None]:
    """Let ``app`` speak; in a language that nobody speaks it is noted what is left in English and what is cut off."""
    if look.locale in left.LANGUAGES:
        from tests import pseudo  # noqa: PLC0415 - it needs the tools for translations

        with pseudo.spoken(app, look.locale):
            yield left.Left()
        return
    translation.install(app, resources_folder(), look.locale)
    if QLocale(look.locale).textDirection() is Qt.LayoutDirection.RightToLeft:
        app.setLayoutDirection(Qt.LayoutDirection.RightToLeft)  # to be looked at also before there are translations
    yield None


def _on_message(_kind: QtMsgType, _context: QMessageLogContext, text: str | None) -> None:
    if text and "This plugin does not support" not in text:  # offscreen nothing is raised and nothing grabbed
        print(f"Qt: {text}", flush=True)


async def _free() -> bool:
    return False


class _home:  # noqa: N801 - used like a function
    """A data folder whose name is the same in every run, since the window shows it."""

    def __init__(self, place: str) -> None:
        self._place = Path(place)
        self._before = Path.cwd()

    def __enter__(self) -> None:
        os.chdir(self._place)
        here = Path("/proc/self/cwd")
        os.environ["QWEN_DESKTOP_HOME"] = str((here if here.exists() else self._place) / "home")

    def __exit__(self, *_: object) -> None:
        os.chdir(self._before)


def _draw_one(
    app: QApplication, look: Look, name: str, state: table.State, out: Path, *, noted: left.Left | None
) -> str:
    """Draw one state; returns what went wrong, "" where all went well."""
    shutil.rmtree("home", ignore_errors=True)
    still.CLOCK.reset()
    still.count_ids()
    errors = _Errors()
    logging.getLogger().addHandler(errors)
    sys.excepthook = errors.of_slot
    loop = EventLoop(app, already_running=False)
    asyncio.set_event_loop(loop)
    loop.set_exception_handler(errors.of_loop)
    try:
        loop.run_until_complete(asyncio.wait_for(_staged(app, look, state, out / f"{name}.png", noted), _LIMIT_S))
    except Exception as error:  # the other states are drawn all the same
        return "".join(traceback.format_exception(error))
    finally:
        logging.getLogger().removeHandler(errors)
        sys.excepthook = sys.__excepthook__
        loop.close()
        asyncio.set_event_loop(None)
        QGuiApplication.clipboard().clear()
    return "\n".join(errors.said)


async def _staged(app: QApplication, look: Look, state: table.State, file: Path, noted: left.Left | None) -> None:
    stage = Stage(app, look)
    pointer_away()
    try:
        await state(stage)
        save(await stage.still(), file)
        if noted is not None:
            noted.look(file.stem)
    finally:
        await asyncio.wait_for(stage.close(), _LIMIT_S)


class _Errors(logging.Handler):
    """What goes wrong while a state is drawn, though it goes on."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(self.format(record))

    def of_slot(self, _kind: object, error: BaseException, _trace: object) -> None:
        """One in a slot that Qt has called."""
        self.said.append("".join(traceback.format_exception(error)))

    def of_loop(self, _loop: object, context: dict[str, object]) -> None:
        """One in a callback of the loop."""
        error = context.get("exception")
        words = "".join(traceback.format_exception(error)) if isinstance(error, BaseException) else ""
        self.said.append(f"{context.get('message')} {words}")


def _facts(app: QApplication) -> dict[str, str]:
    code = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
    fonts = {"font": QFontInfo(app.font()).family(), "code": QFontInfo(code).family()}
    return {"qt": qVersion(), "platform": sys.platform, **fonts}
