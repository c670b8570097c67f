"""``history list|show|delete|search``: the stored chats, without a window."""

from __future__ import annotations

import time
from typing import Any

from qwen_desktop.cli import continued
from qwen_desktop.cli.console import Console, harmless
from qwen_desktop.cli.interrupt import asked
from qwen_desktop.cli.one_run import CommandRun
from qwen_desktop.core.chat import Conversation, Message
from qwen_desktop.core.parts import AudioPart, FilePart, ImagePart, Role, thinking_text, visible_text
from qwen_desktop.core.queries import Found, Hit, parse
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, fill, shown
from qwen_desktop.services.history import PAGE, History
from qwen_desktop.store.searching import folder_paths
from qwen_desktop.store.settings_file import SettingsFile

#: So much of an id is printed.
_ID = 8


async def list_chats(run: CommandRun) -> int:
    """Print all chats. Always returns 0."""
    async with _with_history(run) as services:
        found = await services.history.list()
        folders = await services.database.read(folder_paths)
    console = run.console
    if run.as_json:
        console.object([_plain(entry, folders) for entry in found])
        return 0
    if not found:
        console.line(QT_TRANSLATE_NOOP("cli", "There are no chats yet."))
    for entry in found:
        marks = [folders.get(entry.folder_id, ""), *(f"#{tag}" for tag in entry.tags)]
        if entry.pinned:
            marks.append(QT_TRANSLATE_NOOP("cli", "pinned"))
        if entry.archived:
            marks.append(QT_TRANSLATE_NOOP("cli", "archived"))
        about = ", ".join(filter(None, marks))
        console.line(
            f"{entry.id[:_ID]}  {_day(entry.updated)}  {_title(entry)}{f'  ({shown(about)})' if about else ''}"
        )
    return 0


async def show(run: CommandRun, wanted: str) -> int:
    """Print one chat. Raises ``UserFacing`` where there is none, or more than one, of that id."""
    async with _with_history(run) as services:
        history = services.history
        chat = await continued.choose(history, wanted)
        messages = await _all(history, chat.id)
        if run.as_json:
            folders = await services.database.read(folder_paths)
            run.console.object({**_plain(chat, folders), "messages": [_message(entry) for entry in messages]})
            return 0
        text = await history.plain_text(chat.id)
    run.console.line(harmless(_title(chat)))
    run.console.line("")
    run.console.answer(text)
    run.console.end()
    return 0


async def delete(run: CommandRun, wanted: str, *, yes: bool) -> int:
    """Delete one chat, after a question unless ``yes``. Returns 1 where it was not. Raises as ``show``."""
    console = run.console
    async with _with_history(run) as services:
        chat = await continued.choose(services.history, wanted)
        if not yes:
            question = fill(QT_TRANSLATE_NOOP("cli", "Delete the chat {title}?"), {"title": _title(chat)})
            if not agreed(question, console):
                return 1
        await services.history.delete(chat.id)
    deleted = QT_TRANSLATE_NOOP("cli", "{title} is deleted. It goes for good when the window starts the next time.")
    console.line(fill(deleted, {"title": _title(chat)}))
    return 0


async def search(run: CommandRun, query: str, limit: int) -> int:
    """Print what is found, the best first. Returns 0, also where nothing is."""
    asked_for = parse(query)
    console = run.console
    async with _with_history(run) as services:
        found = await services.search.find(asked_for, limit)
        if found.preparing:  # a history of an older version, of which no window has made an index yet
            console.progress(QT_TRANSLATE_NOOP("cli", "Reading older messages …"))
            await services.history.prepare_search(breath=0.0)
            found = await services.search.find(asked_for, limit)
    if run.as_json:
        console.object([_hit(hit) for hit in found.hits])
        return 0
    if not asked_for:
        console.warn(QT_TRANSLATE_NOOP("cli", "There is nothing to search for in that: write at least one word."))
        return 0
    for hit in found.hits:
        where = f" · {shown(hit.attachment)}" if hit.attachment else ""
        console.line(f"{hit.conversation.id[:_ID]}  {_day(hit.created)}  {_title(hit.conversation)}{where}")
        if hit.message_id:
            console.line(f"    {shown(hit.snippet, 400)}")
    _tell(found, console)
    return 0


def _tell(found: Found, console: Console) -> None:
    if not found.conversations:
        console.line(QT_TRANSLATE_NOOP("cli", "Nothing was found."))
    elif found.more:
        console.note(QT_TRANSLATE_NOOP("cli", "There are more; the newest were compared."))


def _with_history(run: CommandRun) -> Any:
    return run.build(run.paths, history=True, settings_file=SettingsFile(run.paths.settings_file))


def agreed(question: str, console: Console) -> bool:
    """Ask on the terminal. Without one nobody can agree, and --yes is named."""
    answer = asked(question, console)
    if answer is None:
        console.warn(f"{question} {QT_TRANSLATE_NOOP('library', 'Nobody can answer here; --yes agrees.')}")
    return bool(answer)


async def _all(history: History, conversation_id: str) -> list[Message]:
    pages = [await history.tail(conversation_id, PAGE)]
    while pages[-1]:
        pages.append(await history.before(pages[-1][0].id, PAGE))
    return [entry for page in reversed(pages) for entry in page]


def _title(chat: Conversation) -> str:
    return shown(chat.title) or QT_TRANSLATE_NOOP("cli", "Untitled")


def _day(when: float) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(when))


def _plain(entry: Conversation, folders: dict[str, str]) -> dict[str, Any]:
    return {
        "id": entry.id,
        "title": entry.title,
        "created": entry.created,
        "updated": entry.updated,
        "pinned": entry.pinned,
        "archived": entry.archived,
        "folder": folders.get(entry.folder_id, ""),
        "tags": list(entry.tags),
    }


def _message(entry: Message) -> dict[str, Any]:
    speaker = "user" if entry.role is Role.USER else str(entry.role)
    model = "" if entry.provenance is None else entry.provenance.model_name
    return {
        "id": entry.id,
        "role": speaker,
        "text": visible_text(entry.parts),
        "thinking": thinking_text(entry.parts),
        "attachments": list(
            filter(None, (part.name for part in entry.parts if isinstance(part, ImagePart | AudioPart | FilePart)))
        ),
        "created": entry.created,
        "status": str(entry.status),
        "model": model,
    }


def _hit(hit: Hit) -> dict[str, Any]:
    return {
        "conversation_id": hit.conversation.id,
        "message_id": hit.message_id,
        "title": hit.conversation.title,
        "snippet": hit.snippet,
        "created": hit.created,
    }
