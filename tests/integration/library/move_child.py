"""Moves the models folder in a process of its own that the test kills: ``python move_child.py USER TARGET``.

Prints a line for each step of the progress. The transfers worker is a real one that copies as between two drives, in
small pieces and slowly.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))

from qwen_desktop.jobs.client import JobWorker  # noqa: E402 - the path comes first
from tests.integration.library.rig import running  # noqa: E402 - the same

SLOW_WORKER = """
import time
from qwen_desktop.hub import copying, moving
copying._CHUNK = 8192
copying._TELL_S = 0.0
moving._same_drive = lambda old, new: False
add = copying.CopyMeter.add
def slowly(self, count):
    time.sleep(0.002)
    add(self, count)
copying.CopyMeter.add = slowly
from qwen_desktop.jobs import worker
worker.main()
"""


def slow_transfers() -> JobWorker:
    """A transfers worker that takes its time."""
    return JobWorker([sys.executable, "-c", SLOW_WORKER])


async def main(user: str, target: str) -> None:
    async with running(Path(user), slow_transfers()) as app:
        await app.library.scan()
        await app.library.move_folder(target, lambda done, total: print(done, total, flush=True))
    print("moved", flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
