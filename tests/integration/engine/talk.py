"""Short ways to write requests."""

from __future__ import annotations

from typing import Any

from qwen_desktop.core.engine import ChatMessage, GenerateRequest, Sampling
from qwen_desktop.core.parts import Role, TextPart, ThinkingPart


def user(text: str, number: str = "") -> ChatMessage:
    return ChatMessage(Role.USER, (TextPart(text),), number)


def assistant(text: str, number: str = "", thinking: str = "") -> ChatMessage:
    thought = (ThinkingPart(thinking),) if thinking else ()
    return ChatMessage(Role.ASSISTANT, (*thought, TextPart(text)), number)


def system(text: str, number: str = "") -> ChatMessage:
    return ChatMessage(Role.SYSTEM, (TextPart(text),), number)


def ask(*messages: ChatMessage | str, lively: bool = True, seed: int = 7, **more: Any) -> GenerateRequest:
    """A request; ``lively`` samples at temperature 1 from everything, else greedy."""
    sampling = (
        Sampling(temperature=1.0, top_p=1.0, top_k=0, min_p=0.0, seed=seed) if lively else Sampling(temperature=0.0)
    )
    told = tuple(user(m) if isinstance(m, str) else m for m in messages)
    return GenerateRequest(told, sampling=sampling, **more)
