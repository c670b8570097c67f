"""Which model shall answer: what conversations and requests carry, and what a loaded engine is found by."""

from __future__ import annotations

from typing import Any, TypeAlias

from msgspec import Struct

#: What the engine decides, where a value and not None says so.
AUTOMATIC = "auto"


class LoadOptions(Struct, frozen=True, omit_defaults=True):
    """How a file is to be loaded where that was asked for this one in particular; None is as the settings say.

    ``context`` counts tokens, ``gpu_layers`` layers on graphics devices. ``flash_attention`` is "auto", "on" or "off",
    ``kv_type`` a type for the cache ("auto", "f16", "q8_0", …).
    """

    context: int | None = None
    threads: int | None = None
    gpu_layers: int | None = None
    flash_attention: str | None = None
    kv_type: str | None = None


class GuideRef(Struct, frozen=True, tag="guide"):
    """The guide that comes with the app."""


class FileRef(Struct, frozen=True, tag="file", omit_defaults=True):
    """A GGUF file by its absolute path."""

    path: str
    options: LoadOptions = LoadOptions()


ModelRef: TypeAlias = GuideRef | FileRef


def merged(*sources: object) -> dict[str, Any]:
    """The load options that ``sources`` (settings, ``LoadOptions``) have, those of a later one in the place of an
    earlier one's. A cache's type that is automatic is left out."""
    found = {
        name: value
        for source in sources
        for name in LoadOptions.__struct_fields__
        if (value := getattr(source, name)) is not None
    }
    if found.get("kv_type") == AUTOMATIC:
        del found["kv_type"]
    return found
