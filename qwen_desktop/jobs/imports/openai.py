"""ChatGPT's export: ``conversations.json`` (since 2025 also several with numbers), bare or in the ZIP with its files.

The form is not documented by OpenAI; it is described by those who read it, best in the specification of the project
convoviz (docs/dev/chatgpt-spec.md, of February 2026), after which this is written. ``mapping`` is a tree of nodes, of
which many are not seen there (the root, notes of the system, what goes to tools). All that was said between two
messages of the user is one answer here: calls of tools, their results and the text.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from qwen_desktop.core.exchange import ImportedConversation, Source
from qwen_desktop.core.files import open_file
from qwen_desktop.core.parts import FilePart, Part, Role, TextPart, ThinkingPart, ToolCallPart, text_of
from qwen_desktop.core.text import shown
from qwen_desktop.jobs.imports.files import Archive, entries, unreadable
from qwen_desktop.jobs.imports.forms import damaged
from qwen_desktop.jobs.imports.trees import Json, Tree, record, result, rows, seconds, words

NAME, ENGINE = "openai", "ChatGPT"

#: A file of the export by the id that a message has for it: its name, and what reads its bytes; None where it is not
#: there.
Files = Callable[[str], "tuple[str, Callable[[], bytes]] | None"]

#: An answer that branches in its middle is there as often as it has ends, with what they have in common; with so many
#: parts, or after so many characters that were copied so, it becomes several messages: nothing grows without end.
_MOST_PARTS, _MOST_COPIED = 400, 4_000_000
#: References to sources stand in the text between characters of a private area.
_MARKS = re.compile("\ue200[^\ue200\ue201]*\ue201|[\ue200-\ue206]")
_LEGACY = re.compile("【\\d+†[^】]*】")
_LISTS = re.compile(r"conversations(?:-\d+)?\.json")
_MAPPING = re.compile(rb'"mapping"\s*:\s*\{')
#: The id in the name of a file of the export: "file-…" in letters and digits, or "file_" and hexadecimal digits.
_ID = re.compile(r"file-[0-9A-Za-z]{10,}|file_[0-9a-f]{8,}", re.ASCII)
_FENCED = {"unknown": "", "": ""}
_HIDDEN = frozenset({"reasoning_recap", "model_editable_context", "app_pairing_content"})


def tells(path: Path, beginning: bytes) -> bool:
    """Whether it is the list, an archive that holds it, or a folder that does."""
    if path.is_dir():
        return any(_LISTS.fullmatch(entry.name) for entry in path.iterdir())
    if beginning.startswith(b"PK"):
        try:
            with zipfile.ZipFile(path) as archive:
                return any(_is_list(name) for name in archive.namelist())
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
            return False
    return _MAPPING.search(beginning) is not None


def read(source: Source, staging: Path) -> Iterator[ImportedConversation]:
    """Its conversations. Raises ``UserFacing`` and ``OSError``."""
    try:
        if source.path.is_dir() or zipfile.is_zipfile(source.path):
            with Archive(source.path) as archive:
                yield from _archived(archive, source, staging)
        else:
            with open_file(source.path) as file:
                yield from _listed(entries(file, source, "conversations"), source, staging, lambda _: None)
    except (ValueError, RecursionError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise damaged(source.path.name) from error


def _is_list(name: str) -> bool:
    return _LISTS.fullmatch(name.replace("\\", "/").rsplit("/", 1)[-1]) is not None


def _archived(archive: Archive, source: Source, staging: Path) -> Iterator[ImportedConversation]:
    lists = sorted(filter(_is_list, archive.sizes))
    all_of_them = max(1, sum(archive.sizes[name] for name in lists))
    #: by the first characters of their names, which are the ids; the rest is a hash, a name or an ending
    named: dict[str, str] = {}
    for name in archive.sizes:
        base = name.replace("\\", "/").rsplit("/", 1)[-1]
        for identity in _ID.findall(base):
            named.setdefault(identity, name)
        named.setdefault(base, name)

    def files(identity: str) -> tuple[str, Callable[[], bytes]] | None:
        name = named.get(identity)
        if name is None:
            return None
        base = name.replace("\\", "/").rsplit("/", 1)[-1]
        return base.removeprefix(identity).lstrip("-") or base, lambda: archive.read(name)

    before = 0.0
    share = source.size / all_of_them
    for name in lists:
        with archive.open(name) as file:
            found = entries(file, source, "conversations", share=share, before=int(before))
            yield from _listed(found, source, staging, files)
        before += archive.sizes[name] * share


def _listed(found: Iterable[object], source: Source, staging: Path, files: Files) -> Iterator[ImportedConversation]:
    for number, value in enumerate(found, 1):
        if not isinstance(value, dict) or not isinstance(value.get("mapping"), dict):
            source.skip(unreadable(number))
            continue
        identity = words(value.get("conversation_id")) or words(value.get("id")) or f"{number}"
        chat = conversation(value, Tree(NAME, ENGINE, identity, staging), files)
        if chat is not None:
            yield chat


class _Answer(NamedTuple):
    """An answer in the making: its parts so far, and of which nodes it consists."""

    parts: tuple[Part, ...] = ()
    first: str = ""
    last: str = ""
    created: float = 0.0
    model: str = ""


def conversation(value: Json, tree: Tree, files: Files) -> ImportedConversation | None:
    """One conversation of the export; None where nobody said anything."""
    reading = _Reading(tree, files, record(value.get("mapping")))
    leaf = reading.read(words(value.get("current_node")))
    return tree.end(
        words(value.get("title")),
        leaf,
        seconds(value.get("create_time")),
        seconds(value.get("update_time")),
        system_prompt=reading.instructions,
        pinned=bool(value.get("is_starred")) or seconds(value.get("pinned_time")) > 0,
        archived=bool(value.get("is_archived")),
    )


class _Reading:
    def __init__(self, tree: Tree, files: Files, mapping: Json) -> None:
        self._tree = tree
        self._files = files
        self._nodes = {clean: record(node) for key, node in mapping.items() if (clean := words(key))}
        self.instructions = ""
        self._copied = 0
        #: of each node the message that it has become part of, for the one on show
        self._became: dict[str, str] = {}

    def read(self, current: str) -> str | None:
        """Put all messages into the tree and return the one that is on show."""
        children = self._children()
        nodes = self._nodes
        tops = [key for key, node in nodes.items() if words(node.get("parent")) not in nodes]
        waiting: list[tuple[str, str | None, _Answer]] = [(top, None, _Answer()) for top in reversed(tops)]
        seen: set[str] = set()
        while waiting:
            key, parent, answer = waiting.pop()
            if key in seen:
                continue
            seen.add(key)
            parent, answer = self._take(key, parent, answer)
            below = children.get(key, ())
            ends = not below or self._is_large(answer, len(below) - 1)
            if ends or any(self._is_users(child) for child in below):
                ended = self._end(answer, parent)
                for child in reversed(below):
                    own = ends or self._is_users(child)
                    waiting.append((child, ended, _Answer()) if own else (child, parent, answer))
            else:
                waiting += [(child, parent, answer) for child in reversed(below)]
        while current in nodes and current not in self._became:
            current = words(nodes.pop(current).get("parent"))
        return self._became.get(current)

    def _is_large(self, answer: _Answer, copies: int) -> bool:
        self._copied += copies * sum(len(text_of(part)) for part in answer.parts) if copies > 0 else 0
        return len(answer.parts) > _MOST_PARTS or self._copied > _MOST_COPIED

    def _children(self) -> dict[str, list[str]]:
        """The nodes below each, in the order in which the export lists them."""
        found: dict[str, list[str]] = {}
        for key, node in self._nodes.items():
            parent = words(node.get("parent"))
            if parent in self._nodes and parent != key:
                found.setdefault(parent, []).append(key)
        for parent, below in found.items():
            order = {words(child): place for place, child in enumerate(rows(self._nodes[parent].get("children")))}
            below.sort(key=lambda key: order.get(key, len(order)))
        return found

    def _is_users(self, key: str) -> bool:
        message = record(self._nodes[key].get("message"))
        return record(message.get("author")).get("role") == "user" and not self._is_hidden(message)

    @staticmethod
    def _is_hidden(message: Json) -> bool:
        kind = record(message.get("content")).get("content_type")
        return bool(record(message.get("metadata")).get("is_visually_hidden_from_conversation")) or kind in {
            "user_editable_context", *_HIDDEN
        }  # fmt: skip

    def _take(self, key: str, parent: str | None, answer: _Answer) -> tuple[str | None, _Answer]:
        """A node: a message of the user's, or some more of an answer."""
        message = record(self._nodes[key].get("message"))
        role = record(message.get("author")).get("role")
        content = record(message.get("content"))
        if content.get("content_type") == "user_editable_context":
            told = (words(content.get("user_profile")), words(content.get("user_instructions")))
            self.instructions = self.instructions or "\n\n".join(filter(None, (text.strip() for text in told)))
        if self._is_hidden(message) or role not in ("user", "assistant", "tool"):
            return parent, answer
        created = seconds(message.get("create_time"))
        if role == "user":
            parts = (*self._attached(message), *self._said(message))
            if parts:
                parent = self._became[key] = self._tree.add(key, parent, Role.USER, parts, created)
            return parent, answer
        parts = self._answered(key, message, tool=role == "tool")
        if parts:
            model = words(record(message.get("metadata")).get("model_slug"))
            answer = _Answer(
                (*answer.parts, *parts), answer.first or key, key, answer.created or created, model or answer.model
            )
        return parent, answer

    def _end(self, answer: _Answer, parent: str | None) -> str | None:
        """Store an answer that ends here, once, and return what goes on from it."""
        if not answer.parts:
            return parent
        if answer.last not in self._became:
            self._became[answer.last] = self._tree.add(
                answer.last, parent, Role.ASSISTANT, answer.parts, answer.created, answer.model
            )
        return self._became[answer.last]

    # Parts ------------------------------------------------------------------------------------------------------------

    def _said(self, message: Json) -> tuple[Part, ...]:
        """What stands in a message: texts, pictures and sound in their order."""
        content = record(message.get("content"))
        found: list[Part] = []
        for piece in rows(content.get("parts")) or [content.get("text")]:
            if isinstance(piece, str):
                found.append(TextPart(_without_marks(words(piece), message)))
            elif isinstance(piece, dict):
                found += self._piece(piece)
        return tuple(part for part in found if not isinstance(part, TextPart) or part.text.strip())

    def _piece(self, piece: Json) -> list[Part]:
        match piece.get("content_type"):
            case "audio_transcription":
                return [TextPart(words(piece.get("text")))]
            case "real_time_user_audio_video_asset_pointer":
                piece = record(piece.get("audio_asset_pointer"))
        pointer = words(piece.get("asset_pointer"))
        if not pointer:
            text = words(piece.get("text"))
            return [TextPart(text)] if text else []
        size = piece.get("width"), piece.get("height")
        found = self._file(pointer.rsplit("/", 1)[-1], "", size=size)
        return [] if found is None else [found]

    def _attached(self, message: Json) -> list[Part]:
        """The files of a message; pictures stand in what it says already."""
        found: list[Part] = []
        for entry in rows(record(message.get("metadata")).get("attachments")):
            told = record(entry)
            name, media_type = words(told.get("name")), words(told.get("mime_type") or told.get("mimeType"))
            if media_type.startswith("image/"):
                continue
            part = self._file(words(told.get("id")), media_type, name)
            if part is None and name:  # the export often leaves files out: that there was one is still said
                part = FilePart("", media_type or "application/octet-stream", shown(name))
            found += [part] if part is not None else []
        return found

    def _file(self, identity: str, media_type: str, name: str = "", size: tuple[Any, Any] = (0, 0)) -> Part | None:
        there = self._files(identity) if identity else None
        if there is None:
            return None
        kept, load = there
        sides = tuple(side if isinstance(side, int) else 0 for side in size)
        return self._tree.attach(load(), media_type, name or kept, (sides[0], sides[1]))

    def _answered(self, key: str, message: Json, *, tool: bool) -> tuple[Part, ...]:
        content = record(message.get("content"))
        kind = content.get("content_type")
        if tool:
            said = self._said(message)
            text = "\n\n".join(part.text for part in said if isinstance(part, TextPart)) or _of_tool(content)
            seen = tuple(part for part in said if not isinstance(part, TextPart))
            return (*((result(key, text, failed=kind == "system_error"),) if text.strip() else ()), *seen)
        if kind == "thoughts":
            thoughts = (record(thought) for thought in rows(content.get("thoughts")))
            told = ("\n\n".join(filter(None, (words(t.get("summary")), words(t.get("content"))))) for t in thoughts)
            return (ThinkingPart("\n\n".join(filter(None, told))),)
        recipient = words(message.get("recipient")) or "all"
        if recipient != "all":
            text = words(content.get("text")) or "\n".join(p for p in rows(content.get("parts")) if isinstance(p, str))
            return (ToolCallPart(key, shown(recipient), text),) if text.strip() else ()
        if kind == "code":
            language = words(content.get("language"))
            return (TextPart(_fenced(words(content.get("text")), _FENCED.get(language, language))),)
        return self._said(message)


def _of_tool(content: Json) -> str:
    """What a tool gave back where it is no plain text: a page of the web, a quotation."""
    told = (words(content.get(name)) for name in ("title", "url", "domain", "text", "result", "summary"))
    return "\n".join(filter(None, told))


def _fenced(code: str, language: str) -> str:
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", code)), default=0))
    return f"{fence}{language}\n{code}\n{fence}"


def _without_marks(text: str, message: Json) -> str:
    """A text with its references as links, as far as the export tells them, and without their marks."""
    for entry in rows(record(message.get("metadata")).get("content_references")):
        told = record(entry)
        mark, instead = words(told.get("matched_text")), words(told.get("alt"))
        if len(mark) > 2 and ("\ue200" in mark or "【" in mark):
            text = text.replace(mark, f" {instead}" if instead else "")
    return _LEGACY.sub("", _MARKS.sub("", text))
