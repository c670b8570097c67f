"""Machines made of files: what Linux would show of them in /proc and /sys, written below a test's folder."""

from __future__ import annotations

from pathlib import Path

GIB = 1 << 30


def write(root: Path, files: dict[str, str | bytes]) -> Path:
    """Write ``files`` (path below ``root`` -> content) and return ``root``."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def processors(root: Path, cores: list[tuple[int, ...]], **values: dict[int, int]) -> Path:
    """Online processors grouped into ``cores``; ``values`` are numbers in a file of each (cpu_capacity, max_freq)."""
    online = sorted(cpu for core in cores for cpu in core)
    files: dict[str, str | bytes] = {"sys/devices/system/cpu/online": f"{online[0]}-{online[-1]}\n"}
    places = {"max_freq": "cpufreq/cpuinfo_max_freq"}
    for core in cores:
        for cpu in core:
            folder = f"sys/devices/system/cpu/cpu{cpu}"
            files[f"{folder}/topology/core_cpus_list"] = ",".join(map(str, core)) + "\n"
            for name, numbers in values.items():
                files[f"{folder}/{places.get(name, name)}"] = f"{numbers[cpu]}\n"
    return write(root, files)


def cpuinfo(count: int, **fields: str) -> str:
    """/proc/cpuinfo of ``count`` equal processors."""
    lines = "".join(f"{name.replace('_', ' ')}\t: {value}\n" for name, value in fields.items())
    return "".join(f"processor\t: {cpu}\n{lines}\n" for cpu in range(count))


def meminfo(total: int, free: int) -> dict[str, str | bytes]:
    """/proc/meminfo with these bytes."""
    return {"proc/meminfo": f"MemTotal: {total // 1024} kB\nMemFree: 1 kB\nMemAvailable: {free // 1024} kB\n"}


def mount(
    place: str, kind: str, source: str = "none", *, number: str = "0:30", shown: str = "/", options: str = "rw"
) -> str:
    """A line of /proc/self/mountinfo."""
    return f"31 23 {number} {shown} {place} rw,relatime shared:7 - {kind} {source} {options}\n"
