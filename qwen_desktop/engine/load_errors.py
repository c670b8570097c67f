"""Why a model could not be loaded, from llama.cpp's own words, as sentences."""

from __future__ import annotations

import re
from pathlib import Path

from qwen_desktop.core.errors import AppError, Cancelled, Environment, UserFacing
from qwen_desktop.core.gguf import GgufHeader
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text

_ARCHITECTURE = re.compile(r"unknown model architecture: '([^']*)'")
_NO_MEMORY = re.compile(r"(?:failed|unable) to allocate|out of memory|bad_alloc|cannot allocate", re.IGNORECASE)
_CAUSE = re.compile(r"error loading model(?:[^:]*)?: (.*)")

_SMALLER = Text(
    "load.smaller",
    QT_TRANSLATE_NOOP("engine", "Close other programs, or choose a smaller model or a smaller quantization."),
)


def cancelled() -> Cancelled:
    """The user stopped the load."""
    return Cancelled(Text("load.cancelled", QT_TRANSLATE_NOOP("engine", "Loading the model was stopped.")))


def unknown_architecture(name: str, file: str) -> UserFacing:
    """llama.cpp is too old (or the file too odd)."""
    return UserFacing(
        Text(
            "load.architecture",
            QT_TRANSLATE_NOOP(
                "engine", "{file} needs an architecture ({name}) that this version of llama.cpp does not know."
            ),
            {"file": file, "name": name},
        ),
        Text("load.architecture.hint", QT_TRANSLATE_NOOP("engine", "Update the app or choose another file.")),
        action="model.open",
    )


def no_memory(file: str, details: str = "") -> Environment:
    """The weights or the smallest context do not fit."""
    return Environment(
        Text("load.memory", QT_TRANSLATE_NOOP("engine", "There is not enough memory for {file}."), {"file": file}),
        _SMALLER,
        details=details,
        action="model.open",
    )


def cannot_chat(file: str) -> UserFacing:
    """An encoder or a diffusion model."""
    return UserFacing(
        Text("load.no_text", QT_TRANSLATE_NOOP("engine", "{file} is not a model that writes text."), {"file": file}),
        Text("load.no_text.hint", QT_TRANSLATE_NOOP("engine", "Choose a chat model.")),
        action="model.open",
    )


def from_log(header: GgufHeader, log: tuple[str, ...]) -> AppError:
    """The error for a load that failed, by what llama.cpp said."""
    text = "\n".join(log)
    file = Path(header.path).name
    found = _ARCHITECTURE.search(text)
    if found:
        return unknown_architecture(found[1], file)
    details = "\n".join(log[-20:])
    if _NO_MEMORY.search(text):
        return no_memory(file, details)
    cause = _CAUSE.search(text)
    reason = cause[1].strip().rstrip(".")[:160] if cause else header.architecture
    return UserFacing(
        Text(
            "load.refused",
            QT_TRANSLATE_NOOP("engine", "llama.cpp cannot load {file}: {reason}."),
            {"file": file, "reason": reason},
        ),
        Text("load.refused.hint", QT_TRANSLATE_NOOP("engine", "Download it again or choose another file.")),
        details=details,
        action="model.open",
    )
