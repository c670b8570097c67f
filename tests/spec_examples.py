"""The examples of the CommonMark and the GitHub-flavoured specification, read from a parser's source archive.

Their text is under CC BY-SA and no part of this repository. ``tools/dev.py long`` puts the archive into the build
cache; without it the tests that read it are skipped.
"""

from __future__ import annotations

import hashlib
import re
import tarfile
from typing import NamedTuple

import dev_cache
import pytest

NAME = "marko-2.2.4"
SHA256 = "c042c66f835425673123d7536b39b4660de3b68e30078c70fd26245b31170683"
FILES = ("commonmark.txt", "gfm.txt")

_EXAMPLE = re.compile(r"^`{32} example[^\n]*\n(.*?)^\.\n(.*?)^`{32}$", re.MULTILINE | re.DOTALL)


class Example(NamedTuple):
    """One of them: its Markdown, and the HTML that it should become."""

    name: str
    markdown: str
    html: str


def examples() -> list[Example]:
    """All examples; skips the test where there are none."""
    archive = dev_cache.folder() / "spec" / f"{NAME}.tar.gz"
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
