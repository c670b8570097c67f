"""What the app and the engine worker say to each other. Unknown fields are ignored on both sides."""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from qwen_desktop.core.engine import Event, GenerateRequest, GenerateResult, LoadRequest, ModelInfo
from qwen_desktop.core.errors import Problem
from qwen_desktop.core.packed import Unpacker, pack

# to the worker -------------------------------------------------------------------------------------------------------


class Load(Struct, frozen=True, tag="load", tag_field="t"):
    """Load a model; answered by ``Progress`` and then ``Loaded`` or ``Failed``."""

    id: int
    request: LoadRequest


class Generate(Struct, frozen=True, tag="generate", tag_field="t"):
    """Answered by ``Events`` and then ``Done`` or ``Failed``. Several wait for one another."""

    id: int
    request: GenerateRequest


class Count(Struct, frozen=True, tag="count", tag_field="t"):
    """Answered by ``Counted`` or ``Failed``, also while an answer runs."""

    id: int
    request: GenerateRequest


class Cancel(Struct, frozen=True, tag="cancel", tag_field="t"):
    """End the request ``id`` (running or waiting) soon."""

    id: int


class Ask(Struct, frozen=True, tag="stats", tag_field="t"):
    """Answered by ``Figures`` at any time."""

    id: int


Request: TypeAlias = Load | Generate | Count | Cancel | Ask

# from the worker -----------------------------------------------------------------------------------------------------


class Hello(Struct, frozen=True, tag="hello", tag_field="t"):
    """The worker is up. ``engine`` names llama-cpp-python's version, ``devices`` what it can compute on."""

    protocol: int
    engine: str
    devices: tuple[str, ...] = ()


class Progress(Struct, frozen=True, tag="progress", tag_field="t"):
    """A load has come ``fraction`` (0..1) of ``total`` bytes far."""

    id: int
    fraction: float
    total: int


class Loaded(Struct, frozen=True, tag="loaded", tag_field="t"):
    """The model is ready."""

    id: int
    info: ModelInfo


class Events(Struct, frozen=True, tag="events", tag_field="t"):
    """What happened since the last frame (one frame per 16 ms at most)."""

    id: int
    events: tuple[Event, ...]


class Done(Struct, frozen=True, tag="done", tag_field="t"):
    """The answer has ended."""

    id: int
    result: GenerateResult


class Counted(Struct, frozen=True, tag="counted", tag_field="t"):
    """Tokens of a rendered prompt."""

    id: int
    tokens: int


class Failed(Struct, frozen=True, tag="failed", tag_field="t"):
    """The request failed; the worker goes on."""

    id: int
    problem: Problem


class Figures(Struct, frozen=True, tag="figures", tag_field="t"):
    """The worker's own state: bytes of memory, tokens held in the context, threads in use, and which of the libraries
    for kinds of processors computes ("native" in a build that has only one)."""

    id: int
    memory_bytes: int
    context_used: int
    context_size: int
    threads: int
    busy: bool
    cpu: str = ""


Reply: TypeAlias = Hello | Progress | Loaded | Events | Done | Counted | Failed | Figures

encode = pack
_REPLY: Unpacker[Reply] = Unpacker(Reply)
_REQUEST: Unpacker[Request] = Unpacker(Request)


def decode_reply(payload: bytes) -> Reply:
    """A message from the worker. Raises ``ValueError`` for an unknown one."""
    return _REPLY(payload)


def decode_request(payload: bytes) -> Request:
    """A message to the worker. Raises ``ValueError`` for an unknown one."""
    return _REQUEST(payload)
