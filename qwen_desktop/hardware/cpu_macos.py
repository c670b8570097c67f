"""The processor as macOS tells it through sysctl."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import TypeAlias

from qwen_desktop.hardware.cpu_linux import CpuFound

Ask: TypeAlias = Callable[[str], bytes | None]

_OPTIONAL = (
    "avx1_0", "avx2_0", "fma", "f16c", "sse4_2", "avx512f", "avx512vnni", "avx512bf16", "neon", "AdvSIMD",
    "arm.FEAT_FP16", "arm.FEAT_DotProd", "arm.FEAT_I8MM", "arm.FEAT_BF16", "arm.FEAT_SME",
)  # fmt: skip


def read(ask: Ask | None = None) -> CpuFound:
    """The processor as far as it can be read. ``ask`` answers the name of a value with its bytes, or None."""
    ask = ask or _sysctl
    found = CpuFound(
        model=_text(ask("machdep.cpu.brand_string")),
        physical=_number(ask("hw.physicalcpu")),
        logical=_number(ask("hw.logicalcpu")),
    )
    found.flags = {name.rpartition(".")[2] for name in _OPTIONAL if _number(ask(f"hw.optional.{name}"))}
    levels = _number(ask("hw.nperflevels"))
    if levels and levels < 9:  # level 0 is the fastest
        cores = [_number(ask(f"hw.perflevel{level}.physicalcpu")) for level in range(levels)]
        found.performance = cores[0]
        found.efficiency = sum(count or 0 for count in cores[1:])
    elif found.physical and found.model.startswith("Intel"):  # no Mac has Intel's hybrid processors
        found.performance, found.efficiency = found.physical, 0
    return found


def _text(value: bytes | None) -> str:
    return (value or b"").split(b"\x00")[0].decode("utf-8", "replace").strip()


def _number(value: bytes | None) -> int | None:
    return int.from_bytes(value, "little") if value and len(value) in (4, 8) else None


def _sysctl(name: str) -> bytes | None:
    function = ctypes.CDLL(None).sysctlbyname
    function.argtypes = [
        ctypes.c_char_p, ctypes.c_void_p, ctypes.POINTER(ctypes.c_size_t), ctypes.c_void_p, ctypes.c_size_t
    ]  # fmt: skip
    buffer = ctypes.create_string_buffer(1024)
    size = ctypes.c_size_t(len(buffer))
    if function(name.encode(), buffer, ctypes.byref(size), None, 0) != 0:
        return None
    return buffer.raw[: size.value]
