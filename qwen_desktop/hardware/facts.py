"""What the probe remembers between runs: facts that take long to find out and change seldom.

They hold for one ``key``: another processor, driver, kernel or version of the engine makes another key.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from qwen_desktop.core.hardware import Cpu, Gpu, Machine, Memory
from qwen_desktop.hardware import files, wire

#: Changed when facts are found out in another way.
_VERSION = 2
#: How long "there is no graphics card" is believed, and "it cannot be found out", in seconds. Cards that are there are
#: asked each time, since their free memory changes.
_NONE_S = 86_400.0
_FAILED_S = 600.0
#: A bandwidth that was measured while others kept the processor busy is believed for so long, in seconds.
_DISTURBED_S = 3_600.0
#: Variables that hide devices from the drivers or change what they tell.
_CHOOSING = (
    "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES",
    "ONEAPI_DEVICE_SELECTOR", "GGML_VK_VISIBLE_DEVICES", "GGML_DISABLE_VULKAN", "VK_DRIVER_FILES", "VK_ICD_FILENAMES",
    "GGML_CUDA_ENABLE_UNIFIED_MEMORY",
)  # fmt: skip


class Facts(Struct, frozen=True):
    """``gpus`` is what ggml listed, ``drivers`` what NVIDIA's driver did, without what was free. ``gpus`` None and
    ``bandwidth`` None: tried at that time (seconds of the epoch) and not found out.

    The bandwidth holds for ``computer`` (see ``computer``), whatever else the key says. ``calm`` is False when it was
    measured on a busy machine and so may be too low.
    """

    key: str
    cpu: Cpu
    gpus: tuple[Gpu, ...] | None
    gpus_at: float
    bandwidth: float | None
    bandwidth_at: float
    drivers: tuple[Gpu, ...] = ()
    computer: str = ""
    calm: bool = True
    built: wire.Built | None = None

    def gpus_hold(self, now: float) -> bool:
        """Whether drivers need not be asked again."""
        limit = _FAILED_S if self.gpus is None else _NONE_S
        return not self.gpus and 0 <= now - self.gpus_at < limit

    def bandwidth_holds(self, now: float) -> bool:
        """Whether the measurement need not be made again."""
        if self.bandwidth is not None and self.calm:
            return True
        return 0 <= now - self.bandwidth_at < (_FAILED_S if self.bandwidth is None else _DISTURBED_S)


def computer(cpu: Cpu, memory: Memory) -> str:
    """What the bandwidth depends on, in one line: processor, how much of it we may use, and memory. Neither a kernel
    nor a driver changes it."""
    gibibytes = round((memory.total_bytes or 0) / (1 << 30))
    return "|".join(map(str, (cpu.model, cpu.architecture, cpu.physical, cpu.usable, gibibytes)))


def key(memory: Memory, root: Path = files.ROOT, environ: Mapping[str, str] = os.environ) -> str:
    """What the facts depend on, in one line. Takes well under a millisecond."""
    import importlib.metadata  # noqa: PLC0415 - ten milliseconds that the window does not pay

    try:
        engine = importlib.metadata.version("llama-cpp-python")
    except importlib.metadata.PackageNotFoundError:
        engine = ""
    nodes = [entry.name for entry in files.listing(root / "dev/dri") or ()]
    nodes += [name for name in ("nvidiactl", "kfd", "dxg") if (root / "dev" / name).exists()]
    chosen = [f"{name}={environ[name]}" for name in _CHOOSING if name in environ]
    gibibytes = round((memory.total_bytes or 0) / (1 << 30))
    parts = (
        _VERSION, platform.system(), platform.release(), platform.machine(), os.cpu_count(), gibibytes, engine,
        *nodes, *chosen,
    )  # fmt: skip
    return "|".join(str(part) for part in parts)


def without_free(gpu: Gpu) -> Gpu:
    """``gpu`` without what is free on it at the moment."""
    return replace(gpu, free_bytes=None)


def lasting(machine: Machine) -> Machine:
    """``machine`` without what is true only at the moment: free bytes and the battery."""
    return replace(
        machine,
        memory=replace(machine.memory, free_bytes=None),
        gpus=tuple(without_free(gpu) for gpu in machine.gpus),
        unused_gpus=tuple(without_free(gpu) for gpu in machine.unused_gpus),
        disk=None if machine.disk is None else replace(machine.disk, free_bytes=None),
        battery=None,
    )
