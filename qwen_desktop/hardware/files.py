"""Reading the kernel's small files without ever failing. ``root`` is "/" but in tests."""

from __future__ import annotations

from pathlib import Path

ROOT = Path("/")
#: The longest of them (/proc/cpuinfo of a large server) is far shorter.
_LONGEST = 4 << 20
#: No machine has more processors.
_MOST_CPUS = 1 << 16
_MOST = 1 << 63


def text(path: Path) -> str | None:
    """The file's text, None when it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(_LONGEST).decode("utf-8", "replace").strip("\x00\n ")
    except (OSError, ValueError):
        return None


def number(path: Path) -> int | None:
    """The number in a file, None when there is none."""
    return whole(text(path))


def whole(word: str | None) -> int | None:
    """The number that ``word`` is, None when it is not one or larger than the kernel has any."""
    try:
        found = int(word) if word is not None else None
    except ValueError:
        return None
    return found if found is not None and abs(found) < _MOST else None


def listing(path: Path) -> list[Path] | None:
    """What is in a folder, sorted; None when it cannot be read."""
    try:
        return sorted(path.iterdir())
    except OSError:
        return None


def cpu_list(path: Path) -> frozenset[int]:
    """Numbers of processors in a file like "0-3,8"; empty when it cannot be read or is not that."""
    found: set[int] = set()
    try:
        for part in (text(path) or "").split(","):
            if part.strip():
                first, _, last = part.partition("-")
                start, end = int(first), int(last or first)
                if not 0 <= start <= end < _MOST_CPUS:
                    return frozenset()
                found.update(range(start, end + 1))
    except ValueError:
        return frozenset()
    return frozenset(found)
