"""Ends walks over conversations' trees by SIGKILL at random moments, and looks at what each left after a restart.

``python walk_child.py FOLDER SEED KILLS SECONDS`` lets each walk go on for at most so long; prints how many steps and
how many answers in the making it looked at, and fails where something is wrong.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import signal
import struct
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from qwen_desktop.core.parts import visible_text
from qwen_desktop.services.events import AnswerEvent, EventBus
from qwen_desktop.services.history import History
from qwen_desktop.store.database import Database
from tests.tree_walk import fits, found_after, stored, walking

#: A line of what was on show: when, how much, and of which message.
SHOWN = struct.Struct("<dq32s")


async def walk(home: Path, seed: int) -> None:
    """Go on until the end; write down before each step what there is and what there will be, and all that is shown."""
    os.environ["QWEN_DESKTOP_HOME"] = str(home)
    told, shown = (os.open(home / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND) for name in ("told", "shown"))

    def tell(before: list[Any], after: list[Any]) -> None:
        os.write(told, json.dumps([before, after]).encode() + b"\n")

    async with walking(random.Random(seed), tell) as going:

        def show(event: AnswerEvent) -> None:
            text = visible_text(going.app.chat._answers[event.conversation_id].parts)
            os.write(shown, SHOWN.pack(time.monotonic(), len(text), event.message_id.encode()))

        going.app.bus.subscribe(AnswerEvent, show)
        while True:
            await going.step()
            await asyncio.sleep(going.pause())


async def look(home: Path, path: Path | None, killed: float) -> tuple[int, int]:
    """How many steps had begun, and how many answers were being written of which all was there that had been on show
    for a second."""
    steps = [json.loads(line) for line in (home / "told").read_bytes().split(b"\n")[:-1]] if path is not None else []
    if path is None or not steps:
        return 0, 0
    db = Database(path)
    await db.open(fallback=False)
    history = History(db, EventBus())
    await history.recover()
    before, after = steps[-1]
    found = found_after(path)
    assert fits(before, found) or fits(after, found), f"step {len(steps)}\n{before}\n{after}\n{found}"
    leaves, rows = stored(path)
    for chat, leaf in leaves.items():
        branch = await history.tail(chat, 999)
        assert (branch[-1].id if branch else None) == leaf
    data = (home / "shown").read_bytes()
    last = {key.decode(): size for when, size, key in SHOWN.iter_unpack(data[: len(data) // SHOWN.size * SHOWN.size])
            if when <= killed - 1.0}  # fmt: skip
    writing = [row for row in rows.values() if row.status == "interrupted"]
    for row in writing:
        assert len(row.text) >= last.get(row.key, 0), f"{len(row.text)} of {last[row.key]} characters of {row.key}"
    await db.aclose()
    return len(steps), sum(bool(last.get(row.key)) for row in writing)


def main(folder: Path, seed: int, kills: int, seconds: float) -> None:
    chance = random.Random(seed)
    steps = answers = 0
    for number in range(kills):
        home = folder / str(number)
        home.mkdir()
        child = os.fork()
        if child == 0:
            code = 1
            try:
                asyncio.run(walk(home, seed + number))
            except BaseException as error:
                print(repr(error), file=sys.stderr, flush=True)
            finally:
                os._exit(code)
        time.sleep(chance.uniform(0.1, seconds))
        os.kill(child, signal.SIGKILL)
        killed = time.monotonic()
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL, f"walk {number} ended by itself"
        found = asyncio.run(look(home, next(home.rglob("history.sqlite3"), None), killed))
        steps, answers = steps + found[0], answers + found[1]
        shutil.rmtree(home)
    print(steps, answers)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
