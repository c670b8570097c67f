"""What the app and the job worker say to each other."""

from __future__ import annotations

from typing import Any, TypeAlias

from msgspec import Struct

from qwen_desktop.core.errors import Problem
from qwen_desktop.core.packed import Unpacker, pack


class Call(Struct, frozen=True, tag="call", tag_field="t"):
    """Run a job; answered by ``Progress``, then ``Returned`` or ``Failed``."""

    id: int
    name: str
    params: dict[str, Any]


class Cancel(Struct, frozen=True, tag="cancel", tag_field="t"):
    """Nobody waits for call ``id`` any more."""

    id: int


class Tell(Struct, frozen=True, tag="tell", tag_field="t"):
    """Something new for the running call ``id``: its ``report`` returns what was told last."""

    id: int
    detail: dict[str, Any]


Request: TypeAlias = Call | Cancel | Tell


class Hello(Struct, frozen=True, tag="hello", tag_field="t"):
    """The worker is up."""

    protocol: int


class Progress(Struct, frozen=True, tag="progress", tag_field="t"):
    """A job has done ``done`` of ``total`` units of its own; ``detail`` is whatever else it has to say."""

    id: int
    done: int
    total: int
    detail: dict[str, Any] = {}


class Returned(Struct, frozen=True, tag="returned", tag_field="t"):
    """What the job returned."""

    id: int
    value: Any


class Failed(Struct, frozen=True, tag="failed", tag_field="t"):
    """The job failed; the worker goes on."""

    id: int
    problem: Problem


Reply: TypeAlias = Hello | Progress | Returned | Failed

encode = pack
_REPLY: Unpacker[Reply] = Unpacker(Reply)
_REQUEST: Unpacker[Request] = Unpacker(Request)


def decode_reply(payload: bytes) -> Reply:
    """A message from the worker. Raises ``ValueError`` for an unknown one."""
    return _REPLY(payload)


def decode_request(payload: bytes) -> Request:
    """A message to the worker. Raises ``ValueError`` for an unknown one."""
    return _REQUEST(payload)
