"""Branches: which is on show, what is deleted and comes back, and copies of a branch, up to 10,000 messages deep."""

from __future__ import annotations

import sqlite3
import time

import pytest
from msgspec import structs

from qwen_desktop.core.chat import Conversation, Message, Provenance, Status
from qwen_desktop.core.engine import FinishReason, Recipe, Sampling, Stats, ThinkingMode
from qwen_desktop.core.errors import UserFacing
from qwen_desktop.core.parts import ImagePart, Role, TextPart
from qwen_desktop.store import branches, conversations, forks, messages
from qwen_desktop.store.connection import Connection, transaction
from tests.unit.store.test_messages import LONG, connection, ids, long_branch, message, stored_blob

__all__ = ["connection"]


def leaf(connection: sqlite3.Connection, conversation: str = "c") -> str | None:
    found = conversations.get(connection, conversation)
    assert found is not None
    return found.leaf_id


def test_a_long_chain_is_deleted_brought_back_and_purged(connection: Connection) -> None:
    long_branch(connection)
    started = time.perf_counter()
    found = branches.delete(connection, "m1", 5.0)
    assert found is not None and found[0].leaf_id == "m0" and found[1] == f"m{LONG - 1}"
    assert len(branches.tree(connection, "c")) == 1 and messages.get(connection, "m5000") is None
    assert branches.restore(connection, "m1", found[1]).leaf_id == f"m{LONG - 1}"
    assert len(branches.tree(connection, "c")) == LONG
    assert branches.delete(connection, "m1", 6.0) is not None
    assert branches.purge(connection) == LONG - 1 and branches.purge(connection) == 0
    for table in ("messages", "search_texts"):
        assert connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] == 1  # noqa: S608 - two constants
    assert time.perf_counter() - started < 5.0


def test_only_the_topmost_is_marked(connection: Connection) -> None:
    long_branch(connection, 6)
    branches.delete(connection, "m4", 1.0)
    branches.delete(connection, "m1", 2.0)
    marked = connection.execute("SELECT id FROM messages WHERE deleted_at IS NOT NULL ORDER BY seq").fetchall()
    assert marked == [("m1",), ("m4",)]
    with pytest.raises(UserFacing, match="above it was deleted"):
        branches.restore(connection, "m4", "m5")
    assert branches.delete(connection, "m2", 3.0) is None  # it is gone with the one above it
    assert branches.restore(connection, "m1", "m3").leaf_id == "m3"
    assert branches.restore(connection, "m4", "m5").leaf_id == "m5"


def test_the_version_before_takes_the_place_else_the_next_one(connection: Connection) -> None:
    long_branch(connection, 2)
    for number in (101, 103, 105):
        messages.add(connection, (message(number, 0),))
    branches.select_version(connection, "m103")
    shown = []
    for gone in ("m103", "m101", "m1", "m105"):
        found = branches.delete(connection, gone, 1.0)
        assert found is not None
        shown.append(found[0].leaf_id)
    assert shown == ["m101", "m1", "m105", "m0"]
    assert branches.versions(connection, ["m1", "m105"]) == {}
    back = branches.restore(connection, "m1", None)  # its parent was on show: now it is
    assert back.leaf_id == "m1"


def test_what_is_not_on_show_goes_unseen(connection: Connection) -> None:
    long_branch(connection, 4)
    messages.add(connection, (message(101, 0),))
    found = branches.delete(connection, "m1", 1.0)
    assert found is not None and (found[0].leaf_id, found[1]) == ("m101", None)
    assert branches.restore(connection, "m1", found[1]).leaf_id == "m101"
    assert branches.versions(connection, ["m101"])["m101"].ids == ("m1", "m101")


def test_what_is_shown_again_is_the_branch_as_it_is_by_now(connection: Connection) -> None:
    long_branch(connection, 4)
    messages.add(connection, (message(101, 0),))
    for number in (5, 7):
        messages.add(connection, (message(number, 2),))  # versions of m3
    assert branches.show_again(connection, "m101").leaf_id == "m101"
    assert branches.show_again(connection, "m2").leaf_id == "m7"  # the newest below it
    branches.select_version(connection, "m3")
    assert branches.show_again(connection, "m2").leaf_id == "m3"  # it is on show
    branches.delete(connection, "m101", 1.0)
    with pytest.raises(UserFacing, match="shown before was deleted"):
        branches.show_again(connection, "m101")


def test_nothing_goes_on_from_a_deleted_message(connection: Connection) -> None:
    long_branch(connection, 4)
    conversations.create(connection, Conversation("d", "Other", 1.0, 1.0))
    branches.delete(connection, "m2", 1.0)
    stray = Message("x", "d", "m0", Role.USER, (TextPart("x"),), 1.0)
    for entry in (message(10, 3), message(10, 2), message(10, 999), stray):
        with pytest.raises(UserFacing, match="not in this chat"):
            messages.add(connection, (entry,))
    assert leaf(connection) == "m1" and leaf(connection, "d") is None
    assert messages.add(connection, (message(10, 1),)) is not None


def test_figures_of_deleted_answers_do_not_count(connection: Connection) -> None:
    long_branch(connection, 1)
    for number in (1, 3):
        figures = Stats(completion_tokens=number)
        messages.add(connection, (Message(f"m{number}", "c", "m0", Role.ASSISTANT, (), 1.0, stats=figures),))
    branches.delete(connection, "m3", 1.0)
    assert [stats.completion_tokens for stats in messages.recent_stats(connection, 9)] == [1]


def test_a_damaged_tree_is_deleted_and_read_to_an_end(connection: Connection) -> None:
    long_branch(connection, 4)
    connection.execute("UPDATE messages SET parent_id = 'm3' WHERE id = 'm0'")
    connection.execute("UPDATE messages SET parts = 'x', role = 'king' WHERE id = 'm2'")
    connection.execute("DELETE FROM search_texts WHERE seq = (SELECT seq FROM messages WHERE id = 'm2')")
    assert [(node.id, node.status) for node in branches.tree(connection, "c")][2] == ("m2", Status.FAILED)
    found = branches.delete(connection, "m1", 1.0)
    assert found is not None and found[0].leaf_id == "m0"
    assert branches.purge(connection) == 3


def test_the_tree_tells_how_each_begins(connection: Connection) -> None:
    long_branch(connection, 1)
    messages.add(connection, (message(1, 0, "word \n\n" * 5000),))
    writing = Message("w", "c", "m0", Role.ASSISTANT, (TextPart("so\tfar"),), 1.0, Status.STREAMING)
    messages.add(connection, (writing,))
    _, long, streaming = branches.tree(connection, "c")
    assert long.text == ("word " * 24)[: branches.NODE_TEXT] and "\n" not in long.text
    assert (streaming.text, streaming.status, streaming.parent_id) == ("so far", Status.STREAMING, "m0")


# Forks ----------------------------------------------------------------------------------------------------------------


def test_a_long_branch_is_copied(connection: Connection) -> None:
    long_branch(connection)
    connection.execute("UPDATE messages SET context_cut = 'm7000' WHERE id IN ('m7001', 'm9001')")
    started = time.perf_counter()
    made = forks.fork(connection, f"m{LONG - 2}", Conversation("f", "Copy", 2.0, 2.0), {})
    assert time.perf_counter() - started < 2.0
    copies = messages.tail(connection, "f", LONG)
    assert made is not None and made.leaf_id == copies[-1].id and len(copies) == LONG - 1
    assert [entry.parts for entry in copies] == [entry.parts for entry in messages.tail(connection, "c", LONG)[:-1]]
    assert copies[9001].context_cut == copies[7000].id == copies[7001].context_cut
    assert len({entry.id for entry in copies}) == LONG - 1
    texts = "SELECT count(*) FROM search_texts t JOIN messages m ON m.seq = t.seq WHERE m.conversation_id = 'f'"
    assert connection.execute(texts).fetchone()[0] == LONG - 1


def test_a_copied_answer_can_be_made_again_where_the_context_was_cut(connection: Connection) -> None:
    long_branch(connection, 3)
    recipe = Recipe("a", "b", "c", "engine", "cpu", "f16", 0, 0, 1.0, Sampling(), cut_from="m2")
    made = Provenance("/model", "Model", "", "", Sampling(), 0, ThinkingMode.AUTO, "", recipe=recipe)
    cut = Message("m3", "c", "m2", Role.ASSISTANT, (TextPart("x"),), 1.0, provenance=made, context_cut="m2")
    messages.add(connection, (cut,))
    forks.fork(connection, "m3", Conversation("f", "Copy", 2.0, 2.0), {})
    *_, question, answer = messages.tail(connection, "f", 9)
    assert answer.provenance == structs.replace(made, recipe=structs.replace(recipe, cut_from=question.id))
    assert answer.context_cut == question.id


def test_a_fork_keeps_what_is_attached_and_what_became_of_each(connection: Connection) -> None:
    sha256 = stored_blob(connection, b"picture")
    conversations.create(connection, Conversation("c", "Old", 1.0, 1.0))
    picture = (ImagePart(sha256, "image/png"),)
    statuses = (Status.DONE, Status.FAILED, Status.INTERRUPTED, Status.STREAMING)
    for number, status in enumerate(statuses):
        parent = f"m{number - 1}" if number else None
        messages.add(connection, (Message(f"m{number}", "c", parent, Role.ASSISTANT, picture, 1.0, status),))
    now = Message("m3", "c", "m2", Role.ASSISTANT, (TextPart("shown"),), 1.0, Status.STREAMING, context_cut="m1")
    assert forks.fork(connection, "m3", Conversation("f", "Copy", 2.0, 2.0), {"m3": now}) is not None
    copies = messages.tail(connection, "f", 9)
    assert [entry.status for entry in copies] == [*statuses[:3], Status.STOPPED]
    assert copies[3].parts == (TextPart("shown"),) and copies[3].finish_reason is FinishReason.CANCELLED
    assert copies[3].context_cut == copies[1].id
    conversations.delete(connection, "c", 3.0)
    conversations.purge(connection)
    named = connection.execute("SELECT message_id FROM message_blobs").fetchall()
    assert sorted(named) == sorted((entry.id,) for entry in copies[:3])
    assert forks.fork(connection, "m3", Conversation("g", "None", 2.0, 2.0), {}) is None
    assert forks.fork(connection, copies[0].id, Conversation("h", "Again", 2.0, 2.0), {}) is not None
    with pytest.raises(sqlite3.IntegrityError), transaction(connection, durable=True):
        forks._copy(connection, copies[0].id, "nowhere", {})
    assert forks.fork(connection, copies[0].id, Conversation("i", "Once more", 2.0, 2.0), {}) is not None
    assert ids(messages.tail(connection, "f", 9)) == [entry.id for entry in copies]
