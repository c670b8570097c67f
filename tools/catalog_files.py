"""A catalogue entry's files, read from the facts: name patterns, sizes, parts, companions."""

from __future__ import annotations

import re
from typing import Any

from msgspec import Struct, field

from qwen_desktop.core.gguf import part_names

_SIZE = re.compile(r"^(?P<quant>(?:UD-)?[A-Z0-9_]+?)(?P<about>_approx)?(?P<unit>_GiB|_GB|_MB)?$")
_UNITS = {"_MB": 10**6, "_GB": 10**9, "_GiB": 2**30, None: 1}
_PART = re.compile(r"-(\d{5})-of-(\d{5})\.gguf$")


class Sizes(Struct):
    """Bytes by quant: ``known`` to the byte, of each part in ``parts``, or ``about``."""

    known: dict[str, int] = field(default_factory=dict)
    parts: dict[str, list[int]] = field(default_factory=dict)
    about: dict[str, int] = field(default_factory=dict)


def pattern_of(facts: dict[str, Any]) -> str:
    """The name pattern with ``{QUANT}`` or ``{quant}`` (lower case), without part numbers; "" when unknown.

    The facts write it with remarks: "qwen2-0_5b-instruct-{quant_lower}.gguf  (0.5b/1.5b written 0_5b/1_5b)".
    """
    text: str = facts.get("pattern") or facts.get("file_pattern") or ""
    text = re.split(r"  | \(| in the ", text, maxsplit=1)[0].strip()
    for written, meant in (
        ("{quant_lower}", "{quant}"),
        ("UD-{QUANT}", "{QUANT}"),
        ("{QUANT or UD-QUANT}", "{QUANT}"),
        ("{UD-QUANT}", "{QUANT}"),
        ("-0000i-of-0000N", ""),
        ("-q8_0.gguf", "-{quant}.gguf"),
    ):
        text = text.replace(written, meant)
    return re.sub(r"^Q4_K_M/", "{QUANT}/", text)


def sizes_of(facts: dict[str, Any]) -> Sizes:
    """The sizes in the facts. Those of other repositories or of several revisions ("Q8_0 (ggml-org)") do not count."""
    found = Sizes()
    for key, value in (facts.get("sizes") or {}).items():
        if key.endswith("_parts"):
            found.parts[key.removesuffix("_parts")] = list(value)
            continue
        match = _SIZE.match(key)
        if match is None or not isinstance(value, int | float):
            continue
        size = int(value * _UNITS[match["unit"]])
        (found.about if match["about"] or match["unit"] else found.known)[match["quant"]] = size
    found.known.update(facts.get("sizes_added", {}))
    found.about.update(facts.get("sizes_about", {}))
    return found


def parts_of(facts: dict[str, Any], quant: str, sizes: Sizes) -> int:
    """How many files a quant has."""
    if quant in sizes.parts:
        return len(sizes.parts[quant])
    counted = facts["quants"].get(quant)
    if counted is None or counted == 1:
        for name in facts.get("examples") or facts.get("example_files") or []:
            match = _PART.search(name)
            if match and quant.lower() in name.lower():
                return int(match[2])
    return int(counted or 1)


def mmproj_size(facts: dict[str, Any], name: str) -> int:
    """The bytes of a companion where the facts tell them for its type, else 0."""
    for key, size in (facts.get("mmproj_sizes") or {}).items():
        kind = key.removeprefix("mmproj").strip(" -")
        if "approx" not in kind and kind.lower() in name.lower():
            return int(size)
    return 0


def repo_of(text: str) -> str:
    """The repository of an alternative, which the facts write with remarks; "" for a general one ("bartowski/…")."""
    name = text.partition(" ")[0].strip()
    return name if re.fullmatch(r"[\w.-]+/[\w.-]+", name, re.ASCII) else ""


def file_names(pattern: str, quant: str, parts: int = 1) -> tuple[str, ...]:
    """The names that ``pattern`` gives for ``quant``: ``{QUANT}`` and ``{quant}`` (lower case) stand for its name, and
    a model in several ``parts`` has their numbers before the ending."""
    name = pattern.replace("{QUANT}", quant).replace("{quant}", quant.lower())
    if parts <= 1:
        return (name,)
    return tuple(part_names(name.removesuffix(".gguf"), parts))
