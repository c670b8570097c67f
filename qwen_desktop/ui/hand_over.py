"""One window per data folder: a second start hands its file to the first and ends.

The lock of the data folder (``application``) decides who is first, not the socket: the socket file of a killed process
may linger. Commands (``qwen-desktop chat …``) take no lock, so they run beside the window.
"""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import msgspec
from PySide6.QtCore import QObject, Signal
from PySide6.QtNetwork import QLocalServer, QLocalSocket

from qwen_desktop.core.packed import from_json, to_json

#: How long a second start waits for the first one's answer, in milliseconds (the first may still be starting).
WAIT_MS = 5000
_LIMIT = 64 * 1024


class HandOver(msgspec.Struct, frozen=True):
    """What a second start tells the first. ``files`` are absolute paths; ``proof`` is the right to come forward."""

    files: tuple[str, ...] = ()
    proof: str = ""


def _name(runtime: Path) -> str:
    # A hash of the folder keeps the name under the 107 bytes that a socket's path may have.
    return "qwen-desktop-" + hashlib.sha256(os.fsencode(runtime.absolute())).hexdigest()[:16]


class Listener(QObject):
    """Hears second starts. ``heard`` carries the ``HandOver``."""

    heard = Signal(object)

    def __init__(self, runtime: Path, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._buffers: dict[QLocalSocket, bytearray] = {}
        QLocalServer.removeServer(_name(runtime))
        self._server = QLocalServer(self)
        self._server.setSocketOptions(QLocalServer.SocketOption.UserAccessOption)
        self._server.newConnection.connect(self._accept)
        self._server.listen(_name(runtime))

    def close(self) -> None:
        """Stop hearing."""
        self._server.close()

    def _accept(self) -> None:
        while (socket := self._server.nextPendingConnection()) is not None:
            # Ours from here on: a socket that dies with the server while an event is on its way crashes Qt.
            socket.setParent(self)
            self._buffers[socket] = bytearray()
            socket.readyRead.connect(self._read)
            socket.disconnected.connect(self._forget)

    def _read(self) -> None:
        socket = self.sender()
        if not isinstance(socket, QLocalSocket) or socket not in self._buffers:
            return
        buffer = self._buffers[socket]
        buffer += socket.readAll().data()
        if len(buffer) > _LIMIT:
            socket.abort()
        elif buffer.endswith(b"\n"):
            try:
                message = from_json(bytes(buffer), HandOver)
            except ValueError:
                socket.abort()
                return
            socket.write(b"ok\n")
            socket.flush()
            self.heard.emit(message)

    def _forget(self) -> None:
        socket = self.sender()
        if isinstance(socket, QLocalSocket) and self._buffers.pop(socket, None) is not None:
            socket.deleteLater()


def hand_over(runtime: Path, message: HandOver, *, wait_ms: int = WAIT_MS) -> bool:
    """Tell the window of this data folder; True when it answered within ``wait_ms``."""
    deadline = time.monotonic() + wait_ms / 1000
    while time.monotonic() < deadline:
        socket = QLocalSocket()
        socket.connectToServer(_name(runtime))
        if socket.waitForConnected(200):
            socket.write(to_json(message) + b"\n")
            socket.flush()
            answered = socket.waitForReadyRead(1000) and socket.readAll().data() == b"ok\n"
            socket.abort()
            if answered:
                return True
        time.sleep(0.05)
    return False
