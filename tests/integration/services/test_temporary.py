"""Temporary chats leave nothing on the disk, whatever is done in them and however they end."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from qwen_desktop.core.chat import is_temporary, new_id
from qwen_desktop.core.drafts import Draft
from qwen_desktop.core.engine import ThinkingMode
from qwen_desktop.core.parts import FilePart, TextPart, visible_text
from qwen_desktop.core.paths import find_paths
from qwen_desktop.services.events import ConversationRemoved, EventBus
from qwen_desktop.services.exports import Exported, Wanted
from qwen_desktop.services.history import History
from qwen_desktop.store.blobs import Blobs
from qwen_desktop.store.database import Database
from tests.app import App, run, running_app
from tests.integration.services import temporary_child
from tests.integration.services.temporary_child import WORD
from tests.scripted_engine import Script, ScriptedEngine


def found(*folders: Path) -> list[str]:
    """The files below that hold the word, in whatever form it is written, or have it in their name."""
    forms = [WORD.encode(code) for code in ("utf-8", "utf-16-le", "utf-32-le")]
    files = [file for folder in folders for file in folder.rglob("*") if file.is_file() and not file.is_symlink()]
    return [str(file) for file in files if WORD in file.name or any(form in file.read_bytes() for form in forms)]


def folders() -> list[Path]:
    paths = find_paths()
    return [paths.data, paths.config, paths.database_file.parent]


@pytest.mark.parametrize("seed", range(2))
def test_nothing_of_it_is_found_after_a_walk_that_ends_by_itself(seed: int) -> None:
    used = run(temporary_child.use(random.Random(seed), 150, temporary=True))
    assert len(used.done) > 10, used.done
    assert found(*folders()) == []


def test_the_same_walk_in_usual_chats_is_found() -> None:
    """So that the search above would find what is there."""
    run(temporary_child.use(random.Random(0), 40, temporary=False))
    assert any("history" in Path(name).name for name in found(*folders()))


@pytest.mark.skipif(os.name == "nt", reason="a kill without a word")
@pytest.mark.parametrize("kind", ["temporary", "kept"])
def test_nothing_of_it_is_found_after_a_kill(tmp_path: Path, kind: str) -> None:
    home, temp = tmp_path / "home", tmp_path / "temp"
    home.mkdir()
    temp.mkdir()
    command = [sys.executable, temporary_child.__file__, str(home), "7", "60", kind]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "TMPDIR": str(temp)}) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        child.send_signal(signal.SIGKILL)
    assert next(home.rglob("history.sqlite3"), None) is not None
    assert bool(found(home, temp)) == (kind == "kept")


def engine() -> ScriptedEngine:
    return ScriptedEngine(lambda request: Script(f"You said {len(request.messages)}."))


def test_all_that_is_made_in_one_is_temporary() -> None:
    async def main(app: App) -> None:
        where = (await app.history.create_temporary(system_prompt="Be short.")).id
        await app.ask("One", where)
        await app.ask("Two", where)
        said = await app.history.tail(where, 9)
        await app.chat.edit(said[0].id, (TextPart("Uno"),))
        await app.chat.idle()
        made, change = await app.history.fork(said[1].id)
        ids = [node.id for node in (*await app.history.tree(where), *await app.history.tree(made.id))]
        assert len(ids) == 8
        assert all(map(is_temporary, [where, made.id, *ids]))
        assert await app.history.list() == ()
        await change.undo()
        assert await app.history.get(made.id) is None
        assert not is_temporary(new_id())

    asyncio.run(_with(main))


def test_one_that_is_kept_is_on_the_disk_with_all_its_branches() -> None:
    async def main(app: App) -> None:
        blobs = Blobs(app.db, app.paths.blobs, temporary=app.temporary)
        where = (await app.history.create_temporary(system_prompt="Be short.")).id
        sha256 = await blobs.add(b"Chapter one", "text/plain", conversation_id=where)
        assert not app.paths.blobs.exists()
        file = FilePart(sha256, "text/plain", "book.txt", 11, "Chapter one")
        await app.chat.send((file, TextPart("One")), conversation_id=where, thinking=ThinkingMode.AUTO)
        await app.chat.idle()
        said = await app.history.tail(where, 9)
        await app.chat.regenerate(said[1].id)
        await app.chat.idle()
        app.drafts.put(where, Draft("Half a"))
        before = await app.history.tree(where)
        await blobs.keep(where)
        kept = await app.history.keep(where)
        app.drafts.keep(where)
        assert not is_temporary(kept.id)
        assert kept.system_prompt == "Be short."
        assert await app.history.get(where) is None
        assert [event.conversation_id for event in app.events(ConversationRemoved)] == [where]
        await app.drafts.save(durable=True)
        fresh = Database(app.paths.database_file)  # as the next start reads it
        await fresh.open(fallback=False)
        try:
            after = await History(fresh, EventBus()).tree(kept.id)
        finally:
            await fresh.aclose()
        assert [(node.role, node.text, node.status) for node in after] == [
            (node.role, node.text, node.status) for node in before
        ]
        parents = {None: None, **{old.id: new.id for old, new in zip(before, after, strict=True)}}
        assert [node.parent_id for node in after] == [parents[node.parent_id] for node in before]
        assert (await app.history.tail(kept.id, 9))[-1].id == kept.leaf_id == parents[before[-1].id]
        assert (app.paths.blobs / sha256).read_bytes() == b"Chapter one"
        assert app.drafts.of(kept.id) == Draft("Half a")
        assert visible_text((await app.history.tail(await app.ask("More", kept.id), 9))[-1].parts)

    asyncio.run(_with(main))


def test_one_is_exported_and_what_comes_in_of_it_is_a_usual_one(tmp_path: Path) -> None:
    async def main(app: App) -> None:
        where = (await app.history.create_temporary()).id
        sha256 = await app.blobs.add(b"Chapter one", "text/plain", conversation_id=where)
        file = FilePart(sha256, "text/plain", "book.txt", 11, "Chapter one")
        await app.chat.send((file, TextPart("One")), conversation_id=where, thinking=ThinkingMode.AUTO)
        await app.chat.idle()
        assert await app.exports.count(Wanted(ids=(where,))) == 1
        for form in ("md", "txt", "html", "json"):
            made = await app.exports.export(Wanted(ids=(where,), format=form), tmp_path / f"chat.{form}")
            assert made == Exported(1, 0)
        assert "You said 1." in (tmp_path / "chat.md").read_text()
        assert (tmp_path / "chat_files" / "book.txt").read_bytes() == b"Chapter one"
        assert not app.paths.blobs.exists()
        found = await app.imports.run(tmp_path / "chat.json")
        assert (found.conversations, found.skipped, found.messages) == (1, 0, 2)
        said = await app.history.tail(found.ids[0], 9)
        assert [entry.parts for entry in said] == [entry.parts for entry in await app.history.tail(where, 9)]
        assert not any(map(is_temporary, [*found.ids, *(entry.id for entry in said)]))
        assert await app.blobs.read(sha256) == b"Chapter one"

    asyncio.run(_with(main))


def test_what_is_attached_and_not_sent_goes_along_when_one_is_kept(tmp_path: Path) -> None:
    read, late = tmp_path / "read.txt", tmp_path / "late.txt"
    read.write_text("read before")
    late.write_text("read afterwards")

    async def main(app: App) -> None:
        where = (await app.history.create_temporary()).id
        await app.ask("One", where)
        made = await app.attachments.attach(read, conversation_id=where)
        later = app.attachments.begin(where, late)
        app.drafts.put(where, Draft("Both", (made.part, later)))
        await app.blobs.keep(where, app.drafts.attached(where))
        kept = await app.history.keep(where)
        app.drafts.keep(where)
        async with asyncio.timeout(20):
            while app.drafts.of(kept.id).unread:  # noqa: ASYNC110 - the other process reads
                await asyncio.sleep(0.01)
        await app.chat.send(app.drafts.of(kept.id).parts, conversation_id=kept.id, thinking=ThinkingMode.AUTO)
        await app.chat.idle()
        assert sorted(file.read_bytes() for file in app.paths.blobs.iterdir()) == [b"read afterwards", b"read before"]

    asyncio.run(_with(main, 30))


async def _with(main: Callable[[App], Coroutine[Any, Any, None]], seconds: float = 10) -> None:
    async with running_app(engine) as app:
        await asyncio.wait_for(main(app), seconds)
