"""The windowed run, up to the first paint: the lock of the data folder, the application object, the empty frame.

All the rest (the event loop, services, pages) is imported by ``window_run`` once the window is on the screen, so that
it is there almost as soon as an empty one would be.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import (
    QCoreApplication,
    QEventLoop,
    QLockFile,
    QMessageLogContext,
    Qt,
    QtMsgType,
    qInstallMessageHandler,
)
from PySide6.QtGui import QGuiApplication

from qwen_desktop import __version__
from qwen_desktop.core.paths import APP, FOLDER, Paths
from qwen_desktop.core.text import is_text
from qwen_desktop.ui import translation
from qwen_desktop.ui.main_window import MainWindow
from qwen_desktop.ui.qt_application import Application

if TYPE_CHECKING:
    from qwen_desktop.services.services import Services


def run(paths: Paths, build: Callable[[Paths], Services], files: tuple[str, ...]) -> int:
    """Open the window and stay until it is closed; returns the process's exit code.

    ``build`` makes the services once it is certain that this is the only window of its data folder; ``files`` are
    absolute paths of GGUF files to open.
    """
    app = _application()
    translation.install(app, paths.resources)
    lock = _lock(paths)
    if lock is None:
        app.processEvents()  # macOS tells by an event which file was opened
        return _hand_over(paths, (*files, *app.take()))
    window = MainWindow(paths)
    window.show()
    app.processEvents(QEventLoop.ProcessEventsFlag.ExcludeUserInputEvents)
    from qwen_desktop.ui import window_run  # noqa: PLC0415 - after the first paint

    return window_run.run(app, window, paths, build, files=files, lock=lock)


def _application() -> Application:
    if os.environ.get("QT_IM_MODULE") == "fcitx":
        # The wheel has no fcitx plugin; fcitx answers on the ibus protocol, so that typing Chinese works.
        os.environ["QT_IM_MODULE"] = "ibus"
    QGuiApplication.setHighDpiScaleFactorRoundingPolicy(Qt.HighDpiScaleFactorRoundingPolicy.PassThrough)
    Application.setApplicationName(APP)
    Application.setApplicationDisplayName(APP)
    Application.setApplicationVersion(__version__)
    # Wayland finds the window's icon by the name of the desktop file, which is another one inside Flatpak.
    QGuiApplication.setDesktopFileName(os.environ.get("FLATPAK_ID") or FOLDER)
    qInstallMessageHandler(_on_message)
    app = Application([APP])
    qInstallMessageHandler(None)
    # The window decides when the run ends: closing it may first have to stop an answer and save it.
    app.setQuitOnLastWindowClosed(False)
    return app


def _on_message(kind: QtMsgType, _context: QMessageLogContext, text: str | None) -> None:
    """While Qt looks for the display: where it would abort, one sentence and an ordinary end instead."""
    if kind is QtMsgType.QtFatalMsg:
        print(
            "The display cannot be used, so the window cannot open. Check DISPLAY or WAYLAND_DISPLAY and run "
            "`qwen-desktop doctor`; `qwen-desktop chat` works without a display.",
            file=sys.stderr,
            flush=True,
        )
        os._exit(1)
    logging.getLogger("qt").info("%s", text)


def _lock(paths: Paths) -> QLockFile | None:
    """The lock that makes this the one window of its data folder; None when another window holds it.

    A folder that cannot be written lets the window open all the same: nothing can be shared there anyway.
    """
    place = paths.runtime / "window.lock"
    if not is_text(str(place)):  # Qt cannot name such a folder
        import hashlib  # noqa: PLC0415 - hardly ever
        import tempfile  # noqa: PLC0415

        place = Path(tempfile.gettempdir(), f"{FOLDER}-{hashlib.sha256(os.fsencode(place)).hexdigest()[:16]}.lock")
    lock = QLockFile(str(place))
    lock.setStaleLockTime(0)  # only the death of its owner makes it stale, not its age
    try:
        paths.runtime.mkdir(parents=True, exist_ok=True)
    except OSError:
        return lock
    if lock.tryLock(0) or lock.error() != QLockFile.LockError.LockFailedError:
        return lock  # no other window holds it: no permission, or a disk that is full or read-only
    return None


def _hand_over(paths: Paths, files: tuple[str, ...]) -> int:
    from qwen_desktop.ui import foreground  # noqa: PLC0415 - only a second start
    from qwen_desktop.ui.hand_over import HandOver, hand_over  # noqa: PLC0415

    if hand_over(paths.runtime, HandOver(files, foreground.passed_on())):
        return 0
    _tell(paths, "Qwen Desktop is already open with this data folder but does not answer. End it first.")
    return 1


def _tell(paths: Paths, sentence: str) -> None:
    """Say why no window opens: on the terminal, or in a box of its own where nobody would read it there."""
    if sys.stderr is not None:  # Python has none in a windowed build
        with contextlib.suppress(OSError, ValueError):
            print(sentence, file=sys.stderr, flush=True)
    if _needs_box():
        from qwen_desktop.ui.theme import Theme  # noqa: PLC0415 - rare
        from qwen_desktop.ui.widgets.dialog import Dialog  # noqa: PLC0415

        theme = Theme(paths.resources)
        app = QGuiApplication.instance()
        if isinstance(app, Application):
            theme.apply(app)
        box = Dialog(theme, APP, sentence, None)
        box.add_button(QCoreApplication.translate("startup", "Close"), kind="primary", default=True)
        closed = QEventLoop()
        box.finished.connect(closed.quit)
        box.open()
        closed.exec()


def _needs_box() -> bool:
    try:
        terminal = sys.stderr is not None and sys.stderr.isatty()
    except ValueError:  # closed
        terminal = False
    return not terminal and QGuiApplication.platformName() not in ("offscreen", "minimal")
