"""The processor as Windows tells it: cores by GetLogicalProcessorInformationEx, features by kernel32."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

from qwen_desktop.hardware.cpu_linux import CpuFound

_CORES = 0  # RelationProcessorCore
#: PF_… of IsProcessorFeaturePresent -> the word that Linux uses. AMX is a state of the registers that is switched on.
_PRESENT = {19: "asimd", 38: "sse4_2", 39: "avx", 40: "avx2", 41: "avx512f", 43: "asimddp"}
_AMX_STATE = 1 << 18


class Core(NamedTuple):
    """A physical core: the higher its ``efficiency_class``, the faster it is."""

    efficiency_class: int
    threads: int


def read() -> CpuFound:
    """The processor as far as it can be read."""
    kernel = getattr(ctypes, "WinDLL")("kernel32", use_last_error=True)  # noqa: B009 - unknown to other systems
    found = CpuFound(model=_model())
    found.flags = {word for number, word in _PRESENT.items() if kernel.IsProcessorFeaturePresent(number)}
    states = getattr(kernel, "GetEnabledXStateFeatures", None)
    if states is not None:
        states.restype = ctypes.c_uint64
        if states() & _AMX_STATE:
            found.flags.add("amx_tile")
    count_kinds(found, list(cores(_relations(kernel))))
    return found


def count_kinds(found: CpuFound, listed: list[Core]) -> None:
    """Put the numbers of cores into ``found``."""
    if listed:
        fastest = max(core.efficiency_class for core in listed)
        found.physical = len(listed)
        found.logical = sum(core.threads for core in listed)
        found.performance = sum(core.efficiency_class == fastest for core in listed)
        found.efficiency = len(listed) - found.performance


def cores(data: bytes) -> Iterator[Core]:
    """The cores in what GetLogicalProcessorInformationEx wrote; ends at the first entry that cannot be one.

    An entry: relation and size (4 bytes each), flags, efficiency class, 20 reserved, number of groups (2 bytes), then
    for each group a mask of 8 bytes and 8 more.
    """
    place = 0
    while place + 8 <= len(data):
        relation, size = struct.unpack_from("<II", data, place)
        if size < 8 or place + size > len(data):
            return
        if relation == _CORES and size >= 32:
            (groups,) = struct.unpack_from("<H", data, place + 30)
            if 32 + 16 * groups > size:
                return
            masks = (struct.unpack_from("<Q", data, place + 32 + 16 * group)[0] for group in range(groups))
            yield Core(data[place + 9], sum(mask.bit_count() for mask in masks))
        place += size


def _relations(kernel: Any) -> bytes:
    length = ctypes.c_uint32(0)
    kernel.GetLogicalProcessorInformationEx(_CORES, None, ctypes.byref(length))
    if not 0 < length.value < 1 << 24:
        return b""
    buffer = ctypes.create_string_buffer(length.value)
    done = kernel.GetLogicalProcessorInformationEx(_CORES, buffer, ctypes.byref(length))
    return buffer.raw[: length.value] if done else b""


def _model() -> str:
    import winreg as registry  # noqa: PLC0415 - Windows only

    library: Any = registry  # its functions are unknown to type checkers on other systems
    try:
        with library.OpenKey(library.HKEY_LOCAL_MACHINE, r"HARDWARE\DESCRIPTION\System\CentralProcessor\0") as key:
            return str(library.QueryValueEx(key, "ProcessorNameString")[0]).strip()
    except OSError:
        return ""
