"""How fast a conversation of 10,000 messages is read: ``python tests/bench/history.py [--messages 10000]``.

Prints the best and the middle of 20 measurements in milliseconds, through the services as the window calls them, and a
verdict: the tail that opens a conversation in less than 10 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from qwen_desktop.core.chat import Conversation, Message
from qwen_desktop.core.parts import Role, TextPart
from qwen_desktop.services.events import EventBus
from qwen_desktop.services.history import History
from qwen_desktop.store.database import Database

LIMIT_MS = 10.0
TEXT = "A paragraph of an answer, some eighty characters long, as they stand in chats.\n\n" * 8


async def measure(call: Callable[[], Awaitable[Any]]) -> tuple[float, float]:
    """Best and middle of 20 runs, in ms."""
    times = []
    for _ in range(20):
        started = time.perf_counter()
        await call()
        times.append((time.perf_counter() - started) * 1000)
    return min(times), statistics.median(times)


async def main(count: int, folder: Path) -> int:
    db = Database(folder / "history.sqlite3")
    await db.open(fallback=False)
    history = History(db, EventBus())
    started = time.perf_counter()
    entries = [
        Message(
            f"m{n}",
            "c",
            f"m{n - 1}" if n else None,
            Role.ASSISTANT if n % 2 else Role.USER,
            (TextPart(f"{n} {TEXT}"),),
            1.0,
        )
        for n in range(count)
    ]
    await history.add(entries, new=Conversation("c", "Long", 1.0, 1.0))
    for number in range(999):
        await history.create(f"Chat {number}")
    print(f"written in {time.perf_counter() - started:.1f} s, {(await _size(folder)) / 1e6:.1f} MB")
    shown = [message.id for message in await history.tail("c", 60)]
    figures = {
        "tail of 30": lambda: history.tail("c", 30),
        "tail of 200": lambda: history.tail("c", 200),
        "30 before the middle": lambda: history.before(f"m{count // 2}", 30),
        "versions of 60": lambda: history.versions(shown),
        "list of 1,000 chats": history.list,
        "prompt for 32,768 tokens": lambda: history.prompt_messages(f"m{count - 1}", 32_768 * 12),
        "whole chat as text": lambda: history.plain_text("c"),
        "another version": lambda: history.select_version("m1"),
    }
    best: dict[str, float] = {}
    for name, call in figures.items():
        best[name], middle = await measure(call)
        print(f"{name:26s} best {best[name]:8.2f} ms   middle {middle:8.2f} ms")
    await db.aclose()
    good = best["tail of 30"] < LIMIT_MS
    print("PASS" if good else "FAIL")
    return 0 if good else 1


async def _size(folder: Path) -> int:
    return await asyncio.to_thread(lambda: sum(file.stat().st_size for file in folder.iterdir()))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=10_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        sys.exit(asyncio.run(main(options.messages, Path(name))))
