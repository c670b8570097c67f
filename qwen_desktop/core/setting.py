"""What a declared setting is: the words people read about it, its kind, limits and default."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args, get_origin

from msgspec import Meta, Struct


class Info(Struct, frozen=True):
    """What people read about a setting. ``applies``: "now", "next message", "next load" of the model or
    "next download".

    ``unit`` is a word after the number; ``auto`` labels ``None``; ``choices`` offers (value, label) pairs, and a
    number field with choices still accepts any value in range from the file. ``path`` says that it names a file or a
    folder, whose name need not be text (``core.paths``).
    """

    title: str
    help: str = ""
    unit: str = ""
    auto: str = ""
    applies: Literal["now", "next message", "next load", "next download"] = "now"
    choices: tuple[tuple[str | int, str], ...] = ()
    step: float = 1
    multiline: bool = False
    hidden: bool = False
    path: bool = False


class Setting(Struct, frozen=True):
    """One declared setting, as the page and the file see it."""

    section: str
    name: str
    kind: Literal["bool", "int", "float", "choice", "text", "list"]
    optional: bool
    default: Any
    info: Info
    minimum: float | None = None
    maximum: float | None = None
    type: Any = None
    #: the minimum itself is not allowed
    above: bool = False
    max_length: int | None = None

    @property
    def key(self) -> str:
        """``section.name``, as the file and the command line write it."""
        return f"{self.section}.{self.name}"


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
    if get_origin(core) is Literal:
        kind: Any = "choice"
    elif get_origin(core) is tuple:
        kind = "list"
    else:
        kind = {bool: "bool", int: "int", float: "float", str: "text"}[core]
    low = limits.ge if limits.ge is not None else limits.gt
    return Setting(
        section, name, kind, optional, default, info, low, limits.le, hint, limits.gt is not None, limits.max_length
    )
