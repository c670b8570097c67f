"""The texts that a package carries, filled from ``product``: one template each in ``data/``.

A template is a ``string.Template``; values are written as the file's own language wants them (XML, desktop file,
troff), so that a name with ``&`` or a hyphen cannot break it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from string import Template
from typing import NamedTuple
from xml.sax.saxutils import escape

import product
from dev_console import Failed

DATA = Path(__file__).resolve().parent / "data"
MIME_TYPE = "application/x-gguf"
#: The icon of GGUF files: desktops look for the type's name with a hyphen.
MIME_ICON = MIME_TYPE.replace("/", "-")
_VERSION_HEADING = re.compile(r"^## \[([^\]]+)\](?: - (\d{4}-\d{2}-\d{2}))?\s*$")


class Release(NamedTuple):
    """One version of the changelog. ``dated`` is False for what is not released yet."""

    version: str
    date: str
    items: tuple[str, ...]
    dated: bool


def values() -> dict[str, str]:
    """What every template may name."""
    name, _, address = product.MAINTAINER.partition(" <")
    return {
        "NAME": product.NAME,
        "ID": product.ID,
        "APP_ID": product.APP_ID,
        "SUMMARY": product.SUMMARY,
        "LICENCE": product.LICENCE,
        "URL": product.URL,
        "MAINTAINER": product.MAINTAINER,
        "MAINTAINER_NAME": name,
        "MAINTAINER_MAIL": address.rstrip(">"),
        "DEVELOPER_ID": ".".join(product.APP_ID.split(".")[:-1]).lower(),
        "VERSION": product.version(),
        "DATE": day(),
        "YEAR": day()[:4],
        "PROGRAM": product.CONSOLE_PROGRAM,
        "WINDOW_PROGRAM": product.WINDOW_PROGRAM,
        "MIME_TYPE": MIME_TYPE,
        "MIME_ICON": MIME_ICON,
    }


def day() -> str:
    """The day that stands in the texts: that of ``product.epoch``, in UTC."""
    return time.strftime("%Y-%m-%d", time.gmtime(product.epoch()))


def fill(template: str, **more: str) -> str:
    """The text of ``data/<template>`` with all names replaced; ``more`` is taken as it is, already escaped."""
    write = _ESCAPES.get(template.removesuffix(".in").rpartition(".")[2], _plain)
    known = {name: write(value) for name, value in values().items()} | more
    try:
        return Template((DATA / template).read_text(encoding="utf-8")).substitute(known)
    except (KeyError, ValueError) as error:
        raise Failed(f"installers/linux/data/{template} names something unknown: {error}.") from error


def _plain(value: str) -> str:
    return value


def _xml(value: str) -> str:
    return escape(value, {'"': "&quot;"})


def _desktop(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", " ")


def _troff(value: str) -> str:
    return value.replace("\\", "\\e").replace("-", "\\-")


_ESCAPES: dict[str, Callable[[str], str]] = {"xml": _xml, "desktop": _desktop, "1": _troff}


def desktop(command: str, *, extra: str = "") -> str:
    """The desktop file; ``command`` is its Exec up to the file names, ``extra`` more lines for it."""
    return fill("app.desktop.in", EXEC=command, EXTRA=extra)


def quoted(path: str) -> str:
    """``path`` as one word of an Exec line: in quotes where it holds a space."""
    if not re.search(r"[^A-Za-z0-9_./+-]", path):
        return path
    word = re.sub(r'(["`$\\])', r"\\\1", path)  # as the Exec key wants it …
    return '"' + word.replace("\\", "\\\\") + '"'  # … inside a string, where a backslash is written twice


def metainfo(desktop_id: str = f"{product.ID}.desktop") -> str:
    """The AppStream metainfo for the desktop file ``desktop_id``."""
    description = "\n".join(f"    <p>{_xml(sentence)}</p>" for sentence in product.DESCRIPTION)
    return fill("metainfo.xml.in", DESKTOP_ID=_xml(desktop_id), DESCRIPTION=description, RELEASES=_releases_xml())


def mime() -> str:
    """The shared MIME database's description of GGUF files."""
    return fill("mime.xml.in")


def manual() -> str:
    """The manual page, troff."""
    return fill("manual.1.in", DATE=day())


def releases() -> tuple[Release, ...]:
    """The versions of CHANGELOG.md, newest first. A version of ours that it does not date yet is its "Unreleased"."""
    found: list[Release] = []
    for line in (product.ROOT / "CHANGELOG.md").read_text(encoding="utf-8").splitlines():
        heading = _VERSION_HEADING.match(line)
        if heading is not None:
            found.append(Release(heading[1], heading[2] or "", (), bool(heading[2])))
        elif found and line.startswith("- "):
            found[-1] = found[-1]._replace(items=(*found[-1].items, line[2:].strip()))
        elif found and found[-1].items and line.startswith("  "):
            items = found[-1].items
            found[-1] = found[-1]._replace(items=(*items[:-1], f"{items[-1]} {line.strip()}"))
    known = [release for release in found if release.dated]
    if all(release.version != product.version() for release in known):
        items = next((release.items for release in found if release.version.lower() == "unreleased"), ())
        known.insert(0, Release(product.version(), day(), items, dated=False))
    return tuple(known)


def _releases_xml() -> str:
    lines: list[str] = []
    for release in releases():
        kind = "stable" if release.dated else "development"
        lines.append(f'    <release version="{_xml(release.version)}" date="{release.date}" type="{kind}">')
        if release.items:
            lines += ["      <description>", "        <ul>"]
            lines += [f"          <li>{_inline(item)}</li>" for item in release.items]
            lines += ["        </ul>", "      </description>"]
        lines.append("    </release>")
    return "\n".join(lines)


def _inline(markdown: str) -> str:
    """The two marks that AppStream knows too: bold and code."""
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(markdown))
    return re.sub(r"\*\*([^*]+)\*\*", r"<em>\1</em>", text)
