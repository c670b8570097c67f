"""A part that ships, and the text of ``NOTICE`` for all of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import product

RULE = "=" * 78


@dataclass(frozen=True)
class Component:
    """One part that ships. ``files`` are its compiled files with their SHA-256; ``texts`` its licence texts."""

    name: str
    version: str
    licence: str
    purl: str = ""
    home: str = ""
    files: tuple[tuple[str, str], ...] = ()
    texts: tuple[str, ...] = ()
    note: str = ""
    inside: tuple[tuple[str, str, str], ...] = ()  # name, version, licence of what is linked into it


def notice(components: Sequence[Component]) -> str:
    """The text of NOTICE: one section for each part, then each licence text once.

    The window's About page reads it back (``qwen_desktop/services/notices.py``): a section begins with a line of
    78 ``=``, its title and such a line again; then come ``Name: value`` lines.
    """
    numbers: dict[str, int] = {}
    bodies: list[str] = []
    for part in components:
        for text in part.texts:
            if text.strip() and _same(text) not in numbers:
                numbers[_same(text)] = len(numbers) + 1
                bodies.append(text.strip("\r\n").replace("\r\n", "\n"))
    lines = [
        f"{product.NAME} {product.version()} and the work of others in it. Each part is listed with its version, its",
        "licence and the numbers of the texts that apply; the texts follow after the last part.",
        "",
    ]
    for number, part in enumerate(components, 1):
        shown = ", ".join(dict.fromkeys(str(numbers[_same(text)]) for text in part.texts if text.strip()))
        lines += [RULE, f"PART {number}", RULE, f"Name: {part.name}", f"Version: {part.version}".rstrip()]
        lines += [f"Licence: {part.licence}", f"Home: {part.home}".rstrip(), f"Texts: {shown}", ""]
        lines += [part.note, ""] if part.note else []
        if part.inside:
            linked = "; ".join(" ".join(word for word in entry if word) for entry in part.inside)
            lines += [f"Linked into it: {linked}.", ""]
    for number, body in enumerate(bodies, 1):
        lines += [RULE, f"TEXT {number}", RULE, body, ""]
    return "\n".join(lines)


def _same(text: str) -> str:
    """The same for texts that differ in white space alone."""
    return hashlib.sha256(" ".join(text.split()).encode()).hexdigest()
