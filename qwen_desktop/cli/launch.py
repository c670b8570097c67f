"""Window or command: decided from the arguments alone, before anything heavy is imported."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

#: The words that name a command; ``app`` has one function for each (a test compares them).
COMMANDS = ("chat", "doctor", "probe", "bench", "tune", "models", "history", "assistants", "offline", "embed")


class Window(NamedTuple):
    """Open the window, with this file (absolute path) when it is not None."""

    file: str | None


def window(arguments: Sequence[str]) -> Window | None:
    """The window these arguments (without the program's name) ask for; None when they are a command's.

    No argument opens the window; one argument that is a file, or ends in ``.gguf``, opens it with that file.
    """
    words = [word for word in arguments if not word.startswith("-psn_")]  # macOS adds this when started from Finder
    if not words:
        return Window(None)
    if len(words) > 1 or words[0] in COMMANDS or words[0].startswith("-"):
        return None
    path = Path(words[0])
    if path.suffix.lower() == ".gguf" or path.is_file():
        return Window(str(path.absolute()))
    return None


NO_DISPLAY = (
    "There is no display here, so the window cannot open (neither DISPLAY nor WAYLAND_DISPLAY is set). "
    'Ask on the command line instead: qwen-desktop chat "How do I start a new chat?"'
)


def display_missing() -> bool:
    """Whether this is a Linux (or other X11) session without any display; Qt would abort there."""
    if sys.platform in ("win32", "darwin"):
        return False
    return not any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"))
