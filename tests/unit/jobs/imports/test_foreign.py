"""What other programs wrote comes in as it was: branches, thoughts, tools, attachments; damaged, it comes in as far as
it can be read."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from qwen_desktop.core.chat import Message, Status
from qwen_desktop.core.exchange import ImportedConversation
from qwen_desktop.core.parts import (
    FilePart,
    ImagePart,
    Role,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
)
from qwen_desktop.jobs.imports import jan, lm_studio, open_webui, openai, trees
from qwen_desktop.jobs.imports.trees import Tree
from tests import foreign_chats

FILES = {"file-PIC": foreign_chats.PNG, "file_made": foreign_chats.PNG + b"2", "file-DOC": b"Some notes."}


def read_openai(value: Any, staging: Path) -> ImportedConversation | None:
    def files(identity: str) -> tuple[str, Callable[[], bytes]] | None:
        return (f"{identity}.dat", lambda: FILES[identity]) if identity in FILES else None

    return openai.conversation(value, Tree(openai.NAME, openai.ENGINE, "x", staging), files)


def read_open_webui(value: Any, staging: Path) -> ImportedConversation | None:
    return open_webui.conversation(value, Tree(open_webui.NAME, open_webui.ENGINE, "x", staging))


def read_lm_studio(value: Any, staging: Path) -> ImportedConversation | None:
    def attached(identity: str) -> bytes | None:
        return b"Notes" if identity == "1700 - notes.txt" else None

    return lm_studio.conversation(value, Tree(lm_studio.NAME, lm_studio.ENGINE, "x", staging), attached, ("Work",))


def read_jan(value: Any, staging: Path) -> ImportedConversation | None:
    thread, messages = value
    return jan.conversation(thread, messages, Tree(jan.NAME, jan.ENGINE, "t1", staging))


def made(found: ImportedConversation | None) -> ImportedConversation:
    assert found is not None
    sound(found)
    return found


def sound(found: ImportedConversation) -> None:
    """It can be stored: parents are there before, all of one conversation, the branch on show ends in a leaf."""
    before: set[str] = set()
    parents = set()
    for message in found.messages:
        assert message.conversation_id == found.conversation.id and message.id not in before
        assert message.parent_id is None or message.parent_id in before
        assert message.parts and message.role in (Role.USER, Role.ASSISTANT)
        before.add(message.id)
        parents.add(message.parent_id)
    assert found.conversation.leaf_id in before and found.conversation.leaf_id not in parents
    assert found.conversation.created <= found.conversation.updated
    named = {p.sha256 for m in found.messages for p in m.parts if isinstance(p, FilePart | ImagePart) and p.sha256}
    assert named == {blob.sha256 for blob in found.blobs}
    msgspec.json.decode(msgspec.json.encode(found), type=ImportedConversation)


def branch(found: ImportedConversation) -> list[Message]:
    by_id = {message.id: message for message in found.messages}
    way: list[Message] = []
    leaf = found.conversation.leaf_id
    while leaf is not None:
        way.append(by_id[leaf])
        leaf = by_id[leaf].parent_id
    return way[::-1]


def below(found: ImportedConversation, parent: str | None) -> list[Message]:
    return [message for message in found.messages if message.parent_id == parent]


def test_chatgpt(tmp_path: Path) -> None:
    found = made(read_openai(foreign_chats.chatgpt(), tmp_path))
    chat = found.conversation
    assert (chat.title, chat.pinned, chat.archived, chat.system_prompt) == (
        "Pelicans",
        True,
        True,
        "I am Ada.\n\nBe brief.",
    )
    assert chat.created == 1_700_000_000.5
    (first,) = below(found, None)
    kinds = [type(part) for part in first.parts]
    assert kinds == [FilePart, FilePart, ImagePart, TextPart]
    notes, gone, picture, words = first.parts
    assert isinstance(notes, FilePart) and (notes.name, (tmp_path / notes.sha256).read_bytes()) == (
        "notes.txt",
        b"Some notes.",
    )
    assert isinstance(gone, FilePart) and (gone.name, gone.sha256) == ("gone.pdf", "")
    assert isinstance(picture, ImagePart) and (picture.width, (tmp_path / picture.sha256).read_bytes()) == (
        1,
        foreign_chats.PNG,
    )
    assert words == TextPart("What is this?")
    pelican, stork = below(found, first.id)
    assert pelican.parts == (ThinkingPart("Looking\n\nA bill."), TextPart("A pelican."))
    assert pelican.provenance is not None and (pelican.provenance.model_name, pelican.provenance.engine) == (
        "gpt-5",
        "ChatGPT",
    )
    assert stork.parts == (TextPart("A stork."),)
    draw, count = below(found, pelican.id)
    (drawn,) = below(found, draw.id)
    call, image, here = drawn.parts
    assert isinstance(call, ToolCallPart) and call.name == "dalle.text2im"
    assert isinstance(image, ImagePart) and image.width == 2
    assert here == TextPart("Here it is. ([birds](https://example.org/))")
    one, other = below(found, count.id)
    assert (
        one.parts[:2] == other.parts[:2] == (ToolCallPart("c2", "python", "print(1, 2)"), ToolResultPart("x2", "1 2"))
    )
    assert (one.parts[2], other.parts[2]) == (TextPart("It says 1 2."), TextPart("One, two."))
    assert [m.id for m in branch(found)] == [first.id, pelican.id, count.id, other.id]


def test_open_webui(tmp_path: Path) -> None:
    found = made(read_open_webui(foreign_chats.open_webui(), tmp_path))
    chat = found.conversation
    assert (chat.title, chat.pinned, chat.tags, chat.system_prompt) == ("Sums", True, ("easy", "maths"), "Be kind.")
    (first,) = below(found, None)
    assert [type(part) for part in first.parts] == [ImagePart, FilePart, TextPart]
    assert isinstance(first.parts[1], FilePart) and first.parts[1].text == "Words of A."
    long, short = below(found, first.id)
    assert long.parts == (
        ThinkingPart("I know <it>.\nYes.", 5.0), TextPart("Wait."), ToolCallPart("call_1", "sum", '{"a": 1}'),
        ToolResultPart("call_1", "three"), TextPart("It is three."),
    )  # fmt: skip
    assert short.provenance is not None and short.provenance.model_name == "llama"
    assert branch(found)[-1].parts == (ThinkingPart("Polite."), TextPart("Welcome."))


def test_lm_studio(tmp_path: Path) -> None:
    found = made(read_lm_studio(foreign_chats.lm_studio(), tmp_path))
    assert (found.conversation.title, found.conversation.system_prompt, found.folder) == (
        "Time",
        "Be exact.",
        ("Work",),
    )
    assert (found.conversation.created, found.conversation.updated) == (1_700_000_000.0, 1_700_000_060.0)
    (first,) = below(found, None)
    assert isinstance(first.parts[0], FilePart) and (tmp_path / first.parts[0].sha256).read_bytes() == b"Notes"
    noon, twelve = below(found, first.id)
    assert noon.parts == (
        ThinkingPart("What time?"), ToolCallPart("7", "clock", '{"zone": "UTC"}'), ToolResultPart("7", "12:00"),
        TextPart("Noon."),
    )  # fmt: skip
    assert twelve.parts == (TextPart("Twelve."),)
    assert [m.parts[-1] for m in branch(found)] == [TextPart("What time is it?"), TextPart("Noon."), TextPart("Ok.")]


def test_jan(tmp_path: Path) -> None:
    found = made(read_jan(foreign_chats.jan(), tmp_path))
    assert (found.conversation.title, found.conversation.system_prompt, found.folder) == (
        "Rain",
        "Be dry.",
        ("Weather",),
    )
    assert found.conversation.updated == 1_700_000_900.0
    _, no, _, yes = branch(found)
    assert no.parts == (
        ThinkingPart("Ask."), ToolCallPart("c1", "sky", '{"at": "noon"}'), ToolResultPart("c1", "clear"),
        TextPart("No."),
    )  # fmt: skip
    assert yes.parts == (
        ThinkingPart("Hm."), TextPart("Yes."), ToolCallPart("c2", "radar", "{}"), ToolResultPart("c2", "dry"),
    )  # fmt: skip
    assert yes.status is Status.STOPPED


READERS: dict[str, tuple[Callable[[Any, Path], ImportedConversation | None], Callable[[], Any]]] = {
    "openai": (read_openai, foreign_chats.chatgpt),
    "open_webui": (read_open_webui, foreign_chats.open_webui),
    "lm_studio": (read_lm_studio, foreign_chats.lm_studio),
    "jan": (read_jan, lambda: list(foreign_chats.jan())),
}


@pytest.mark.parametrize("form", READERS)
def test_the_same_file_gives_the_same_conversation(form: str, tmp_path: Path) -> None:
    read, sample = READERS[form]
    assert read(sample(), tmp_path) == read(sample(), tmp_path)


@pytest.mark.parametrize("form", READERS)
def test_damaged_ones_come_in_as_far_as_they_can_be_read(form: str, tmp_path: Path) -> None:
    read, sample = READERS[form]
    chance = random.Random(15)
    whole = 0
    for _ in range(400):
        value = foreign_chats.damaged(sample(), chance)
        if form == "jan":
            rest = value[1] if len(value) > 1 and isinstance(value[1], list) else []
            value = (trees.record(value[0] if value else None), [trees.record(entry) for entry in rest])
        found = read(value, tmp_path)
        if found is not None:
            whole += 1
            sound(found)
    assert whole > 100


def said(message: Message) -> str:
    return " ".join(part.text for part in message.parts if isinstance(part, TextPart))


def test_every_way_through_a_tree_of_chatgpt_is_one_here(tmp_path: Path) -> None:
    chance = random.Random(4)
    for _ in range(60):
        mapping = foreign_chats.Mapping()
        keys = ["root"]
        roles = {"root": "system"}
        for number in range(chance.randint(1, 40)):
            parent = chance.choice(keys[-6:])
            key, role = f"n{number}", chance.choice(("user", "assistant", "assistant", "tool", "system"))
            hidden = {"is_visually_hidden_from_conversation": True} if role == "system" else {}
            mapping.add(key, parent, role, key, metadata=hidden)
            keys.append(key)
            roles[key] = role
        value = mapping.conversation(chance.choice(keys))
        inner = {node["parent"] for node in mapping.nodes.values()}

        def way_of(key: str | None, mapping: Any = mapping, roles: Any = roles) -> tuple[str, ...]:
            way: list[str] = []
            while key is not None:
                if roles[key] in ("user", "assistant"):
                    way.append(key)
                key = mapping.nodes[key]["parent"]
            return tuple(way[::-1])

        wanted = {way_of(key) for key in keys if key not in inner} - {()}
        found = read_openai(value, tmp_path)
        if found is None:
            assert not any(role in ("user", "assistant", "tool") for role in roles.values())
            continue
        sound(found)
        by_id = {m.id: m for m in found.messages}
        parents = {m.parent_id for m in found.messages}
        ways = set()
        for message in found.messages:
            if message.id not in parents:
                way: list[str] = []
                at: Message | None = message
                while at is not None:
                    way[:0] = said(at).split()
                    at = by_id[at.parent_id] if at.parent_id is not None else None
                ways.add(tuple(way))
        # A branch that ends in nothing seen ends where the last seen message does.
        assert {way for way in ways if way} >= {
            w for w in wanted if not any(o != w and o[: len(w)] == w for o in wanted)
        }
        assert ways <= wanted | {()}
