"""``qwen-desktop probe``: what this machine is. Nothing is sent anywhere; drivers are asked in a process of their own.

The JSON object of ``--json``; null and an empty text mean "could not be read" (``unknown`` names it) unless said
otherwise. Bytes are bytes.

- ``system``: the system's name for people
- ``cpu``: ``model``, ``architecture``, ``physical`` and ``logical`` (cores and threads), ``usable`` (threads that this
  process may use: affinity and container counted in), ``performance`` and ``efficiency`` (cores), ``features`` ("AVX2",
  "AVX-512", "AMX", "NEON", …)
- ``memory``: ``total_bytes``, ``free_bytes``, ``limited`` (the limit of a container or service holds)
- ``gpus``: what the engine uses, each with ``name``, ``kind`` (gpu, igpu), ``backend`` ("CUDA", "Vulkan", "Metal", …),
  ``total_bytes``, ``free_bytes``, ``unified`` (its memory is main memory), ``id`` (place on the bus)
- ``unused_gpus``: what is there but not used, with the same keys
- ``disk``: the one that holds the models: ``path``, ``free_bytes``, ``total_bytes``, ``kind`` (ssd, hdd, network,
  memory, unknown)
- ``battery``: null without one; ``percent``, ``plugged``
- ``bandwidth_bytes_per_s``: main memory read by as many threads as answers use
- ``backends``: what this build computes on beside the processor ("Vulkan", "CUDA", …), null when that is not known;
  ``idle_backends``: what of it did not load, since its driver is missing
- ``unknown``: names of what could not be read, see ``core.hardware.Machine``
- ``taken_at``: seconds of the epoch
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from qwen_desktop.cli.console import Console
from qwen_desktop.cli.one_run import CommandRun
from qwen_desktop.core.hardware import PARTS, Cpu, Disk, Gpu, Machine, Memory
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, fill, shown

_UNKNOWN = QT_TRANSLATE_NOOP("probe", "could not be read")
_DISKS = {
    "ssd": QT_TRANSLATE_NOOP("probe", "SSD"),
    "hdd": QT_TRANSLATE_NOOP("probe", "hard disk"),
    "network": QT_TRANSLATE_NOOP("probe", "network drive"),
    "memory": QT_TRANSLATE_NOOP("probe", "in memory"),
    "unknown": QT_TRANSLATE_NOOP("probe", "kind unknown"),
}


async def show(run: CommandRun, *, refresh: bool) -> int:
    """Print what this machine is; ``refresh`` measures and asks anew what is remembered. Always returns 0."""
    console = run.console
    async with run.services() as services:
        console.progress(QT_TRANSLATE_NOOP("probe", "Looking at this machine …"))
        machine = await services.machines.machine(refresh=refresh)
    if run.as_json:
        console.object(machine)
    else:
        _print(list(rows(machine)), console)
    return 0


def rows(machine: Machine) -> Iterator[tuple[str, str]]:
    """The machine as a table for people."""
    yield (QT_TRANSLATE_NOOP("probe", "System"), machine.system or _UNKNOWN)
    yield (QT_TRANSLATE_NOOP("probe", "Processor"), _processor(machine.cpu))
    yield (QT_TRANSLATE_NOOP("probe", "Cores"), _cores(machine.cpu))
    yield (QT_TRANSLATE_NOOP("probe", "It can do"), ", ".join(machine.cpu.features) or _UNKNOWN)
    yield (QT_TRANSLATE_NOOP("probe", "Memory"), _memory(machine.memory))
    speed = machine.bandwidth_bytes_per_s
    yield (QT_TRANSLATE_NOOP("probe", "Memory speed"), _UNKNOWN if speed is None else f"{speed / 1e9:.1f} GB/s")
    yield from _graphics(machine)
    yield (QT_TRANSLATE_NOOP("probe", "Disk of the models"), _disk(machine.disk))
    if machine.battery is not None:
        template = {
            True: QT_TRANSLATE_NOOP("probe", "{percent} %, plugged in"),
            False: QT_TRANSLATE_NOOP("probe", "{percent} %, not plugged in"),
            None: "{percent} %",
        }[machine.battery.plugged]
        yield (QT_TRANSLATE_NOOP("probe", "Battery"), fill(template, {"percent": round(machine.battery.percent)}))
    if machine.unknown:
        unread = ", ".join(PARTS.get(name, name) for name in machine.unknown)
        yield (QT_TRANSLATE_NOOP("probe", "Could not be read"), unread)


def _processor(cpu: Cpu) -> str:
    return f"{cpu.model or _UNKNOWN} ({cpu.architecture})" if cpu.architecture else cpu.model or _UNKNOWN


def _cores(cpu: Cpu) -> str:
    if cpu.physical is None and cpu.logical is None:
        return _UNKNOWN
    parts: list[str] = []
    if cpu.physical is not None:
        parts.append(fill(QT_TRANSLATE_NOOP("probe", "cores: {count}"), {"count": cpu.physical}))
    if cpu.efficiency:
        template = QT_TRANSLATE_NOOP("probe", "for performance: {fast}, for efficiency: {small}")
        parts.append(fill(template, {"fast": cpu.performance or 0, "small": cpu.efficiency}))
    if cpu.logical is not None:
        parts.append(fill(QT_TRANSLATE_NOOP("probe", "threads: {count}"), {"count": cpu.logical}))
    if cpu.usable is not None and cpu.logical is not None and cpu.usable < cpu.logical:
        parts.append(fill(QT_TRANSLATE_NOOP("probe", "usable here: {count}"), {"count": cpu.usable}))
    return ", ".join(parts)


def _memory(memory: Memory) -> str:
    if memory.total_bytes is None:
        return _UNKNOWN
    shown = _of(memory.total_bytes, memory.free_bytes)
    limit = QT_TRANSLATE_NOOP("probe", ", limited by the container or service this runs in")
    return shown + limit if memory.limited else shown


def _graphics(machine: Machine) -> Iterator[tuple[str, str]]:
    name = QT_TRANSLATE_NOOP("probe", "Graphics")
    for gpu in machine.gpus:
        yield (name, _gpu(gpu))
    if not machine.gpus:
        none = QT_TRANSLATE_NOOP("probe", "none that can be used, the processor computes")
        yield (name, _UNKNOWN if "gpu" in machine.unknown else none)
    for gpu in machine.unused_gpus:
        template = "{gpu}" if "gpu" in machine.unknown else _unused(gpu, machine)
        yield (name, fill(template, {"gpu": _gpu(gpu), "part": "".join(machine.idle_backends[:1])}))


def _unused(gpu: Gpu, machine: Machine) -> str:
    if gpu.backend:
        return QT_TRANSLATE_NOOP("probe", "{gpu}, not used beside the graphics card")
    if machine.idle_backends:
        return QT_TRANSLATE_NOOP("probe", "{gpu}, not used: {part} does not start, its driver is missing")
    if machine.backends:
        return QT_TRANSLATE_NOOP("probe", "{gpu}, not used: its driver offers nothing that models can use")
    return QT_TRANSLATE_NOOP("probe", "{gpu}, not used: this build of the engine has no part for it")


def _gpu(gpu: Gpu) -> str:
    parts = [gpu.name or _UNKNOWN]
    if gpu.backend:
        parts[0] += f" ({gpu.backend})"
    if gpu.total_bytes is not None:
        parts.append(_of(gpu.total_bytes, gpu.free_bytes))
    if gpu.unified:
        parts.append(QT_TRANSLATE_NOOP("probe", "shares main memory"))
    return ", ".join(parts)


def _disk(disk: Disk | None) -> str:
    if disk is None:
        return _UNKNOWN
    size = _UNKNOWN if disk.total_bytes is None else _of(disk.total_bytes, disk.free_bytes)
    return f"{size}, {_DISKS[disk.kind]} ({shown(disk.path, 1000)})"


def _of(total: int, free: int | None) -> str:
    if free is None:
        return f"{total / 1e9:.1f} GB"
    template = QT_TRANSLATE_NOOP("probe", "{total} GB, {free} GB free")
    return fill(template, {"total": total / 1e9, "free": free / 1e9})


def _print(shown: list[tuple[str, str]], console: Console) -> None:
    if not sys.stdout.isatty():
        for name, value in shown:
            console.line(f"{name:20}{value}")
        return
    console.table([((name, "bold"), (value, "")) for name, value in shown])
