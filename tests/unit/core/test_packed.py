"""Strings that are no text come through frames and JSON unchanged, everything else looks as before."""

from __future__ import annotations

import json
import os
import random
from typing import Any

import msgspec
import pytest
from msgspec import Struct

from qwen_desktop.core.packed import Unpacker, from_json, pack, to_json
from qwen_desktop.core.text import QT_TRANSLATE_NOOP

SIGNS = [*map(chr, (0, 10, 34, 92, 0x20AC, 0x1F600)), *"aé水/", *(chr(n) for n in (0xDC80, 0xDCE9, 0xDCFF))]


class Named(Struct, frozen=True):
    """What frames and files are made of."""

    path: str
    files: tuple[str, ...] = ()
    rest: dict[str, Any] = {}
    size: int = 0


def any_string(chance: random.Random) -> str:
    return "".join(chance.choices(SIGNS, k=chance.randrange(6)))


def any_value(chance: random.Random, depth: int = 0) -> Any:
    kind = chance.randrange(7 if depth < 3 else 5)
    if kind == 5:
        return [any_value(chance, depth + 1) for _ in range(chance.randrange(4))]
    if kind == 6:
        return {any_string(chance): any_value(chance, depth + 1) for _ in range(chance.randrange(4))}
    return [None, True, chance.randrange(-(1 << 60), 1 << 60), chance.random(), any_string(chance)][kind]


def test_whatever_holds_such_names_comes_back_as_it_was() -> None:
    chance = random.Random(1)
    unpack: Unpacker[Named] = Unpacker(Named)
    for _ in range(1500):
        files = tuple(any_string(chance) for _ in range(chance.randrange(3)))
        value = Named(any_string(chance), files, {any_string(chance): any_value(chance)}, chance.randrange(9))
        assert unpack(pack(value)) == value
        for indent in (None, 1):
            written = to_json(value, indent=indent)
            assert from_json(written, Named) == value
            assert json.loads(written) == {**msgspec.to_builtins(value), "files": list(files)}


def test_text_is_written_as_msgspec_does() -> None:
    value = Named("/models/水.gguf", ("a",), {"b": [1, {"c": None}]})
    assert pack(value) == msgspec.msgpack.encode(value)
    assert to_json(value) == msgspec.json.encode(value)


def test_the_bytes_of_a_name_are_the_same_on_the_other_side() -> None:
    raw = bytes(range(1, 47)) + bytes(range(48, 256))  # every byte that a name may have
    name = os.fsdecode(raw)
    assert os.fsencode(Unpacker[Named](Named)(pack(Named(name))).path) == raw
    assert os.fsencode(from_json(to_json(Named(name)), Named).path) == raw


UNKNOWN = msgspec.msgpack.encode({"path": msgspec.msgpack.Ext(9, b"x")})


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x81\xa4path\x01", UNKNOWN])
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        Unpacker[Named](Named)(data)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"path": 1}', b'{"path": "\\ud8"}', b"[" * 100_000])
def test_other_json_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        from_json(data, Named)


def test_a_marked_text_is_written_as_the_string_it_is() -> None:
    marked = QT_TRANSLATE_NOOP("tests", "none yet")
    for rest in ({"value": marked}, {"value": marked, "name": "\udce9"}):
        assert Unpacker[Named](Named)(pack(Named("a", rest=rest))).rest == rest
        assert from_json(to_json(Named("a", rest=rest)), Named).rest == rest
    with pytest.raises(NotImplementedError):
        pack({"value": object()})
