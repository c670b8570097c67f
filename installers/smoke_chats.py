"""What the smoke test does with chats: a file is attached, they are found, written out, brought in and kept safe.

All of it by commands of the installed program, so that what only the frozen one can lack is met: the processes that
read documents and write PDFs, their libraries and Qt's plugins.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import product
import smoke_files
from dev_console import Failed
from smoke_report import Report
from smoke_window import QUESTIONS

#: Stands in a chat that comes from elsewhere, and nowhere else.
RARE = "capercaillie"


class Chats:
    """``command`` runs one of the app's and returns what it prints, ``read`` has a file read by the job worker."""

    def __init__(self, command: Callable[..., str], read: Callable[[Path], str], folder: Path, report: Report) -> None:
        self._command = command
        self._read = read
        self._folder = folder
        self._report = report

    def all(self) -> str:
        """Everything in order; the id of the chat with ``RARE``. Raises ``Failed``."""
        self._assistants()
        self._gone_on()
        chat = self._attached()
        self._searched(chat)
        self._written(chat)
        self._there_and_back(chat)
        return self._from_elsewhere()

    def _assistants(self) -> None:
        found = json.loads(self._command("assistants", "list", "--json"))["assistants"]
        if len([one for one in found if one["shipped"]]) < 8 or not all(one["name"] for one in found):
            raise Failed(f"assistants list --json knows only {[one['name'] for one in found]}.")
        self._report.right(f"{len(found)} assistants are shipped")

    def _gone_on(self) -> None:
        """A chat that one process begins and another goes on with: what was read is not read again. By another path,
        for of the guide itself nothing is kept."""
        model = self._folder / "kept.gguf"
        shutil.copyfile(product.ROOT / "resources" / "guide" / "guide.gguf", model)
        long = " ".join(f"The stork number {number} stands on a roof." for number in range(40))
        words = ("chat", "--json", "--max-tokens", "16", "--model", str(model))
        first = json.loads(self._command(*words, "--save", long))
        chat = str(first["conversation"])
        stats = json.loads(self._command(*words, "--continue", chat, QUESTIONS["new_chat"]))["stats"]
        if stats["restored_tokens"] < first["stats"]["prompt_tokens"] - 64:
            raise Failed(f"chat --continue reads again what was read: {stats} after {first['stats']}.")
        self._report.right(f"chat --continue: {stats['restored_tokens']} of {stats['prompt_tokens']} tokens were kept")
        self._command("history", "delete", chat, "--yes")
        model.unlink()

    def _attached(self) -> str:
        """A question with files: what the files say is in the history, and their tokens were counted."""
        files = smoke_files.documents()
        words = []
        for name, data in files.items():
            (self._folder / name).write_bytes(data)
            words += ["--file", str(self._folder / name)]
        answer = json.loads(self._command("chat", "--json", "--save", *words, QUESTIONS["new_chat"]))
        attached = {one["name"]: one["tokens"] for one in answer["files"] if one["whole"]}
        if set(attached) != set(files) or not all(attached.values()) or answer["finish_reason"] != "stop":
            raise Failed(f"chat --file attaches {answer['files']} ({answer['finish_reason']}).")
        self._report.right(f"chat --file: {', '.join(f'{name} {count} tokens' for name, count in attached.items())}")
        return str(answer["conversation"])

    def _searched(self, chat: str) -> None:
        word = smoke_files.WORDS.split()[1]
        hits = json.loads(self._command("history", "search", "--json", word))
        if [hit["conversation_id"] for hit in hits] != [chat] or word not in hits[0]["snippet"]:
            raise Failed(f"history search {word} finds {hits}.")
        self._report.right(f"history search: {hits[0]['snippet'][:60]}")

    def _written(self, chat: str) -> None:
        question = QUESTIONS["new_chat"]
        for form in ("md", "html", "pdf"):
            path = self._folder / f"out.{form}"
            self._command("history", "export", chat, "--format", form, "--no-attachments", "--out", str(path))
            # A PDF is written by Qt, in a process that has no screen, and read again by PDFium.
            text = self._read(path) if form == "pdf" else path.read_text(encoding="utf-8")
            if question not in " ".join(text.split()):
                raise Failed(f"The question does not stand in out.{form}: {text[:300]!r}.")
            self._report.right(f"history export: out.{form}, {path.stat().st_size / 1e3:.1f} kB")

    def _there_and_back(self, chat: str) -> None:
        """A chat that was deleted comes in again by its export, and with a backup all is as it was."""
        whole, again, backup = (self._folder / name for name in ("out.json", "again", "chats.backup.zip"))
        self._command("history", "export", chat, "--out", str(whole))
        before = self._listed()
        self._command("history", "backup", str(backup))
        self._command("history", "delete", chat, "--yes")
        came = json.loads(self._command("history", "import", "--json", str(whole)))
        if (came["conversations"], came["messages"]) != (1, 2) or chat in self._listed():
            raise Failed(f"history import takes of the export of a deleted chat {came}.")
        words = ("--format", "md", "--no-attachments", "--out", str(again))
        self._command("history", "export", came["ids"][0], *words)
        if again.read_bytes() != (self._folder / "out.md").read_bytes():
            raise Failed("history import has changed a chat: its export differs.")
        self._report.right("history import: a deleted chat is there again by its export")
        self._command("history", "restore", "--yes", str(backup))
        if self._listed() != before:
            raise Failed(f"After history restore there are {self._listed()} in place of {before}.")
        self._command("history", "export", chat, "--out", str(again))
        if again.read_bytes() != whole.read_bytes():
            raise Failed("history restore has changed a chat: its export differs.")
        self._report.right("history restore: all is as it was")

    def _from_elsewhere(self) -> str:
        path = self._folder / "conversations.json"
        path.write_text(json.dumps(_chatgpt()), encoding="utf-8")
        came = json.loads(self._command("history", "import", "--json", str(path)))
        if (came["conversations"], came["messages"], came["skipped"]) != (1, 3, 0):
            raise Failed(f"history import takes of ChatGPT's file {came}.")
        self._report.right(f"history import: {came['form']}, {came['messages']} messages")
        return str(came["ids"][0])

    def _listed(self) -> list[str]:
        return sorted(one["id"] for one in json.loads(self._command("history", "list", "--json")))


def _chatgpt() -> list[dict[str, Any]]:
    """The smallest export of ChatGPT's that has a branch: one question, answered twice."""

    def node(key: str, parent: str | None, children: list[str], role: str = "", text: str = "") -> dict[str, Any]:
        content = {"content_type": "text", "parts": [text]}
        message = {"id": key, "author": {"role": role}, "create_time": 1.7e9, "content": content, "recipient": "all"}
        return {"id": key, "parent": parent, "children": children, "message": message if role else None}

    nodes = [
        node("root", None, ["asked"]),
        node("asked", "root", ["first", "second"], "user", "Which bird is that?"),
        node("first", "asked", [], "assistant", "A stork."),
        node("second", "asked", [], "assistant", f"A {RARE}."),
    ]
    return [{
        "id": "smoke", "conversation_id": "smoke", "title": "A bird", "create_time": 1.7e9, "update_time": 1.7e9,
        "current_node": "second", "mapping": {one["id"]: one for one in nodes},
    }]  # fmt: skip
