"""Graphics devices: what ggml lists, told apart from what it leaves out, with the free memory that drivers know.

``ask`` starts the child that opens the drivers; the rest is pure.
"""

from __future__ import annotations

import logging
import platform as standard
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from qwen_desktop.core.hardware import Gpu, each_once
from qwen_desktop.core.text import clean
from qwen_desktop.hardware import files, wire
from qwen_desktop.process import one_shot

log = logging.getLogger(__name__)

#: A driver that has not answered by then hangs.
PATIENCE_S = 10.0
#: No device has more memory; what says so is not believed. Bytes.
_MOST_BYTES = 1 << 48
_LONGEST_NAME = 120
_VENDORS = {"0x1002": "AMD", "0x10de": "NVIDIA", "0x8086": "Intel"}
_SHOWN = "0x03"  # PCI class of displays


class GpusFound(NamedTuple):
    """``ours`` are the devices that the engine uses, ``unused`` what else is there; ``ours`` None is unknown."""

    ours: tuple[Gpu, ...] | None
    unused: tuple[Gpu, ...]


class Asked(NamedTuple):
    """What the child said: devices by source ("ggml", "nvml"), a source missing when it crashed, hung or talked
    rubbish, and what the build has (None: likewise)."""

    listed: dict[str, tuple[Gpu, ...]]
    built: wire.Built | None = None


def ask(command: Sequence[str], seconds: float = PATIENCE_S) -> Asked:
    """Have the child look. Blocks for ``seconds`` at most. Never raises."""
    answers = one_shot.ask(command, seconds)
    found: dict[str, tuple[Gpu, ...]] = {}
    built = None
    for payload in answers.payloads:
        try:
            finding = wire.decode(payload)
        except ValueError:
            log.warning("gpus.rubbish")
            return Asked({})
        if isinstance(finding, wire.Listed):
            found[finding.source] = tuple(_plausible(gpu) for gpu in finding.gpus)
        elif isinstance(finding, wire.Built):
            built = wire.Built(_names(finding.backends), _names(finding.idle))
    if answers.how != "done":
        log.warning("gpus.child how=%s code=%s", answers.how.replace(" ", "_"), answers.code)
    return Asked(found, built)


def join(
    listed: dict[str, tuple[Gpu, ...]],
    seen: tuple[Gpu, ...] = (),
    *,
    free_memory: int | None = None,
    apple: bool | None = None,
) -> GpusFound:
    """What ggml lists as llama.cpp chooses from it: cards in place of integrated graphics, each device once.

    ``seen`` is what the system sees by itself, ``free_memory`` what is free of main memory: a device that shares it
    has no more. ``apple`` says that all do (default: whether this is such a computer).
    """
    drivers = [*listed.get("nvml", ()), *seen]
    ggml = listed.get("ggml")
    if ggml is None:
        return GpusFound(None, each_once(drivers))
    shared = apple if apple is not None else (sys.platform == "darwin" and standard.machine() == "arm64")
    cards = each_once([gpu for gpu in ggml if gpu.kind != "igpu"])
    integrated = [gpu for gpu in ggml if gpu.kind == "igpu"]
    integrated = [gpu for gpu in integrated if gpu.backend == integrated[0].backend]  # another backend sees it again
    chosen = cards or each_once(integrated)
    ours: list[Gpu] = []
    taken: list[Gpu] = []
    for gpu in chosen:
        told = _told(gpu, chosen, drivers)
        taken += told
        unified = gpu.unified or gpu.kind == "igpu" or shared
        total = gpu.total_bytes or next((other.total_bytes for other in told if other.total_bytes), None)
        frees = [gpu.free_bytes, *(other.free_bytes for other in told), free_memory if unified else None]
        free = min((value for value in frees if value is not None), default=None)
        ours.append(replace(gpu, total_bytes=total, free_bytes=free, unified=unified))
    places = {gpu.id for gpu in chosen if gpu.id}
    left_out = [replace(gpu, unified=True) for gpu in integrated if gpu not in chosen and gpu.id not in places]
    return GpusFound(tuple(ours), each_once([*left_out, *(gpu for gpu in drivers if gpu not in taken)]))


def _told(gpu: Gpu, ours: tuple[Gpu, ...], drivers: Sequence[Gpu]) -> list[Gpu]:
    """What drivers say of the same device: by its place on the bus, by its name where it has no twin."""
    if gpu.id:
        return [other for other in drivers if other.id == gpu.id]
    twins = [other for other in drivers if other.name == gpu.name]
    return twins if len(twins) == 1 == sum(other.name == gpu.name for other in ours) else []


def _plausible(gpu: Gpu) -> Gpu:
    """Without numbers and names that cannot be."""
    total = gpu.total_bytes if gpu.total_bytes and 0 < gpu.total_bytes < _MOST_BYTES else None
    free = gpu.free_bytes if gpu.free_bytes is not None and 0 <= gpu.free_bytes < _MOST_BYTES else None
    if total is not None and free is not None:
        free = min(free, total)
    return replace(gpu, name=_name(gpu.name), total_bytes=total, free_bytes=free, id=place(gpu.id))


def _name(name: str) -> str:
    return " ".join(clean(name).split())[:_LONGEST_NAME]


def _names(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(_name(name) for name in names if name)


def place(text: str) -> str:
    """A place on the PCI bus in one spelling ("0000:01:00.0"); empty for what is not one."""
    parts = text.strip().lower().replace(".", ":").split(":")
    try:
        domain, bus, device, function = (int(part, 16) for part in parts)
    except ValueError:
        return ""
    return f"{domain:04x}:{bus:02x}:{device:02x}.{function:x}"


def seen(root: Path = files.ROOT) -> tuple[Gpu, ...]:
    """Graphics that Linux itself sees, with or without a backend of ours; AMD's driver tells their memory too."""
    found: list[Gpu] = []
    for card in files.listing(root / "sys/class/drm") or ():
        if not card.name.removeprefix("card").isdecimal():
            continue
        device = card / "device"
        vendor = _VENDORS.get(files.text(device / "vendor") or "")
        if vendor is None or not (files.text(device / "class") or "").startswith(_SHOWN):
            continue
        total, used = files.number(device / "mem_info_vram_total"), files.number(device / "mem_info_vram_used")
        try:
            where = place(device.resolve().name)
        except (OSError, RuntimeError):
            where = ""
        gpu = Gpu(
            name=f"{vendor} graphics",
            total_bytes=total,
            free_bytes=total - used if total is not None and used is not None else None,
            id=where,
        )
        found.append(_plausible(gpu))
    return tuple(found)
