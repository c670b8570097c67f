"""The one door between what is kept and the disk: all that is written goes through it, and comes back through it."""

from __future__ import annotations

from typing import TypeAlias

Buffer: TypeAlias = bytes | bytearray | memoryview


def seal(data: Buffer) -> Buffer:
    """Bytes as they are written. Those of a conversation are to be encrypted here once the history is."""
    return data


def unseal(data: Buffer) -> Buffer:
    """The bytes that were sealed. Raises ``ValueError`` when they are not whole."""
    return data
