"""The examples of the CommonMark and the GitHub-flavoured specification, read from a parser's source archive.

Their text is under CC BY-SA and no part of this repository. ``tools/dev.py long`` puts the archive into the build
cache; without it the tests that read it are skipped.
"""

from __future__ import annotations

import hashlib
import os
import re
import tarfile
from pathlib import Path
from typing import NamedTuple

import pytest

#: Where the archive lies; ``tools/dev.py`` sets it.
FOLDER = "QWEN_DESKTOP_SPEC"
NAME = "marko-2.2.4"
SHA256 = "c042c66f835425673123d7536b39b4660de3b68e30078c70fd26245b31170683"
FILES = ("commonmark.txt", "gfm.txt")

_EXAMPLE = re.compile(r"^`{32} example[^\n]*\n(.*?)^\.\n(.*?)^`{32}$", re.MULTILINE | re.DOTALL)


class Example(NamedTuple):
    """One of them: its Markdown, and the HTML that it should become."""

    name: str
    markdown: str
    html: str


def folder() -> Path:
    """Where the archive is looked for."""
    chosen = os.environ.get(FOLDER, "")
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(chosen) if chosen else home / "qwen-desktop-build" / "spec"


def examples() -> list[Example]:
    """All examples; skips the test where there are none."""
    archive = folder() / f"{NAME}.tar.gz"
    if not archive.is_file():
        pytest.skip(f"no {archive}: tools/dev.py long fetches it")
    assert hashlib.sha256(archive.read_bytes()).hexdigest() == SHA256
    found = []
    with tarfile.open(archive) as files:
        for name in FILES:
            file = files.extractfile(f"{NAME}/tests/spec/{name}")
            assert file is not None
            for number, each in enumerate(_EXAMPLE.finditer(file.read().decode("utf-8")), 1):
                markdown, html = (part.replace("→", "\t") for part in each.groups())
                found.append(Example(f"{name} {number}", markdown, html))
    return found
