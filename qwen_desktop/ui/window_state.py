"""Where the window was and what it showed: a small JSON file in the config folder, written atomically, ignored when
broken."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

from qwen_desktop.core.files import read_file, write_atomic

log = logging.getLogger(__name__)


class WindowState(msgspec.Struct, frozen=True):
    """Qt's own geometry blob (screens and maximising included), the side list's width and the rail's in px, the colours
    of the grounds by role, for the first paint of the next start, the id of the conversation that was open last, and
    those of the folders that are open in the list. The blob and the id are empty while there is none."""

    geometry: bytes = b""
    sidelist: int = 272
    rail: int = 68
    grounds: dict[str, str] = {}
    conversation: str = ""
    folders: tuple[str, ...] = ()

    @property
    def list_width(self) -> int:
        """The side list's width within sensible bounds."""
        return max(200, min(self.sidelist, 420))

    @property
    def rail_width(self) -> int:
        """The rail's width within sensible bounds."""
        return max(48, min(self.rail, 240))


class StateFile:
    """The file. It may be written from any thread: what was to be kept last stays."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._turn = threading.Lock()
        self._made = 0
        self._written = 0

    def read(self) -> WindowState:
        """The stored state, or the default one."""
        try:
            return msgspec.json.decode(read_file(self._path), type=WindowState)
        except (OSError, msgspec.MsgspecError):
            return WindowState()

    def writing(self, state: WindowState) -> Callable[[], None]:
        """The work of keeping ``state``, to be done once. It never raises: a folder that cannot be written is no
        reason to trouble anyone. Where a later state has been written before, it does nothing."""
        self._made += 1
        number = self._made

        def write() -> None:
            with self._turn:
                if number < self._written:
                    return
                self._written = number
                try:
                    write_atomic(self._path, msgspec.json.encode(state))
                except OSError as error:
                    log.warning("window_state.not_saved errno=%s", error.errno)

        return write
