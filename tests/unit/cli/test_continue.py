"""``qwen-desktop chat --continue``: in which conversation a question is asked, by what, and what it says instead."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from qwen_desktop.cli import continued
from qwen_desktop.core.chat import Conversation, Message, Status
from qwen_desktop.core.engine import ThinkingMode
from qwen_desktop.core.model_ref import FileRef, LoadOptions
from qwen_desktop.core.parts import Role, TextPart, visible_text
from qwen_desktop.services.events import EventBus
from qwen_desktop.services.history import History
from qwen_desktop.store.database import Database
from tests.scripted_engine import Script

Command = Callable[..., Any]
GONE_ON = ("chat", "--json", "--continue")


def stored(home: Path, work: Callable[[History], Awaitable[Any]]) -> Any:
    """What ``work`` finds or does in the history, as another process would."""

    home.mkdir(exist_ok=True)

    async def run() -> Any:
        database = Database(home / "history.sqlite3")
        await database.open(fallback=False)
        try:
            return await work(History(database, EventBus()))
        finally:
            await database.aclose()

    return asyncio.run(run())


def put(home: Path, *chats: Conversation, status: Status = Status.DONE) -> None:
    """Store conversations of a question and an answer each."""

    async def work(history: History) -> None:
        for chat in chats:
            asked = Message(f"q{chat.id}", chat.id, None, Role.USER, (TextPart("Name a river."),), chat.updated)
            said = (TextPart("The Rhine."),)
            answer = Message(f"a{chat.id}", chat.id, asked.id, Role.ASSISTANT, said, chat.updated, status)
            await history.add((asked, answer), new=chat)

    stored(home, work)


def said(home: Path, chat: str) -> list[str]:
    """The branch on show."""
    found: Iterable[Message] = stored(home, lambda history: history.tail(chat, 20))
    return [visible_text(entry.parts) for entry in found]


def request(ending: Any) -> list[tuple[str, str]]:
    (asked,) = ending.engine.requests
    return [(str(message.role), message.parts[0].text) for message in asked.messages]


def test_the_last_one_is_gone_on_with_and_shows_it(command: Command, home: Path) -> None:
    first = json.loads(command("chat", "--json", "--save", "--system", "Be short.", "Name a river.").out)
    other = json.loads(command("chat", "--json", "--save", "Name a town.").out)
    chat = first["conversation"]
    ending = command(*GONE_ON, chat[:6].upper(), "A longer one?", script=Script("The Rhine."))
    assert ending.code == 0, ending.err
    assert json.loads(ending.out)["conversation"] == chat
    assert request(ending) == [
        ("system", "Be short."), ("user", "Name a river."), ("assistant", "Hello."), ("user", "A longer one?"),
    ]  # fmt: skip
    again = command("chat", "--continue", "last", "And in Asia?", script=Script("The Ob."))
    assert (again.code, again.out, again.err) == (0, "The Ob.\n", "")
    assert said(home, chat)[2:] == ["A longer one?", "The Rhine.", "And in Asia?", "The Ob."]
    assert said(home, other["conversation"]) == ["Name a town.", "Hello."]


def test_its_own_model_and_thinking_answer_unless_options_say_otherwise(
    command: Command, home: Path, tmp_path: Path
) -> None:
    own, another = tmp_path / "Own.gguf", tmp_path / "Another.gguf"
    for path in (own, another):
        path.write_bytes(b"GGUF")
    ref = FileRef(str(own), LoadOptions(context=1024))
    chat = Conversation("c" * 32, "Rivers", 1.0, 2.0, thinking=ThinkingMode.THINK, model=ref)
    put(home, chat)
    ending = command(*GONE_ON, "last", "A longer one?")
    assert json.loads(ending.out)["model"] == "Own"
    assert [load.context for load in ending.engine.loads] == [1024]
    assert ending.engine.requests[0].thinking is ThinkingMode.THINK
    ending = command(*GONE_ON, "last", "--no-think", "--model", str(another), "A longer one?")
    assert json.loads(ending.out)["model"] == "Another"
    assert ending.engine.requests[0].thinking is ThinkingMode.DIRECT
    kept = stored(home, lambda history: history.get(chat.id))  # for this once
    assert (kept.model, kept.thinking) == (ref, ThinkingMode.THINK)


def test_its_own_budget_closes_thoughts_unless_an_option_says_otherwise(command: Command, home: Path) -> None:
    put(home, Conversation("c" * 32, "Rivers", 1.0, 2.0, thinking_budget=8192))
    asked = [command(*GONE_ON, "last", *options, "Hi") for options in ((), ("--thinking-budget", "100"))]
    assert [ending.engine.requests[0].thinking_budget for ending in asked] == [8192, 100]
    assert stored(home, lambda history: history.get("c" * 32)).thinking_budget == 8192  # for this once


def test_what_names_none_or_several_is_a_sentence_and_nothing_is_asked(command: Command, home: Path) -> None:
    words = [command(*GONE_ON, "last", "Hi")]
    assert "There is no chat to continue yet." in words[0].err
    rivers, towns = (Conversation(f"abcdef{n}" + "0" * 25, f"Chat {n}\nb", 1.0, float(n)) for n in (1, 2))
    put(home, rivers, towns)
    words += [command(*GONE_ON, wrong, "Hi") for wrong in ("abcde", "abcdef", "123456", "", "abcdef1%", "\udce9\u202e")]
    assert "too short" in words[1].err and "abcdef20 (Chat 2 b), abcdef10 (Chat 1 b)" in words[1].err
    assert f"2 chats begin with abcdef. Write more of one of them: {towns.id}, {rivers.id}." in words[2].err
    assert "no chat with the id 123456" in words[3].err
    for ending in words:
        assert ending.code == 1 and ending.err.count("\n") == 1 and not ending.engine.requests
        assert "conversation" not in json.loads(ending.out)  # none is kept that could be gone on with
    assert said(home, towns.id) == ["Name a river.", "The Rhine."]
    assert command(*GONE_ON, "abcdef1", "Hi").code == 0


def test_an_id_of_another_form_is_named_whole(home: Path) -> None:
    put(home, Conversation("Ab", "Imported", 1.0, 1.0), Conversation("Ab-cdef-gh", "Imported too", 2.0, 2.0))
    for wanted, title in (("Ab", "Imported"), ("Ab-cdef-gh", "Imported too"), ("ab-cde", "Imported too")):
        found = stored(home, lambda history, wanted=wanted: continued.find(history, wanted))
        assert found.title == title


def test_other_instructions_are_a_mistake_of_usage(command: Command, home: Path) -> None:
    put(home, Conversation("c" * 32, "Rivers", 1.0, 2.0))
    ending = command(*GONE_ON, "last", "--system", "Be long.", "Hi")
    assert ending.code == 2 and "keeps the instructions" in " ".join(ending.err.split())


def test_an_answer_left_unfinished_is_read_and_one_that_grows_is_waited_for(
    command: Command, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat = Conversation("c" * 32, "Rivers", 1.0, 2.0)
    put(home, chat, status=Status.STREAMING)  # its process was killed
    monkeypatch.setattr(continued, "WATCH_S", 0.05)
    assert request(command(*GONE_ON, "last", "Go on."))[1] == ("assistant", "The Rhine.")
    running = Conversation("d" * 32, "Towns", 1.0, 9e9)
    put(home, running, status=Status.STREAMING)
    read = History.message

    async def grown(history: History, message_id: str) -> Message | None:
        found = await read(history, message_id)
        return None if found is None else structs.replace(found, parts=(TextPart("The Rhine. It"),))

    monkeypatch.setattr(History, "message", grown)
    ending = command(*GONE_ON, "last", "Hi")
    assert ending.code == 1 and "An answer is still being written in this chat." in ending.err
    assert not ending.engine.requests
