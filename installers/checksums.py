#!/usr/bin/env python3
"""SHA256SUMS for a folder of artefacts: ``python installers/checksums.py write|verify FOLDER``.

The format is that of sha256sum, so that whoever downloads needs nothing of ours: ``sha256sum -c SHA256SUMS``.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tools")]

import dev_cache  # noqa: E402 - the two folders are on the path only now
from dev_console import Failed, say  # noqa: E402

NAME = "SHA256SUMS"
_LINE = re.compile(r"([0-9a-f]{64}) [ *](\S.*)")


def write(folder: Path) -> Path:
    """Write the sums of all files in ``folder`` (not of folders below it), sorted by name."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.name != NAME)
    if not files:
        raise Failed(f"{folder} holds no file to sum up.")
    lines = [f"{dev_cache.sha256_of(path)}  {path.name}\n" for path in files]
    target = folder / NAME
    target.write_text("".join(lines), encoding="utf-8", newline="\n")
    return target


def read(path: Path) -> dict[str, str]:
    """File names and their SHA-256 from a list in sha256sum's format."""
    found: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        match = _LINE.fullmatch(line)
        if match is None or "/" in match[2] or "\\" in match[2] or match[2] in found:
            raise Failed(f"{path} has a line that is no sum of a file in its folder: {line[:100]!r}")
        found[match[2]] = match[1]
    return found


def verify(folder: Path) -> int:
    """Compare the files in ``folder`` with its SHA256SUMS; return how many there are. Raises ``Failed``."""
    problems = []
    wanted = read(folder / NAME)
    for name, digest in wanted.items():
        path = folder / name
        if not path.is_file():
            problems.append(f"{name} is missing")
        elif dev_cache.sha256_of(path) != digest:
            problems.append(f"{name} is not the file that was summed up")
    unknown = sorted({path.name for path in folder.iterdir() if path.is_file()} - {NAME, *wanted})
    problems += [f"{name} is in no line" for name in unknown]
    if problems:
        raise Failed(f"{NAME} does not fit: {'; '.join(problems)}.")
    return len(wanted)


def main(arguments: Sequence[str]) -> int:
    """Write or verify; return the exit code."""
    if len(arguments) != 2 or arguments[0] not in ("write", "verify"):
        print("usage: checksums.py write|verify FOLDER", file=sys.stderr)
        return 2
    folder = Path(arguments[1])
    try:
        if arguments[0] == "write":
            say(write(folder).read_text(encoding="utf-8").rstrip())
        else:
            say(f"{verify(folder)} files are as {NAME} says.")
    except (Failed, OSError) as failure:
        print(f"checksums: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
