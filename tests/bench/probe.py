"""How long the probe of this machine takes, and whether it holds the event loop: run by hand, prints figures.

    python tests/bench/probe.py [--times 5]

Cold: a new job worker, nothing remembered. Remembered: the same again. Heartbeat: the longest a task of the loop that
wants to run every millisecond was late meanwhile; target 8 ms beyond an idle loop's. Bandwidth: the spread of
measurements, since verdicts about speed rest on it.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from qwen_desktop.core.paths import find_paths
from qwen_desktop.hardware.probe import measured
from qwen_desktop.jobs.client import JobWorker
from qwen_desktop.process.spawn import worker_command
from qwen_desktop.services.events import EventBus
from qwen_desktop.services.machines import Machines

TARGET_S = 0.008
COLD_TARGET_S = 4.0


async def heartbeat(late: list[float]) -> None:
    """Note how late each beat of a millisecond is."""
    while True:
        before = time.perf_counter()
        await asyncio.sleep(0.001)
        late.append(time.perf_counter() - before - 0.001)


def worst(late: list[float]) -> float:
    """The 99th percentile."""
    return sorted(late)[int(len(late) * 0.99)] if late else 0.0


async def once(folder: Path) -> tuple[float, float, float, float]:
    """Seconds for a cold probe and a remembered one, and how late the loop was: idle, and meanwhile."""
    paths = find_paths({"QWEN_DESKTOP_HOME": str(folder)})
    idle: list[float] = []
    beat = asyncio.ensure_future(heartbeat(idle))
    await asyncio.sleep(1)
    beat.cancel()
    jobs = JobWorker(worker_command("jobs"))
    busy: list[float] = []
    beat = asyncio.ensure_future(heartbeat(busy))
    machines = Machines(jobs, EventBus(), paths)
    times: list[float] = []
    for _ in range(2):
        before = time.perf_counter()
        await machines.machine()
        times.append(time.perf_counter() - before)
        await asyncio.sleep(1.1)
    beat.cancel()
    await jobs.aclose()
    return times[0], times[1], worst(idle), worst(busy)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--times", type=int, default=5)
    rounds = []
    for _ in range(times := parser.parse_args().times):
        with tempfile.TemporaryDirectory() as folder:
            rounds.append(asyncio.run(once(Path(folder))))
    cold, remembered, idle, busy = (min(column) for column in zip(*rounds, strict=True))
    print(f"cold {cold:.2f} s, remembered {remembered * 1e3:.1f} ms (best of {times})")
    print(f"loop late (p99): idle {idle * 1e3:.2f} ms, during the probe {busy * 1e3:.2f} ms")
    found = [measured(worker_command("bandwidth")) for _ in range(times)]
    speeds = sorted(one.bytes_per_s / 1e9 for one in found if one is not None)
    if speeds:
        print(f"bandwidth {speeds[0]:.1f} … {speeds[-1]:.1f} GB/s, median {speeds[len(speeds) // 2]:.1f}")
    good = cold <= COLD_TARGET_S and busy - idle <= TARGET_S and bool(speeds)
    print("PASS" if good else "FAIL")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
