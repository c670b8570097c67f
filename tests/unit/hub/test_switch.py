"""The offline switch of a process: what is under way is cut at once, nothing new leaves, and it can be turned back."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import httpx2
import pytest

from qwen_desktop.core.errors import AppError, UserFacing
from qwen_desktop.hub import api, switch
from qwen_desktop.hub.access import Access
from qwen_desktop.hub.client import client
from tests.logging_proxy import LoggingProxy
from tests.pulling import in_thread


class Slow:
    """Accepts, answers with ``head``, and then says nothing more. Counts connections."""

    def __init__(self, head: bytes) -> None:
        self._head = head
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.connections: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
                self.connections.append(connection)
                connection.recv(65536)
                connection.sendall(self._head)
            except OSError:
                return

    def close(self) -> None:
        for each in (self._socket, *self.connections):
            each.close()


@pytest.fixture(autouse=True)
def online() -> Iterator[None]:
    yield
    switch.turn(offline=False)


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"])
@pytest.mark.parametrize("by", ["", "http", "socks"])
def test_what_is_under_way_is_cut(head: bytes, by: str) -> None:
    slow = Slow(head)
    with LoggingProxy() as proxy:
        way = {"": "", "http": proxy.address, "socks": proxy.socks}[by]
        access = Access(endpoint=f"http://127.0.0.1:{slow.port}", proxy=way)
        wait = in_thread(lambda: api.repo_info("owner/name", access=access))
        until = time.monotonic() + 5
        while not slow.connections and time.monotonic() < until:
            time.sleep(0.005)
        time.sleep(0.05)
        began = time.monotonic()
        switch.turn(offline=True)
        with pytest.raises(UserFacing, match="switched off"):
            wait()
        assert time.monotonic() - began < 2
        before = len(slow.connections)
        with pytest.raises(AppError, match="switched off"):  # its access is from before the switch
            api.repo_info("owner/name", access=access)
        assert len(slow.connections) == before
    slow.close()


def test_a_client_of_before_sends_nothing_more_and_can_be_used_again_later() -> None:
    slow = Slow(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
    url = f"http://127.0.0.1:{slow.port}/"
    with client(Access()) as http:
        assert http.get(url).text == "{}"
        switch.turn(offline=True)
        with pytest.raises(UserFacing, match="switched off"):
            http.get(url)
        assert len(slow.connections) == 1 and slow.connections[0].recv(1) == b""  # it was closed, not kept
        switch.turn(offline=False)
        assert http.get(url).text == "{}"
    slow.close()


def test_a_connection_that_is_made_at_that_moment_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Slow(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
    real = socket.create_connection

    def connect(*args: object, **options: object) -> socket.socket:
        made = real(*args, **options)  # type: ignore[arg-type]
        switch.turn(offline=True)
        return made

    monkeypatch.setattr(socket, "create_connection", connect)
    with client(Access()) as http, pytest.raises((UserFacing, httpx2.TransportError)):
        http.get(f"http://127.0.0.1:{slow.port}/")
    time.sleep(0.05)
    assert all(each.recv(1) == b"" for each in slow.connections)
    slow.close()
