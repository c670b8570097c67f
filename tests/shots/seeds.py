"""Chats for the pictures, and how they come into the history."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any, NamedTuple

from msgspec import structs

from qwen_desktop.core.chat import Conversation, Message, Provenance
from qwen_desktop.core.engine import Sampling, Stats, ThinkingMode
from qwen_desktop.core.parts import FilePart, Part, Role, TextPart, ThinkingPart
from qwen_desktop.store import conversations, messages
from qwen_desktop.store.connection import transaction
from tests.shots import words
from tests.shots.engine import FIGURES
from tests.shots.still import NOW

HOUR, DAY = 3_600.0, 86_400.0
MADE = Provenance("/models/qwen3-4b.gguf", "Qwen3 4B", "", "", Sampling(), 7, ThinkingMode.AUTO, "scripted 1")


class Chat(NamedTuple):
    """A conversation: ``age`` is how long ago its last message was said, in seconds."""

    id: str
    title: str
    age: float = HOUR
    said: tuple[Message, ...] = ()
    pinned: bool = False


def user(*content: str | Part, **more: Any) -> Message:
    """What the user says."""
    return _message(Role.USER, content, more)


def assistant(*content: str | Part, stats: Stats | None = FIGURES, **more: Any) -> Message:
    """What the model says."""
    return _message(Role.ASSISTANT, content, {"provenance": MADE, "stats": stats, **more})


def _message(role: Role, content: Iterable[str | Part], more: dict[str, Any]) -> Message:
    parts = tuple(TextPart(part) if isinstance(part, str) else part for part in content)
    return Message("", "", None, role, parts, 0.0, **more)


def message_id(chat: Chat, number: int) -> str:
    """The id of the message ``number`` of a chat, from 0."""
    return f"{chat.id}-{number:04}"


async def plant(app: Any, chats: Iterable[Chat]) -> None:
    """Write chats into the history, as if they had been there long."""
    await app.db.call(_insert, tuple(chats))


def _insert(connection: sqlite3.Connection, chats: tuple[Chat, ...]) -> None:
    with transaction(connection, durable=False):
        for chat in chats:
            said = NOW - chat.age
            conversations.insert(
                connection, Conversation(chat.id, chat.title, said, said, titled=True, pinned=chat.pinned)
            )
            parent: str | None = None
            for number, entry in enumerate(chat.said):
                key = message_id(chat, number)
                created = said - len(chat.said) + number
                messages.insert(
                    connection,
                    structs.replace(entry, id=key, conversation_id=chat.id, parent_id=parent, created=created),
                )
                parent = key
            if parent is not None:
                conversations.touch(connection, chat.id, said, parent, None)


def several() -> tuple[Chat, ...]:
    """Chats of all groups of the side list, with short, long and foreign titles."""
    ages = {"Today": 0.5 * HOUR, "Yesterday": DAY, "Week": 3 * DAY, "Older": 30 * DAY}
    made = [Chat("list-pinned", "Household: numbers and dates", 50 * DAY, pinned=True)]
    for group, titles in words.TITLES.items():
        for place, title in enumerate(titles):
            made.append(Chat(f"list-{group.lower()}-{place}", title, ages[group] + place * 600.0))
    return tuple(made)


MATHS = Chat(
    "maths", "Quadratic equations", said=(user(words.MATHS_QUESTION), assistant(words.MATHS)),
)  # fmt: skip

RICH = Chat(
    "rich",
    "Everything that Markdown can do",
    0.2 * HOUR,
    (user(words.QUESTION), assistant(words.TEXTS), user("And code?"), assistant(words.CODE)),
)
TABLES = Chat("tables", "Tables", 0.2 * HOUR, (user("Show me tables."), assistant(words.TABLES)))
DIAGRAMS = Chat(
    "diagrams",
    "How a login works",
    0.2 * HOUR,
    (user("Draw me how a login works."), assistant(words.DIAGRAMS), user("And charts?"), assistant(words.CHARTS)),
)
LANGUAGES = Chat(
    "languages",
    "中文, العربية and English",
    0.2 * HOUR,
    (
        user(words.CHINESE_QUESTION),
        assistant(words.CHINESE),
        user(words.ARABIC_QUESTION),
        assistant(words.ARABIC),
    ),
)
LONG_QUESTION = Chat(
    "long-question",
    "A long question",
    0.2 * HOUR,
    (user(words.LONG_QUESTION), assistant("Briefly: at 6 o'clock.")),
)
SHORT = Chat(
    "short",
    "Why is the sky blue?",
    0.1 * HOUR,
    (user("Why is the sky blue?"), assistant(words.SKY)),
)
LONG = Chat(
    "long",
    "A long conversation",
    0.1 * HOUR,
    tuple(
        entry
        for number in range(1, 61)
        for entry in (user(f"Question {number}: what comes next?"), assistant(f"Answer {number}. {words.SKY}"))
    ),
)


PARSER = "import pytest\n\n\ndef test_merge_keeps_order(tmp_path):\n    assert merge([1], [2]) == [1, 2]\n" * 40
#: What is searched in: chats of several scripts, some in folders.
MERGE = Chat(
    "merge", "Merge sorted files in Python", 0.2 * HOUR,
    (
        user("How do I merge 80 GB of sorted files with little memory?"),
        assistant(
            ThinkingPart("A merge of many sorted files: a heap of the first lines is enough.", 3.2, 120),
            "Python's `heapq.merge` is made for that. It keeps one line per file in memory and always hands out the "
            "smallest, so a heap merge of 80 GB needs some kilobytes.\n\n```python\nimport heapq\n\nwith open('out', "
            "'w') as out:\n    out.writelines(heapq.merge(*map(open, files)))\n```\n\n| files | memory of the merge |\n"
            "|---|---|\n| 10 | 1 kB |\n| 1,000 | 100 kB |\n\nA merge by hand would look the same.",
        ),
        user("And if two lines are equal?"),
        assistant("Then the merge is stable: the line of the earlier file comes first."),
    ),
)  # fmt: skip
SEARCHED = (
    MERGE,
    Chat("tests", "Unit tests for the parser", 19 * DAY, (
        user(FilePart("", "text/x-python", "parser.py", 4_100, PARSER), "Which of these tests matter?"),
        assistant("The one about order."),
    )),
    Chat("kazan", "План поездки в Казань", 23 * DAY, (user("Сделай merge двух таблиц с расписанием поездов."),
                                                             assistant("Готово."))),
    Chat("heap", "Heap merge, second try", 2 * DAY, (user("Is a heap merge quicker than sort -m?"),
                                                           assistant("No, but it needs no second process."))),
    Chat("hebrew", "מיזוג קבצים", 4 * DAY, (user("איך עושים merge של שני קבצים גדולים?"), assistant("כך."))),
    Chat("letter", "Letter to the landlord", 0.1 * HOUR, (user("Write to the landlord."),
                                                                assistant("Dear Ms Weber,"))),
)  # fmt: skip


FOLDERS = ("Office work", "Private letters")
#: What is typed into the search, and how its prefixes are shown.
TYPED = (
    "heap merge",
    "folder: Office work",
    "folder: Private letters",
    "merge folder:",
    "striped zebra",
    "folder: tag: model: before: has:code",
)
