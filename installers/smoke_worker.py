"""Asking a worker what it says of itself (which of the libraries for kinds of processors computes, say), or to do a
job: it answers only on its pipes.

Frames are four bytes of length and msgpack; the few kinds of values that an answer has are read here, since the
smoke test must not need the app's own libraries.
"""

from __future__ import annotations

import struct
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from dev_console import Failed

_LONGEST = 64 * 1024 * 1024
_NUMBERS = {
    0xCA: ">f", 0xCB: ">d", 0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q", 0xD0: ">b", 0xD1: ">h", 0xD2: ">i",
    0xD3: ">q",
}  # fmt: skip
_PLAIN: dict[int, Any] = {0xC0: None, 0xC2: False, 0xC3: True}
#: First byte -> form of the length that follows.
_BYTES = {0xC4: ">B", 0xC5: ">H", 0xC6: ">I"}
_TEXTS = {0xD9: ">B", 0xDA: ">H", 0xDB: ">I"}
_LISTS = {0xDC: ">H", 0xDD: ">I"}
_MAPS = {0xDE: ">H", 0xDF: ">I"}


def unpacked(data: bytes) -> Any:
    """The value of one msgpack payload. Raises ``ValueError`` for what is none."""
    try:
        value, end = _value(data, 0)
    except (IndexError, struct.error, UnicodeDecodeError) as error:
        raise ValueError("no msgpack") from error
    if end != len(data):
        raise ValueError("more than one value")
    return value


def _value(data: bytes, at: int) -> tuple[Any, int]:  # noqa: PLR0911 - one return for each kind of value
    first = data[at]
    at += 1
    if first <= 0x7F or first >= 0xE0:
        return (first if first <= 0x7F else first - 256), at
    if first in _PLAIN:
        return _PLAIN[first], at
    if first in _NUMBERS:
        return _number(data, at, _NUMBERS[first])
    if first in _BYTES:
        count, at = _number(data, at, _BYTES[first])
        return _cut(data, at, count), at + count
    if first in _TEXTS or 0xA0 <= first <= 0xBF:
        count, at = _number(data, at, _TEXTS[first]) if first in _TEXTS else (first & 0x1F, at)
        return _cut(data, at, count).decode(), at + count
    if first in _LISTS or 0x90 <= first <= 0x9F:
        count, at = _number(data, at, _LISTS[first]) if first in _LISTS else (first & 0x0F, at)
        return _several(data, at, count)
    if first in _MAPS or 0x80 <= first <= 0x8F:
        count, at = _number(data, at, _MAPS[first]) if first in _MAPS else (first & 0x0F, at)
        flat, at = _several(data, at, 2 * count)
        return dict(zip(flat[::2], flat[1::2], strict=True)), at
    raise ValueError(f"an unknown kind of value ({first:#x})")


def _number(data: bytes, at: int, form: str) -> tuple[Any, int]:
    end = at + struct.calcsize(form)
    return struct.unpack(form, data[at:end])[0], end


def _cut(data: bytes, at: int, count: int) -> bytes:
    if at + count > len(data):
        raise ValueError("it ends early")
    return data[at : at + count]


def _several(data: bytes, at: int, count: int) -> tuple[list[Any], int]:
    found: list[Any] = []
    for _ in range(count):
        value, at = _value(data, at)
        found.append(value)
    return found, at


def packed(value: Any) -> bytes:
    """The msgpack of plain data: maps, lists, strings, booleans, None and small numbers."""
    if isinstance(value, Mapping):
        return b"\xdf" + struct.pack(">I", len(value)) + b"".join(packed(k) + packed(v) for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return b"\xdd" + struct.pack(">I", len(value)) + b"".join(map(packed, value))
    if isinstance(value, str):
        return b"\xdb" + struct.pack(">I", len(value.encode())) + value.encode()
    if value is None or isinstance(value, bool):
        return {None: b"\xc0", False: b"\xc2", True: b"\xc3"}[value]
    return b"\xd3" + struct.pack(">q", value)


def about(command: Sequence[str], *, folder: Path, environment: Mapping[str, str], seconds: float) -> dict[str, Any]:
    """Start ``command --worker engine`` and end it: what it says of itself in its greeting."""
    with _worker(command, "engine", folder, environment, seconds) as (_, stream):
        found = _frame(stream).get("about")
    if not isinstance(found, dict):
        raise Failed("The engine worker says nothing of itself.")
    return found


def job(
    command: Sequence[str],
    name: str,
    params: Mapping[str, Any],
    *,
    folder: Path,
    environment: Mapping[str, str],
    seconds: float,
) -> Any:
    """Start ``command --worker jobs``, have one job done and end it: the result. A job that fails is ``Failed``."""
    call = packed({"t": "call", "id": 1, "method": name, "params": params})
    with _worker(command, "jobs", folder, environment, seconds) as (sink, stream):
        _frame(stream)  # its greeting
        sink.write(len(call).to_bytes(4, "big") + call)
        sink.flush()
        while (reply := _frame(stream)).get("t") == "event":
            pass
    if reply.get("t") != "result":
        raise Failed(f"The job {name} fails: {reply.get('problem')}.")
    return reply["value"]


@contextmanager
def _worker(
    command: Sequence[str], kind: str, folder: Path, environment: Mapping[str, str], seconds: float
) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """What a worker reads and what it writes; it has ended afterwards."""
    with subprocess.Popen(
        [*command, "--worker", kind],
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        late = threading.Timer(seconds, process.kill)
        late.start()
        try:
            assert process.stdin is not None and process.stdout is not None  # noqa: S101 - PIPE
            yield process.stdin, process.stdout
            process.stdin.close()  # the worker ends by itself then
            process.wait(seconds)
        except (OSError, ValueError, subprocess.TimeoutExpired) as error:
            raise Failed(f"The worker for {kind} does not answer within {seconds:.0f} s.") from error
        finally:
            late.cancel()
            process.kill()


def _frame(stream: IO[bytes]) -> dict[str, Any]:
    length = int.from_bytes(stream.read(4), "big")
    if not 0 < length <= _LONGEST:
        raise ValueError("the worker ended")
    found = unpacked(stream.read(length))
    if not isinstance(found, dict):
        raise ValueError("no message of a worker")
    return found
