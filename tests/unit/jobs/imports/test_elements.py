"""JSON of any length is read element by element, wherever a piece of the file ends."""

from __future__ import annotations

import contextlib
import io
import json
import random
import tracemalloc
from typing import Any, BinaryIO

import pytest

from qwen_desktop.jobs.imports import elements


def some(chance: random.Random) -> list[Any]:
    odd = (1, 2.5, -0.0, 10**20, 'é"\\x', None, True, {"a": [1, {"b": "☃😀"}]}, [], {}, "z" * chance.randint(0, 50))
    return [chance.choice(odd) for _ in range(chance.randint(0, 30))]


def read(data: bytes) -> list[tuple[str, Any]]:
    return [(key, json.loads(value)) for key, value, _ in elements.elements(io.BytesIO(data))]


def test_all_reads_as_python_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(1)
    for turn in range(200):
        monkeypatch.setattr(elements, "_CHUNK", chance.randint(1, 60))
        value, other = some(chance), some(chance)
        data = json.dumps(value, indent=(None, 1)[turn % 2], ensure_ascii=turn % 3 == 0).encode()
        assert read(data) == [("", entry) for entry in value]
        both = b'\xef\xbb\xbf { "a" :\n' + data + b', "v": 2, "b":' + json.dumps(other).encode() + b"}\n"
        assert read(both) == [*(("a", e) for e in value), ("v", 2), *(("b", e) for e in other)]


@pytest.mark.parametrize(
    "data",
    [b"", b"7", b"[", b"[1", b"[1 2]", b"[1,]", b"[1]]", b"{]", b"[{]", b'{"a"}', b'{"a":}', b"{1:2}", b'{"a":1,}',
     b"\xff\xfe[", b"[" * 100_000, b'{"a":' * 100_000],
)  # fmt: skip
def test_what_is_no_json(data: bytes) -> None:
    with pytest.raises(ValueError):
        read(data)


def test_mutated_files_end() -> None:
    chance = random.Random(2)
    for _ in range(300):
        data = bytearray(json.dumps(some(chance)).encode())
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        with contextlib.suppress(ValueError):
            read(bytes(data))


class _Long(io.RawIOBase):
    """A list of some 200 MB that is never all there."""

    left = 400

    def readable(self) -> bool:
        return True

    def read(self, _size: int = -1) -> bytes:
        self.left -= 1
        return b"[" if self.left == 399 else b"" if self.left < 0 else (b'{"text": "' + b"x" * 10_000 + b'"},') * 50


def test_a_long_list_needs_the_memory_of_one_element(monkeypatch: pytest.MonkeyPatch) -> None:
    file: BinaryIO = _Long()  # type: ignore[assignment]
    tracemalloc.start()
    count = 0
    with pytest.raises(ValueError):  # it ends with a comma
        for _ in elements.elements(file):
            count += 1
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 399 * 50 and peak < 30_000_000
    monkeypatch.setattr(elements, "LONGEST", 5_000)
    with pytest.raises(elements.TooLongError):
        read(b'["' + b"x" * 2_000_000 + b'"]')
