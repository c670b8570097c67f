#!/usr/bin/env python3
"""Checks packages with the tools that distributions use: ``python installers/linux/check.py FILE.deb|APPDIR ...``.

A tool that is not installed is named and passed over; ``--strict`` makes that a failure, too (for releases).
"""

from __future__ import annotations

import argparse
import gzip
import os
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent.parent / "tools")]

import product  # noqa: E402 - the folders are on the path only now
from dev_console import Failed, output, say  # noqa: E402

from linux import icons, texts  # noqa: E402


class Finding(NamedTuple):
    """What one check says. ``state`` is "ok", "failed" or "missing" (its tool is not installed)."""

    check: str
    state: str
    text: str = ""


def tree(root: Path) -> list[Finding]:
    """Check what lies below ``root/usr``: desktop file, metainfo, MIME type, manual page, icons."""
    share = root / "usr" / "share"
    checks: tuple[Callable[[Path], Iterator[Finding]], ...] = (_desktop, _metainfo, _mime, _manual, _icons)
    return [finding for check in checks for finding in check(share)]


def package(deb: Path) -> list[Finding]:
    """Check a Debian package: lintian, and its tree."""
    found = [_run("lintian", ["lintian", "--allow-root", "--fail-on", "error,warning", "--info", deb])]
    with tempfile.TemporaryDirectory(prefix="qwen-desktop-check-") as folder:
        code, text = output(["dpkg-deb", "-x", deb, folder])
        if code != 0:
            return [*found, Finding("dpkg-deb", "failed", text)]
        return found + tree(Path(folder))


def _run(check: str, command: Sequence[str | Path], *, silent: bool = False, ignore_output: bool = False) -> Finding:
    """Run a tool. Exit code 0 is good; with ``silent`` only when it said nothing. ``ignore_output`` looks at stderr."""
    if shutil.which(str(command[0])) is None:
        return Finding(check, "missing", f"{command[0]} is not installed")
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    pipe, null = subprocess.PIPE, subprocess.DEVNULL
    try:
        done = subprocess.run(
            [str(part) for part in command],
            env=environment,
            encoding="utf-8",
            errors="replace",
            check=False,
            timeout=600,
            stdin=null,
            stdout=null if ignore_output else pipe,
            stderr=pipe if ignore_output else subprocess.STDOUT,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Finding(check, "failed", f"{command[0]}: {type(error).__name__}")
    text = ((done.stderr if ignore_output else done.stdout) or "").strip()
    return Finding(check, "failed" if done.returncode != 0 or (silent and text) else "ok", text)


def _desktop(share: Path) -> Iterator[Finding]:
    files = sorted((share / "applications").glob("*.desktop"))
    yield _one("one desktop file", files)
    yield from (
        _run(f"desktop-file-validate {path.name}", ["desktop-file-validate", path], silent=True) for path in files
    )


def _metainfo(share: Path) -> Iterator[Finding]:
    files = sorted((share / "metainfo").glob("*.xml"))
    yield _one("one metainfo file", files)
    for path in files:
        yield _run(f"xmllint {path.name}", ["xmllint", "--noout", path])
        yield _run(f"appstreamcli {path.name}", ["appstreamcli", "validate", "--no-net", "--pedantic", path])


def _mime(share: Path) -> Iterator[Finding]:
    files = sorted((share / "mime" / "packages").glob("*.xml"))
    yield _one("one MIME file", files)
    for path in files:
        yield _run(f"xmllint {path.name}", ["xmllint", "--noout", path])
    with tempfile.TemporaryDirectory(prefix="qwen-desktop-mime-") as folder:
        database = Path(folder) / "mime"
        shutil.copytree(share / "mime", database)
        found = _run("update-mime-database", ["update-mime-database", database])
        if found.state == "ok":
            names = (database / "globs2").read_text(encoding="utf-8") if (database / "globs2").is_file() else ""
            magic = (database / "magic").read_bytes() if (database / "magic").is_file() else b""
            if f":{texts.MIME_TYPE}:*.gguf" not in names or b"GGUF" not in magic:
                found = Finding(found.check, "failed", f"the database does not know {texts.MIME_TYPE}")
            else:  # what it said is that a database in a folder of its own is in no search path
                found = found._replace(text="")
        yield found


def _manual(share: Path) -> Iterator[Finding]:
    files = sorted((share / "man" / "man1").glob("*.1.gz"))
    yield _one("one manual page", files)
    for path in files:
        with tempfile.TemporaryDirectory(prefix="qwen-desktop-man-") as folder:
            page = Path(folder) / path.stem
            page.write_bytes(gzip.decompress(path.read_bytes()))
            yield _run(f"mandoc {page.name}", ["mandoc", "-T", "lint", "-W", "warning", page], silent=True)
            warnings: list[str | Path] = ["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", page]
            yield _run(f"man --warnings {page.name}", warnings, silent=True, ignore_output=True)


def _icons(share: Path) -> Iterator[Finding]:
    hicolor = share / "icons" / "hicolor"
    wrong: list[str] = []
    for size in icons.SIZES:
        for context in ("apps", "mimetypes"):
            files = sorted((hicolor / f"{size}x{size}" / context).glob("*.png"))
            wrong += [f"{size}x{size}/{context} has {len(files)} icons"] if len(files) != 1 else []
            wrong += [str(path.relative_to(hicolor)) for path in files if png_size(path) != (size, size)]
    wrong += [
        f"scalable/{context}"
        for context in ("apps", "mimetypes")
        if not any((hicolor / "scalable" / context).glob("*.svg"))
    ]
    yield Finding("icons", "failed" if wrong else "ok", "wrong or missing: " + ", ".join(wrong) if wrong else "")


def png_size(path: Path) -> tuple[int, int]:
    """Width and height of a PNG file, (0, 0) for anything else."""
    data = path.read_bytes()[:24]
    if len(data) < 24 or data[:8] != b"\x89PNG\r\n\x1a\n":
        return 0, 0
    width, height = struct.unpack(">II", data[16:24])
    return int(width), int(height)


def _one(check: str, files: Sequence[Path]) -> Finding:
    return Finding(check, "ok" if len(files) == 1 else "failed", "" if len(files) == 1 else f"there are {len(files)}")


def check(path: Path) -> list[Finding]:
    """Check a ``.deb`` or a folder with ``usr`` in it."""
    path = path.absolute()
    if path.is_dir() and (path / "usr").is_dir():
        return tree(path)
    if path.is_file() and path.suffix == ".deb":
        return package(path)
    raise Failed(f"{path} is no .deb and no AppDir of {product.NAME}.")


def main(arguments: Sequence[str]) -> int:
    """Check; return the exit code."""
    parser = argparse.ArgumentParser(prog="check.py", description="Check Linux packages.")
    parser.add_argument("--strict", action="store_true", help="a tool that is not installed is a failure")
    parser.add_argument("paths", nargs="+", type=Path, metavar="FILE.deb|APPDIR")
    options = parser.parse_args(arguments)
    failed = 0
    try:
        for path in options.paths:
            for finding in check(path):
                say(f"{finding.state:8}{finding.check}")
                if finding.text:
                    say("        " + finding.text.replace("\n", "\n        "))
                failed += finding.state == "failed" or (options.strict and finding.state == "missing")
        if failed:
            raise Failed(f"{failed} checks failed: see above.")
    except Failed as failure:
        print(f"check: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
