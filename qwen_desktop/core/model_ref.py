"""Which model shall answer: what conversations and requests carry, and what a loaded engine is found by."""

from __future__ import annotations

from typing import Any, TypeAlias

from msgspec import Struct, structs

#: What the engine decides, where a value and not None says so.
AUTOMATIC = "auto"


class LoadOptions(Struct, frozen=True, omit_defaults=True):
    """How a file is to be loaded where that was asked for this one in particular; None is as the settings say.

    ``context`` counts tokens, ``gpu_layers`` layers on graphics devices, ``experts_on_cpu`` those among them whose
    experts stay on the processor, ``streams`` conversations in memory. ``flash_attention`` is "auto", "on" or "off",
    ``kv_type`` a cache that the engine makes (``core.memory.CACHES``), ``draft_model`` the file of a small model that
    guesses for this one, "off" for none and "auto" for an installed one that fits.
    """

    context: int | None = None
    threads: int | None = None
    gpu_layers: int | None = None
    flash_attention: str | None = None
    kv_type: str | None = None
    streams: int | None = None
    experts_on_cpu: int | None = None
    draft_model: str | None = None


class GuideRef(Struct, frozen=True, tag="guide"):
    """The guide that comes with the app."""


class FileRef(Struct, frozen=True, tag="file", omit_defaults=True):
    """A GGUF file by its absolute path."""

    path: str
    options: LoadOptions = LoadOptions()


ModelRef: TypeAlias = GuideRef | FileRef


def with_context(ref: ModelRef, context: int | None) -> ModelRef:
    """``ref`` to be loaded with ``context`` tokens, unless it says itself with how many. The guide has its own."""
    if context is None or not isinstance(ref, FileRef) or ref.options.context is not None:
        return ref
    return structs.replace(ref, options=structs.replace(ref.options, context=context))


def merged(*sources: object) -> dict[str, Any]:
    """The load options that ``sources`` (settings, ``LoadOptions``) have, those of a later one in the place of an
    earlier one's."""
    return {
        name: value
        for source in sources
        for name in LoadOptions.__struct_fields__
        if (value := getattr(source, name)) is not None
    }
