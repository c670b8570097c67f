"""``qwen-desktop history …``: the stored chats are listed, shown, found, deleted, backed up and had again."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qwen_desktop.cli.app import main
from qwen_desktop.core.chat import Conversation, Message, Status
from qwen_desktop.core.parts import FilePart, Role, TextPart
from qwen_desktop.core.paths import find_paths
from qwen_desktop.services.history import History
from tests.prompt_cache_files import stands_in, write
from tests.unit.cli.test_continue import put, stored

Command = Callable[..., Any]
RIVERS = Conversation("aaaaaa11", "Rivers", 1.0, 5.0, tags=("geo",))
TRAVEL = Conversation("bbbbbb22", "План поездки", 1.0, 9.0, pinned=True)


def fill(home: Path, text: str = "在柏林,天空是蓝色的 \x1b[31mred") -> None:
    put(home, RIVERS, TRAVEL)

    async def more(history: History) -> None:
        file = FilePart("", "text/plain", "parser.py", text="def test_merge_keeps_order(): ...")
        entry = Message("x", RIVERS.id, f"a{RIVERS.id}", Role.USER, (file, TextPart(text)), 6.0)
        await history.add((entry,))

    stored(home, more)


def test_the_chats_are_listed_and_shown(command: Command, home: Path) -> None:
    assert command("history", "list").out == "There are no chats yet.\n"
    fill(home)
    lines = command("history", "list").out.splitlines()
    assert [line.split()[0] for line in lines] == ["bbbbbb22", "aaaaaa11"]
    assert "План поездки" in lines[0] and "(pinned)" in lines[0] and "#geo" in lines[1]
    found = json.loads(command("history", "list", "--json").out)
    assert [(entry["id"], entry["title"], entry["tags"]) for entry in found] == [
        ("bbbbbb22", "План поездки", []), ("aaaaaa11", "Rivers", ["geo"])
    ]  # fmt: skip
    shown = command("history", "show", "aaaaaa")
    assert shown.code == 0 and "Name a river." in shown.out and "The Rhine." in shown.out
    messages = json.loads(command("history", "show", "last", "--json").out)["messages"]
    assert [entry["role"] for entry in messages] == ["user", "assistant"]
    assert json.loads(command("history", "show", "aaaaaa11", "--json").out)["messages"][2]["attachments"] == [
        "parser.py"
    ]


@pytest.mark.parametrize("what", ["show", "delete"])
def test_an_id_that_means_no_chat_is_told(command: Command, home: Path, what: str) -> None:
    assert command("history", what, "aaaaaa").code == 1
    fill(home)
    for wanted, sentence in (("zzzzzz", "There is no chat with the id"), ("aa", "is too short")):
        ended = command("history", what, wanted)
        assert ended.code == 1 and sentence in ended.err and not ended.out


def test_what_is_searched_for_is_found_in_files_too(command: Command, home: Path) -> None:
    fill(home)
    (hit,) = json.loads(command("history", "search", "天空", "--json").out)
    assert hit.keys() == {"conversation_id", "message_id", "title", "snippet", "created"}
    assert (hit["conversation_id"], hit["message_id"], hit["title"]) == ("aaaaaa11", "x", "Rivers")
    assert "天空" in hit["snippet"]
    assert len(json.loads(command("history", "search", "rhine", "--json").out)) == 2
    assert len(json.loads(command("history", "search", "rhine", "--json", "--limit", "1").out)) == 1
    assert json.loads(command("history", "search", "tag:geo поездки", "--json").out) == []
    words = command("history", "search", "merge")
    assert words.code == 0 and "parser.py" in words.out and "\x1b" not in command("history", "search", "red").out
    assert command("history", "search", "nowhere").out == "Nothing was found.\n"
    for typed in ('"', "*", "folder:", "-", "NEAR(", "a OR"):
        assert command("history", "search", typed).code == 0, typed
    assert "at least one word" in command("history", "search", "folder:").err


def test_messages_of_an_older_version_are_found_without_a_window(command: Command, home: Path) -> None:
    fill(home)

    async def forget(history: History) -> None:
        def unread(connection: Any) -> None:
            connection.execute("DELETE FROM search_texts")
            connection.execute("INSERT INTO search_unread VALUES (1000)")

        await history._db.call(unread)

    stored(home, forget)
    assert len(json.loads(command("history", "search", "天空", "--json").out)) == 1


def test_a_chat_is_deleted_after_a_question(command: Command, home: Path) -> None:
    fill(home)
    refused = command("history", "delete", "aaaaaa")
    assert refused.code == 1 and "--yes" in refused.err
    deleted = command("history", "delete", "aaaaaa", "--yes")
    assert deleted.code == 0 and "Rivers is deleted" in deleted.out
    assert [entry.id for entry in stored(home, lambda history: history.list())] == ["bbbbbb22"]
    assert json.loads(command("history", "search", "天空", "--json").out) == []


def test_a_chat_in_which_an_answer_runs_is_shown(command: Command, home: Path) -> None:
    put(home, RIVERS, status=Status.STREAMING)
    assert command("history", "show", "last").code == 0


def test_a_backup_is_made_and_restored(command: Command, home: Path, tmp_path: Path) -> None:
    fill(home)
    target = tmp_path / "mine.zip"
    made = command("history", "backup", str(target))
    assert made.code == 0 and str(target) in made.out and "2 chats" in made.out
    again = command("history", "backup", str(target))
    assert again.code == 1 and "There is a file" in again.err
    command("history", "delete", "aaaaaa", "--yes")
    assert command("history", "restore", str(target)).code == 1  # nobody can be asked
    restored = command("history", "restore", str(target), "--yes")
    assert restored.code == 0 and "2 chats" in restored.out and "before-restore" in restored.out
    assert len(stored(home, lambda history: history.list())) == 2
    assert len(json.loads(command("history", "search", "天空", "--json").out)) == 1


def test_what_is_no_backup_changes_nothing(command: Command, home: Path, tmp_path: Path) -> None:
    fill(home)
    (tmp_path / "none.zip").write_bytes(b"none")
    for path, sentence in ((tmp_path / "none.zip", "is no backup"), (tmp_path / "nothing", "nothing"), (tmp_path, "")):
        ended = command("history", "restore", str(path), "--yes")
        assert ended.code == 1 and sentence in ended.err and ended.err.count("\n") == 1, ended.err
    assert command("history", "backup", str(tmp_path / "no" / "folder.zip")).code == 1
    assert len(stored(home, lambda history: history.list())) == 2


def test_the_commands_are_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["history", "--help"], None) == 0  # type: ignore[arg-type] # no services are made
    printed = capsys.readouterr().out
    assert all(word in printed for word in ("list", "show", "delete", "search", "backup", "restore"))


def test_what_was_kept_ready_of_a_chat_goes_with_it_and_a_backup_has_none_of_it(command: Command, home: Path) -> None:
    fill(home)
    folder = find_paths().prompt_cache
    folder.mkdir(parents=True)
    rivers, travel = write(folder, RIVERS.id), write(folder, TRAVEL.id)
    backup = home / "mine.zip"
    assert command("history", "backup", str(backup)).code == 0
    names = zipfile.ZipFile(backup).namelist()
    assert names and not any("prompts" in name or name.endswith((".rows", ".index")) for name in names)
    assert command("history", "delete", RIVERS.id, "--yes").code == 0
    assert not stands_in(folder, rivers) and stands_in(folder, travel)
    assert command("history", "restore", str(backup), "--yes").code == 0
    assert not stands_in(folder, travel)
