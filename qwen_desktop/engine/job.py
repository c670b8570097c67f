"""A request for an answer on its way through the worker: waiting, or being answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from qwen_desktop.core.engine import GenerateRequest, GenerateResult
from qwen_desktop.engine import gate
from qwen_desktop.engine.generation import Generation, nobodys


class Call(gate.Call, Protocol):
    """A request for an answer, and how it is answered."""

    def emit(self, value: Any) -> None:
        """Tell that something has happened."""

    def do(self, work: Callable[[], GenerateResult]) -> None:
        """Answer with what ``work`` returns, or how it fails."""

    def fail(self, error: Exception) -> None:
        """Answer that it failed."""


class Job:
    """A request for an answer on its way: waiting, or being answered by ``generation``."""

    def __init__(self, request: GenerateRequest, call: Call, arrived: float) -> None:
        self.request = request
        self.call = call
        self.arrived = arrived
        self.generation: Generation | None = None

    @property
    def made(self) -> Generation:
        """The answer. Raises ``RuntimeError`` when it has not been begun."""
        if self.generation is None:
            raise RuntimeError("the answer has not been begun")
        return self.generation

    def disown(self) -> None:
        """Its conversation was forgotten: it belongs to none any more."""
        self.request = nobodys(self.request)
        if self.generation is not None:
            self.generation.disown()

    def fail(self, error: Exception) -> None:
        """It ends with ``error``."""
        self.call.fail(error)
        self.close()

    def close(self) -> None:
        """Free what it holds."""
        if self.generation is not None:
            self.generation.close()
