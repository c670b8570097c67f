"""A computer with little memory, filled by scripted engines: how much a model takes stands in its file's name."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

from qwen_desktop.core.engine import LoadProgress, LoadRequest
from qwen_desktop.core.errors import Environment, Problem
from qwen_desktop.core.hardware import Memory
from qwen_desktop.core.text import Text
from tests.scripted_engine import Script, ScriptedEngine

KILLED = Problem("environment", Text("killed", "The engine was killed."), action="retry")


def weight(path: str) -> int:
    """What the model of this file takes: 300 for ``a-300.gguf``, nothing for the guide."""
    found = re.search(r"-(\d+)\.gguf$", path)
    return int(found[1]) if found else 0


class Computer:
    """Memory of ``total`` bytes, and the engines that were made. Of a model's bytes the share ``mapped`` are pages of
    its file, which systems count as free. A load takes ``load_s``; ``refusals`` has names of files that do not load. An
    engine works on ``parallel`` answers at once.
    """

    def __init__(
        self, total: int = 1000, *, mapped: float = 0.0, load_s: float = 0.002, script: Script | None = None
    ) -> None:
        self.total = total
        self.mapped = mapped
        self.load_s = load_s
        self.script = script
        self.made: list[Heavy] = []
        self.loading: Heavy | None = None
        self.loads: list[LoadRequest] = []
        self.most = 0
        self.refusals: set[str] = set()
        self.cards = 0
        self.parallel = 1

    def __call__(self) -> Heavy:
        engine = Heavy(self)
        self.made.append(engine)
        return engine

    def free(self) -> Memory:
        """As a system says it."""
        return Memory(self.total, self.total - sum(engine.resident_bytes - engine.mapped_bytes for engine in self.made))

    async def needs(self, request: LoadRequest) -> int:
        """The prediction, which takes a moment."""
        await asyncio.sleep(0)
        return weight(request.path)

    def of(self, path: str) -> Heavy:
        """The newest engine of a file."""
        return next(engine for engine in reversed(self.made) if engine.path == path)

    def taken(self) -> dict[str, int]:
        """What every model in memory takes, by its file's name."""
        return {Path(e.path).name: e.resident_bytes for e in self.made if e.resident_bytes}


class Heavy(ScriptedEngine):
    """An engine that takes memory from when its load begins until it is closed or crashes."""

    def __init__(self, computer: Computer) -> None:
        super().__init__(computer.script, load_s=computer.load_s, parallel=computer.parallel)
        self._computer = computer
        self.path = ""

    async def load(self, request: LoadRequest) -> AsyncIterator[LoadProgress]:
        """Pretend to load."""
        computer = self._computer
        assert computer.loading is None, "two loads at once"
        assert not self.closed, "a closed engine is loaded"
        assert not self.running, "an engine is loaded while it answers"
        computer.loading = self
        computer.loads.append(request)
        self.path, self.resident_bytes = request.path, weight(request.path)
        self.mapped_bytes = int(self.resident_bytes * computer.mapped)
        self.gpu_layers = computer.cards if request.gpu_layers != 0 else 0
        computer.most = max(computer.most, sum(computer.taken().values()) if len(computer.taken()) > 1 else 0)
        try:
            async for step in super().load(request):
                yield step
            if Path(request.path).name in computer.refusals:
                raise Environment(Text("refused", "There is not enough memory."))
        finally:
            computer.loading = None

    def crash(self, problem: Problem = KILLED) -> None:
        """End as a worker does that was killed."""
        self.resident_bytes = self.mapped_bytes = 0
        super().crash(problem)

    async def aclose(self) -> None:
        """Forget everything; a process takes a moment to end."""
        await asyncio.sleep(0)
        self.resident_bytes = self.mapped_bytes = 0
        await super().aclose()
