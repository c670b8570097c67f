"""Files that the app writes for people to pass on: JSON with the name of its format, its version and a list. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from qwen_desktop.core.errors import Failure, UserFacing
from qwen_desktop.core.packed import to_json


class OwnForm(Struct, frozen=True):
    """One kind of such a file: its list is called ``key``, and it has ``largest`` bytes at most. The failures are for
    what is no such file, for one of a newer version, and for one that is larger; each takes the file's name."""

    format: str
    version: int
    key: str
    largest: int
    not_ours: Failure[UserFacing]
    newer: Failure[UserFacing]
    too_large: Failure[UserFacing]


def written(form: OwnForm, entries: Sequence[Any]) -> bytes:
    """The file of these."""
    return to_json({"format": form.format, "version": form.version, form.key: entries}, indent=2) + b"\n"


def entries_of(form: OwnForm, data: bytes, file: str) -> list[Any]:
    """The list of the file called ``file``, as plain data that nobody has looked at. Raises ``UserFacing``."""
    if len(data) > form.largest:
        raise form.too_large(file)
    try:
        found = msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"))
    except (ValueError, RecursionError) as error:
        raise form.not_ours(file) from error
    version = found.get("version") if isinstance(found, dict) and found.get("format") == form.format else None
    if not isinstance(version, int) or version < 1:
        raise form.not_ours(file)
    if version > form.version:
        raise form.newer(file)
    entries = found.get(form.key)
    if not isinstance(entries, list):
        raise form.not_ours(file)
    return entries
