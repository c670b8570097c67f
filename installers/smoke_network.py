"""What the smoke test sees of the network: a SOCKS proxy that notes who is asked for, and refuses."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

#: SOCKS 5 (RFC 1928): version, "no authentication", and a refusal because the host cannot be reached.
_VERSION, _NO_LOGIN, _UNREACHABLE = 5, 0, 4
_NAME, _IPV4, _IPV6 = 3, 1, 4
_PATIENCE_S = 30.0


@contextmanager
def socks_proxy() -> Iterator[tuple[str, list[str]]]:
    """Its address, and the hosts that were asked for so far. Nothing is ever fetched through it."""
    asked: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):  # the listener is closed: the end
                while True:
                    connection, _ = listener.accept()
                    with connection, contextlib.suppress(OSError, EOFError, ValueError):
                        connection.settimeout(_PATIENCE_S)
                        asked.append(_refused(connection))

        threading.Thread(target=serve, name="socks", daemon=True).start()
        yield f"socks5://127.0.0.1:{listener.getsockname()[1]}", asked


def _refused(connection: socket.socket) -> str:
    """The host that this connection asks for. Raises ``ValueError`` for what is not SOCKS 5."""
    version, methods = _read(connection, 2)
    _read(connection, methods)
    if version != _VERSION:
        raise ValueError(version)
    connection.sendall(bytes((_VERSION, _NO_LOGIN)))
    _, _, _, kind = _read(connection, 4)
    length = _read(connection, 1)[0] if kind == _NAME else {_IPV4: 4, _IPV6: 16}[kind]
    host = _read(connection, length)
    _read(connection, 2)
    connection.sendall(bytes((_VERSION, _UNREACHABLE, 0, _IPV4, 0, 0, 0, 0, 0, 0)))
    return host.decode("ascii") if kind == _NAME else ".".join(map(str, host))


def _read(connection: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        more = connection.recv(count - len(found))
        if not more:
            raise EOFError
        found += more
    return found
