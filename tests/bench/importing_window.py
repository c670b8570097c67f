"""An import of many conversations into the running window: ``python tests/bench/importing_window.py [50000]``.

Offscreen, with the real workers: our own file, and one of ChatGPT's with as many conversations of branches, thoughts
and tools. Printed are the turns of the window's loop while each runs, while the list is read anew, and while it is
undone, by the thread's own time and by the clock, and how long what is sent meanwhile waits. Wanted: no own turn longer
than 8 ms.
"""

from __future__ import annotations

import asyncio
import copy
import json
import os
import sys
import tempfile
import time
from collections.abc import Awaitable
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parent)]

from _turns import Turns  # noqa: E402
from importing import write  # noqa: E402
from PySide6.QtWidgets import QApplication  # noqa: E402

from qwen_desktop.core.chat import Message  # noqa: E402
from qwen_desktop.core.parts import Role, TextPart  # noqa: E402
from qwen_desktop.store import messages  # noqa: E402
from qwen_desktop.ui.event_loop import EventLoop  # noqa: E402
from tests import foreign_chats  # noqa: E402
from tests.window_driver import Driver  # noqa: E402

LIMIT_MS = 8.0


def write_foreign(place: Path, count: int) -> None:
    """A ``conversations.json`` of ChatGPT's."""
    said = json.dumps(copy.deepcopy(foreign_chats.chatgpt()))
    with place.open("w") as file:
        for number in range(count):
            file.write(("," if number else "[") + said.replace("chat-1", f"chat-{number}"))
        file.write("]")


async def sending(app: Driver, waits: list[float]) -> None:
    """Send a message each 0.1 s."""
    database = app.services.database
    chat = app.services.history.fresh(title="own")
    first = Message("own", chat.id, None, Role.USER, (TextPart("x"),), 1.0)
    await database.call(messages.add, (first,), new=chat)
    while True:
        began = time.perf_counter()
        entry = Message(f"own{time.time_ns()}", chat.id, first.id, Role.USER, (TextPart("x"),), time.time())
        await database.call(messages.add, (entry,))
        waits.append((time.perf_counter() - began) * 1000)
        await asyncio.sleep(0.1)


async def measure(count: int, folder: Path) -> bool:
    """Measure and print; whether the goal is met."""
    os.environ["QWEN_DESKTOP_HOME"] = str(folder / "home")
    await asyncio.to_thread(write, folder / "own.json", count)
    await asyncio.to_thread(write_foreign, folder / "conversations.json", count)
    longest: dict[str, float] = {}
    async with Driver() as app:
        turns, waits = Turns(), []
        beside = asyncio.create_task(sending(app, waits))
        model = app.window.chat.sidelist.model

        async def during(name: str, work: Awaitable[object]) -> object:
            await asyncio.sleep(0.5)
            waits.clear()
            turns.begin()
            began = time.perf_counter()
            found = await work
            took = time.perf_counter() - began
            turns.end()
            longest[name] = turns.longest
            sent = sorted(waits) or [0.0]
            print(
                f"{name:32} {took:6.1f} s; {turns.told()}; sends p50 {sent[len(sent) // 2]:.1f} p95 "
                f"{sent[len(sent) * 95 // 100]:.1f} max {sent[-1]:.1f} ms",
                flush=True,
            )
            return found

        async def listed(wanted: int) -> None:
            await app.until(lambda: len(model) == wanted, 300)
            await asyncio.sleep(1)

        await during("nothing", asyncio.sleep(3))
        before = len(model) + 1  # and the chat that is sent to
        for name, file in (("own file", "own.json"), ("ChatGPT's", "conversations.json")):
            done = await during(f"{count} of {name}", app.services.imports.run(folder / file))
            before += done.conversations  # type: ignore[attr-defined]
            await during("the list afterwards", listed(before))
        await during("undo of the last", app.services.imports.undo(done))  # type: ignore[arg-type]
        before -= done.conversations  # type: ignore[attr-defined]
        await during("the list afterwards", listed(before))
        beside.cancel()
    name = max(longest, key=lambda key: longest[key])
    good = longest[name] <= LIMIT_MS
    print(f"longest own turn {longest[name]:.1f} ms, {name} (<= {LIMIT_MS:.0f}): {'PASS' if good else 'FAIL'}")
    return good


if __name__ == "__main__":
    application = QApplication(sys.argv[:1])
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    with tempfile.TemporaryDirectory(prefix="qwen-desktop-bench-") as name, EventLoop(application) as loop:
        sys.exit(0 if loop.run_until_complete(measure(number, Path(name))) else 1)
