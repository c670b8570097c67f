"""What this machine is, as plain data. None (or an empty text) means: could not be read; it is never guessed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Source

GpuKind = Literal["gpu", "igpu", "accelerator"]
DiskKind = Literal["ssd", "hdd", "network", "memory", "unknown"]

#: What ``Machine.unknown`` names, for people.
PARTS: dict[str, Source] = {
    "cpu.model": QT_TRANSLATE_NOOP("machine", "the processor's name"),
    "cpu.cores": QT_TRANSLATE_NOOP("machine", "the number of cores"),
    "cpu.kinds": QT_TRANSLATE_NOOP("machine", "performance and efficiency cores"),
    "cpu.features": QT_TRANSLATE_NOOP("machine", "what the processor can do"),
    "memory.total": QT_TRANSLATE_NOOP("machine", "the memory"),
    "memory.free": QT_TRANSLATE_NOOP("machine", "the free memory"),
    "gpu": QT_TRANSLATE_NOOP("machine", "graphics cards (the driver crashed or did not answer)"),
    "disk": QT_TRANSLATE_NOOP("machine", "the disk"),
    "disk.kind": QT_TRANSLATE_NOOP("machine", "the kind of disk"),
    "battery": QT_TRANSLATE_NOOP("machine", "the battery"),
    "bandwidth": QT_TRANSLATE_NOOP("machine", "the speed of the memory"),
}


class Cpu(Struct, frozen=True):
    """The processor. ``features`` are the names people know: "AVX2", "AVX-512", "AMX", "NEON", …

    ``usable`` is how many logical processors this process may use (affinity and container limits).
    """

    model: str = ""
    architecture: str = ""
    physical: int | None = None
    logical: int | None = None
    usable: int | None = None
    performance: int | None = None
    efficiency: int | None = None
    features: tuple[str, ...] = ()


class Memory(Struct, frozen=True):
    """Main memory in bytes, limits of a container counted in; ``limited`` says that one applies."""

    total_bytes: int | None = None
    free_bytes: int | None = None
    limited: bool = False


class Gpu(Struct, frozen=True):
    """A device that ggml (or the driver) lists. ``unified``: its memory is the machine's main memory.

    ``backend`` is what computes on it ("CUDA", "Vulkan", "Metal", …), empty when this build has none for it.
    ``id`` is its place on the bus ("0000:01:00.0"), empty when unknown.
    """

    name: str
    kind: GpuKind = "gpu"
    backend: str = ""
    total_bytes: int | None = None
    free_bytes: int | None = None
    unified: bool = False
    id: str = ""


def each_once(gpus: Sequence[Gpu]) -> tuple[Gpu, ...]:
    """Each device once, as the first who listed it did: two backends (CUDA and Vulkan) list the same card, with the
    same place on the bus. Those whose place is unknown are all kept."""
    known: set[str] = set()
    found: list[Gpu] = []
    for gpu in gpus:
        if not gpu.id or gpu.id not in known:
            found.append(gpu)
        known.add(gpu.id)
    return tuple(found)


class Disk(Struct, frozen=True):
    """The disk that holds ``path`` (the models folder)."""

    path: str
    free_bytes: int | None = None
    total_bytes: int | None = None
    kind: DiskKind = "unknown"


class Battery(Struct, frozen=True):
    """A battery: charge in percent, and whether the machine is plugged in."""

    percent: float
    plugged: bool | None = None


class Machine(Struct, frozen=True):
    """Everything the probe found. ``bandwidth_bytes_per_s`` is measured reading of main memory.

    ``gpus`` are the devices that the engine gives layers to, ``unused_gpus`` what else is there: integrated graphics
    beside a graphics card (llama.cpp leaves it out), or a card that this build has no backend for. ``backends`` is what
    this build can compute on beside the processor ("Vulkan", "CUDA", …), None when that is not known, and
    ``idle_backends`` what lies beside it and did not load, since the driver that it is linked with is not there.
    ``unknown`` names what could not be read, so that a face can say so: "cpu.model", "cpu.cores", "cpu.kinds"
    (performance and efficiency), "cpu.features", "memory.total", "memory.free", "gpu", "disk", "disk.kind",
    "battery", "bandwidth". A battery or graphics card that is not there is not unknown. What was read at an earlier
    start has no free bytes and no battery, since those change.
    """

    system: str = ""
    cpu: Cpu = Cpu()
    memory: Memory = Memory()
    gpus: tuple[Gpu, ...] = ()
    unused_gpus: tuple[Gpu, ...] = ()
    disk: Disk | None = None
    battery: Battery | None = None
    bandwidth_bytes_per_s: float | None = None
    unknown: tuple[str, ...] = ()
    taken_at: float = 0.0
    backends: tuple[str, ...] | None = None
    idle_backends: tuple[str, ...] = ()


class Moment(Struct, frozen=True):
    """What goes on on this machine, over the last ``seconds``. None where the system does not tell.

    ``others`` and ``stolen`` are the time that other programs, and other virtual machines on the same host, took of the
    processor, in logical processors (1.5: one and a half of them all the while). ``swapped_bytes`` is how much of our
    own processes lies in swap, ``swap_in_bytes_per_s`` how much the whole system brings back from it, and
    ``read_back_per_s`` how often a page had to be read from the disk. ``saver`` says that the system saves energy,
    ``clock`` is the share of its highest clock that the processor may reach, ``hot`` that it was slowed down by its
    heat. ``emulated``: this program is translated from another kind of processor.
    """

    seconds: float = 0.0
    others: float | None = None
    stolen: float | None = None
    swapped_bytes: int | None = None
    swap_in_bytes_per_s: float | None = None
    read_back_per_s: float | None = None
    saver: bool | None = None
    clock: float | None = None
    hot: bool | None = None
    emulated: bool | None = None
