"""Our own files, damaged in every way: a sentence or what can be read of them, never a crash, never half a chat."""

from __future__ import annotations

import io
import json
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest

from qwen_desktop.core.errors import AppError, UserFacing
from qwen_desktop.core.exchange import ImportedConversation, Source
from qwen_desktop.jobs.imports import elements as reading
from qwen_desktop.jobs.imports import own
from qwen_desktop.jobs.imports.elements import elements
from qwen_desktop.jobs.imports.forms import form_of
from qwen_desktop.services.exports import Wanted
from tests.histories import Place, fill, ran


def _read(path: Path, staging: Path) -> tuple[list[ImportedConversation], Source]:
    staging.mkdir(exist_ok=True)
    source = Source(path, path.stat().st_size)
    return list(own.read(source, staging)), source


def _sound(entry: ImportedConversation, staging: Path) -> None:
    """What the store relies on."""
    seen: set[str] = set()
    for message in entry.messages:
        assert message.parent_id is None or message.parent_id in seen
        assert message.id not in seen
        seen.add(message.id)
    assert (entry.conversation.leaf_id in seen) if seen else entry.conversation.leaf_id is None
    for blob in entry.blobs:
        assert (staging / blob.sha256).stat().st_size == blob.size
    assert json.dumps(msgspec.to_builtins(entry.conversation)) is not None


@ran
async def test_mutated_files_give_a_sentence_or_sound_chats(tmp_path: Path) -> None:
    async with Place(tmp_path / "a") as there:
        await fill(there, 6, chats=6)
        await there.exports.export(Wanted(format="json"), tmp_path / "a.json")
    data = (tmp_path / "a.json").read_bytes()
    chance = random.Random(1)
    place, staging = tmp_path / "x.json", tmp_path / "staging"
    read = failed = 0
    for _ in range(90):
        changed = bytearray(data)
        for _ in range(chance.choice((1, 1, 2, 5))):
            at = chance.randrange(len(changed))
            match chance.randrange(4):
                case 0:
                    changed[at] = chance.randrange(256)
                case 1:
                    del changed[at : at + chance.choice((1, 10, 1000))]
                case 2:
                    changed[at:at] = chance.choice((b"null", b'"', b"{", b"]", b"[" * 3000, b"1e999", b"\\ud800", b"-"))
                case _:
                    del changed[at:]
            changed = changed or bytearray(b" ")
        place.write_bytes(changed)
        try:
            entries, source = _read(place, staging)
        except UserFacing as error:
            assert "damaged" in str(error) or "newer" in str(error)
            failed += 1
            continue
        read += 1
        assert len(source.reasons) == min(source.skipped, 50)
        for entry in entries:
            _sound(entry, staging)
    assert read > 5
    assert failed > 5


def _value(chance: random.Random) -> Any:
    return chance.choice((None, True, -1, 1e300, 2**70, "", "x", "\ud800", [], {}, [[]], {"a": 1}, "9" * 200, 0.5))


@ran
async def test_files_with_other_values_give_sound_chats_and_say_what_is_missing(tmp_path: Path) -> None:
    async with Place(tmp_path / "a") as there, Place(tmp_path / "b") as here:
        await fill(there, 8, chats=6)
        await there.exports.export(Wanted(format="json"), tmp_path / "a.json")
        chance = random.Random(2)
        for _ in range(25):
            file = json.loads((tmp_path / "a.json").read_text(errors="surrogateescape"))
            for _ in range(chance.choice((1, 3))):
                at: Any = chance.choice(file["conversations"] + file["blobs"])
                while True:
                    keys = list(at.keys() if isinstance(at, dict) else range(len(at)))
                    if not keys:
                        break
                    key = chance.choice(keys)
                    if isinstance(at[key], dict | list) and chance.random() < 0.8:
                        at = at[key]
                        continue
                    at[key] = _value(chance)
                    break
            (tmp_path / "x.json").write_text(json.dumps(file))
            try:
                found = await here.imports.run(tmp_path / "x.json")
            except AppError as error:
                assert error.kind == "user", error
                continue
            assert found.conversations + found.already + len(found.reasons) >= 6
        assert here.rows("PRAGMA integrity_check") == [("ok",)]
        assert here.rows("SELECT count(*) FROM conversations WHERE deleted_at IS NOT NULL") == [(0,)]


def test_a_file_of_a_newer_version_says_so(tmp_path: Path) -> None:
    place = tmp_path / "x.json"
    place.write_text('{"format":"qwen-desktop-history","version":2,"conversations":[]}')
    with pytest.raises(UserFacing, match="newer version"):
        _read(place, tmp_path / "staging")


def test_whose_file_it_is_is_told_by_what_is_in_it(tmp_path: Path) -> None:
    place = tmp_path / "x.txt"
    place.write_text('{\n  "format" : "qwen-desktop-history", "version": 1, "conversations": []}')
    assert form_of(place).module == "own"
    for other in (b"", b"{}", b"\x00\xff" * 50, b"hello"):
        place.write_bytes(other)
        with pytest.raises(UserFacing, match="holds no chats"):
            form_of(place)


@ran
async def test_a_file_that_was_written_anew_by_another_program_is_read_the_same(tmp_path: Path) -> None:
    async with Place(tmp_path / "a") as there:
        await fill(there, 9)
        await there.exports.export(Wanted(format="json"), tmp_path / "a.json")
    value = json.loads((tmp_path / "a.json").read_text(errors="surrogateescape"))
    (tmp_path / "b.json").write_text(json.dumps(value, indent=3))
    assert _read(tmp_path / "a.json", tmp_path / "s")[0] == _read(tmp_path / "b.json", tmp_path / "s")[0]


@pytest.mark.parametrize("chunk", [1, 2, 7, 64, 1 << 20])
def test_elements_of_any_json_come_whole_however_it_is_cut(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_CHUNK", chunk)
    chance = random.Random(chunk)

    def made(depth: int) -> Any:
        kind = chance.randrange(6 if depth else 4)
        if kind == 4:
            return [made(depth - 1) for _ in range(chance.randrange(4))]
        if kind == 5:
            return {chance.choice(('a"', "b\\", "{", "]")): made(depth - 1) for _ in range(chance.randrange(4))}
        return chance.choice((1, -2.5, None, True, 'x"y', "\\", "]}", "", "é中", ","))

    for _ in range(60):
        listed = [made(3) for _ in range(chance.randrange(6))]
        for indent in (None, 2):
            text = json.dumps(listed, indent=indent, ensure_ascii=chance.random() < 0.5).encode()
            assert [json.loads(value) for _, value, _ in elements(io.BytesIO(text))] == listed
            entries = {"one": 1, "list": listed, "inner": {"a": listed}, "last": "x"}
            text = json.dumps(entries, indent=indent).encode()
            found = [(key, json.loads(value)) for key, value, _ in elements(io.BytesIO(text))]
            assert found == [
                ("one", 1),
                *(("list", each) for each in listed),
                ("inner", {"a": listed}),
                ("last", "x"),
            ]
        cut = chance.randrange(1, len(text))
        with pytest.raises(ValueError, match=r"."):
            list(elements(io.BytesIO(text[:cut])))
