"""LM Studio's conversations: one JSON file each in ``~/.lmstudio/conversations``, whose folders are the user's own.

LM Studio does not document the form ("NOT recommended to … rely on their structure", lmstudio.ai/docs/app/basics/chat);
it is as programs that convert such files read it (YorkieDev/lm-studio-conversation-converter, zeveck/json_to_md, of
version 0.3.22). Each message has versions, of which one is selected: they are versions here, too. The answer of a
version "multiStep" is made of blocks, of which those in the style "thinking" are thoughts. Files that are attached lie
in ``~/.lmstudio/user-files``. Version 0.2 and older: a list of plain messages.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from qwen_desktop.core.exchange import ImportedConversation, Source
from qwen_desktop.core.files import read_file
from qwen_desktop.core.parts import LARGEST_ATTACHMENT, FilePart, Part, Role, TextPart, ThinkingPart, ToolCallPart
from qwen_desktop.core.text import shown
from qwen_desktop.jobs.imports.files import file_unreadable, files_under, whole
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
    words,
)

NAME, ENGINE = "lm_studio", "LM Studio"

#: The bytes of an attached file by its name in the program's folder, None where it is not there.
Attached = Callable[[str], "bytes | None"]

_VERSIONS = re.compile(rb'"versions"\s*:\s*\[')
_MESSAGES, _ROLE = re.compile(rb'"messages"\s*:\s*\['), re.compile(rb'"role"\s*:\s*"(?:user|system|assistant)"')
#: The name of a file in that folder, and nothing that leads out of it.
_PLAIN = re.compile(r"(?!\.+$)[^/\\:\x00]{1,255}")
_SYSTEM = "llm.prediction.systemPrompt"


def tells(path: Path, beginning: bytes) -> bool:
    """Whether it is a conversation, or a folder of some."""
    if path.is_dir():
        return any(_is_one(file) for file in files_under(path))
    return _VERSIONS.search(beginning) is not None or (
        _MESSAGES.search(beginning) is not None and _ROLE.search(beginning) is not None
    )


def read(source: Source, staging: Path) -> Iterator[ImportedConversation]:
    """Its conversations, of a folder with its folders as they are. Raises ``UserFacing`` and ``OSError``."""
    top = source.path
    files = [file for file in files_under(top) if _is_one(file)] if top.is_dir() else [top]
    for number, file in enumerate(files, 1):
        try:
            value = record(whole(file))
            if not rows(value.get("messages")):
                continue  # nobody said anything there
            tree = Tree(NAME, ENGINE, file.name, staging)
            folder = file.parent.relative_to(top).parts if top.is_dir() else ()
            chat = conversation(value, tree, partial(_attached, _user_files(file)), folder)
        except (ValueError, RecursionError, OSError) as error:
            if not top.is_dir():
                raise (error if isinstance(error, OSError) else damaged(top.name)) from error
            source.skip(file_unreadable(file.name))
            continue
        if chat is not None:
            yield chat
        source.at(number)


def count(folder: Path) -> int:
    """How many conversations lie in a folder."""
    return sum(map(_is_one, files_under(folder)))


def _is_one(file: Path) -> bool:
    return file.name.endswith(".conversation.json")


def _user_files(file: Path) -> Path | None:
    """Where the program keeps what is attached, for a conversation that lies where it keeps those."""
    for above in file.parents:
        if above.name == "conversations":
            return above.parent / "user-files"
    return None


def _attached(folder: Path | None, identity: str) -> bytes | None:
    if folder is None or not _PLAIN.fullmatch(identity):
        return None
    try:
        return read_file(folder / identity, LARGEST_ATTACHMENT + 1)
    except OSError:
        return None


def conversation(
    value: Json, tree: Tree, attached: Attached, folder: tuple[str, ...] = ()
) -> ImportedConversation | None:
    """The conversation of one file; None where nobody said anything."""
    model = words(record(value.get("lastUsedModel")).get("identifier"))
    instructions = words(value.get("systemPrompt"))
    for field in map(record, rows(record(value.get("perChatPredictionConfig")).get("fields"))):
        if field.get("key") == _SYSTEM and not instructions:
            instructions = words(field.get("value"))
    leaf: str | None = None
    for number, message in enumerate(map(record, rows(value.get("messages")))):
        versions = [record(version) for version in rows(message.get("versions"))] or [message]
        chosen = message.get("currentlySelected")
        chosen = chosen if isinstance(chosen, int) and 0 <= chosen < len(versions) else len(versions) - 1
        above = leaf
        for place, version in enumerate(versions):
            if version.get("role") == "system":
                instructions = instructions or _plain(version)
                continue
            users = version.get("role") == "user"
            parts = _said(version, tree, attached) if users else _answered(version, tree, attached)
            if not parts:
                continue
            made = tree.add(
                f"{number}.{place}",
                above,
                Role.USER if users else Role.ASSISTANT,
                parts,
                seconds(value.get("createdAt")) if number == 0 else 0.0,
                words(record(version.get("senderInfo")).get("senderName")) or model,
            )
            leaf = made if place == chosen or leaf == above else leaf
    return tree.end(
        words(value.get("name")),
        leaf,
        seconds(value.get("createdAt")),
        seconds(value.get("assistantLastMessagedAt"), value.get("userLastMessagedAt"), value.get("createdAt")),
        system_prompt=instructions,
        pinned=value.get("pinned") is True,
        folder=folder,
    )


def _plain(version: Json) -> str:
    content = version.get("content")
    if isinstance(content, str):
        return words(content)
    return "\n\n".join(filter(None, (words(record(piece).get("text")) for piece in rows(content))))


def _said(version: Json, tree: Tree, attached: Attached) -> tuple[Part, ...]:
    text = _plain(version)
    files = _files(version.get("content"), tree, attached)
    return (*files, TextPart(text)) if text.strip() else tuple(files)


def _answered(version: Json, tree: Tree, attached: Attached) -> tuple[Part, ...]:
    steps = rows(version.get("steps"))
    if not steps:
        return (*_files(version.get("content"), tree, attached), *thought_apart(_plain(version)))
    found: list[Part] = []
    for step in map(record, steps):
        style = record(step.get("style"))
        for piece in map(record, rows(step.get("content"))):
            found += _piece(piece, thinking=style.get("type") == "thinking")
        found += _files(step.get("content"), tree, attached)
    if any(isinstance(part, ThinkingPart) for part in found) or not found or not isinstance(found[0], TextPart):
        return tuple(found)
    return (*thought_apart(found[0].text), *found[1:])


def _piece(piece: Json, *, thinking: bool) -> list[Part]:
    kind = piece.get("type")
    if kind == "text" and piece.get("isStructural") is not True:
        text = words(piece.get("text"))
        return [ThinkingPart(text.strip()) if thinking else TextPart(text)] if text.strip() else []
    call_id = shown(str(piece.get("toolCallRequestId") or piece.get("callId") or piece.get("toolCallId") or ""))
    if kind == "toolCallRequest":
        name = words(piece.get("name")) or words(piece.get("toolName"))
        return [ToolCallPart(call_id, shown(name), json_text(piece.get("parameters", piece.get("arguments", {}))))]
    if kind == "toolCallResult":
        return [result(call_id, json_text(piece.get("content", "")))]
    return []


def _files(content: object, tree: Tree, attached: Attached) -> list[Part]:
    found: list[Part] = []
    for piece in map(record, rows(content)):
        identity = words(piece.get("fileIdentifier"))
        if piece.get("type") != "file" or not identity:
            continue
        name = words(piece.get("fileName")) or words(piece.get("name")) or identity
        data = attached(identity)
        image = piece.get("fileType") == "image"
        kept = tree.attach(data, "", name) if data is not None else None
        size: Any = piece.get("sizeBytes")
        size = size if isinstance(size, int) and 0 <= size < 1 << 53 else 0
        missing = FilePart("", "image/*" if image else "application/octet-stream", shown(name), size)
        found.append(kept if kept is not None else missing)
    return found
