"""Start to window, and memory when idle, of a frozen build beside the run from source, in turns.

    xvfb-run -a -s -noreset python -m tests.bench.distributed_window --program "dist/qwen-desktop/Qwen Desktop"

Needs a display and ``xdotool``. "Window" is the moment when the system shows it. Memory is that of the window's own
process after ``--idle`` seconds: RSS, and PSS, in which pages shared with other processes count in part. Wanted: 1.5
times the source run at most, and 150 MB.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RATIO, MEGABYTES = 1.5, 150
_PATIENCE_S = 60


def visible(pid: int) -> bool:
    done = subprocess.run(["xdotool", "search", "--onlyvisible", "--pid", str(pid)], capture_output=True, check=False)
    return bool(done.stdout.strip())


def memory(pid: int) -> tuple[float, float]:
    """RSS and PSS in MB."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    found = dict(re.findall(r"^(Rss|Pss):\s+(\d+) kB", text, re.MULTILINE))
    return int(found["Rss"]) * 1024 / 1e6, int(found["Pss"]) * 1024 / 1e6


def once(command: list[str], home: str, idle: float) -> tuple[float, tuple[float, float] | None]:
    """Seconds until the window is shown, and memory when ``idle`` is given."""
    environment = {**os.environ, "QWEN_DESKTOP_HOME": home}
    started = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not visible(process.pid):
            if time.perf_counter() - started > _PATIENCE_S or process.poll() is not None:
                raise SystemExit(f"no window from {command[0]} (exit code {process.poll()})")
        took = time.perf_counter() - started
        if not idle:
            return took, None
        time.sleep(idle)
        return took, memory(process.pid)
    finally:
        process.terminate()
        process.wait(20)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--program", type=Path, help="the windowed program of a frozen folder")
    parser.add_argument("--times", type=int, default=7)
    parser.add_argument("--idle", type=float, default=10)
    args = parser.parse_args()
    if args.program is None:
        print("nothing to measure: name a frozen folder's windowed program with --program")
        return 0
    source = [sys.executable, "-c", "import sys; from qwen_desktop.__main__ import window; sys.exit(window())"]
    frozen = [str(args.program.absolute())]
    times: dict[str, list[float]] = {"frozen": [], "source": []}
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        for turn in range(args.times + 1):  # the first reads the files and makes the data folder
            for name, command, home in (("frozen", frozen, first), ("source", source, second)):
                took, _ = once(command, home, 1 if turn == 0 else 0)
                if turn:
                    times[name].append(took)
        _, held = once(frozen, first, args.idle)
    assert held is not None
    ratio = min(times["frozen"]) / min(times["source"])
    print(f"start to window: frozen {min(times['frozen']):.2f} s, source {min(times['source']):.2f} s: {ratio:.2f}")
    print(f"idle after {args.idle:.0f} s: RSS {held[0]:.0f} MB, PSS {held[1]:.0f} MB")
    good = ratio <= RATIO and held[0] <= MEGABYTES
    print(f"verdict: {'ok' if good else 'not within the targets'} (wanted {RATIO} and {MEGABYTES} MB)")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
