"""What goes on on this machine just now: who else uses the processor, what lies in swap, what slows it down.

Counters are read twice and compared (``between``); reading takes some milliseconds. What a system does not tell is
None.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from qwen_desktop.core.hardware import Moment
from qwen_desktop.hardware import cpu_use, files

_CPUS = "sys/devices/system/cpu"
_PAGE = mmap.PAGESIZE
#: Of its highest clock less than this is a limit that somebody has set: favoured cores differ by a tenth.
_LIMITED = 0.9


class Own(NamedTuple):
    """What the processes of this program have used: processor seconds so far, and bytes of theirs in swap."""

    seconds: float
    swapped_bytes: int | None


class Counters(NamedTuple):
    """Readings of one moment; ``at`` in seconds of ``time.monotonic``, times in processor seconds."""

    at: float
    busy: float | None = None
    stolen: float | None = None
    own: Own | None = None
    swap_in_bytes: int | None = None
    read_back: int | None = None
    hot: int | None = None
    saver: bool | None = None
    clock: float | None = None
    emulated: bool | None = None


def own_processes() -> Own:
    """This process and those that it has started."""
    import psutil  # noqa: PLC0415 - some milliseconds that only a question about the speed pays

    seconds, swapped, told = 0.0, 0, False
    here = psutil.Process()
    for process in (here, *here.children(recursive=True)):
        with contextlib.suppress(psutil.Error):
            spent = process.cpu_times()
            seconds += spent.user + spent.system
            status = files.text(files.ROOT / "proc" / str(process.pid) / "status") or ""
            for line in status.splitlines():
                if line.startswith("VmSwap:"):
                    swapped, told = swapped + 1024 * (files.whole(line.split()[1]) or 0), True
    return Own(seconds, swapped if told else None)


def look(root: Path = files.ROOT, system: str = sys.platform, *, own: Callable[[], Own] = own_processes) -> Counters:
    """The counters now. ``root`` ("/"), ``system`` and ``own`` are others in tests only."""
    ours = None
    with contextlib.suppress(Exception):  # whatever a system does wrong: then that is not known
        ours = own()
    counters = Counters(time.monotonic(), own=ours)
    with contextlib.suppress(Exception):
        if (use := cpu_use.read(None, root, system)) is not None:
            counters = Counters(use.at, use.busy, use.stolen, ours)
    if system.startswith("linux"):
        return _linux(root, counters)
    with contextlib.suppress(Exception):
        return counters._replace(
            saver=_windows_saver() if system == "win32" else None,
            emulated=_emulated(system),
        )
    return counters


def between(before: Counters, after: Counters) -> Moment:
    """What went on from one reading to the next."""
    seconds = after.at - before.at
    if seconds <= 0:
        return Moment(saver=after.saver, clock=after.clock, emulated=after.emulated)
    others = stolen = swapping = reading = None
    if before.busy is not None and after.busy is not None and before.own is not None and after.own is not None:
        # A worker that has ended meanwhile takes its seconds along: no less than nothing.
        mine = max(0.0, after.own.seconds - before.own.seconds)
        others = max(0.0, after.busy - before.busy - mine) / seconds
    if before.stolen is not None and after.stolen is not None:
        stolen = max(0.0, after.stolen - before.stolen) / seconds
    if before.swap_in_bytes is not None and after.swap_in_bytes is not None:
        swapping = max(0, after.swap_in_bytes - before.swap_in_bytes) / seconds
    if before.read_back is not None and after.read_back is not None:
        reading = max(0, after.read_back - before.read_back) / seconds
    return Moment(
        seconds=seconds,
        others=others,
        stolen=stolen,
        swapped_bytes=after.own.swapped_bytes if after.own is not None else None,
        swap_in_bytes_per_s=swapping,
        read_back_per_s=reading,
        saver=after.saver,
        clock=after.clock,
        hot=after.hot > before.hot if before.hot is not None and after.hot is not None else None,
        emulated=after.emulated,
    )


def _linux(root: Path, counters: Counters) -> Counters:
    pages: dict[str, int] = {}
    for line in (files.text(root / "proc/vmstat") or "").splitlines():
        name, _, value = line.partition(" ")
        if name in ("pswpin", "pgmajfault") and (count := files.whole(value)) is not None:
            pages[name] = count
    swapped = pages.get("pswpin")
    profile = files.text(root / "sys/firmware/acpi/platform_profile")
    return counters._replace(
        swap_in_bytes=None if swapped is None else swapped * _PAGE,
        read_back=pages.get("pgmajfault"),
        hot=_throttled(root),
        saver=None if profile is None else profile == "low-power",
        clock=_clock(root),
    )


def _throttled(root: Path) -> int | None:
    """How often the processors have been slowed down by their heat."""
    folders = files.listing(root / _CPUS) or []
    counts = [files.number(folder / "thermal_throttle/core_throttle_count") for folder in folders]
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _clock(root: Path) -> float | None:
    """The share of the highest clock that is allowed, over all processors; 1.0 where nobody limits it."""
    allowed = highest = 0
    for folder in files.listing(root / _CPUS) or []:
        most, limit = (files.number(folder / "cpufreq" / f"{name}_max_freq") for name in ("cpuinfo", "scaling"))
        if most and limit:
            allowed, highest = allowed + limit, highest + most
    if not highest:
        return None
    share = allowed / highest
    return share if share < _LIMITED else 1.0


def _windows_saver() -> bool | None:
    """Whether Windows' battery saver is on."""
    if sys.platform == "win32":
        import ctypes  # noqa: PLC0415 - only on Windows

        class Status(ctypes.Structure):
            _fields_ = (("line", ctypes.c_ubyte), ("flag", ctypes.c_ubyte), ("percent", ctypes.c_ubyte),
                        ("saver", ctypes.c_ubyte), ("left", ctypes.c_ulong), ("full", ctypes.c_ulong))  # fmt: skip

        status = Status()
        if ctypes.windll.kernel32.GetSystemPowerStatus(ctypes.byref(status)):
            return bool(status.saver)
    return None


def _emulated(system: str) -> bool | None:
    """Whether this program, made for x64, runs on an ARM processor."""
    import ctypes  # noqa: PLC0415 - only elsewhere than on Linux

    if system == "darwin":
        value, size = ctypes.c_int(0), ctypes.c_size_t(4)
        library = ctypes.CDLL(None)
        missing = library.sysctlbyname(b"sysctl.proc_translated", ctypes.byref(value), ctypes.byref(size), None, 0)
        return False if missing else value.value == 1
    if sys.platform == "win32":
        process, native = ctypes.c_ushort(), ctypes.c_ushort()
        kernel = ctypes.windll.kernel32
        handle = ctypes.c_void_p(kernel.GetCurrentProcess())
        if not kernel.IsWow64Process2(handle, ctypes.byref(process), ctypes.byref(native)):
            return None
        arm = 0xAA64
        return native.value == arm and os.environ.get("PROCESSOR_ARCHITECTURE", "").upper() != "ARM64"
    return None
