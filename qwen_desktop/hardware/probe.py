"""Everything about this machine in one go. Runs in the job worker; never raises.

Adding something: a part that may raise, called through ``_part`` with the name it has in ``Machine.unknown``.
"""

from __future__ import annotations

import logging
import platform
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec

from qwen_desktop.core.hardware import Battery, Cpu, Disk, Gpu, Machine, Memory
from qwen_desktop.hardware import battery, cpu, disk, files, gpus, memory, wire
from qwen_desktop.hardware.facts import Facts, computer, key, without_free
from qwen_desktop.process import one_shot
from qwen_desktop.process.spawn import worker_command

log = logging.getLogger(__name__)

T = TypeVar("T")

#: Longer than the measurement takes on a busy machine.
_BANDWIDTH_S = 5.0
#: A folder on a lost network drive answers never. Likewise whatever else the system keeps us waiting for.
_PART_S = 2.0
_CPU_S = 8.0
#: Bytes a second that no main memory has: below and above, the measurement went wrong.
_SLOWEST, _FASTEST = 1e8, 1e13


class Children(NamedTuple):
    """Command lines of the children, and how long the one that opens drivers may take."""

    devices: Sequence[str]
    bandwidth: Sequence[str]
    patience_s: float = gpus.PATIENCE_S


def as_job(*, folder: str, facts: Any = None, refresh: bool = False) -> dict[str, Any]:
    """``probe`` with plain data: the job "hardware.probe". ``facts`` that are none are forgotten."""
    try:
        known = msgspec.convert(facts, Facts, strict=True) if facts is not None else None
    except msgspec.ValidationError:
        known = None
    machine, found = probe(folder, known, refresh=refresh)
    return {"machine": msgspec.to_builtins(machine), "facts": msgspec.to_builtins(found)}


def probe(
    folder: str,
    facts: Facts | None = None,
    *,
    refresh: bool = False,
    children: Children | None = None,
    root: Path = files.ROOT,
    system: str = sys.platform,
) -> tuple[Machine, Facts]:
    """This machine and the facts to hand in next time; ``refresh`` finds those out again.

    ``folder`` is where models lie. ``children``, ``root`` ("/") and ``system`` are others in tests only.
    """
    children = children or Children(worker_command("devices"), worker_command("bandwidth"))
    unknown: list[str] = []
    room = _part("memory", lambda: memory.read(root, system), Memory())
    found_key = _part("key", lambda: key(room, root), "")
    known = facts if facts is not None and facts.key == found_key and found_key else None
    chip = _cpu(None if refresh or known is None else known.cpu, root, system)
    now = time.time()
    if known is not None and not refresh and known.gpus_hold(now):
        asked_at, built = known.gpus_at, known.built
        listed: dict[str, tuple[Gpu, ...]] = {"nvml": known.drivers}
        if known.gpus is not None:
            listed["ggml"] = known.gpus
    else:
        asked_at, patience = now, children.patience_s
        listed, built = _part("gpus", lambda: gpus.ask(children.devices, patience), gpus.Asked({}), patience + 5)
    seen: tuple[Gpu, ...] = _part("seen", lambda: gpus.seen(root), ())
    apple = None if system == sys.platform else False
    devices = _part(
        "join", lambda: gpus.join(listed, seen, free_memory=room.free_bytes, apple=apple), gpus.GpusFound(None, ())
    )
    here = computer(chip, room)
    same = facts is not None and (facts.computer == here or (known is not None and not facts.computer))
    reading = _speed(facts if same else None, children, now, refresh=refresh)
    speed = reading.bytes_per_s
    drive: Disk | None = _part("disk", lambda: disk.read(folder, root, system), None)
    power: Battery | None = _part("battery", lambda: battery.read(root, system), None, unknown=unknown)
    unknown += _missing(chip, room, devices, drive, speed)
    machine = Machine(
        system=_part("system", lambda: _system(root, system), platform.system()),
        cpu=chip,
        memory=room,
        gpus=devices.ours or (),
        unused_gpus=devices.unused,
        disk=drive,
        battery=power,
        bandwidth_bytes_per_s=speed,
        unknown=tuple(sorted(unknown)),
        taken_at=now,
        backends=None if built is None else built.backends,
        idle_backends=() if built is None else built.idle,
    )
    ggml = listed.get("ggml")
    return machine, Facts(
        key=found_key,
        cpu=chip,
        gpus=None if ggml is None else tuple(without_free(gpu) for gpu in ggml),
        gpus_at=0.0 if ggml else asked_at,  # cards are asked each time anyway
        bandwidth=speed,
        bandwidth_at=reading.at,
        drivers=tuple(without_free(gpu) for gpu in listed.get("nvml", ())),
        computer=here,
        calm=reading.calm,
        built=built,
    )


def _part(
    name: str, read: Callable[[], T], otherwise: T, seconds: float | None = None, *, unknown: list[str] | None = None
) -> T:
    """What ``read`` returns; ``otherwise`` (and the name in ``unknown``) when it raises or is not done in time."""
    result: list[T] = []

    def run() -> None:
        try:
            result.append(read())
        except Exception as error:  # whatever a system may do wrong: this part is unknown, the others are not
            log.warning("probe.part name=%s kind=%s", name, type(error).__name__)

    thread = threading.Thread(target=run, name=f"probe-{name}", daemon=True)
    try:
        thread.start()
        thread.join(_PART_S if seconds is None else seconds)
    except RuntimeError:  # no more threads can be started
        run()
    if result:
        return result[0]
    if thread.is_alive():
        log.warning("probe.part name=%s kind=late", name)
    if unknown is not None:
        unknown.append(name)
    return otherwise


def _cpu(known: Cpu | None, root: Path, system: str) -> Cpu:
    if known is not None:
        return _part("cpu", lambda: cpu.again(known, root), known)
    return _part("cpu", lambda: cpu.read(root, system), Cpu(), _CPU_S)


class _Reading(NamedTuple):
    """The bandwidth, when it was tried, and whether the machine was calm then."""

    bytes_per_s: float | None
    at: float
    calm: bool = True


def _speed(known: Facts | None, children: Children, now: float, *, refresh: bool) -> _Reading:
    """The bandwidth of this computer. Other programs only ever make a measurement lower, so that on the same computer
    the best one holds."""
    before = known.bandwidth if known is not None else None
    if known is not None and not refresh and known.bandwidth_holds(now):
        return _Reading(before, known.bandwidth_at, known.calm)
    found = _part("bandwidth", lambda: measured(children.bandwidth), None, _BANDWIDTH_S + 3)
    speeds = (before, None if found is None else found.bytes_per_s)
    best = max((speed for speed in speeds if speed is not None), default=None)
    calm = (found is not None and found.calm) or (known is not None and before is not None and known.calm)
    return _Reading(best, now, calm)


def measured(command: Sequence[str], seconds: float = _BANDWIDTH_S) -> wire.Measured | None:
    """What the child measured, None when it did not. Never raises."""
    for payload in one_shot.ask(command, seconds).payloads:
        try:
            finding = wire.decode(payload)
        except ValueError:
            return None
        if isinstance(finding, wire.Measured) and _SLOWEST <= finding.bytes_per_s <= _FASTEST:
            return finding
    return None


def _missing(chip: Cpu, room: Memory, devices: gpus.GpusFound, drive: Disk | None, speed: float | None) -> list[str]:
    lacks = {
        "cpu.model": not chip.model,
        "cpu.cores": chip.physical is None or chip.logical is None,
        "cpu.kinds": chip.performance is None or chip.efficiency is None,
        "cpu.features": not chip.features,
        "memory.total": room.total_bytes is None,
        "memory.free": room.free_bytes is None,
        "gpu": devices.ours is None,
        "disk": drive is None,
        "disk.kind": drive is not None and drive.kind == "unknown",
        "bandwidth": speed is None,
    }
    return [name for name, lacking in lacks.items() if lacking]


def _system(root: Path, system: str) -> str:
    """The system's name for people: "Debian GNU/Linux 12 (bookworm)", "macOS 15.1", "Windows 11"."""
    if system.startswith("linux"):
        for place in ("etc/os-release", "usr/lib/os-release"):
            for line in (files.text(root / place) or "").splitlines():
                name, _, value = line.partition("=")
                if name == "PRETTY_NAME" and value.strip("\"' "):
                    return value.strip("\"' ")[:100]
        return "Linux"
    if system == "darwin":
        return f"macOS {platform.mac_ver()[0]}".strip()
    version = getattr(sys, "getwindowsversion", None)
    if version is not None:  # platform.release() starts programs on some versions
        return "Windows 11" if version().build >= 22000 else f"Windows {version().major}"
    return platform.system()
