"""What the app and any of its workers say to each other: one frame each, msgpack, unknown fields ignored.

The inside of a message (parameters, an event, a result) is packed by itself, so that each side reads it as the type
that belongs to its call, and a file's name that is no text spoils nothing but its own part (see ``core.packed``).
"""

from __future__ import annotations

from typing import Any, TypeAlias

from msgspec import Raw, Struct

from qwen_desktop.core.errors import Problem
from qwen_desktop.core.packed import Unpacker, pack

# to the worker -------------------------------------------------------------------------------------------------------


class Call(Struct, frozen=True, tag="call", tag_field="t"):
    """Do ``method``; answered by any number of ``Event`` and then one ``Result`` or ``Failed``."""

    id: int
    method: str
    params: Raw


class Cancel(Struct, frozen=True, tag="cancel", tag_field="t"):
    """Nobody waits for call ``id`` any more, or it is to end soon."""

    id: int


class Tell(Struct, frozen=True, tag="tell", tag_field="t"):
    """Something new for the running call ``id``."""

    id: int
    detail: dict[str, Any]


# from the worker -----------------------------------------------------------------------------------------------------


class Hello(Struct, frozen=True, tag="hello", tag_field="t"):
    """The worker is up; ``about`` is what it has to say of itself."""

    protocol: int
    about: Raw


class Event(Struct, frozen=True, tag="event", tag_field="t"):
    """Something has happened in call ``id``."""

    id: int
    value: Raw


class Result(Struct, frozen=True, tag="result", tag_field="t"):
    """Call ``id`` is done."""

    id: int
    value: Raw


class Failed(Struct, frozen=True, tag="failed", tag_field="t"):
    """Call ``id`` failed; the worker goes on."""

    id: int
    problem: Problem


Request: TypeAlias = Call | Cancel | Tell
Reply: TypeAlias = Hello | Event | Result | Failed

#: Raise ``ValueError`` for what is no message, or one of a kind that is not known here.
read_request: Unpacker[Request] = Unpacker(Request)
read_reply: Unpacker[Reply] = Unpacker(Reply)


def packed(value: Any) -> Raw:
    """The inside of a message. Raises ``TypeError``, ``ValueError`` or ``OverflowError`` for what msgpack has no form
    for."""
    return Raw(pack(value))
