"""Histories of older versions open, and everything in them means what it meant."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from pathlib import Path

from qwen_desktop.core.chat import Status
from qwen_desktop.core.engine import FinishReason, ThinkingMode
from qwen_desktop.core.parts import TextPart, ThinkingPart
from qwen_desktop.services.events import EventBus
from qwen_desktop.services.history import History
from qwen_desktop.store import migrations
from qwen_desktop.store.database import Database


def test_version_1(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite3"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript((Path(__file__).parent / "history_v1.sql").read_text(encoding="utf-8"))

    async def main() -> None:
        db = Database(path)
        await db.open(fallback=False)
        assert await db.call(migrations.version) == len(migrations.MIGRATIONS)
        history = History(db, EventBus())
        assert await history.recover() == 1
        (conversation,) = await history.list()
        assert (conversation.id, conversation.title, conversation.thinking) == ("c1", "Water", ThinkingMode.THINK)
        assert (conversation.system_prompt, conversation.titled) == ("Be brief.", True)
        assert conversation.model is None
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
        await db.aclose()

    asyncio.run(main())
    (copy,) = (tmp_path / "backups").iterdir()
    assert copy.name.startswith("history.v1.")


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
