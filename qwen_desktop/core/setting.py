"""What a declared setting is: the words people read about it, its kind, limits and default."""

from __future__ import annotations

import sys
from typing import Annotated, Any, Literal, get_args, get_origin

from msgspec import Meta, Struct

from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Source


class Info(Struct, frozen=True):
    """What people read about a setting. ``applies``: "now", "next message", "next load" of the model or
    "next download".

    ``unit`` is the number with its unit, "{n} MB/s" or "%n minute(s)"; ``auto`` labels ``None``; ``labels`` are those
    of a ``Literal``'s words, in its order; ``offers`` are numbers to choose from, where any other in range is accepted
    too. ``path`` says that it names a file or a folder, whose name need not be text (``core.paths``). ``systems`` are
    those that it has an effect on (``sys.platform``), all when empty; elsewhere the page has no row for it.
    """

    title: Source
    help: Source | None = None
    unit: Source | None = None
    auto: Source = QT_TRANSLATE_NOOP("settings", "Automatic")
    applies: Literal["now", "next message", "next load", "next download"] = "now"
    labels: tuple[Source, ...] = ()
    offers: tuple[int, ...] = ()
    step: float = 1
    multiline: bool = False
    hidden: bool = False
    path: bool = False
    systems: tuple[str, ...] = ()


_Kind = Literal["bool", "int", "float", "choice", "text", "list"]
_KINDS: dict[Any, _Kind] = {bool: "bool", int: "int", float: "float", str: "text", tuple: "list"}


class Setting(Struct, frozen=True):
    """One declared setting, as the page and the file see it."""

    section: str
    name: str
    kind: _Kind
    optional: bool
    default: Any
    info: Info
    minimum: float | None = None
    maximum: float | None = None
    type: Any = None
    #: the minimum itself is not allowed
    above: bool = False
    max_length: int | None = None
    #: the words that are allowed and their labels, of kind "choice"
    choices: tuple[tuple[str, Source], ...] = ()

    @property
    def key(self) -> str:
        """``section.name``, as the file and the command line write it."""
        return f"{self.section}.{self.name}"

    @property
    def shown(self) -> bool:
        """Whether the page has a row for it on this system."""
        return not self.info.hidden and (not self.info.systems or sys.platform in self.info.systems)


def describe(section: str, name: str, hint: Any, default: Any) -> Setting:
    """Read one declared field: ``hint`` is its ``Annotated`` type with an ``Info`` and maybe ``Meta`` limits."""
    base, *metas = get_args(hint)
    optional = type(None) in get_args(base)
    core = next(a for a in get_args(base) if a is not type(None)) if optional else base
    if get_origin(core) is Annotated:
        core, *inner = get_args(core)
        metas += inner
    info = next(m for m in metas if isinstance(m, Info))
    limits = next((m for m in metas if isinstance(m, Meta)), Meta())
    words = get_args(core) if get_origin(core) is Literal else ()
    return Setting(
        section,
        name,
        kind="choice" if words else _KINDS[get_origin(core) or core],
        optional=optional,
        default=default,
        info=info,
        minimum=limits.gt if limits.ge is None else limits.ge,
        maximum=limits.le,
        type=hint,
        above=limits.gt is not None,
        max_length=limits.max_length,
        choices=tuple(zip(words, info.labels, strict=True)),
    )
