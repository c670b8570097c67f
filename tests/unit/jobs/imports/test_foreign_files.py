"""The files and folders of other programs: whose they are, what of them comes in, and what a damaged one says."""

from __future__ import annotations

import json
import random
import zipfile
from pathlib import Path
from typing import Any

import pytest

from qwen_desktop.core.errors import AppError
from qwen_desktop.core.exchange import ImportedConversation, Source
from qwen_desktop.core.parts import FilePart, ImagePart
from qwen_desktop.hub.other_apps import Surroundings
from qwen_desktop.jobs.imports import files, forms, places
from tests import foreign_chats


def read(path: Path, staging: Path, program: str) -> tuple[list[ImportedConversation], Source]:
    form = forms.form_of(path)
    assert form.program == program
    source = Source(path, path.stat().st_size if path.is_file() else 100)
    staging.mkdir(exist_ok=True)
    return list(form.reader().read(source, staging)), source


def chats(count: int) -> list[dict[str, Any]]:
    return [foreign_chats.chatgpt() | {"conversation_id": f"c{n}", "title": f"Chat {n}"} for n in range(count)]


def export(path: Path, lists: dict[str, Any], **more: bytes) -> Path:
    """ChatGPT's ZIP; names of files with "_" for what Python's names cannot have."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("user.json", "{}")
        archive.writestr("chat.html", "<html></html>")
        for name, value in lists.items():
            archive.writestr(name, json.dumps(value))
        for name, data in more.items():
            archive.writestr(name, data)
    return path


def with_real_ids(value: Any) -> Any:
    text = json.dumps(value)
    for short, long in (
        ("file-PIC", "file-PicPicPicPic12"),
        ("file_made", "file_00000000abcd"),
        ("file-DOC", "file-DocDocDoc1234"),
    ):
        text = text.replace(short, long)
    return json.loads(text)


def test_a_bare_list_of_chatgpt(tmp_path: Path) -> None:
    path = tmp_path / "conversations.json"
    path.write_text(json.dumps([*chats(3), {"title": "no tree"}, None]))
    found, source = read(path, tmp_path / "s", "ChatGPT")
    assert [chat.conversation.title for chat in found] == ["Chat 0", "Chat 1", "Chat 2"]
    assert source.skipped == 2 and "Chat 4" in str(source.reasons[0])
    assert len({chat.conversation.id for chat in found}) == 3


def test_the_zip_of_chatgpt_with_its_files(tmp_path: Path) -> None:
    members = {
        "file-PicPicPicPic12-bird.png": foreign_chats.PNG, "file_00000000abcd-sanitized.png": foreign_chats.PNG + b"2",
        "file-DocDocDoc1234-notes.txt": b"Some notes.",
    }  # fmt: skip
    lists = {"conversations-000.json": with_real_ids(chats(2)), "conversations-001.json": with_real_ids(chats(3)[2:])}
    path = export(tmp_path / "export.zip", lists, **members)
    found, source = read(path, tmp_path / "s", "ChatGPT")
    assert [chat.conversation.title for chat in found] == ["Chat 0", "Chat 1", "Chat 2"] and not source.skipped
    notes, gone, picture, _ = found[0].messages[0].parts
    assert isinstance(notes, FilePart) and (tmp_path / "s" / notes.sha256).read_bytes() == b"Some notes."
    assert isinstance(gone, FilePart) and not gone.sha256
    assert isinstance(picture, ImagePart) and picture.media_type == "image/png"
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "unpacked")
    again, _ = read(tmp_path / "unpacked", tmp_path / "s", "ChatGPT")
    assert again == found


def test_open_webui(tmp_path: Path) -> None:
    whole = foreign_chats.open_webui()
    path = tmp_path / "chats.json"
    path.write_text(json.dumps([whole, whole | {"id": "w-2"}]))
    found, _ = read(path, tmp_path / "s", "Open WebUI")
    assert len({chat.conversation.id for chat in found}) == 2
    path.write_text(json.dumps(whole["chat"]))
    (older,), _ = read(path, tmp_path / "s", "Open WebUI")
    assert older.conversation.title == "Sums" and len(older.messages) == len(found[0].messages)


def test_lm_studio_where_it_keeps_them(tmp_path: Path) -> None:
    folder = tmp_path / "lmstudio" / "conversations"
    (folder / "Work" / "Deep").mkdir(parents=True)
    (tmp_path / "lmstudio" / "user-files").mkdir()
    (tmp_path / "lmstudio" / "user-files" / "1700 - notes.txt").write_bytes(b"Notes")
    text = json.dumps(foreign_chats.lm_studio())
    (folder / "1.conversation.json").write_text(text)
    (folder / "Work" / "Deep" / "2.conversation.json").write_text(text)
    (folder / "Work" / "3.conversation.json").write_text("{")
    found, source = read(folder, tmp_path / "s", "LM Studio")
    assert [chat.folder for chat in found] == [(), ("Work", "Deep")]
    assert source.skipped == 1 and "3.conversation.json" in str(source.reasons[0])
    assert all(chat.blobs for chat in found)
    (one,), _ = read(folder / "1.conversation.json", tmp_path / "s", "LM Studio")
    assert one == found[0]
    with pytest.raises(AppError) as raised:
        read(folder / "Work" / "3.conversation.json", tmp_path / "s", "LM Studio")
    assert raised.value.problem.what.code == "import.unknown"


def test_what_is_attached_is_not_looked_for_elsewhere(tmp_path: Path) -> None:
    folder = tmp_path / "conversations"
    folder.mkdir()
    (tmp_path / "user-files").mkdir()
    (tmp_path / "secret").write_bytes(b"Secret")
    text = json.dumps(foreign_chats.lm_studio()).replace("1700 - notes.txt", "../secret")
    (folder / "1.conversation.json").write_text(text)
    (found,), _ = read(folder, tmp_path / "s", "LM Studio")
    assert not found.blobs


def test_jan_where_it_keeps_them(tmp_path: Path) -> None:
    thread, messages = foreign_chats.jan()
    for number in range(2):
        folder = tmp_path / "data" / "threads" / f"t{number}"
        folder.mkdir(parents=True)
        (folder / "thread.json").write_text(json.dumps(thread | {"id": f"t{number}"}))
        lines = [json.dumps(message) for message in messages]
        (folder / "messages.jsonl").write_text("\n".join([*lines, *["{half"] * number]))
    for place in (tmp_path / "data", tmp_path / "data" / "threads"):
        found, source = read(place, tmp_path / "s", "Jan")
        assert len(found) == 2 and source.skipped == 1
    for place in (folder, folder / "thread.json", folder / "messages.jsonl"):
        assert read(place, tmp_path / "s", "Jan")[0] == found[1:]


def test_a_zip_that_unpacks_to_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MOST_UNPACKED", 100_000)
    path = export(tmp_path / "bomb.zip", {"conversations.json": chats(1)}, big=b"0" * 200_000)
    with pytest.raises(AppError) as raised:
        read(path, tmp_path / "s", "ChatGPT")
    assert raised.value.problem.what.code == "import.bomb"


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"PK\x03\x04", b"\x00" * 100, b'[{"mapping": '])
def test_what_is_nobodys_or_ends_too_early(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "conversations.json"
    path.write_bytes(content)
    with pytest.raises(AppError):
        read(path, tmp_path / "s", "ChatGPT")


def test_mutated_files_say_a_sentence_or_come_in(tmp_path: Path) -> None:
    chance = random.Random(15)
    zipped = export(tmp_path / "whole.zip", {"conversations.json": chats(2)}).read_bytes()
    wholes = {
        "conversations.json": json.dumps(chats(2)).encode(), "export.zip": zipped,
        "chats.json": json.dumps([foreign_chats.open_webui()]).encode(),
        "1.conversation.json": json.dumps(foreign_chats.lm_studio()).encode(),
    }  # fmt: skip
    came_in = 0
    for turn in range(240):
        name = chance.choice(sorted(wholes))
        data = bytearray(wholes[name])
        for _ in range(chance.randint(1, 6)):
            at = chance.randrange(len(data))
            if chance.random() < 0.5:
                data[at] = chance.randrange(256)
            else:
                del data[at : at + chance.randint(1, 200)]
        path = tmp_path / f"{turn}" / name
        path.parent.mkdir()
        path.write_bytes(bytes(data))
        try:
            form = forms.form_of(path)
            came_in += len(list(form.reader().read(Source(path, len(data)), tmp_path)))
        except AppError as error:
            assert error.problem.sentence()
    assert came_in > 20


def test_what_other_programs_keep_here_is_found(tmp_path: Path) -> None:
    around = Surroundings(tmp_path, {}, "linux")
    assert places.places(around) == []
    folder = tmp_path / ".lmstudio" / "conversations" / "Work"
    folder.mkdir(parents=True)
    (folder / "1.conversation.json").write_text(json.dumps(foreign_chats.lm_studio()))
    (folder / "notes.json").write_text("{}")
    thread, _ = foreign_chats.jan()
    for number in range(3):
        kept = tmp_path / ".local" / "share" / "Jan" / "data" / "threads" / f"t{number}"
        kept.mkdir(parents=True)
        (kept / "thread.json").write_text(json.dumps(thread))
    studio, jan = places.places(around)
    assert (studio.program, studio.path, studio.count) == ("LM Studio", str(folder.parent), 1)
    assert (jan.program, jan.count) == ("Jan", 3)
    assert [read(Path(place.path), tmp_path / "s", place.program) for place in (studio, jan)]


def test_one_without_a_title_is_called_by_its_first_question(tmp_path: Path) -> None:
    path = tmp_path / "conversations.json"
    path.write_text(json.dumps([foreign_chats.chatgpt() | {"title": None}]))
    (found,), _ = read(path, tmp_path / "s", "ChatGPT")
    assert (found.conversation.title, found.conversation.titled) == ("What is this?", False)
