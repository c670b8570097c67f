"""Where the window was: a small JSON file in the config folder, written atomically, ignored when broken."""

from __future__ import annotations

import base64
import binascii
import logging
from pathlib import Path

import msgspec

from qwen_desktop.core.files import read_file, write_atomic

log = logging.getLogger(__name__)


class WindowState(msgspec.Struct, frozen=True):
    """Qt's own geometry blob (screens and maximising included) as base64, the side list's width in px, and the colours
    of the grounds by role, for the first paint of the next start."""

    geometry: str = ""
    sidelist: int = 272
    grounds: dict[str, str] = {}

    @property
    def list_width(self) -> int:
        """The side list's width within sensible bounds."""
        return max(200, min(self.sidelist, 420))

    def blob(self) -> bytes:
        """The geometry for ``restoreGeometry``; empty when there is none."""
        try:
            return base64.b64decode(self.geometry, validate=True)
        except (binascii.Error, ValueError):
            return b""


def read(path: Path) -> WindowState:
    """The stored state, or the default one."""
    try:
        return msgspec.json.decode(read_file(path), type=WindowState)
    except (OSError, msgspec.MsgspecError):
        return WindowState()


def write(path: Path, geometry: bytes, sidelist: int, grounds: dict[str, str]) -> None:
    """Keep the state; a folder that cannot be written is no reason to trouble anyone."""
    state = WindowState(base64.b64encode(geometry).decode("ascii"), sidelist, grounds)
    try:
        write_atomic(path, msgspec.json.encode(state))
    except OSError as error:
        log.warning("window_state.not_saved errno=%s", error.errno)
