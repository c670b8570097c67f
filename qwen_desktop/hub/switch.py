"""The offline switch of this process: once it is on no request leaves, and connections that are open are cut.

Each request already carries the switch as it was when its job was called (``Access.offline``). This one reaches the
jobs that run when the user turns it: the worker that is told holds it, for all of its clients.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import weakref

_lock = threading.Lock()
_sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()
_off = threading.Event()


def turn(*, offline: bool) -> None:
    """The job ``hub.switch``: allow or forbid the network in this process. Instant."""
    with _lock:
        if not offline:
            _off.clear()
            return
        _off.set()
        cut = list(_sockets)
        _sockets.clear()
    for each in cut:
        end(each)


def is_offline() -> bool:
    """Whether the network was forbidden while this process ran."""
    return _off.is_set()


def watch(connection: socket.socket) -> bool:
    """Have ``connection`` cut when the switch is turned; False when it is off limits already (and now cut)."""
    with _lock:
        if not _off.is_set():
            _sockets.add(connection)
            return True
    end(connection)
    return False


def end(connection: socket.socket) -> None:
    """Wake whoever reads from ``connection``, and send nothing more; under TLS too, without a farewell."""
    with contextlib.suppress(OSError, TypeError, ValueError):
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
