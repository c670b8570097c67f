"""The processor as Linux tells it in /proc and /sys."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from qwen_desktop.hardware import files

_MODEL_NAMES = ("model name", "Model Name", "cpu model", "Model")
_CPUS = "sys/devices/system/cpu"
#: Cores this much weaker than the strongest are efficiency cores. Cores of one kind differ by a tenth (favoured ones
#: clock higher); the efficiency cores of hybrid processors reach two thirds to three quarters.
_WEAK = 0.8


@dataclass
class CpuFound:
    """What a system says of its processor; ``flags`` are its own words."""

    model: str = ""
    physical: int | None = None
    logical: int | None = None
    performance: int | None = None
    efficiency: int | None = None
    flags: set[str] = field(default_factory=set)


def read(root: Path) -> CpuFound:
    """The processor as far as it can be read."""
    entries = _cpuinfo(root)
    first: dict[str, str] = {}
    for entry in entries:
        for name, value in entry.items():
            first.setdefault(name, value)
    found = CpuFound(flags=set(f"{first.get('flags', '')} {first.get('Features', '')}".lower().split()))
    found.model = next((first[name] for name in _MODEL_NAMES if first.get(name)), "")
    if not found.model:  # ARM boards: the name of the whole computer says more than "ARMv8"
        found.model = files.text(root / "proc/device-tree/model") or first.get("Hardware", "")
    if "v" in first.get("isa", "").partition("_")[0].removeprefix("rv64"):
        found.flags.add("rvv")
    online = _online(root, entries)
    found.logical = len(online) or None
    cores = _cores(root, online, entries)
    if cores is not None:
        found.physical = len(cores)
        weak = _weak(root, online)
        if weak is not None:
            found.efficiency = sum(1 for core in cores if core <= weak)
            found.performance = len(cores) - found.efficiency
    return found


def cores(root: Path, allowed: frozenset[int] | None) -> tuple[int | None, int | None]:
    """How many physical cores the logical processors ``allowed`` (None: all) lie on, and how many of these are
    performance cores; None what nothing says."""
    entries = _cpuinfo(root)
    online = _online(root, entries)
    found = _cores(root, online if allowed is None else online & allowed, entries)
    if not found:
        return None, None
    weak = _weak(root, online)
    return len(found), None if weak is None else sum(1 for core in found if not core <= weak)


def _online(root: Path, entries: list[dict[str, str]]) -> frozenset[int]:
    """The logical processors that are switched on."""
    online = files.cpu_list(root / _CPUS / "online")
    return online or frozenset(number for e in entries if (number := files.whole(e.get("processor"))) is not None)


def _cpuinfo(root: Path) -> list[dict[str, str]]:
    """The blocks of /proc/cpuinfo."""
    blocks: list[dict[str, str]] = []
    for block in (files.text(root / "proc/cpuinfo") or "").split("\n\n"):
        pairs = (line.partition(":") for line in block.splitlines() if ":" in line)
        blocks.append({name.strip(): value.strip() for name, _, value in pairs})
    return blocks


def _cores(root: Path, online: frozenset[int], entries: list[dict[str, str]]) -> set[frozenset[int]] | None:
    """The physical cores, each as its logical processors."""
    cores: set[frozenset[int]] = set()
    for cpu in online:
        topology = root / _CPUS / f"cpu{cpu}" / "topology"
        siblings = files.cpu_list(topology / "core_cpus_list") or files.cpu_list(topology / "thread_siblings_list")
        if cpu not in siblings:
            return _cores_by_number(online, entries)
        cores.add(siblings & online)
    return cores or None


def _cores_by_number(online: frozenset[int], entries: list[dict[str, str]]) -> set[frozenset[int]] | None:
    """The same from /proc/cpuinfo, where a sandbox hides /sys."""
    cores: dict[tuple[str, str], set[int]] = {}
    for entry in entries:
        number = files.whole(entry.get("processor"))
        if "core id" in entry and number is not None and number in online:
            cores.setdefault((entry.get("physical id", ""), entry["core id"]), set()).add(number)
    return {frozenset(core) for core in cores.values()} or None


def _weak(root: Path, online: frozenset[int]) -> frozenset[int] | None:
    """The logical processors of efficiency cores, none on most machines; None when nothing says it."""
    devices = root / "sys/devices"
    strong = files.cpu_list(devices / "cpu_core/cpus")
    if strong:  # Intel's hybrid processors: the kernel counts events of each kind by itself
        atoms = files.cpu_list(devices / "cpu_atom/cpus") | files.cpu_list(devices / "cpu_lowpower/cpus")
        return atoms & online
    for place in ("cpu_capacity", "cpufreq/cpuinfo_max_freq"):
        values = {cpu: files.number(root / _CPUS / f"cpu{cpu}" / place) for cpu in online}
        known = {cpu: value for cpu, value in values.items() if value}
        if len(known) == len(online) > 0:
            most = max(known.values())
            return frozenset(cpu for cpu, value in known.items() if value < most * _WEAK)
    return None
