"""Prompts for measurements: the same every time, and as many tokens long as is asked for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from qwen_desktop.core.engine import ChatMessage, Engine, GenerateRequest, Sampling, ThinkingMode
from qwen_desktop.core.parts import Role, TextPart

#: What is asked at the end: models write on for long.
TASKS = (
    "Count from 1 to 500 in words, without leaving out a number.",
    "Write a long story about a journey by sea, day by day.",
    "List two hundred animals with one sentence about each.",
    "Explain how a bicycle works, part by part, as fully as you can.",
)
_TEXT = (
    "time year people way day man thing woman life child world school state family student group country problem hand"
    " part place case week company system program question work government number night point home water room mother"
    " area money story fact month lot right study book eye job word business issue side kind head house service friend"
)
_WORDS = _TEXT.split()
#: What is tried for the last tokens that no further word fills exactly.
_FILLERS = tuple(" a" * count + mark for count in range(12) for mark in ("", ".", ".."))


def request(text: str, *, tokens: int) -> GenerateRequest:
    """Ask ``text`` for an answer of ``tokens`` tokens at most: the likeliest ones, without thinking first."""
    return asking((ChatMessage(Role.USER, (TextPart(text),)),), tokens=tokens)


def asking(messages: tuple[ChatMessage, ...], *, tokens: int) -> GenerateRequest:
    """Ask for an answer of ``tokens`` tokens at most to a conversation."""
    return GenerateRequest(messages, ThinkingMode.DIRECT, tokens, Sampling(temperature=0.0), cache_key="bench")


def text(number: int, words: int, *, task: int = 0, filler: str = "") -> str:
    """A text of ``words`` words and a task. Texts of other numbers have other beginnings, so that nothing of one is
    remembered for another; without words it is the task alone."""
    if not words and not filler:
        return f"{number}: {TASKS[task % len(TASKS)]}"
    chosen = (_WORDS[(number * 7 + index * 11 + index // len(_WORDS)) % len(_WORDS)] for index in range(words))
    return f"{number}: {' '.join(chosen)}{filler}\n\n{TASKS[task % len(TASKS)]}"


async def of_length(engine: Engine, tokens: int, number: int, *, task: int = 0) -> tuple[str, int]:
    """A text whose whole prompt (with the model's template) is ``tokens`` tokens long, and its real length.

    That is another one only where the template and the task alone are longer, or where the vocabulary has no way to
    hit it. Raises ``AppError``.
    """

    async def count(made: str) -> int:
        return (await engine.count_tokens(request(made, tokens=1)))[0]

    return await _of_length(count, tokens, number, task)


async def _of_length(
    count: Callable[[str], Awaitable[int]], tokens: int, number: int, task: int = 0
) -> tuple[str, int]:
    shortest = text(number, 0, task=task)
    least = await count(shortest)
    if least >= tokens:
        return shortest, least
    low, high = 0, tokens  # words that are not too many, words that are (a word is a token or more)
    while high - low > 1:
        middle = (low + high) // 2
        if await count(text(number, middle, task=task)) <= tokens:
            low = middle
        else:
            high = middle
    best = shortest, least
    for words in range(low, max(-1, low - 3), -1):
        for filler in _FILLERS:
            made = text(number, words, task=task, filler=filler)
            found = await count(made)
            if found == tokens:
                return made, found
            if best[1] < found < tokens:
                best = made, found
    return best
