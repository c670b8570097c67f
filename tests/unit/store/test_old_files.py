"""Histories of older versions open, and everything in them means what it meant."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from pathlib import Path

import pytest

from qwen_desktop.core.chat import Status
from qwen_desktop.core.engine import FinishReason, ThinkingMode
from qwen_desktop.core.parts import TextPart, ThinkingPart
from qwen_desktop.services.events import EventBus
from qwen_desktop.services.history import History
from qwen_desktop.store import migrations
from qwen_desktop.store.database import Database


def old_file(path: Path, version: int) -> None:
    """The same history as each version has stored it."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript((Path(__file__).parent / "history_v1.sql").read_text(encoding="utf-8"))
        migrations.migrate(connection, None, backups=0, migrations=migrations.MIGRATIONS[:version])


@pytest.mark.parametrize("version", range(1, len(migrations.MIGRATIONS)))
def test_an_older_version(version: int, tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite3"
    old_file(path, version)

    async def main() -> None:
        db = Database(path)
        await db.open(fallback=False)
        assert await db.call(migrations.version) == len(migrations.MIGRATIONS)
        history = History(db, EventBus())
        assert await history.recover() == 1
        (conversation,) = await history.list()
        assert (conversation.id, conversation.title, conversation.thinking) == ("c1", "Water", ThinkingMode.THINK)
        assert (conversation.system_prompt, conversation.titled) == ("Be brief.", True)
        assert conversation.model is None and conversation.thinking_budget is None
        assert (conversation.folder_id, conversation.tags, conversation.archived) == ("", (), False)
        assert conversation.adapters == ()
        branch = await history.tail("c1", 10)
        assert [m.id for m in branch] == ["m1", "m3", "m4", "m6"]
        assert branch[0].parts == (TextPart("What is water? 水"),)
        assert branch[1].finish_reason is FinishReason.LENGTH and branch[3].status is Status.INTERRUPTED
        answer = await history.message("m2")
        assert answer is not None and answer.parts == (ThinkingPart("Easy.", 0.5, 3), TextPart("H2O"))
        assert answer.provenance is not None and answer.provenance.sampling.top_k == 20
        assert answer.stats is not None and answer.stats.decode_tokens_per_s == 50.0
        failed = await history.message("m5")
        assert failed is not None and failed.problem is not None and failed.context_cut == "m4"
        assert str(failed.problem.what) == "The engine ended (SIGSEGV)."
        assert (await history.versions(["m3", "m4", "m6"])).keys() == {"m3", "m6"}
        await history.prepare_search()
        found = await db.read(lambda c: c.execute("SELECT text FROM search_texts ORDER BY seq").fetchall())
        assert [row[0] for row in found] == ["What is water? 水", "H2O", "A liquid.", "More", "It", "It is we"]
        tree = await history.tree("c1")
        assert [(node.id, node.text) for node in tree] == [
            ("m1", "What is water? 水"), ("m2", "H2O"), ("m3", "A liquid."), ("m4", "More"), ("m5", "It"),
            ("m6", "It is we"),
        ]  # fmt: skip
        assert tree[2].parent_id == "m1" and tree[4].status is Status.FAILED
        taken = await history.delete_message("m4")
        assert [m.id for m in await history.tail("c1", 10)] == ["m1", "m3"]
        await taken.undo()
        fork, _ = await history.fork("m6")
        assert [m.parts for m in await history.tail(fork.id, 10)] == [m.parts for m in branch]
        await db.aclose()

    asyncio.run(main())
    copies = sorted((tmp_path / "backups").iterdir())
    assert [copy.name.split(".")[1] for copy in copies] == ["v1", "v2", "v3", "v4", "v5"][version - 1 :][-3:]


def test_a_fresh_file_has_the_same_form_as_a_migrated_one(tmp_path: Path) -> None:
    def form(connection: sqlite3.Connection) -> list[str]:
        rows = connection.execute("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name")
        return ["".join(f"{kind} {name} {sql}".split()) for kind, name, sql in rows]

    old = sqlite3.connect(tmp_path / "old.sqlite3", isolation_level=None)
    new = sqlite3.connect(tmp_path / "new.sqlite3", isolation_level=None)
    with contextlib.closing(old), contextlib.closing(new):
        old.executescript((Path(__file__).parent / "history_v1.sql").read_text(encoding="utf-8"))
        migrations.migrate(old, tmp_path / "old.sqlite3", backups=1)
        migrations.migrate(new, tmp_path / "new.sqlite3", backups=1)
        assert form(old) == form(new)
