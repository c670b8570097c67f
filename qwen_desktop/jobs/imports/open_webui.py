"""Open WebUI's export: a JSON list of chats, each with the tree of its messages in ``chat.history``.

After that program's sources: ``backend/open_webui/models/chats.py`` (``ChatModel``, ``ChatImportForm``) says what a
chat has, ``backend/open_webui/utils/middleware.py`` how thoughts and calls of tools stand in the text of an answer
(HTML's ``details`` with a type). An export names folders by numbers only, so that they cannot be taken over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec import structs

from qwen_desktop.core.chat import Status
from qwen_desktop.core.exchange import ImportedConversation, Source
from qwen_desktop.core.files import open_file
from qwen_desktop.core.parts import FilePart, Part, Role, TextPart, ThinkingPart, ToolCallPart
from qwen_desktop.core.text import clean, shown
from qwen_desktop.jobs.imports.files import entries, unreadable
from qwen_desktop.jobs.imports.forms import damaged
from qwen_desktop.jobs.imports.trees import (
    Json,
    Tree,
    json_text,
    record,
    result,
    rows,
    seconds,
    thought_apart,
    unescaped,
    words,
)

NAME, ENGINE = "open_webui", "Open WebUI"

_HISTORY = re.compile(rb'"history"\s*:\s*\{\s*"(?:messages|currentId)"')
_DETAILS = re.compile(r'<details\s+type="([\w-]+)"([^>]*)>\s*(?:<summary>.*?</summary>)?(.*?)</details>\n?', re.DOTALL)
_ATTRIBUTE = re.compile(r'([\w-]+)="([^"]*)"')


def tells(path: Path, beginning: bytes) -> bool:
    """Whether it is a list of such chats, or one: as exported, or the chat itself as older versions wrote it."""
    return _HISTORY.search(beginning) is not None


def read(source: Source, staging: Path) -> Iterator[ImportedConversation]:
    """Its conversations. Raises ``UserFacing`` and ``OSError``."""
    try:
        with open_file(source.path) as file:
            for number, value in enumerate(entries(file, source, "chats"), 1):
                if not record(record(_chat(value).get("history")).get("messages")):
                    if record(value):
                        continue  # nobody said anything there
                    source.skip(unreadable(number))
                    continue
                identity = words(value.get("id")) or words(_chat(value).get("id")) or f"{number}"
                chat = conversation(value, Tree(NAME, ENGINE, identity, staging))
                if chat is not None:
                    yield chat
    except (ValueError, RecursionError) as error:
        raise damaged(source.path.name) from error


def _chat(value: object) -> Json:
    entry = record(value)
    return record(entry.get("chat")) or entry


def conversation(value: Json, tree: Tree) -> ImportedConversation | None:
    """One chat of the export; None where nobody said anything."""
    chat = _chat(value)
    history = record(chat.get("history"))
    messages = {key: record(entry) for key, entry in record(history.get("messages")).items() if words(key) == key}
    below: dict[str, list[str]] = {}
    for key, entry in messages.items():
        below.setdefault(words(entry.get("parentId")), []).append(key)
    tops = [key for key, entry in messages.items() if words(entry.get("parentId")) not in messages]
    waiting: list[tuple[str, str | None]] = [(key, None) for key in reversed(tops)]
    became: dict[str, str | None] = {}
    instructions = words(chat.get("system")) or words(record(chat.get("params")).get("system"))
    while waiting:
        key, parent = waiting.pop()
        if key in became:
            continue
        entry = messages[key]
        if entry.get("role") == "system":
            instructions = instructions or words(entry.get("content"))
            became[key] = parent
        else:
            became[key] = _message(tree, key, parent, entry)
        waiting += [(child, became[key]) for child in reversed(below.get(key, ())) if child != key]
    meta = record(value.get("meta"))
    return tree.end(
        words(value.get("title")) or words(chat.get("title")),
        became.get(words(history.get("currentId"))),
        seconds(value.get("created_at"), chat.get("timestamp")),
        seconds(value.get("updated_at")),
        system_prompt=instructions,
        pinned=value.get("pinned") is True,
        archived=value.get("archived") is True,
        tags=[words(tag) or words(record(tag).get("name")) for tag in rows(meta.get("tags")) + rows(chat.get("tags"))],
    )


def _message(tree: Tree, key: str, parent: str | None, entry: Json) -> str | None:
    """Add a message and return what goes on from it: the one above where it is empty."""
    users = entry.get("role") == "user"
    content = entry.get("content")
    if isinstance(content, list):  # as parts of OpenAI's form
        content = "\n\n".join(words(record(piece).get("text")) for piece in content)
    text = words(content)
    if users:
        said: tuple[Part, ...] = (TextPart(text),)
    else:
        said = _answer(text) if text.strip() else _output(rows(entry.get("output")))
    parts = (*_files(tree, rows(entry.get("files"))), *said)
    problem = record(entry.get("error"))
    if not users and not any(isinstance(part, TextPart) and part.text.strip() for part in parts) and problem:
        parts = (*parts, TextPart(words(problem.get("content")) or words(problem.get("message"))))
    if not any(not isinstance(part, TextPart) or part.text.strip() for part in parts):
        return parent
    status = Status.STOPPED if not users and entry.get("done") is False else Status.DONE
    model = words(entry.get("modelName")) or words(entry.get("model"))
    role = Role.USER if users else Role.ASSISTANT
    return tree.add(key, parent, role, parts, seconds(entry.get("timestamp")), model, status)


def _answer(text: str) -> tuple[Part, ...]:
    """The parts of an answer out of its text."""
    found: list[Part] = []
    end = 0
    for number, block in enumerate(_DETAILS.finditer(text)):
        made = _block(block[1], dict(_ATTRIBUTE.findall(block[2])), block[3], number)
        if made is not None:
            found += [TextPart(text[end : block.start()].strip("\n")), *made]
            end = block.end()
    rest = text[end:].lstrip("\n") if end else text
    return (*found, TextPart(rest)) if found else thought_apart(rest)


def _block(kind: str, told: dict[str, str], inside: str, number: int) -> tuple[Part, ...] | None:
    """A ``details`` block as parts; None for one that is a part of the text."""
    if kind == "reasoning":
        thought = "\n".join(line.removeprefix(">").removeprefix(" ") for line in unescaped(inside).strip().split("\n"))
        took = told.get("duration", "")
        return (ThinkingPart(thought, float(took) if re.fullmatch(r"\d{1,6}(\.\d+)?", took) else None),)
    if kind == "tool_calls":
        call_id = shown(unescaped(told.get("id", ""))) or f"call-{number}"
        arguments, given = (_twice(unescaped(told.get(name, ""))) for name in ("arguments", "result"))
        given = given or unescaped(inside).strip()
        call = ToolCallPart(call_id, shown(unescaped(told.get("name", "")) or "tool"), arguments)
        return (call, result(call_id, given)) if given else (call,)
    if kind == "code_interpreter":
        call_id = f"code-{number}"
        code = re.sub(r"\A```\w*\n|\n```\s*\Z", "", inside.strip())
        given = _twice(unescaped(told.get("output", "")))
        call = ToolCallPart(call_id, "code_interpreter", code)
        return (call, result(call_id, given)) if given else (call,)
    return None


def _twice(text: str) -> str:
    """A text that was written as JSON's text of a text, as it reads."""
    import json  # noqa: PLC0415 - few files have any

    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return clean(value) if isinstance(value, str) else text


def _output(items: list[Any]) -> tuple[Part, ...]:
    """The parts of an answer out of what newer versions keep beside an empty text: items of OpenAI's Responses."""
    found: list[Part] = []
    for item in map(record, items):
        match item.get("type"):
            case "message":
                found.append(TextPart(_texts(item.get("content"))))
            case "reasoning":
                found.append(ThinkingPart(_texts(item.get("summary")) or _texts(item.get("content"))))
            case "function_call":
                call_id = shown(words(item.get("call_id")))
                found.append(
                    ToolCallPart(call_id, shown(words(item.get("name"))), json_text(item.get("arguments", "")))
                )
            case "function_call_output":
                given = item.get("output")
                text = given if isinstance(given, str) else _texts(given)
                found.append(result(shown(words(item.get("call_id"))), text))
    return tuple(found)


def _texts(pieces: object) -> str:
    return "\n\n".join(filter(None, (words(record(piece).get("text")) for piece in rows(pieces))))


def _files(tree: Tree, files: list[Any]) -> list[Part]:
    """What is attached: pictures as addresses that hold their data, documents as the text that was taken from them."""
    found: list[Part] = []
    for entry in map(record, files):
        name, told = words(entry.get("name")), record(entry.get("file"))
        meta = record(told.get("meta"))
        kept = tree.attach_address(words(entry.get("url")), name)
        text = words(record(told.get("data")).get("content"))
        name = name or words(meta.get("name")) or words(told.get("filename"))
        if kept is not None:
            found.append(structs.replace(kept, text=text) if isinstance(kept, FilePart) and text else kept)
        elif name or text:
            media_type = words(meta.get("content_type")) or "application/octet-stream"
            size = meta.get("size")
            size = size if isinstance(size, int) and 0 <= size < 1 << 53 else 0
            found.append(FilePart("", media_type, shown(name) or "file", size, text))
    return found
