"""The names of the parts that a model is split into: ``name-00001-of-00003.gguf``."""

from __future__ import annotations

import re

_PART = re.compile(r"^(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf$", re.IGNORECASE)


def split_of(name: str) -> tuple[str, int, int] | None:
    """(what stands before the number, the part's number, the count) of a part's ``name``, else None.

    The numbers are as the name tells them: a number beyond the count, or none, is possible.
    """
    found = _PART.match(name)
    return None if found is None else (found["stem"], int(found["number"]), int(found["count"]))


def part_names(stem: str, count: int) -> list[str]:
    """The names of all ``count`` parts, in order."""
    return [f"{stem}-{number:05d}-of-{count:05d}.gguf" for number in range(1, count + 1)]
