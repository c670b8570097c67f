"""llama.cpp's own ``llama-bench``, built with the wheel's flags and asked for speeds."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import tarfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

#: So long each side computes in a race, in seconds. Each change costs both some milliseconds.
_SLICE_S = 1.0


class Measured(NamedTuple):
    """What was measured: tokens of a prompt read (0: none), tokens written, at which depth."""

    prompt: int
    written: int
    depth: int


def build(sdist: Path, folder: Path) -> Path:
    """Build it from llama-cpp-python's sdist unless it is there; needs cmake and ninja, some six minutes."""
    program = folder / "llama-bench" / "bin" / ("llama-bench.exe" if os.name == "nt" else "llama-bench")
    if program.exists():
        return program
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    source = folder / sdist.name.removesuffix(".tar.gz") / "vendor" / "llama.cpp"
    options = ["-DLLAMA_CURL=OFF", "-DCMAKE_BUILD_TYPE=Release", "-DLLAMA_BUILD_TESTS=OFF"]
    target = folder / "llama-bench"
    subprocess.run(["cmake", "-G", "Ninja", "-S", str(source), "-B", str(target), *options], check=True)
    subprocess.run(["cmake", "--build", str(target), "--target", "llama-bench"], check=True)
    return program


class Stopped:
    """A process that is stopped and goes on; ``seconds`` is how long it stood still."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._since: float | None = None
        self.seconds = 0.0

    def stop(self) -> None:
        if self._since is None:
            with contextlib.suppress(ProcessLookupError):  # it has just ended
                os.kill(self._pid, signal.SIGSTOP)
            self._since = time.perf_counter()

    def go_on(self) -> None:
        if self._since is not None:
            self.seconds += time.perf_counter() - self._since
            self._since = None
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGCONT)


class Bench:
    """One measure by ``llama-bench``; ``how`` are further options. Its context has room for just what is measured, in
    steps of 256. A long prompt is not read once before for nothing, as the program does by itself."""

    def __init__(self, program: Path, model: Path, what: Measured, how: Sequence[str] = ()) -> None:
        self._what = what
        self._command = [str(program), "-m", str(model), "-r", "1", "-o", "json", "--progress", *how]
        self._command += ["-p", str(what.prompt), "-n", str(what.written), "-d", str(what.depth)]
        if what.prompt > 512:
            self._command.append("--no-warmup")

    async def begin(self) -> None:
        """Come to where the clock runs, and stand still there."""
        self._process = process = await asyncio.create_subprocess_exec(
            *self._command, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert process.stderr is not None
        async for line in process.stderr:
            if b" run 1/1" in line and (b": prompt run" in line or b": generation run" in line):
                break
        self.stopped = Stopped(process.pid)
        self.stopped.stop()
        self.ended = asyncio.create_task(self._end())

    async def _end(self) -> float:
        """Tokens per second, of the time that it was let run."""
        output, _ = await self._process.communicate()
        (entry,) = json.loads(output)
        tokens = self._what.prompt or self._what.written
        return float(tokens / (entry["avg_ns"] / 1e9 - self.stopped.seconds))


async def race(mine: asyncio.Task[float], ours: Stopped, bench: Bench) -> None:
    """Let our process and theirs compute in slices, one stopped while the other runs: what the machine is just able to
    do, both have alike. Ends when both have; what is left then of one runs alone."""
    theirs = bench.stopped
    try:
        while not (mine.done() or bench.ended.done()):
            await asyncio.wait((mine,), timeout=_SLICE_S)
            ours.stop()
            theirs.go_on()
            if not mine.done():
                await asyncio.wait((bench.ended,), timeout=_SLICE_S)
                theirs.stop()
                ours.go_on()
        if mine.done():
            theirs.go_on()
        await (bench.ended if mine.done() else mine)
    finally:
        ours.go_on()
        theirs.go_on()
