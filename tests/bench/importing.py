"""An import of many conversations in the real worker, while messages are sent here and the loop's beat is taken.

``python -m tests.bench.importing [CONVERSATIONS]`` prints how long it took, how much memory the worker had at most, how
long sends took before and meanwhile, and how late the loop was; then the same for an export.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
import tempfile
import time
from collections.abc import Awaitable
from pathlib import Path

import psutil

from qwen_desktop.core.chat import Conversation, Message
from qwen_desktop.core.exchange import Record
from qwen_desktop.core.packed import to_json
from qwen_desktop.core.parts import Role, TextPart
from qwen_desktop.jobs.client import JobWorker
from qwen_desktop.process.spawn import worker_command
from qwen_desktop.services.exports import Exports, Wanted
from qwen_desktop.services.imports import Imports
from qwen_desktop.store import messages
from tests.histories import Place
from tests.random_messages import prose

_EACH = 4


def write(place: Path, count: int) -> None:
    """Our own file with so many conversations."""
    chance = random.Random(1)
    texts = [prose(chance, 80) for _ in range(50)]
    with place.open("wb") as file:
        file.write(b'{"format":"qwen-desktop-history","version":1,\n"blobs":[],\n"conversations":[')
        for number in range(count):
            chat, parent, entries = f"{number:032x}", None, []
            for place_ in range(_EACH):
                role = Role.ASSISTANT if place_ % 2 else Role.USER
                said = (TextPart(texts[(number + place_) % 50]),)
                entries.append(Message(f"{number:028x}{place_:04x}", chat, parent, role, said, 1e9 + number))
                parent = entries[-1].id
            entry = Conversation(chat, f"Chat {number}", 1e9 + number, 1e9 + number, leaf_id=parent)
            file.write((b",\n" if number else b"\n") + to_json(Record(entry, ("Old",), tuple(entries))))
        file.write(b"]}\n")


class _Beside:
    """Sends a message each 0.1 s and takes the loop's beat."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self.sends: list[float] = []
        self.late: list[float] = []

    async def beat(self) -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0.002)
            self.late.append(time.perf_counter() - began - 0.002)

    async def send(self) -> None:
        chat = self._place.history.fresh(title="own")
        first = Message("m", chat.id, None, Role.USER, (TextPart("x"),), 1.0)
        await self._place.db.call(messages.add, (first,), new=chat)
        while True:
            began = time.perf_counter()
            number = len(self.sends)
            entry = Message(f"m{time.time_ns()}", chat.id, first.id, Role.USER, (TextPart("x"),), 2.0 + number)
            await self._place.db.call(messages.add, (entry,))
            self.sends.append(time.perf_counter() - began)
            await asyncio.sleep(0.1)

    async def during(self, name: str, work: Awaitable[object]) -> None:
        """Print how it was while ``work`` ran."""
        self.sends.clear()
        self.late.clear()
        began, peak = time.perf_counter(), 0
        task = asyncio.ensure_future(work)
        while not task.done():
            await asyncio.wait({task}, timeout=0.5)
            with contextlib.suppress(psutil.Error):
                peak = max((child.memory_info().rss for child in psutil.Process().children()), default=peak)
        await task
        sends, late = sorted(self.sends), sorted(self.late)
        print(
            f"{name}: {time.perf_counter() - began:.1f} s, worker {peak / 1e6:.0f} MB; sends "
            f"p50 {1e3 * sends[len(sends) // 2]:.1f} p95 {1e3 * sends[len(sends) * 95 // 100]:.1f} "
            f"max {1e3 * sends[-1]:.1f} ms; loop late p99 {1e3 * late[len(late) * 99 // 100]:.1f} "
            f"max {1e3 * late[-1]:.1f} ms"
        )


async def main(count: int) -> None:
    """Measure."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write(root / "in.json", count)
        async with Place(root / "home") as place:
            jobs = JobWorker(worker_command("jobs"))
            imports = Imports(place.db, place.bus, jobs, place.paths)
            exports = Exports(place.db, place.history, place.blobs, jobs, place.paths)
            beside = _Beside(place)
            tasks = [asyncio.create_task(beside.beat()), asyncio.create_task(beside.send())]
            await beside.during("nothing", asyncio.sleep(5))
            await beside.during(f"import of {count:,}", imports.run(root / "in.json"))
            await beside.during("export", exports.export(Wanted(format="json"), root / "out.json"))
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await jobs.aclose()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 50_000))
