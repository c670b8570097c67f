"""``library.json``: shared by processes, tolerant of damage."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock
from msgspec import structs

from qwen_desktop.core.errors import Environment
from qwen_desktop.core.model_ref import LoadOptions
from qwen_desktop.core.text import Text
from qwen_desktop.hub import inventory
from qwen_desktop.hub.inventory import Inventory, LibraryEntry, TemplateNote
from qwen_desktop.hub.manifest import ManifestFile


def entry(path: str, **more: object) -> LibraryEntry:
    return structs.replace(LibraryEntry(files=(ManifestFile(path, 5),)), **more)


def test_notes_come_back_whole(tmp_path: Path) -> None:
    note = TemplateNote("1:x", "qwen3", (Text("a", "A {x}.", {"x": 1}),), repairable=True, override="{{ '中' }}")
    first = entry("/m/中.gguf", name="N", last_used=12.5, stamp=(5, 2**62), template=note, mmproj=ManifestFile("/m/p"))
    owned = entry("Qwen/a.gguf", owned=True, folder="/models")
    Inventory(tmp_path / "library.json").update(lambda _: {e.path: e for e in (first, owned)})
    again = Inventory(tmp_path / "library.json").read()
    assert again == {"/m/中.gguf": first, str(Path("/models/Qwen/a.gguf")): owned}


def test_a_file_from_before_aliases_and_one_from_a_later_version(tmp_path: Path) -> None:
    file = tmp_path / "library.json"
    old = {"files": [{"path": "/a", "size_bytes": 5}], "name": "Old"}
    later = {"files": [{"path": "/b"}], "alias": "b", "options": {"context": 4096, "rope": 2}, "colour": "red"}
    file.write_text(json.dumps({"schema": 1, "models": {"/a": old, "/b": later}}), encoding="utf-8")
    found = Inventory(file)
    entries = found.read()
    assert not found.spoilt
    assert (entries["/a"].alias, entries["/a"].options) == ("", LoadOptions())
    assert (entries["/b"].alias, entries["/b"].options) == ("b", LoadOptions(context=4096))


def test_a_change_by_another_process_is_seen_and_kept(tmp_path: Path) -> None:
    mine, other = Inventory(tmp_path / "library.json"), Inventory(tmp_path / "library.json")
    mine.update(lambda e: {**e, "/a": entry("/a")})
    other.update(lambda e: {**e, "/b": entry("/b")})
    assert set(mine.read()) == {"/a", "/b"}
    mine.update(lambda e: {**e, "/c": entry("/c")})
    assert set(other.read()) == {"/a", "/b", "/c"}


def test_many_writers_lose_nothing(tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
from qwen_desktop.hub.inventory import Inventory, LibraryEntry
from qwen_desktop.hub.manifest import ManifestFile
shelf = Inventory(Path(sys.argv[1]))
for number in range(15):
    path = f"/{sys.argv[2]}/{number}"
    shelf.update(lambda e: {**e, path: LibraryEntry(files=(ManifestFile(path, 1),))})
"""
    file = tmp_path / "library.json"
    children = [subprocess.Popen([sys.executable, "-c", code, str(file), str(n)]) for n in range(3)]
    assert [child.wait(60) for child in children] == [0, 0, 0]
    assert len(Inventory(file).read()) == 45


@pytest.mark.parametrize("damage", [b"{", b"\xff\x00", b"[1]", b'{"schema": 1, "models": 7}', b"[" * 100_000])
def test_a_damaged_file_is_set_aside_and_costs_only_notes(damage: bytes, tmp_path: Path) -> None:
    file = tmp_path / "library.json"
    file.write_bytes(damage)
    shelf = Inventory(file)
    assert shelf.read() == {}
    shelf.update(lambda e: {**e, "/a": entry("/a")})
    assert set(Inventory(file).read()) == {"/a"}
    (kept,) = shelf.kept()
    assert kept == tmp_path / "library.json.damaged-1" and kept.read_bytes() == damage and shelf.kept() == []
    file.write_bytes(damage + b" ")  # a second time: the first copy stays
    shelf.update(lambda e: e)
    assert (kept.read_bytes(), (tmp_path / "library.json.damaged-2").read_bytes()) == (damage, damage + b" ")


def test_one_damaged_entry_costs_only_itself(tmp_path: Path) -> None:
    file = tmp_path / "library.json"
    Inventory(file).update(lambda _: {"/a": entry("/a"), "/b": entry("/b")})
    text = json.loads(file.read_text())
    text["models"]["/b"]["files"] = "none"
    text["models"]["/a"]["of a later version"] = True
    file.write_text(json.dumps(text))
    assert set(Inventory(file).read()) == {"/a"}


def test_nothing_is_written_when_nothing_changed(tmp_path: Path) -> None:
    shelf = Inventory(tmp_path / "library.json")
    shelf.update(lambda e: e)
    assert not (tmp_path / "library.json").exists()


def test_a_lock_that_is_never_given_back_becomes_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inventory, "_PATIENCE_S", 0.1)
    with FileLock(tmp_path / "library.lock"), pytest.raises(Environment, match="keeps the list of models locked"):
        Inventory(tmp_path / "library.json").update(lambda e: {**e, "/a": entry("/a")})


def test_what_cannot_be_read_is_not_written_over(tmp_path: Path) -> None:
    file = tmp_path / "library.json"
    Inventory(file).update(lambda _: {"/a": entry("/a")})
    data = file.read_bytes()
    file.rename(tmp_path / "whole")
    file.mkdir()  # as good as a file that nobody may read
    shelf = Inventory(file)
    assert shelf.read() == {}
    with pytest.raises(OSError, match=r"."):
        shelf.update(lambda e: {**e, "/b": entry("/b")})
    assert file.is_dir() and (tmp_path / "whole").read_bytes() == data


def test_paths_that_are_no_text_are_noted(tmp_path: Path) -> None:
    file = tmp_path / "library.json"
    path = "/mod\udce9le\n.gguf"
    Inventory(file).update(lambda _: {path: entry(path)})
    assert set(Inventory(file).read()) == {path} and b"\\udce9" in file.read_bytes()


def test_what_could_not_be_read_once_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notes = Inventory(tmp_path / "library.json")
    Inventory(notes.file).update(lambda _: {"/a": entry("/a")})
    with monkeypatch.context() as away:

        def no_network(*_: object) -> bytes:
            raise OSError(errno.EIO, "Input/output error")

        away.setattr(inventory, "read_file", no_network)
        assert notes.read() == {}
        with pytest.raises(OSError, match="Input/output"):
            notes.update(lambda e: {**e, "/b": entry("/b")})
    assert set(notes.update(lambda e: {**e, "/b": entry("/b")})) == {"/a", "/b"}
