"""An import that is killed (-9) at any point: all of its chats are there, or none."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import time
from pathlib import Path

from qwen_desktop.services.exports import Wanted
from qwen_desktop.store import blobs
from tests.histories import Place, fill, ran

_CHILD = Path(__file__).with_name("import_child.py")
_CHATS = 60


def _run(data: Path, file: Path, kill_after: float | None) -> float:
    """Import in a child, which is killed after some seconds if that is wanted; how long it took."""
    command = [sys.executable, str(_CHILD), str(data), str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "begun\n"
        began = time.monotonic()
        if kill_after is None:
            assert child.stdout.readline() == "done\n"
        else:
            time.sleep(kill_after)
            child.kill()
        return time.monotonic() - began


@ran
async def test_a_killed_import_leaves_all_or_nothing(tmp_path: Path) -> None:
    async with Place(tmp_path / "a") as there:
        await fill(there, 2, chats=_CHATS)
        await there.exports.export(Wanted(format="json"), tmp_path / "a.json")
        whole = tmp_path / "a.json"
    chance = random.Random(5)
    took = whole_run = 0.5
    ends = set()
    for number in range(8):
        root = tmp_path / f"b{number}"
        async with Place(root) as here:
            own = await fill(here, 77, chats=2)
        data = here.paths.database_file.parent
        # How long the child works is what is drawn, not waited for.
        took = await asyncio.to_thread(_run, data, whole, chance.random() * whole_run * 1.05 if number else None)
        whole_run = whole_run if number else took
        async with Place(root) as here:
            listed = len(await here.history.list())
            assert listed in (len(own), len(own) + _CHATS)
            ends.add(listed)
            await here.history.recover()
            await here.imports.clean()
            assert here.rows("SELECT count(*) FROM conversations") == [(listed,)]
            assert here.rows(
                "SELECT count(*) FROM messages WHERE conversation_id NOT IN (SELECT id FROM conversations)"
            ) == [(0,)]
            assert here.rows("PRAGMA quick_check") == [("ok",)]
            assert not (data / "imports").exists() or not any((data / "imports").iterdir())
            for (sha256,) in here.rows("SELECT sha256 FROM blobs WHERE whole = 1"):
                assert blobs.kept(here.paths.blobs, sha256) is not None
            again = await here.imports.run(whole)
            assert again.conversations + again.already == _CHATS
            assert again.copies == 0
            assert len(await here.history.list()) == len(own) + _CHATS
    assert len(ends) == 2
