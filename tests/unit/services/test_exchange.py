"""Histories out and in again: nothing is lost, nothing is doubled, nothing comes in by halves."""

from __future__ import annotations

import asyncio
import json
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from qwen_desktop.core.chat import Conversation
from qwen_desktop.core.engine import Sampling
from qwen_desktop.core.errors import AppError, Environment, UserFacing
from qwen_desktop.core.exchange import Record
from qwen_desktop.core.parts import FilePart, ImagePart
from qwen_desktop.core.tags import ordered
from qwen_desktop.services.events import ConversationsImported
from qwen_desktop.services.exports import Wanted
from qwen_desktop.services.search import Search
from qwen_desktop.store import importing, messages
from tests.histories import Place, fill, ran

JSON = Wanted(format="json")


@pytest.mark.parametrize("seed", range(12))
@ran
async def test_our_form_out_in_and_out_again_is_the_same_byte_for_byte(seed: int, tmp_path: Path) -> None:
    async with Place(tmp_path / "a") as there, Place(tmp_path / "b") as here:
        ids = await fill(there, seed)
        if seed % 3 == 0:
            await there.history.delete(ids[0])
        await there.exports.export(JSON, tmp_path / "a.json")
        found = await here.imports.run(tmp_path / "a.json")
        assert (found.skipped, found.already, found.copies) == (0, 0, 0)
        await here.exports.export(JSON, tmp_path / "b.json")
        assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
        assert len(found.ids) == len(await there.history.list()) == len(await here.history.list())
        for entry in await there.history.list():
            assert await here.history.tree(entry.id) == await there.history.tree(entry.id)
        for sha256 in {row[0] for row in there.rows("SELECT sha256 FROM message_blobs")}:
            if (sha256,) in here.rows("SELECT sha256 FROM message_blobs"):
                assert await here.blobs.read(sha256) == await there.blobs.read(sha256)
        again = await here.imports.run(tmp_path / "a.json")
        assert (again.conversations, again.already) == (0, len(found.ids))


@ran
async def test_deleted_messages_and_chats_are_not_exported(tmp_path: Path) -> None:
    async with Place(tmp_path / "a") as there:
        ids = await fill(there, 5, chats=6)
        await there.history.delete(ids[1])
        chosen = next(row[0] for row in there.rows("SELECT id, conversation_id FROM messages") if row[1] == ids[2])
        await there.history.delete_message(chosen)
        await there.exports.export(JSON, tmp_path / "a.json")
        text = (tmp_path / "a.json").read_text()
        assert ids[1] not in text
        assert f'"id":"{chosen}"' not in text


@ran
async def test_a_chat_that_went_on_comes_in_as_a_copy_once_with_its_own_ids_everywhere(tmp_path: Path) -> None:
    async with Place(tmp_path / "a") as place:
        ids = await fill(place, 3, chats=8)
        await place.exports.export(JSON, tmp_path / "a.json")
        changed = await place.db.call(_say_more)
        found = await place.imports.run(tmp_path / "a.json")
        assert (found.conversations, found.copies, found.already) == (1, 1, len(ids) - 1)
        again = await place.imports.run(tmp_path / "a.json")
        assert (again.conversations, again.already) == (0, len(ids))
        file = json.loads((tmp_path / "a.json").read_text(errors="surrogateescape"))
        before = next(each for each in file["conversations"] if each["conversation"]["id"] == changed)
        old = {message["id"] for message in before["messages"]} | {changed}
        await place.exports.export(Wanted(ids=found.ids, format="json"), tmp_path / "copy.json")
        copy = json.loads((tmp_path / "copy.json").read_text())["conversations"][0]
        told = json.dumps(copy)
        assert not [name for name in old if name in told]
        assert len(copy["messages"]) == len(before["messages"])
        assert copy["conversation"]["leaf_id"] in {message["id"] for message in copy["messages"]}


def _say_more(connection: Any) -> str:
    """Another word in one of the messages."""
    row = connection.execute(
        "SELECT id, conversation_id FROM messages WHERE role = 'assistant' AND provenance LIKE '%recipe\":{%' LIMIT 1"
    ).fetchone()
    connection.execute('UPDATE messages SET parts = \'[{"type":"text","text":"Other"}]\' WHERE id = ?', (row[0],))
    return str(row[1])


@ran
async def test_what_was_done_with_a_chat_since_does_not_make_it_another_one(tmp_path: Path) -> None:
    async with Place(tmp_path / "a") as place:
        ids = await fill(place, 7)
        await place.exports.export(JSON, tmp_path / "a.json")
        await place.history.rename(ids[0], "Another title")
        found = await place.imports.run(tmp_path / "a.json")
        assert (found.conversations, found.already) == (0, len(ids))
        entry = await place.history.get(ids[0])
        assert entry is not None
        assert entry.title == "Another title"


@ran
async def test_folders_are_made_once_and_filled(tmp_path: Path) -> None:
    async with Place(tmp_path / "a") as there, Place(tmp_path / "b") as here:
        await fill(there, 1, chats=8)
        here_ids = await fill(here, 2, chats=1)
        await there.exports.export(JSON, tmp_path / "a.json")
        await here.imports.run(tmp_path / "a.json")
        assert here.rows("SELECT id, name, parent_id FROM folders ORDER BY id") == there.rows(
            "SELECT id, name, parent_id FROM folders ORDER BY id"
        )
        assert await here.exports.count(Wanted(folder="f1")) >= await there.exports.count(Wanted(folder="f1"))
        assert len(here_ids) == 1


@ran
async def test_an_import_can_be_taken_back(tmp_path: Path) -> None:
    async with Place(tmp_path / "a") as there, Place(tmp_path / "b") as here:
        await fill(there, 1)
        await there.exports.export(JSON, tmp_path / "a.json")
        told: list[ConversationsImported] = []
        here.bus.subscribe(ConversationsImported, told.append)
        found = await here.imports.run(tmp_path / "a.json")
        await here.imports.undo(found)
        assert await here.history.list() == ()
        assert [event.gone for event in told] == [False, True]


@pytest.mark.parametrize("form", ["md", "txt", "html"])
@ran
async def test_many_chats_become_files_in_folders_as_in_the_list_with_names_that_every_system_takes(
    form: str, tmp_path: Path
) -> None:
    async with Place(tmp_path / "a") as there:
        await fill(there, 4, chats=9)
        made = await there.exports.export(Wanted(format=form), tmp_path / "all.zip")
        again = await there.exports.export(Wanted(format=form), tmp_path / "again.zip")
        assert made == again
        assert (tmp_path / "all.zip").read_bytes() == (tmp_path / "again.zip").read_bytes()
        await there.exports.export(Wanted(format=form), tmp_path / "all")
        with zipfile.ZipFile(tmp_path / "all.zip") as archive:
            names = archive.namelist()
            assert archive.testzip() is None
            for name in names:
                assert archive.read(name) == (tmp_path / "all" / name).read_bytes()
        chats = [name for name in names if name.endswith(f".{form}") and "_files/" not in name]
        assert len(chats) == 9
        assert len({name.casefold() for name in names}) == len(names)
        for name in names:
            assert ".." not in Path(name).parts
            assert not set('<>:"|?*\\') & set(name)
            assert all(part.strip(" .") == part for part in Path(name).parts)


@ran
async def test_attachments_lie_beside_text_and_are_linked(tmp_path: Path) -> None:
    async with Place(tmp_path / "a") as there:
        ids = await fill(there, 11, chats=8)
        with_files = None
        for identity in ids:
            for entry in await there.history.tail(identity, 100):
                if any(isinstance(part, ImagePart | FilePart) for part in entry.parts):
                    with_files = (identity, entry)
        assert with_files is not None
        place = tmp_path / "chat.md"
        await there.exports.export(Wanted(ids=(with_files[0],), format="md"), place)
        part = next(part for part in with_files[1].parts if isinstance(part, ImagePart | FilePart))
        beside = [file.read_bytes() for file in (tmp_path / "chat_files").iterdir()]
        assert await there.blobs.read(part.sha256) in beside
        for file in (tmp_path / "chat_files").iterdir():
            assert f"(<chat_files/{file.name}>)" in place.read_text()
        await there.exports.export(Wanted(ids=(with_files[0],), format="md", attachments=False), tmp_path / "bare.md")
        assert not (tmp_path / "bare_files").exists()


@ran
async def test_a_failed_export_says_why_and_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Place(tmp_path / "a") as there:
        await fill(there, 1)
        out = tmp_path / "out"
        out.mkdir()
        (out / "x.json").write_text("before")
        with pytest.raises(UserFacing, match="does not exist"):
            await there.exports.export(JSON, tmp_path / "nowhere" / "x.json")
        with pytest.raises(Environment, match="is a folder"):
            await there.exports.export(JSON, out)
        with pytest.raises(UserFacing, match="something in the folder"):
            await there.exports.export(Wanted(format="md"), out)
        with pytest.raises(UserFacing, match="no chat"):
            await there.exports.export(Wanted(ids=("nobody",), format="md"), out / "x.md")

        def full(*_: object) -> bytes:
            raise OSError(28, "No space left on device")

        for module, wanted, to in (
            ("own_form.to_json", JSON, "x.json"),
            ("job.markdown", Wanted(format="md"), "x.zip"),
            ("job.markdown", Wanted(format="md"), "folder"),
            ("job.Page.make", Wanted(format="html"), "x.zip"),
        ):
            with monkeypatch.context() as patch:
                patch.setattr(f"qwen_desktop.jobs.exports.{module}", full)
                with pytest.raises(Environment, match="disk is full"):
                    await there.exports.export(wanted, out / to)
        assert {file.name for file in out.iterdir()} == {"x.json"}
        assert (out / "x.json").read_text() == "before"


@ran
async def test_a_cancelled_import_and_one_that_finds_no_room_leave_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Place(tmp_path / "a") as there, Place(tmp_path / "b") as here:
        await fill(there, 1, chats=30)
        await there.exports.export(JSON, tmp_path / "a.json")
        before = here.rows("SELECT count(*) FROM conversations")

        def nobody_waits(_done: int, _total: int, **_: object) -> None:
            raise KeyError

        monkeypatch.setattr("qwen_desktop.jobs.imports.job._REPORT_S", 0.0)
        with pytest.raises(AppError):
            await here.imports.run(tmp_path / "a.json", progress=nobody_waits)
        assert here.rows("SELECT count(*) FROM conversations") == before

        def full(*_: object) -> None:
            error = importing.sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorname = "SQLITE_FULL"
            raise error

        calls: list[int] = []
        stage = importing.stage

        def some(*args: Any) -> None:
            calls.append(1)
            if len(calls) > 2:
                full()
            stage(*args)

        monkeypatch.setattr(importing, "stage", some)
        with pytest.raises(Environment, match="disk is full"):
            await here.imports.run(tmp_path / "a.json")
        assert len(calls) > 2
        assert here.rows("SELECT count(*) FROM conversations") == before
        assert here.rows("SELECT count(*) FROM messages") == before
        assert not any((here.root / "imports").iterdir())


def _strange(**changes: Any) -> dict[str, Any]:
    """An export of one chat of one message, with something in it that no export has."""
    message = {"id": "m", "conversation_id": "c", "parent_id": None, "role": "user", "created": 1.0,
               "parts": [{"type": "text", "text": "Hello"}]}  # fmt: skip
    chat = {"id": "c", "title": "T", "created": 1.0, "updated": 2.0, "leaf_id": "m"}
    record = {"conversation": chat, "folder": [], "messages": [message]}
    for name, value in changes.items():
        where = chat if name in Conversation.__struct_fields__ else record
        where[name] = value
    return {"format": "qwen-desktop-history", "version": 1, "blobs": [], "conversations": [record]}


@pytest.mark.parametrize(
    "changes",
    [
        {"folder": ["deep"] * 5_000},
        {"folder": ["wide" * 100_000, "\u202e", " "]},
        {"title": "long " * 1_000_000},
        {"tags": [f"Tag {number}" for number in range(5_000)]},
        {"sampling": {"temperature": 1e300, "top_k": 10**30, "seed": -5, "top_p": 0.5}, "context": 10**12},
        {"thinking_budget": 10**14},
        {"model": {"type": "file", "path": "\\\\elsewhere\\models\\a.gguf"}},
        {"model": {"type": "file", "path": "//elsewhere/a.gguf"}},
        {"model": {"type": "file", "path": "smb://elsewhere/a.gguf"}},
        {"model": {"type": "file", "path": "/a.gguf", "options": {"gpu_layers": 1 << 60}}},
        {"adapters": [{"path": path} for path in ("\\\\elsewhere\\a.gguf", "//b/c", "smb://d", "a\0", "")]},
        {"adapters": [{"path": "/a.gguf", "scale": scale} for scale in (-8.1, 1e300, 8.1)]},
    ],
    ids=lambda changes: next(iter(changes)),
)
@ran
async def test_whatever_a_file_says_of_a_chat_it_comes_in_as_one_could_be_made_here(
    changes: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "a.json").write_text(json.dumps(_strange(**changes)))
    async with Place(tmp_path / "a") as place:
        found = await place.imports.run(tmp_path / "a.json")
        (entry,) = await place.history.list()
        assert found.ids == (entry.id,)
        assert len(entry.title) <= 1_000 and len(entry.tags) <= 100
        assert entry.tags == ordered(entry.tags)
        folders = place.rows("SELECT name FROM folders")
        assert len(folders) <= 64
        assert all(0 < len(name) <= 80 and name.isprintable() for (name,) in folders)
        assert entry.model is None and entry.adapters == ()
        assert (entry.context or 0) <= 1 << 20 and (entry.thinking_budget or 0) <= 1 << 20
        assert entry.sampling in (None, Sampling(top_p=0.5))
        await place.exports.export(JSON, tmp_path / "b.json")
        await place.exports.export(Wanted(format="md"), tmp_path / "b")


@pytest.mark.parametrize("when", [1e308, -1e308, -1.0, 1e12])
@ran
async def test_times_outside_of_all_calendars_stop_nothing(when: float, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(_strange(created=when)))
    async with Place(tmp_path / "a") as place:
        found = await place.imports.run(tmp_path / "a.json")
        assert (found.conversations, found.skipped) == (0, 1)
        ids = await fill(place, 1)
        for table in ("conversations", "messages"):  # a backup of a stranger's may have them
            await place.db.call(lambda c, name=table: c.execute(f"UPDATE {name} SET created = ?", (when,)))  # noqa: S608
        await place.db.call(lambda c: c.execute("UPDATE conversations SET updated = ?", (when,)))
        for entry in await place.history.list():
            for number in (entry.created, entry.updated):
                assert 1970 <= time.gmtime(number).tm_year <= 3000
        for entry in await place.history.tail(ids[0], 9):
            assert 1970 <= time.gmtime(entry.created).tm_year <= 3000
            for node in await place.history.tree(entry.id):
                assert 1970 <= time.gmtime(node.created).tm_year <= 3000
        await place.db.call(lambda c: c.execute("UPDATE search_texts SET created = ?", (when,)))
        found_again = await Search(place.db, place.bus).find("a")
        assert found_again.hits
        assert all(1970 <= time.gmtime(hit.created).tm_year <= 3000 for hit in found_again.hits)
        await place.exports.export(Wanted(format="html"), tmp_path / "b")


@ran
async def test_an_import_leaves_the_disk_room_to_be_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Place(tmp_path / "a") as there, Place(tmp_path / "b") as here:
        await fill(there, 1, chats=30)
        await there.exports.export(JSON, tmp_path / "a.json")
        asked: list[int] = []

        def usage(_folder: object) -> Any:
            asked.append(1)
            return SimpleNamespace(free=1_000_000_000 if len(asked) < 3 else 20_000_000)

        monkeypatch.setattr("qwen_desktop.jobs.imports.job.shutil.disk_usage", usage)
        with pytest.raises(Environment, match="disk is full"):
            await here.imports.run(tmp_path / "a.json")
        assert len(asked) == 3
        assert here.rows("SELECT count(*) FROM conversations") == [(0,)]


@ran
async def test_an_import_that_the_apps_start_has_swept_away_says_so(tmp_path: Path) -> None:
    async with Place(tmp_path / "a") as there, Place(tmp_path / "b") as here:
        await fill(there, 1, chats=30)
        await there.exports.export(JSON, tmp_path / "a.json")
        stage, swept = importing.stage, []

        def sweeping(connection: Any, *args: Any) -> None:
            stage(connection, *args)
            if not swept:
                connection.execute("DELETE FROM conversations WHERE deleted_at IS NOT NULL")
                swept.append(1)

        importing.stage = sweeping
        try:
            with pytest.raises(Environment, match="started while the import ran"):
                await here.imports.run(tmp_path / "a.json")
        finally:
            importing.stage = stage
        assert here.rows("SELECT count(*) FROM conversations") == [(0,)]


@ran
async def test_a_history_in_memory_is_exported_and_takes_no_import(tmp_path: Path) -> None:
    async with Place(tmp_path / "a") as there:
        ids = await fill(there, 1)
        await there.exports.export(JSON, tmp_path / "a.json")
        there.db.kept = False
        with pytest.raises(Environment, match="cannot be written"):
            await there.imports.run(tmp_path / "a.json")
        chosen = Wanted(ids=(ids[0],), format="json")
        await there.exports.export(chosen, tmp_path / "given.json")
        there.db.kept = True
        await there.exports.export(chosen, tmp_path / "stored.json")
        assert (tmp_path / "given.json").read_bytes() == (tmp_path / "stored.json").read_bytes()


@ran
async def test_an_answer_that_is_being_written_is_exported_as_interrupted(tmp_path: Path) -> None:
    async with Place(tmp_path / "a") as there:
        await fill(there, 3)
        await there.db.call(lambda connection: connection.execute("UPDATE messages SET status = 'streaming'"))
        await there.exports.export(JSON, tmp_path / "a.json")
        records = json.loads((tmp_path / "a.json").read_text(errors="surrogateescape"))["conversations"]
        statuses = {message["status"] for record in records for message in record["messages"]}
        assert statuses == {"interrupted"}
        assert msgspec.convert(records[0], Record).messages is not None
        assert messages is not None
        await asyncio.sleep(0)
