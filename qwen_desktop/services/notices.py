"""Whose work is inside: read from ``NOTICE`` where an installer put one, else from what is installed.

Reading takes a moment, so the window does it in a thread.
"""

from __future__ import annotations

import importlib.metadata
import re
from pathlib import Path
from typing import NamedTuple

from qwen_desktop.core.paths import FOLDER

#: A section begins with a line of 78 "=", its title, and such a line again (see installers/licence_notice.py).
_SECTION = re.compile(r"^={78}\n(PART|TEXT) (\d+)\n={78}\n", re.MULTILINE)
_TEXTS = ("LICEN", "COPYING", "NOTICE", "AUTHORS")
_LONG = 60
#: The name that a requirement begins with.
_NAME = re.compile(r"[A-Za-z0-9._-]+")
#: A line that begins like this begins something new: a list, a heading in capitals, a copyright.
_NEW = re.compile(
    r"\s*([-*•·=_#]|\(?[\da-zA-Z]{1,3}[.)]\s|\(c\)|copyright:?\s*(\(c\)|©|\d|$)|©|licen[cs]e:|files:)", re.IGNORECASE
)


class Part(NamedTuple):
    """One part with its licence texts."""

    name: str
    version: str
    licence: str
    home: str = ""
    note: str = ""
    texts: tuple[str, ...] = ()

    def matches(self, words: str) -> bool:
        """Whether all ``words`` stand in the name or the licence."""
        said = f"{self.name} {self.licence}".casefold()
        return all(word in said for word in words.casefold().split())


def load(resources: Path) -> tuple[Part, ...]:
    """All parts, sorted by name."""
    try:
        text = (resources / "NOTICE").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return installed()
    return parse(text) or installed()


def parse(text: str) -> tuple[Part, ...]:
    """The parts that a NOTICE lists."""
    pieces = _SECTION.split(text.replace("\r\n", "\n"))[1:]
    sections = list(zip(pieces[0::3], pieces[1::3], pieces[2::3], strict=True))
    texts = {number: body.strip("\n") for kind, number, body in sections if kind == "TEXT"}
    return tuple(_part(body, texts) for kind, _, body in sections if kind == "PART")


def _part(body: str, texts: dict[str, str]) -> Part:
    head, _, note = body.partition("\n\n")
    said = dict(line.partition(":")[::2] for line in head.splitlines() if ":" in line)
    numbers = [number.strip() for number in said.get("Texts", "").split(",")]
    return Part(
        name=said.get("Name", "").strip(),
        version=said.get("Version", "").strip(),
        licence=said.get("Licence", "").strip(),
        home=said.get("Home", "").strip(),
        note=note.strip(),
        texts=tuple(texts[number] for number in numbers if number in texts),
    )


def reflowed(text: str) -> str:
    """``text`` with the lines of each paragraph joined, so that it wraps where the window does. No word changes."""
    lines: list[str] = []
    last = ""  # the last line as it was
    for line in text.expandtabs().splitlines():
        stripped = line.strip()
        deeper = _indent(line) - _indent(last)
        first = len(lines) > 1 and not lines[-2]  # of its paragraph; the GPL indents it
        goes_on = deeper == 0 or (0 < deeper <= 8 and _NEW.match(last) is not None) or (-4 <= deeper < 0 and first)
        if lines and len(last.strip()) >= 48 and stripped and goes_on and not _NEW.match(line):
            lines[-1] = f"{lines[-1].rstrip()} {stripped}"
        else:
            lines.append(line.rstrip())
        last = line
    return "\n".join(lines)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def installed() -> tuple[Part, ...]:
    """What the metadata say of the packages that the app needs, directly or through others."""
    found: dict[str, importlib.metadata.Distribution] = {}
    waiting = [FOLDER]
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in found:
            continue
        try:
            found[name] = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        # Those of extras are left out, and what a system does not need is not installed.
        needed = [line for line in found[name].requires or () if "extra ==" not in line]
        waiting += [match[0] for match in map(_NAME.match, needed) if match]
    found.pop(FOLDER, None)
    entries = found.values() or list(importlib.metadata.distributions())  # the app itself may not be installed
    parts = [_from_metadata(entry) for entry in entries]
    return tuple(sorted(parts, key=lambda part: part.name.casefold()))


def _from_metadata(entry: importlib.metadata.Distribution) -> Part:
    data = entry.metadata
    classifiers = [line.split(" :: ")[-1] for line in data.get_all("Classifier") or [] if line.startswith("License")]
    said = (_field(data, "License-Expression"), _field(data, "License"), ", ".join(classifiers))
    licence = next((word.strip() for word in said if word and len(word) <= _LONG and "\n" not in word), "")
    homes = [line.partition(",")[2].strip() for line in data.get_all("Project-URL") or []]
    texts = []
    for path in entry.files or []:
        if ".dist-info" in path.parts[0] and (path.name.upper().startswith(_TEXTS) or "licenses" in path.parts[1:-1]):
            try:
                texts.append(Path(str(path.locate())).read_text(encoding="utf-8", errors="replace").strip("\n"))
            except OSError:
                continue
    home = _field(data, "Home-page") or next(iter(homes), "")
    return Part(data["Name"], data["Version"], licence, home, texts=tuple(texts))


def _field(data: importlib.metadata.PackageMetadata, name: str) -> str:
    return next(iter(data.get_all(name) or ()), "")
