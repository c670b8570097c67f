"""One window per data folder: a second start hands its file to the first and ends.

The lock of the data folder (``startup``) decides who is first, not the socket: the socket file of a killed process
may linger. Where the first one hears stands in a file of that folder, so that it is found however the folder is spelled
(links, capitals, short names, another mount) and whatever the second start's temporary folder is; and since the name is
a new one each time, nobody else on the computer can take it first. Commands (``qwen-desktop chat …``) take no lock, so
they run beside the window.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import time
from pathlib import Path

import msgspec
from PySide6.QtCore import QObject, Signal
from PySide6.QtNetwork import QLocalServer, QLocalSocket

from qwen_desktop.core.files import read_file
from qwen_desktop.core.packed import from_json, to_json

log = logging.getLogger(__name__)

#: How long a second start waits for the first one's answer, in milliseconds (the first may still be starting).
WAIT_MS = 5000
_LIMIT = 64 * 1024
_LONGEST_NAME = 1024


class HandOver(msgspec.Struct, frozen=True):
    """What a second start tells the first. ``files`` are absolute paths; ``proof`` is the right to come forward."""

    files: tuple[str, ...] = ()
    proof: str = ""


def _place(runtime: Path) -> Path:
    return runtime / "window.socket"


def _name(runtime: Path) -> str:
    """Where the window of this data folder hears, "" when it does not say. Never raises."""
    try:
        return read_file(_place(runtime), _LONGEST_NAME).decode().strip()
    except (OSError, ValueError):
        return ""


class Listener(QObject):
    """Hears second starts. ``heard`` carries the ``HandOver``."""

    heard = Signal(object)

    def __init__(self, runtime: Path, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._place = _place(runtime)
        if old := _name(runtime):
            QLocalServer.removeServer(old)  # of a killed process: we have its lock now
        self._server = QLocalServer(self)
        self._server.setSocketOptions(QLocalServer.SocketOption.UserAccessOption)
        self._server.newConnection.connect(self._accept)
        # Short: a socket's path may have 107 bytes.
        if not self._server.listen(f"qwen-desktop-{secrets.token_hex(8)}"):
            log.warning("window.deaf")
            return
        try:
            self._place.parent.mkdir(parents=True, exist_ok=True)
            self._place.write_bytes(self._server.fullServerName().encode())  # half of it is tried in vain, then again
        except OSError as error:  # nothing can be written there, so that no second window is kept out either
            log.warning("window.deaf kind=%s", type(error).__name__)

    def close(self) -> None:
        """Stop hearing."""
        self._server.close()
        with contextlib.suppress(OSError):
            self._place.unlink(missing_ok=True)

    def _accept(self) -> None:
        while (socket := self._server.nextPendingConnection()) is not None:
            # Ours from here on: a socket that dies with the server while an event is on its way crashes Qt.
            socket.setParent(self)
            socket.readyRead.connect(self._read)
            socket.disconnected.connect(socket.deleteLater)

    def _read(self) -> None:
        socket = self.sender()
        if not isinstance(socket, QLocalSocket):
            return
        if socket.bytesAvailable() > _LIMIT:
            socket.abort()
        elif socket.canReadLine():
            try:
                message = from_json(bytes(socket.readLine().data()), HandOver)
            except ValueError:
                socket.abort()
                return
            socket.write(b"ok\n")
            socket.flush()
            self.heard.emit(message)


def hand_over(runtime: Path, message: HandOver, *, wait_ms: int = WAIT_MS) -> bool:
    """Tell the window of this data folder; True when it answered within ``wait_ms``."""
    deadline = time.monotonic() + wait_ms / 1000
    while time.monotonic() < deadline:
        socket = QLocalSocket()
        if name := _name(runtime):  # again each time: the first may still be starting
            socket.connectToServer(name)
        if socket.waitForConnected(200):
            socket.write(to_json(message) + b"\n")
            socket.flush()
            answered = socket.waitForReadyRead(1000) and socket.readAll().data() == b"ok\n"
            socket.abort()
            if answered:
                return True
        time.sleep(0.05)
    return False
