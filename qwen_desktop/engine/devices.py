"""What ggml lists to compute on beside the processor. Only for a process that may crash: drivers do."""

from __future__ import annotations

import ctypes
import re
from pathlib import Path
from typing import Any

from qwen_desktop.core.hardware import Gpu, GpuKind
from qwen_desktop.engine import bindings
from qwen_desktop.engine.llama import LlamaLibrary

# ggml_backend_dev_type; accelerators (BLAS, AMX) work on main memory beside the processor and hold no layers.
_GPU, _IGPU = 1, 2
#: Backends whose own name says nothing to people. The one named None is another computer.
_NAMES: dict[str, str | None] = {"MTL": "Metal", "RPC": None}
_SHOWN = {"vulkan": "Vulkan", "metal": "Metal", "opencl": "OpenCL"}


#: Parts of ggml that compute on the processor; and how the library of a part is called, "libggml-vulkan.so".
_PROCESSOR = frozenset({"cpu", "base", "blas", "rpc"})
_LIBRARY = re.compile(r"(?:lib)?ggml-([a-z0-9]+)(?:-[\w.]+)?\.(?:so|dll|dylib)")


class _Properties(ctypes.Structure):
    """ggml_backend_dev_props, and room for what a later version adds at its end."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("description", ctypes.c_char_p),
        ("memory_free", ctypes.c_size_t),
        ("memory_total", ctypes.c_size_t),
        ("type", ctypes.c_int),
        ("device_id", ctypes.c_void_p),
        ("spare", ctypes.c_char * 256),
    )


def list_devices(library: LlamaLibrary) -> tuple[Gpu, ...]:
    """The graphics devices in ggml's order, free and total bytes as their drivers tell. Raises ``AttributeError``
    when this llama.cpp does not tell."""
    handle = ctypes.c_void_p
    count = library.symbol("ggml_backend_dev_count", ctypes.c_size_t)
    device_at = library.symbol("ggml_backend_dev_get", handle, ctypes.c_size_t)
    type_of = library.symbol("ggml_backend_dev_type", ctypes.c_int, handle)
    found: list[Gpu] = []
    for index in range(count()):
        device = device_at(index)
        kind: GpuKind | None = {_GPU: "gpu", _IGPU: "igpu"}.get(type_of(device))  # type: ignore[assignment]
        if kind is not None and (gpu := _gpu(library, device, kind)) is not None:
            found.append(gpu)
    return tuple(found)


def list_backends(library: LlamaLibrary, folder: Path = bindings.LIBRARIES) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What this build computes on beside the processor, by the names people know; and what of it lies in ``folder`` but
    was not loaded: its library is linked with a driver's that is not there. Raises ``AttributeError`` when this
    llama.cpp does not tell."""
    handle, text = ctypes.c_void_p, ctypes.c_char_p
    count = library.symbol("ggml_backend_reg_count", ctypes.c_size_t)
    get = library.symbol("ggml_backend_reg_get", handle, ctypes.c_size_t)
    name_of = library.symbol("ggml_backend_reg_name", text, handle)
    own = [_text(name_of(get(index))) for index in range(count())]
    loaded = tuple(_NAMES.get(name, name) or "" for name in own if name.lower() not in _PROCESSOR)
    known = {name.lower() for name in (*loaded, *own)}
    lying = sorted(found[1] for path in folder.iterdir() if (found := _LIBRARY.fullmatch(path.name)))
    idle = [name for name in dict.fromkeys(lying) if name not in known and name not in _PROCESSOR]
    return loaded, tuple(_SHOWN.get(name, name.upper()) for name in idle)


def _gpu(library: LlamaLibrary, device: Any, kind: GpuKind) -> Gpu | None:
    handle, text, size = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t
    memory = library.symbol("ggml_backend_dev_memory", None, handle, ctypes.POINTER(size), ctypes.POINTER(size))
    free, total = size(), size()
    memory(device, ctypes.byref(free), ctypes.byref(total))
    registry = library.symbol("ggml_backend_dev_backend_reg", handle, handle)(device)
    own = _text(library.symbol("ggml_backend_reg_name", text, handle)(registry))
    backend = _NAMES.get(own, own)
    if backend is None:
        return None
    described = _text(library.symbol("ggml_backend_dev_description", text, handle)(device))
    name = described or _text(library.symbol("ggml_backend_dev_name", text, handle)(device))
    known = total.value > 0
    return Gpu(
        name=name,
        kind=kind,
        backend=backend,
        total_bytes=total.value if known else None,
        free_bytes=free.value if known else None,
        id=_id(library, device, total.value),
    )


def _id(library: LlamaLibrary, device: Any, total: int) -> str:
    """The place on the bus. The struct has changed between versions: believed only where it repeats what is known."""
    properties = _Properties()
    library.symbol("ggml_backend_dev_get_props", None, ctypes.c_void_p, ctypes.POINTER(_Properties))(
        device, ctypes.byref(properties)
    )
    if properties.memory_total != total or properties.type not in (_GPU, _IGPU) or not properties.device_id:
        return ""
    return _text(ctypes.string_at(properties.device_id))


def _text(raw: bytes | None) -> str:
    return (raw or b"").decode("utf-8", "replace").strip()
