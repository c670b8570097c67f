"""A proxy on this computer that notes who wants to go where: plain requests, CONNECT, and SOCKS5.

    with LoggingProxy() as proxy:
        ... settings with proxy = proxy.address (or proxy.socks) ...
        assert proxy.hosts() == {"localhost"}

Only this computer is really reached; anything else is noted and refused, so that a test can never leave it.
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

from msgspec import Struct

_HERE = ("localhost", "127.0.0.1")
_LONGEST = 64 * 1024


class Asked(Struct, frozen=True):
    """One wish: ``kind`` is the method of a plain request, CONNECT, or SOCKS; ``headers`` have small names."""

    kind: str
    host: str
    port: int
    path: str = ""
    headers: dict[str, str] = {}


class LoggingProxy:
    """``user`` and ``password``, where given, are asked for: by 407, or by SOCKS' own way."""

    def __init__(self, user: str = "", password: str = "") -> None:
        self.asked: list[Asked] = []
        self.user, self.password = user, password
        self._stopped = False
        self._listeners: dict[str, socket.socket] = {}
        self._open: set[socket.socket] = set()

    def __enter__(self) -> LoggingProxy:
        for kind, serve in (("http", self._http), ("socks", self._socks)):
            listener = socket.create_server(("127.0.0.1", 0))
            self._listeners[kind] = listener
            threading.Thread(target=self._accept, args=(listener, serve), name=f"proxy-{kind}", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped = True
        for connection in (*self._listeners.values(), *self._open.copy()):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    @property
    def address(self) -> str:
        """For plain requests and CONNECT."""
        return f"http://{self._login}127.0.0.1:{self._listeners['http'].getsockname()[1]}"

    @property
    def socks(self) -> str:
        """For SOCKS5."""
        return f"socks5://{self._login}127.0.0.1:{self._listeners['socks'].getsockname()[1]}"

    @property
    def _login(self) -> str:
        return f"{self.user}:{self.password}@" if self.user else ""

    def hosts(self) -> set[str]:
        """Where anybody wanted to go, with ports."""
        return {f"{wish.host}:{wish.port}" for wish in self.asked}

    def _accept(self, listener: socket.socket, serve: object) -> None:
        while not self._stopped:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self._open.add(connection)
            threading.Thread(target=self._guarded, args=(serve, connection), daemon=True).start()

    def _guarded(self, serve: object, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError, IndexError), connection:
            serve(connection)  # type: ignore[operator]
        self._open.discard(connection)

    # HTTP --------------------------------------------------------------------------------------------------------

    def _http(self, connection: socket.socket) -> None:
        for head in _heads(connection):
            lines = head.decode("latin-1").split("\r\n")
            method, target, _ = lines[0].split(" ", 2)
            headers = {n.strip().lower(): v.strip() for n, _, v in (line.partition(":") for line in lines[1:] if line)}
            url = urlsplit(f"//{target}" if method == "CONNECT" else target)
            host, port = url.hostname or "", url.port or 80
            self.asked.append(Asked(method, host, port, url.path, headers))
            if self.user and "proxy-authorization" not in headers:
                connection.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
                continue
            if host not in _HERE:
                connection.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
                continue
            with socket.create_connection(("127.0.0.1", port), timeout=30) as other:
                if method == "CONNECT":
                    connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                else:
                    path = url.path + (f"?{url.query}" if url.query else "")
                    kept = [line for line in lines[1:] if not line.lower().startswith(("proxy-", "connection:"))]
                    first = f"{method} {path or '/'} HTTP/1.1"
                    other.sendall("\r\n".join([first, "Connection: close", *kept]).encode("latin-1"))
                    answer = b""
                    while b"\r\n" not in answer and (more := other.recv(_LONGEST)):
                        answer += more
                    # Said, so that nobody asks again on a connection that ends with this answer.
                    connection.sendall(answer.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
                _join(connection, other)
            return

    # SOCKS5 (RFC 1928, 1929) -----------------------------------------------------------------------------------------

    def _socks(self, connection: socket.socket) -> None:
        _, count = _exactly(connection, 2)
        methods = _exactly(connection, count)
        method = 2 if self.user else 0
        if method not in methods:
            connection.sendall(b"\x05\xff")
            return
        connection.sendall(bytes([5, method]))
        if method == 2:
            _, length = _exactly(connection, 2)
            user = _exactly(connection, length)
            password = _exactly(connection, _exactly(connection, 1)[0])
            good = (user, password) == (self.user.encode(), self.password.encode())
            connection.sendall(b"\x01\x00" if good else b"\x01\x01")
            if not good:
                return
        _, _, _, kind = _exactly(connection, 4)
        if kind == 3:
            host = _exactly(connection, _exactly(connection, 1)[0]).decode("ascii")
        else:
            family = socket.AF_INET if kind == 1 else socket.AF_INET6
            host = socket.inet_ntop(family, _exactly(connection, 4 if kind == 1 else 16))
        port = int.from_bytes(_exactly(connection, 2), "big")
        self.asked.append(Asked("SOCKS", host, port))
        if host not in _HERE:
            connection.sendall(b"\x05\x04\x00\x01\x00\x00\x00\x00\x00\x00")
            return
        with socket.create_connection(("127.0.0.1", port), timeout=30) as other:
            connection.sendall(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00")
            _join(connection, other)


def _heads(connection: socket.socket) -> Iterator[bytes]:
    """The heads of requests without bodies, ends included."""
    held = b""
    while True:
        while b"\r\n\r\n" not in held:
            more = connection.recv(_LONGEST)
            if not more or len(held) > _LONGEST:
                return
            held += more
        head, _, held = held.partition(b"\r\n\r\n")
        yield head + b"\r\n\r\n"


def _exactly(connection: socket.socket, count: int) -> bytes:
    held = b""
    while len(held) < count:
        more = connection.recv(count - len(held))
        if not more:
            raise ValueError
        held += more
    return held


def _join(one: socket.socket, other: socket.socket) -> None:
    """Pass bytes both ways until either side ends."""
    ways = {one: other, other: one}
    while True:
        for ready in select.select(list(ways), [], [], 60)[0]:
            data = ready.recv(_LONGEST)
            if not data:
                return
            ways[ready].sendall(data)
