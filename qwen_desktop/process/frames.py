"""Frames on a pipe: a 4-byte big-endian length and that many bytes of msgpack, 64 MiB at most."""

from __future__ import annotations

from typing import BinaryIO

from qwen_desktop.core.errors import Failure, UserFacing
from qwen_desktop.core.text import QT_TRANSLATE_NOOP

#: Protocol of both workers; said in ``hello``.
PROTOCOL = 2
LONGEST = 64 * 1024 * 1024


class FrameError(Exception):
    """The stream is not made of frames (a length over the limit); nothing after it can be trusted."""


class TooLarge(FrameError, UserFacing):  # noqa: N818 - it is shown
    """More than a frame carries: a conversation with many enormous messages, say."""


# fmt: off
_too_large = Failure(
    TooLarge, "frame.large", "size most",
    QT_TRANSLATE_NOOP("process", "{size} MB are too much to be worked on at once; {most} MB are the most."),
    QT_TRANSLATE_NOOP("process", "Begin a new chat, or send less."),
)
# fmt: on


def pack(payload: bytes) -> bytes:
    """``payload`` with its length in front. Raises ``TooLarge`` when it is too long to send."""
    if len(payload) > LONGEST:
        raise _too_large(-(-len(payload) // 1_000_000), LONGEST // 1_000_000)
    return len(payload).to_bytes(4, "big") + payload


def read(stream: BinaryIO) -> bytes | None:
    """The next frame's payload from a buffered ``stream``, None at its end (also in the middle of a frame: the writer
    died).

    Blocks. Raises ``FrameError`` for an impossible length.
    """
    head = stream.read(4)
    if len(head) < 4:
        return None
    length = int.from_bytes(head, "big")
    if length > LONGEST:
        raise FrameError(f"frame of {length} bytes")
    payload = stream.read(length)
    return payload if len(payload) == length else None
