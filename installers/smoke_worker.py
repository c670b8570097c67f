"""Asking an engine worker what it says of itself (which of the libraries for kinds of processors computes, say): it
says so only on its pipes.

Frames are four bytes of length and msgpack; the few kinds of values that an answer has are read here, since the
smoke test must not need the app's own libraries.
"""

from __future__ import annotations

import struct
import subprocess
import threading
from collections.abc import Mapping, Sequence
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


def about(command: Sequence[str], *, folder: Path, environment: Mapping[str, str], seconds: float) -> dict[str, Any]:
    """Start ``command --worker engine`` and end it: what it says of itself in its greeting."""
    with subprocess.Popen(
        [*command, "--worker", "engine"],
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
            found = _frame(process.stdout).get("about")
            process.stdin.close()  # the worker ends by itself then
            process.wait(seconds)
        except (OSError, ValueError, subprocess.TimeoutExpired) as error:
            raise Failed(f"The engine worker does not answer within {seconds:.0f} s.") from error
        finally:
            late.cancel()
            process.kill()
    if not isinstance(found, dict):
        raise Failed("The engine worker says nothing of itself.")
    return found


def _frame(stream: IO[bytes]) -> dict[str, Any]:
    length = int.from_bytes(stream.read(4), "big")
    if not 0 < length <= _LONGEST:
        raise ValueError("the worker ended")
    found = unpacked(stream.read(length))
    if not isinstance(found, dict):
        raise ValueError("no message of a worker")
    return found
