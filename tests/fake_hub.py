"""A hub on this computer for tests: Hugging Face's API, ModelScope's, a CDN on a second host, and faults on demand.

    with FakeHub() as hub:
        hub.add("owner/Name-GGUF", {"name-Q4_K_M.gguf": content(1_000_000)})
        hub.fault("name-Q4_K_M.gguf", Drop(after=300_000))
        ... Access(endpoint=hub.endpoint, modelscope=hub.modelscope)
        assert hub.sent() < 1_100_000

``localhost`` is the hub, ``127.0.0.1`` its CDN (another origin, so a token must not get there); ModelScope has a port
of its own. Bodies are counted as they leave, through small socket buffers.
"""

from __future__ import annotations

import contextlib
import hashlib
import random
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from http.server import ThreadingHTTPServer
from typing import Any, Literal

from msgspec import Struct

Source = Literal["huggingface", "modelscope"]
SOURCES: tuple[Source, ...] = ("huggingface", "modelscope")


def content(size: int, seed: int = 0) -> bytes:
    """The same bytes each time; no two pieces are alike."""
    return random.Random(seed).randbytes(size)


# Faults. ``times`` is for how many requests it holds (0: for all); ``stage`` "resolve" is the hub's own answer, "bytes"
# the answer with the body (the CDN's, or the hub's when it does not redirect).


class Fault(Struct, kw_only=True):
    times: int = 1
    stage: Literal["resolve", "bytes"] = "bytes"
    from_byte: int = 0  # only requests whose range begins here or later


class Drop(Fault):
    """Close the connection after ``after`` bytes of a body."""

    after: int = 0


class Stall(Fault):
    """Send nothing more after ``after`` bytes, but keep the connection for ``seconds``."""

    after: int = 0
    seconds: float = 60.0


class Refuse(Fault):
    """Answer with ``status``; ``code`` is the hub's own X-Error-Code."""

    status: int = 500
    code: str = ""
    retry_after: str = ""


class Short(Fault):
    """A complete answer that has fewer bytes than asked for."""

    fewer: int = 1000


class Corrupt(Fault):
    """Turn over the bits of one byte at each place of the file."""

    places: tuple[int, ...] = (0,)
    times: int = 0


class WrongRange(Fault):
    """Send other bytes than asked for, and say so in Content-Range."""

    shift: int = 1


class Whole(Fault):
    """200 with the whole file, whatever range was asked for."""

    times: int = 0


class Circle(Fault):
    """Redirect to itself."""

    times: int = 0
    stage: Literal["resolve", "bytes"] = "resolve"


class Page(Fault):
    """200 with a log-in page."""

    stage: Literal["resolve", "bytes"] = "resolve"


class Repo(Struct):
    """One repository. ``listed_sha256`` lies about the hashes of single files; ``gguf`` is what the hub says to have
    read from a file's header."""

    name: str
    files: dict[str, bytes]
    commit: str
    sources: tuple[Source, ...] = SOURCES
    gated: bool = False
    private: bool = False
    licence: str = "apache-2.0"
    tags: tuple[str, ...] = ("gguf",)
    gguf: dict[str, Any] = {}
    listed_sha256: dict[str, str] = {}
    old: dict[str, dict[str, bytes]] = {}


class Seen(Struct, frozen=True):
    """One request as it arrived. ``host`` is the Host header."""

    method: str
    host: str
    path: str
    headers: Mapping[str, str]


class Pace:
    """At most ``rate`` bytes a second, over all connections of one source."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._due = 0.0
        self._lock = threading.Lock()

    def wait(self, count: int) -> None:
        with self._lock:
            now = time.perf_counter()
            self._due = max(self._due, now) + count / self.rate
            pause = self._due - now
        if pause > 0:
            time.sleep(pause)


class FakeHub:
    """See the module. ``lives_s`` is how long a signed address of the CDN holds; ``redirects`` False serves bytes
    without a CDN; ``token`` is the only accepted one."""

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.requests: list[Seen] = []
        self.token = "hf_secret"  # noqa: S105 - of nobody
        self.accepted = False
        self.lives_s = 3600.0
        self.redirects: dict[Source, bool] = {"huggingface": True, "modelscope": True}
        self.page_size = 100
        #: While it is set, questions are taken and not answered.
        self.silent = threading.Event()
        self.signatures: dict[str, float] = {}
        self.bodies: dict[str, tuple[str, bytes, str]] = {}
        self._hashes: dict[int, tuple[bytes, str]] = {}
        self.lock = threading.Lock()
        self._faults: dict[tuple[Source, str], list[Fault]] = {}
        self._paces: dict[Source, Pace] = {}
        self._sent: dict[tuple[Source, str], int] = {}
        self._servers: dict[Source, _Server] = {}
        self._ports: dict[Source, int] = dict.fromkeys(SOURCES, 0)

    def __enter__(self) -> FakeHub:
        for source in SOURCES:
            self.plug(source)
        return self

    def __exit__(self, *_: object) -> None:
        for source in SOURCES:
            self.unplug(source)

    # Addresses ---------------------------------------------------------------------------------------------------

    @property
    def endpoint(self) -> str:
        """Hugging Face's."""
        return f"http://localhost:{self._ports['huggingface']}"

    @property
    def modelscope(self) -> str:
        """ModelScope's."""
        return f"http://localhost:{self._ports['modelscope']}"

    def cdn(self, source: Source) -> str:
        """The second host."""
        return f"http://127.0.0.1:{self._ports[source]}"

    # What is there -----------------------------------------------------------------------------------------------

    def add(self, name: str, files: Mapping[str, bytes], **options: Any) -> Repo:
        """Add a repository (or replace its files: a new commit; the old one stays reachable by its hash)."""
        before = self.repos.get(name)
        digest = hashlib.sha1(repr([name, sorted((p, hash(b)) for p, b in files.items())]).encode()).hexdigest()  # noqa: S324
        repo = Repo(name, dict(files), digest, **options)
        if before is not None:
            repo.old = {**before.old, before.commit: before.files}
        self.repos[name] = repo
        return repo

    def fault(self, path: str, *faults: Fault, source: Source = "huggingface") -> None:
        """Let requests for a file's bytes fail, in this order."""
        with self.lock:
            self._faults.setdefault((source, path), []).extend(faults)

    def heal(self) -> None:
        """No more faults."""
        with self.lock:
            self._faults.clear()

    def pace(self, rate: float, source: Source | None = None) -> None:
        """Bytes per second from now on; 0 for no limit."""
        for each in SOURCES if source is None else (source,):
            if rate:
                self._paces[each] = Pace(rate)
            else:
                self._paces.pop(each, None)

    def sent(self, path: str = "", source: Source | None = None) -> int:
        """Bytes of bodies of files that were sent."""
        with self.lock:
            return sum(
                n for (s, p), n in self._sent.items() if (not path or p == path) and (source is None or s == source)
            )

    def unplug(self, source: Source = "huggingface") -> None:
        """Nothing listens any more, and open connections are cut."""
        server = self._servers.pop(source, None)
        if server is None:
            return
        server.shutdown()
        server.server_close()
        for each in server.connections.copy():
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def plug(self, source: Source = "huggingface") -> None:
        """Listen (again, on the same port)."""
        server = _Server(self, source, self._ports[source])
        self._ports[source] = server.server_address[1]
        self._servers[source] = server
        threading.Thread(target=server.serve_forever, args=(0.02,), name=f"fake-{source}", daemon=True).start()

    def sha256(self, repo: Repo, path: str, body: bytes) -> str:
        """The hash that the hub says this file has."""
        if path in repo.listed_sha256:
            return repo.listed_sha256[path]
        with self.lock:
            if id(body) not in self._hashes:
                self._hashes[id(body)] = (body, hashlib.sha256(body).hexdigest())  # the body too: ids are used again
            return self._hashes[id(body)][1]

    # For the handler ---------------------------------------------------------------------------------------------

    def next_fault(self, source: Source, path: str, stage: str, start: int) -> Fault | None:
        with self.lock:
            faults = self._faults.get((source, path), [])
            for fault in faults:
                if fault.stage == stage and start >= fault.from_byte:
                    if fault.times == 1:
                        faults.remove(fault)
                    elif fault.times:
                        fault.times -= 1
                    return fault
        return None

    def pieces(self, source: Source, path: str, body: memoryview) -> Iterator[memoryview]:
        """The body in pieces, each at its time; what was taken counts as sent."""
        size = 16 * 1024 if source in self._paces else 64 * 1024
        for place in range(0, len(body), size):
            piece = body[place : place + size]
            pace = self._paces.get(source)
            if pace is not None:
                pace.wait(len(piece))
            yield piece
            with self.lock:
                key = (source, path)
                self._sent[key] = self._sent.get(key, 0) + len(piece)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, hub: FakeHub, source: Source, port: int) -> None:
        from tests.fake_hub_http import Handler  # noqa: PLC0415 - it needs this module

        self.hub = hub
        self.source: Source = source
        self.connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), Handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 32 * 1024)
        self.connections.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        self.connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, *_: object) -> None:
        pass  # clients go away in the middle all the time here
