"""Kills the app in mid-answer and looks at what it left: used by the kill test and by the bench."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sqlite3
import struct
import subprocess
import sys
import time
from pathlib import Path

from msgspec import Struct

from qwen_desktop.core.chat import Status
from qwen_desktop.core.parts import Role, ThinkingPart, ToolCallPart, visible_text
from qwen_desktop.services.events import EventBus
from qwen_desktop.services.history import History
from qwen_desktop.store.database import Database

CHILD = Path(__file__).resolve().parent / "integration" / "services" / "kill_child.py"
#: What the answer says before its text.
THOUGHT, CALL = "Counting needs care. " * 3, ToolCallPart("1", "count", '{"from": 0}')
RATE = 200.0
PIECE = 8


class Killed(Struct, frozen=True):
    """What was found after one kill. ``lost`` is characters shown but not saved; ``late_s`` the same in seconds."""

    shown: int
    saved: int
    after_s: float
    intact: bool
    prefix: bool
    interrupted: bool
    question: bool
    status: str

    @property
    def lost(self) -> int:
        return max(0, self.shown - self.saved)

    @property
    def late_s(self) -> float:
        return self.lost / (RATE * PIECE)

    @property
    def good(self) -> bool:
        """The database opens whole and at most one second's worth is missing."""
        return self.intact and self.prefix and self.interrupted and self.question and self.late_s <= 1.0


def kill_once(folder: Path, chance: random.Random) -> Killed:
    """Start the child in ``folder``, kill it at a random moment, open what is there.

    Mostly in mid-answer; some runs are killed while they start, and some answers end at about that moment.
    """
    folder.mkdir(parents=True)
    early = chance.random() < 0.15
    length = 400_000 if chance.random() < 0.75 else chance.randrange(800, 2_400, 8)
    shown_file = folder / "shown"
    child = subprocess.Popen(
        [sys.executable, str(CHILD), str(folder / "home"), str(shown_file), str(RATE), str(PIECE), str(length)],
        stderr=subprocess.PIPE,
    )
    try:
        if not early:
            _wait_for_text(child, shown_file)
        after = chance.uniform(0.0, 1.6)
        time.sleep(after)
        os.kill(child.pid, signal.SIGKILL)
    finally:
        child.kill()
        child.communicate()
    data = shown_file.read_bytes() if shown_file.exists() else b""
    shown = struct.unpack_from("<q", data, len(data) // 8 * 8 - 8)[0] if len(data) >= 8 else 0
    return asyncio.run(_look(folder / "home" / "history.sqlite3", shown, length, after))


def _wait_for_text(child: subprocess.Popen[bytes], shown_file: Path) -> None:
    deadline = time.monotonic() + 60
    while not (shown_file.exists() and shown_file.stat().st_size >= 8):
        if child.poll() is not None:
            raise AssertionError(f"The child ended by itself: {child.communicate()[1].decode()[-2000:]}")
        if time.monotonic() > deadline:
            raise AssertionError("The child showed nothing in a minute.")
        time.sleep(0.01)


async def _look(path: Path, shown: int, length: int, after: float) -> Killed:
    db = Database(path)
    await db.open(fallback=False)
    try:
        history = History(db, EventBus())
        intact = not db.problems and await db.call(_integrity) == "ok"
        recovered = await history.recover()
        found = await history.list()
        if not found:  # killed before anything was sent
            return Killed(shown, 0, after, intact, True, recovered == 0, shown == 0, "nothing")
        question, answer = await history.tail(found[0].id, 2)
        text = visible_text(answer.parts)
        before = (*answer.parts[:2],) if text else (ThinkingPart(THOUGHT), CALL)
        thought = isinstance(before[0], ThinkingPart) and before[0].text == THOUGHT and before[1] == CALL
        ended = answer.status is Status.DONE and len(text) == length
        return Killed(
            shown=shown,
            saved=len(text),
            after_s=after,
            intact=intact,
            prefix=thought and text == "".join(f"{number:07d}\n" for number in range(len(text) // 8 + 1))[: len(text)],
            interrupted=ended or (recovered == 1 and answer.status is Status.INTERRUPTED),
            question=question.role is Role.USER and visible_text(question.parts) == "Count for me.",
            status=str(answer.status),
        )
    finally:
        await db.aclose()


def _integrity(connection: sqlite3.Connection) -> str:
    return str(connection.execute("PRAGMA integrity_check").fetchone()[0])
