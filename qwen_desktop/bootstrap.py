"""Decides which face this process is and hands it its builder. Imports are lazy by face.

The window's path imports nothing before the first paint that the first paint does not need (the services come after
it, by ``services.services``) and never typer; a command's path never imports Qt.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Sequence
from typing import TYPE_CHECKING

from qwen_desktop.cli import launch
from qwen_desktop.core.errors import AppError
from qwen_desktop.core.paths import Paths, find_paths, home
from qwen_desktop.core.streams import say

if TYPE_CHECKING:
    from qwen_desktop.services.services import Services


def main(arguments: Sequence[str]) -> int:
    """The console program: the window without arguments or with a GGUF file, else a command."""
    if launch.window(arguments) is not None:
        return window(arguments)
    import logging  # noqa: PLC0415

    from qwen_desktop.cli import app  # noqa: PLC0415 - typer: only commands pay for it
    from qwen_desktop.core import log  # noqa: PLC0415
    from qwen_desktop.services.services import for_command  # noqa: PLC0415

    with contextlib.suppress(AppError):  # no place for it: the command says so, if it needs one
        log.to_file(find_paths().logs, "command.log", logging.WARNING)
    return app.main(arguments, for_command)


def window(arguments: Sequence[str]) -> int:
    """The windowed program, also what a double click on a GGUF file starts."""
    if launch.display_missing():
        say(launch.NO_DISPLAY)
        return 1
    try:
        paths = find_paths()
    except AppError as error:
        say(error.problem.sentence())
        return 1
    # Nothing is begun yet that would have to be ended; Python's own answer to Ctrl+C, an exception, breaks Qt's start.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from qwen_desktop.ui import startup  # noqa: PLC0415 - Qt, only for the window

    wanted = launch.window(arguments)
    files = (wanted.file,) if wanted is not None and wanted.file else ()
    with contextlib.suppress(OSError):  # a home that is gone
        # Out of the folder of a model that was double-clicked: nothing that lies there may be loaded or run.
        os.chdir(home() or paths.resources)
    return startup.run(paths, _services, files)


def _services(paths: Paths) -> Services:
    """Called once the window is painted."""
    from qwen_desktop.core import log  # noqa: PLC0415
    from qwen_desktop.services.services import Services  # noqa: PLC0415 - a tenth of a second

    log.to_file(paths.logs, "window.log")
    return Services(paths)
