"""One stream of a download: a thread that asks for runs of bytes and writes them where they belong."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Protocol

from qwen_desktop.core.errors import AppError
from qwen_desktop.hub import failures, switch
from qwen_desktop.hub.access import Access
from qwen_desktop.hub.client import client
from qwen_desktop.hub.download_board import Standing
from qwen_desktop.hub.download_disk import Handle, PartFile
from qwen_desktop.hub.download_limit import Limiter
from qwen_desktop.hub.journal import Journal

if TYPE_CHECKING:
    import httpx2

#: Bytes are written (and noted) when so many have come, or after so many seconds.
FLUSH_BYTES = 256 * 1024
FLUSH_S = 0.1


class Run:
    """A piece of the file to fetch from one source. ``end`` may be moved back while it runs."""

    def __init__(
        self, start: int, end: int, standing: Standing, *, repair: bool = False, measuring: bool = False
    ) -> None:
        self.start = self.position = start
        self.end = end
        self.standing = standing
        self.repair = repair
        self.measuring = measuring
        self.began = time.monotonic()
        self.first_byte = 0.0
        self.received = 0
        #: Since when the stream has waited for the network, 0 while it does something else.
        self.waits_since = 0.0
        self.given_up: AppError | None = None
        #: Given up only because another source is better: no failure.
        self.slow = False
        self.whole = False
        self.changed = False

    @property
    def left(self) -> int:
        """Bytes still to come."""
        return max(0, self.end - self.position)


class Orders(Protocol):
    """What a worker needs of its download (``FileDownload``)."""

    part: PartFile
    journal: Journal
    limiter: Limiter

    @property
    def stopped(self) -> bool: ...
    def next_run(self) -> Run | None: ...
    def take_whole(self, run: Run) -> bool: ...
    def arrived(self, run: Run, start: int, end: int, different: int) -> None: ...
    def ended(self, run: Run, error: AppError | None) -> None: ...
    def broken(self, error: BaseException) -> None: ...


class Worker(threading.Thread):
    """Fetches runs until there are none."""

    def __init__(self, orders: Orders, access: Access, number: int) -> None:
        super().__init__(name=f"download-{number}", daemon=True)
        self.run_now: Run | None = None
        self._orders = orders
        self._access = access
        self._socket: Any = None

    def abort(self) -> None:
        """Wake the thread out of waiting for the network: its connection ends."""
        connection = self._socket
        if connection is not None:
            switch.end(connection)

    def run(self) -> None:
        handle: Handle | None = None
        http: httpx2.Client | None = None
        try:
            http = client(self._access, follow=False)
            handle = self._orders.part.handle()
            while (run := self._orders.next_run()) is not None:
                self.run_now = run
                error = self._fetch(http, handle, run)
                self.run_now = None
                self._orders.ended(run, error)
        except Exception as error:  # the disk, or a mistake of ours: the download ends with it
            self._orders.broken(error)
        finally:
            if handle is not None:
                handle.close()
            if http is not None:
                http.close()

    def _fetch(self, http: httpx2.Client, handle: Handle, run: Run) -> AppError | None:
        """Fetch one run; a failure of the source is returned, one of the disk raised."""
        import httpx2  # noqa: PLC0415

        host = run.standing.link.host
        run.waits_since = run.began = time.monotonic()
        try:
            answer = run.standing.link.open(http, run.position, run.end, {"trace": self._trace})
        except AppError as error:
            return run.given_up or error
        try:
            self._socket = _socket_of(answer)
            ranged = answer.status_code == 206 or (run.position == 0 and run.end == self._orders.part.size)
            if not ranged and not self._orders.take_whole(run):
                return None
            self._read(answer, handle, run)
        except httpx2.HTTPError as error:
            if run.left and not self._orders.stopped:
                return run.given_up or failures.broke_off(host, details=type(error).__name__)
        finally:
            self._socket = None
            run.waits_since = 0.0
            answer.close()
        if run.left and run.given_up is None and not self._orders.stopped:
            return failures.broke_off(host, details="short")
        return run.given_up

    def _read(self, answer: httpx2.Response, handle: Handle, run: Run) -> None:
        buffers: list[bytes] = []
        held = 0
        flushed = time.monotonic()
        stream = answer.iter_raw()
        try:
            while True:
                run.waits_since = time.monotonic()
                chunk = next(stream, b"")
                now = time.monotonic()
                run.waits_since = 0.0
                if not chunk or self._orders.stopped or run.given_up is not None:
                    return
                run.first_byte = run.first_byte or now
                self._orders.limiter.take(len(chunk))
                room = max(0, run.end - run.position - held)
                buffers.append(chunk if len(chunk) <= room else chunk[:room])
                held += min(len(chunk), room)
                if held >= FLUSH_BYTES or now - flushed >= FLUSH_S or len(chunk) >= room:
                    self._flush(handle, run, buffers, held)
                    buffers, held, flushed = [], 0, now
                    if run.left == 0:
                        return
        finally:
            if held:
                self._flush(handle, run, buffers, held)

    def _flush(self, handle: Handle, run: Run, buffers: list[bytes], count: int) -> None:
        start, end = run.position, run.position + count
        different = 0
        if run.repair:
            different = _compare(handle, start, b"".join(buffers))
        if not run.repair or different:
            handle.write(start, buffers)
        run.position = end
        run.received += count
        self._orders.arrived(run, start, end, different)

    def _trace(self, event: str, info: dict[str, Any]) -> None:
        if event.endswith("connect_tcp.complete"):  # also of a proxy
            self._socket = info["return_value"].get_extra_info("socket")


def _socket_of(answer: httpx2.Response) -> Any:
    stream = answer.extensions.get("network_stream")
    return stream.get_extra_info("socket") if stream is not None else None


def _compare(handle: Handle, place: int, data: bytes) -> int:
    """How many bytes of the file differ from ``data``."""
    there = bytearray(len(data))
    count = handle.read(place, memoryview(there))
    if count == len(data) and there == data:
        return 0
    return max(1, sum(a != b for a, b in zip(there[:count], data, strict=False)))
