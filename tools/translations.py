#!/usr/bin/env python3
"""Bring the translations up to date: ``python3 tools/dev.py translations [--check] [LANGUAGE …]``.

Runs Qt's ``lupdate`` over the package and ``lrelease`` over ``resources/translations``, both from the wheel of Qt. A
named language that has no file yet (``de``, ``pt_BR``) gets one. English has a file too, for its forms of one and many,
which are made here by ``core.text.plural``. ``.ts`` and ``.qm`` are both committed: an installation needs no Qt tools.
After a merge that cannot join them: take either side, then run this.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from pathlib import Path

import marks
import PySide6
from dev_console import ROOT, Failed, say

from qwen_desktop.core.text import plural

PACKAGE = ROOT / "qwen_desktop"
CATALOGUE = ROOT / "resources" / "catalog.json"
FOLDER = ROOT / "resources" / "translations"
BASE = "qwen_desktop"
_ENGLISH = "en"
#: A number that stands alone before "(s)" or "|" has these forms in English.
_ONE, _MANY = 1, 2


def qt(tool: str, *arguments: str | Path) -> str:
    """Run ``lupdate`` or ``lrelease``; returns what it says. Raises ``Failed``."""
    program = Path(PySide6.__file__).parent / (f"{tool}.exe" if sys.platform == "win32" else tool)
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"{tool} failed: {done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def extract(target: Path, language: str, *, plural_only: bool = False, also: Sequence[marks.Mark] = ()) -> None:
    """Write what the package marks into ``target``, a ``.ts`` file; what is translated in it stays. ``also`` are texts
    from elsewhere."""
    with tempfile.TemporaryDirectory() as folder:
        # Not every version of lupdate sees that translate() and constants have forms. What comes first counts.
        more = Path(folder, "more.py")
        numbered = [mark for mark in marks.read(PACKAGE)[0] if mark.plural]
        more.write_text("".join(map(_written, (*numbered, *marks.of_catalogue(CATALOGUE), *also))), "utf-8")
        listing = Path(folder, "files.lst")
        listing.write_text("\n".join(map(str, (more, *marks.files(PACKAGE)))), "utf-8")
        options = ["-silent", "-locations", "none", "-no-obsolete", "-source-language", "en"]
        qt(
            "lupdate", *options, "-target-language", language, *(["-pluralonly"] if plural_only else []),
            f"@{listing}", "-ts", target,
        )  # fmt: skip
    tree = ET.parse(target)  # noqa: S314 - our own file
    for context in tree.iter("context"):
        context[:] = [*context.findall("name"), *sorted(context.findall("message"), key=_source)]
        for message in context.findall("message"):  # a "#:" above is for whoever reads the code
            message[:] = [part for part in message if part.tag != "extracomment"]
    _write(tree, target)


def _source(message: ET.Element) -> str:
    return message.findtext("source") or ""


def _written(mark: marks.Mark) -> str:
    number = ', "", n' if mark.plural else ""
    return f"class {mark.context}:\n    def m(self):\n        self.tr({_quoted(mark.source)}{number})\n\n\n"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def translate(path: Path, one: Callable[[str], str], forms: Callable[[str, int], list[str]]) -> None:
    """Fill every message of a ``.ts`` file: a source alone, or its forms for numbers (as many as there are)."""
    tree = ET.parse(path)  # noqa: S314 - our own file
    for message in tree.iter("message"):
        source = _source(message)
        found = message.find("translation")
        if found is None:
            found = ET.SubElement(message, "translation")
        found.attrib.pop("type", None)
        slots = found.findall("numerusform")
        if not slots:
            found.text = one(source)
            continue
        for slot in slots:
            found.remove(slot)
        for text in forms(source, len(slots)):
            ET.SubElement(found, "numerusform").text = text
    _write(tree, path)


def english(source: str, count: int) -> list[str]:
    """The forms of a source in English, by the one rule that there is."""
    return [plural(source, number) for number in (_ONE, _MANY)][:count]


def release(source: Path, target: Path) -> None:
    """Compile a ``.ts`` file. A number in a form is written as the user's locale does (Qt's ``%Ln``)."""
    tree = ET.parse(source)  # noqa: S314 - our own file
    for form in tree.iter("numerusform"):
        form.text = (form.text or "").replace("%n", "%Ln")
    with tempfile.TemporaryDirectory() as folder:
        numbered = Path(folder, source.name)
        _write(tree, numbered)
        qt("lrelease", "-silent", numbered, "-qm", target)


def _write(tree: ET.ElementTree[ET.Element], path: Path) -> None:
    ET.indent(tree, "    ")
    text = ET.tostring(tree.getroot(), encoding="unicode")
    path.write_text(f'<?xml version="1.0" encoding="utf-8"?>\n<!DOCTYPE TS>\n{text}\n', "utf-8", newline="\n")


def make(folder: Path, languages: Sequence[str]) -> None:
    """Update and compile the files of ``languages`` in ``folder``."""
    for language in languages:
        path = folder / f"{BASE}_{language}.ts"
        extract(path, language, plural_only=language == _ENGLISH)
        if language == _ENGLISH:
            translate(path, str, english)
        release(path, path.with_suffix(".qm"))


def known() -> list[str]:
    """The languages that have a file."""
    return sorted({_ENGLISH, *(path.stem.removeprefix(f"{BASE}_") for path in FOLDER.glob(f"{BASE}_*.ts"))})


def stale() -> list[str]:
    """Names of files that are not as they would be made now."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for path in FOLDER.glob("*.ts"):
            (folder / path.name).write_bytes(path.read_bytes())
        make(folder, known())
        made = {path.name: path.read_bytes() for path in folder.iterdir()}
    return sorted(name for name, data in made.items() if not _same(FOLDER / name, data))


def _same(path: Path, data: bytes) -> bool:
    return path.is_file() and path.read_bytes() == data


def main(argv: Sequence[str]) -> int:
    """Name texts that lupdate would not find (a test refuses them). Exit codes: 0, 1 when ``--check`` finds files that
    are not up to date."""
    parser = argparse.ArgumentParser(prog="tools/dev.py translations", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="change nothing; fail when something would change")
    parser.add_argument("languages", nargs="*", metavar="LANGUAGE", help="one that has no file yet")
    chosen = parser.parse_args(argv)
    found, faults = marks.read(PACKAGE)
    for fault in faults:
        say(f"{fault.where}: {fault.why}")
    if chosen.check:
        old = stale()
        if old:
            say(f"Not up to date: {', '.join(old)}. Run: python3 tools/dev.py translations")
        return int(bool(old))
    FOLDER.mkdir(parents=True, exist_ok=True)
    languages = sorted({*known(), *chosen.languages})
    make(FOLDER, languages)
    say(f"{len({(mark.context, mark.source) for mark in found})} texts; languages: {', '.join(languages)}.")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Failed as error:
        sys.exit(f"\n{error}")
