"""Why a model could not be loaded, from llama.cpp's own words, as sentences."""

from __future__ import annotations

import re
from pathlib import Path

from qwen_desktop.core.errors import AppError, Cancelled, Environment, Failure, UserFacing
from qwen_desktop.core.gguf import GgufHeader
from qwen_desktop.core.text import QT_TRANSLATE_NOOP

_ARCHITECTURE = re.compile(r"unknown model architecture: '([^']*)'")
#: As the C library, CUDA, ROCm, Metal, Vulkan and SYCL say it.
_NO_MEMORY = re.compile(
    r"(?:failed|unable) to allocate|out of memory|bad_alloc|can(?:no|')t allocate|allocation of size .* failed"
    r"|OutOf(?:Device|Host)Memory|exceeds device memory",
    re.IGNORECASE,
)
_CAUSE = re.compile(r"error loading model(?:[^:]*)?: (.*)")

# fmt: off
#: The user stopped the load.
cancelled = Failure(
    Cancelled, "load.cancelled", "", QT_TRANSLATE_NOOP("engine", "Loading the model was stopped."),
)
#: llama.cpp is too old, or the file too odd.
_architecture = Failure(
    UserFacing, "load.architecture", "file name",
    QT_TRANSLATE_NOOP("engine", "{file} needs an architecture ({name}) that this version of llama.cpp does not know."),
    QT_TRANSLATE_NOOP("engine", "Update the app or choose another file."), "model.open",
)
#: The weights or the smallest context do not fit.
no_memory = Failure(
    Environment, "load.memory", "file", QT_TRANSLATE_NOOP("engine", "There is not enough memory for {file}."),
    QT_TRANSLATE_NOOP("engine", "Close other programs, or choose a smaller model or a smaller quantization."),
    "model.open",
)
#: An encoder or a diffusion model.
cannot_chat = Failure(
    UserFacing, "load.no_text", "file", QT_TRANSLATE_NOOP("engine", "{file} is not a model that writes text."),
    QT_TRANSLATE_NOOP("engine", "Choose a chat model."), "model.open",
)
#: One whose vectors cannot be had here.
cannot_embed = Failure(
    UserFacing, "load.no_vectors", "file",
    QT_TRANSLATE_NOOP("engine", "{file} is of a kind that cannot make embeddings here."),
    QT_TRANSLATE_NOOP("engine", "Choose another embedding model, or any chat model."), "model.open",
)
_refused = Failure(
    UserFacing, "load.refused", "file reason", QT_TRANSLATE_NOOP("engine", "llama.cpp cannot load {file}: {reason}."),
    QT_TRANSLATE_NOOP("engine", "Download it again or choose another file."), "model.open",
)
# fmt: on


def is_memory(error: AppError) -> bool:
    """Whether it failed for lack of memory, so that less of it may do."""
    return error.problem.what.code == "load.memory"


def is_refusal(error: AppError) -> bool:
    """Whether llama.cpp gave a reason that may lie with the device as well as with the file."""
    return error.problem.what.code == "load.refused"


def from_log(header: GgufHeader, log: tuple[str, ...]) -> AppError:
    """The error for a load that failed, by what llama.cpp said."""
    text = "\n".join(log)
    file = Path(header.path).name
    found = _ARCHITECTURE.search(text)
    if found:
        return _architecture(file, found[1])
    details = "\n".join(log[-20:])
    if _NO_MEMORY.search(text):
        return no_memory(file, details=details)
    cause = _CAUSE.search(text)
    reason = cause[1].strip().rstrip(".")[:160] if cause else header.architecture
    return _refused(file, reason, details=details)
