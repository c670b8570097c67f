"""This machine: known at once from the last time, found out anew when asked, told through ``MachineChanged``.

What is known changes only together with that event, so whoever judges by it and whoever was told agree.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from qwen_desktop.core.errors import AppError
from qwen_desktop.core.files import read_file, write_atomic
from qwen_desktop.core.hardware import Machine
from qwen_desktop.core.packed import from_json, to_json
from qwen_desktop.core.paths import Paths
from qwen_desktop.hardware.facts import Facts, lasting
from qwen_desktop.jobs.client import JobWorker
from qwen_desktop.services.events import EventBus, MachineChanged, SettingsChanged

log = logging.getLogger(__name__)

#: Who asks again within this many seconds gets the same answer.
_FRESH_S = 1.0
#: A real cache file has some kilobytes.
_LONGEST_FILE = 1 << 20
#: Other free memory or disk is told from this many bytes on: the last few megabytes change all the time.
_STEP = 64 << 20


class _Kept(Struct, frozen=True):
    """The cache file: the machine without what changes, and the facts that took long to find out."""

    machine: Machine
    facts: Facts


class Machines:
    """What is known of this machine. The cache file (a few kilobytes) is read in the constructor.

    ``folder`` tells where models lie by the settings: the disk in question is always that one's.
    """

    def __init__(self, jobs: JobWorker, bus: EventBus, paths: Paths, folder: Callable[[], Path] | None = None) -> None:
        self._jobs = jobs
        self._bus = bus
        self._file = paths.cache / "machine.json"
        self._folder = folder or (lambda: paths.models)
        self._disk_of = self._folder()
        self._kept = _read(self._file)
        self._machine = self._kept.machine if self._kept is not None else None
        self._facts = self._kept.facts if self._kept is not None else None
        self._asking = asyncio.Lock()
        self._asked_at = float("-inf")
        self._looking: asyncio.Task[Machine] | None = None
        bus.subscribe(SettingsChanged, self._on_settings)

    @property
    def known(self) -> Machine | None:
        """The last result, None before the first one ever. Until ``machine`` was asked in this run it is the one of
        an earlier run: free bytes and the battery are None then, since they have changed. ``disk`` is None from when
        the models folder has moved until its disk was looked at."""
        self._follow()
        return self._machine

    async def machine(self, *, refresh: bool = False) -> Machine:
        """This machine, with what is free now. Never raises; what cannot be read is None and named in ``unknown``.

        Takes milliseconds once the long-lived facts are known, a second the first time, and ten more where a driver
        hangs; ``refresh`` finds all of it out again. Publishes ``MachineChanged`` when something worth telling is
        new. Who asks meanwhile waits for the same answer.
        """
        async with self._asking:
            self._follow()
            if not refresh and self._machine is not None and time.monotonic() - self._asked_at < _FRESH_S:
                return self._machine
            folder = self._disk_of
            found, facts = await self._probe(folder, refresh=refresh)
            self._asked_at = time.monotonic()
            if facts is not None:
                self._facts = facts
                await self._keep(_Kept(lasting(found), facts))
            if self._folder() != folder:  # it has moved meanwhile
                found = replace(found, disk=None)
                self._asked_at = float("-inf")
            before = self.known
            if before is not None and not _worth_telling(before, found):
                return before
            self._machine = found
        self._bus.publish(MachineChanged(found))
        return found

    def _follow(self) -> None:
        """Forget the disk of a folder where models do not lie any more."""
        folder = self._folder()
        if folder == self._disk_of:
            return
        self._disk_of, self._asked_at = folder, float("-inf")
        if self._machine is not None:
            self._machine = replace(self._machine, disk=None)

    def _on_settings(self, event: SettingsChanged) -> None:
        """The models folder has moved, perhaps to another disk: say so, and look at that one."""
        if "downloads.folder" in event.keys and self.known is not None:
            self._bus.publish(MachineChanged(self.known))
            self._looking = asyncio.get_running_loop().create_task(self.machine(), name="machine.disk")

    async def _probe(self, folder: Path, *, refresh: bool) -> tuple[Machine, Facts | None]:
        params: dict[str, Any] = {
            "folder": str(folder),
            "facts": None if self._facts is None else msgspec.to_builtins(self._facts),
            "refresh": refresh,
        }
        try:
            answer = msgspec.convert(await self._jobs.call("hardware.probe", params), _Kept, strict=True)
        except (AppError, msgspec.ValidationError) as error:
            log.warning("machine.probe kind=%s", type(error).__name__)
            return _nothing(self._machine), None
        return answer.machine, answer.facts

    async def _keep(self, kept: _Kept) -> None:
        """Write the cache file when it would say something new."""
        same = self._kept is not None and replace(
            self._kept, machine=replace(self._kept.machine, taken_at=kept.machine.taken_at)
        )
        if same == kept:
            return
        data = to_json(kept, indent=1)
        try:
            await asyncio.to_thread(write_atomic, self._file, data)
        except OSError as error:  # the next start finds it out again
            log.warning("machine.cache kind=%s", type(error).__name__)
        else:
            self._kept = kept


def kept_facts(paths: Paths) -> Facts | None:
    """The facts that an earlier run found out, None without any."""
    kept = _read(paths.cache / "machine.json")
    return None if kept is None else kept.facts


def _read(file: Path) -> _Kept | None:
    """What an earlier run kept; None when there is none or it is not to be understood."""
    try:
        return from_json(read_file(file, _LONGEST_FILE), _Kept)
    except (OSError, ValueError, RecursionError):
        return None


def _nothing(machine: Machine | None) -> Machine:
    """What is left to say when the probe itself failed: what was known before, nothing of what changes."""
    if machine is None:
        names = ("cpu.model", "cpu.cores", "cpu.kinds", "cpu.features", "memory.total")
        return Machine(
            unknown=(*names, "memory.free", "gpu", "disk", "disk.kind", "battery", "bandwidth"), taken_at=time.time()
        )
    unknown = sorted({*machine.unknown, "memory.free", "battery"})
    return replace(lasting(machine), unknown=tuple(unknown), taken_at=time.time())


def _worth_telling(before: Machine, after: Machine) -> bool:
    """Whether something is another one, or something free changed by more than it always does."""
    if _without_free(before) != _without_free(after):
        return True
    pairs = zip(_free(before), _free(after), strict=True)
    return any(a != b and (a is None or b is None or abs(a - b) >= _STEP) for a, b in pairs)


def _without_free(machine: Machine) -> Machine:
    return replace(lasting(machine), battery=machine.battery, taken_at=0.0)


def _free(machine: Machine) -> list[int | None]:
    disk = None if machine.disk is None else machine.disk.free_bytes
    return [machine.memory.free_bytes, disk, *(gpu.free_bytes for gpu in (*machine.gpus, *machine.unused_gpus))]
