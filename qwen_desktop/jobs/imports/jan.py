"""Jan's conversations: a folder each in ``threads`` of its data folder, with ``thread.json`` and ``messages.jsonl``.

After that program's sources: ``core/src/types/thread/threadEntity.ts`` and ``core/src/types/message/messageEntity.ts``
say what they hold, ``src-tauri/src/core/threads`` where they lie, one message a line. They have no branches.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from qwen_desktop.core.chat import Status
from qwen_desktop.core.exchange import ImportedConversation, Source
from qwen_desktop.core.files import open_file
from qwen_desktop.core.parts import Part, Role, TextPart, ThinkingPart, ToolCallPart
from qwen_desktop.core.text import shown
from qwen_desktop.jobs.imports.files import LARGEST_FILE, decoded, file_unreadable, whole
from qwen_desktop.jobs.imports.forms import damaged
from qwen_desktop.jobs.imports.trees import Json, Tree, json_text, record, result, rows, seconds, thought_apart, words

NAME, ENGINE = "jan", "Jan"

THREAD, MESSAGES = "thread.json", "messages.jsonl"


def tells(path: Path, beginning: bytes) -> bool:
    """Whether it is a thread, the folder of one, the one of all, or Jan's data folder."""
    return bool(_threads(path))


def read(source: Source, staging: Path) -> Iterator[ImportedConversation]:
    """Its conversations. Raises ``UserFacing`` and ``OSError``."""
    folders = _threads(source.path)
    for number, folder in enumerate(folders, 1):
        try:
            thread = record(whole(folder / THREAD))
            identity = words(thread.get("id")) or folder.name
            chat = conversation(thread, _messages(folder, source), Tree(NAME, ENGINE, identity, staging))
        except (ValueError, RecursionError, OSError) as error:
            if len(folders) == 1:
                raise (error if isinstance(error, OSError) else damaged(source.path.name)) from error
            source.skip(file_unreadable(folder.name))
            continue
        if chat is not None:
            yield chat
        source.at(number * source.size // len(folders))


def count(folder: Path) -> int:
    """How many conversations lie in a data folder."""
    try:
        return len(_threads(folder))
    except OSError:
        return 0


def _threads(path: Path) -> list[Path]:
    """The folders of threads that are meant."""
    if not path.is_dir():
        return [path.parent] if path.name in (THREAD, MESSAGES) and _is_thread(path.parent) else []
    if _is_thread(path):
        return [path]
    for folder in (path, path / "threads", path / "data" / "threads"):
        if folder.is_dir() and (found := sorted(entry for entry in folder.iterdir() if _is_thread(entry))):
            return found
    return []


def _is_thread(folder: Path) -> bool:
    return (folder / THREAD).is_file()


def _messages(folder: Path, source: Source) -> Iterator[Json]:
    """The messages of a thread; lines that are none are skipped, and told."""
    place = folder / MESSAGES
    if not place.is_file():
        return
    with open_file(place) as file:
        while line := file.readline(LARGEST_FILE):
            if line.strip():
                try:
                    yield record(decoded(line))
                except ValueError:
                    source.skip(file_unreadable(f"{folder.name}/{MESSAGES}"))


def conversation(thread: Json, messages: Iterable[Json], tree: Tree) -> ImportedConversation | None:
    """The conversation of a thread; None where nobody said anything."""
    assistant = next(map(record, rows(thread.get("assistants"))), {})
    model = words(record(assistant.get("model")).get("id"))
    instructions = words(assistant.get("instructions"))
    metadata = record(thread.get("metadata"))
    leaf: str | None = None
    turn: tuple[str, list[Part], float, Status] | None = None  # an answer with its calls of tools, still open

    def end_turn() -> None:
        nonlocal leaf, turn
        if turn is not None and turn[1]:
            leaf = tree.add(turn[0], leaf, Role.ASSISTANT, turn[1], turn[2], model, turn[3])
        turn = None

    for number, message in enumerate(messages):
        key, role = words(message.get("id")) or str(number), message.get("role")
        created = seconds(message.get("created_at"))
        if role == "system":
            instructions = instructions or _text(message)
        elif role == "user":
            end_turn()
            parts = [part for piece in rows(message.get("content")) for part in _piece(record(piece), tree, users=True)]
            if parts:
                leaf = tree.add(key, leaf, Role.USER, parts, created)
        elif role in ("assistant", "tool"):
            status = Status.STOPPED if message.get("status") in ("stopped", "pending") else Status.DONE
            so_far = turn[1] if turn is not None else []
            turn = (turn[0], so_far, turn[2], status) if turn is not None else (key, so_far, created, status)
            if role == "tool":
                so_far.append(result(shown(words(message.get("tool_call_id"))), _text(message)))
            else:
                for piece in rows(message.get("content")):
                    so_far += _piece(record(piece), tree, users=False)
                so_far += _calls(message)
    end_turn()
    project = words(record(metadata.get("project")).get("name"))
    return tree.end(
        words(thread.get("title")) or words(metadata.get("title")),
        leaf,
        seconds(thread.get("created")),
        seconds(thread.get("updated")),
        system_prompt=instructions,
        pinned=metadata.get("is_favorite") is True or thread.get("isFavorite") is True,
        folder=(project,) if project else (),
    )


def _text(message: Json) -> str:
    content = message.get("content")
    if isinstance(content, str):
        return words(content)
    return "\n\n".join(filter(None, (words(record(record(p).get("text")).get("value")) for p in rows(content))))


def _piece(piece: Json, tree: Tree, *, users: bool) -> list[Part]:
    match piece.get("type"):
        case "text" | "reasoning" as kind:
            text = words(record(piece.get("text")).get("value")) or words(piece.get("text"))
            if kind == "reasoning":
                return [ThinkingPart(text.strip())] if text.strip() else []
            return ([TextPart(text)] if text.strip() else []) if users else list(thought_apart(text))
        case "image_url":
            kept = tree.attach_address(words(record(piece.get("image_url")).get("url")))
            return [kept] if kept is not None else []
        case "tool_call":
            call_id = shown(words(piece.get("tool_call_id")))
            call = ToolCallPart(call_id, shown(words(piece.get("tool_name"))), json_text(piece.get("input", {})))
            given = piece.get("output")
            return [call] if given is None else [call, result(call_id, json_text(given))]
    return []


def _calls(message: Json) -> list[Part]:
    """Calls of tools as older versions kept them, beside the content."""
    found: list[Part] = []
    for entry in map(record, rows(record(message.get("metadata")).get("tool_calls"))):
        called = record(record(entry.get("tool")).get("function")) or record(entry.get("function"))
        call_id = shown(words(record(entry.get("tool")).get("id")) or words(entry.get("id")))
        if called:
            found.append(
                ToolCallPart(call_id, shown(words(called.get("name"))), json_text(called.get("arguments", "")))
            )
            given = record(entry.get("response"))
            if given:
                texts = (words(record(piece).get("text")) for piece in rows(given.get("content")))
                found.append(result(call_id, "\n\n".join(filter(None, texts)), failed=bool(given.get("error"))))
    return found
