"""Prompts of exact lengths whatever the vocabulary, and the arithmetic of a measurement."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Awaitable, Callable

import pytest

from qwen_desktop.core.engine import GenerateRequest
from qwen_desktop.core.parts import visible_text
from qwen_desktop.services import bench_prompts
from qwen_desktop.services.bench import Speeds, best, foreseen, ratios


class Counting:
    """Counts a prompt's tokens as a vocabulary would that cuts words into pieces of ``letters`` letters."""

    def __init__(self, letters: int, template: int) -> None:
        self.letters = letters
        self.template = template

    async def count_tokens(self, request: GenerateRequest) -> tuple[int, bool]:
        words = re.findall(r"\w+|[^\w\s]|\n", visible_text(request.messages[-1].parts))
        return self.template + sum(-(-len(word) // self.letters) for word in words), True


def of_length(engine: Counting, tokens: int, number: int) -> tuple[str, int]:
    made: Callable[..., Awaitable[tuple[str, int]]] = bench_prompts.of_length
    return asyncio.run(made(engine, tokens, number))


@pytest.mark.parametrize("letters", [1, 2, 3, 20])
def test_a_prompt_is_as_long_as_asked_for(letters: int) -> None:
    chance = random.Random(letters)
    engine = Counting(letters, template=chance.randrange(30))
    least = of_length(engine, 0, 1)[1]
    for number in range(1, 30):
        tokens = chance.randrange(least + 12, 3000)
        text, length = of_length(engine, tokens, number)
        found, _ = asyncio.run(engine.count_tokens(bench_prompts.request(text, tokens=1)))
        assert length == found == tokens


def test_a_depth_below_the_shortest_question_is_that_question() -> None:
    engine = Counting(4, template=12)
    text, length = of_length(engine, 0, 3)
    assert length > 12 and text.endswith(bench_prompts.TASKS[0])


def test_texts_with_other_numbers_share_no_beginning() -> None:
    """Else something of one would be remembered for the next, and its reading seem faster."""
    texts = [bench_prompts.text(number, 50) for number in range(1, 10)]
    assert len({text[0] for text in texts}) == len(texts)
    assert bench_prompts.text(3, 50) == texts[2]


def speeds(depth: int, prompt: float, decode: float) -> Speeds:
    return Speeds(depth, depth + 10, prompt, decode)


def test_the_best_of_each_figure_counts() -> None:
    found = best(best(None, speeds(0, 10.0, 5.0)), speeds(0, 8.0, 6.0))
    assert (found.prompt_tokens_per_s, found.decode_tokens_per_s, found.rounds) == (10.0, 6.0, 2)


def test_ratios_are_of_the_depths_that_both_sides_have() -> None:
    mine = [speeds(0, 20.0, 10.0), speeds(512, 10.0, 9.0), speeds(4096, 5.0, 0.0)]
    theirs = [speeds(4096, 5.0, 0.0), speeds(512, 20.0, 6.0)]
    (ratio,) = ratios(mine, theirs)
    assert (ratio.depth, ratio.prompt, ratio.decode) == (512, 0.5, 1.5)


def test_what_is_known_foretells_a_greater_depth() -> None:
    known = [speeds(0, 1.0, 1.0), speeds(500, 100.0, 48.0)]
    assert foreseen(4000, []) == 0.0
    assert foreseen(4000, known) == pytest.approx(41.0)  # reading at 100 tokens a second, 48 tokens written
    assert foreseen(4000, [speeds(500, 100.0, 0.1)]) == pytest.approx(52.0)  # an answer is stopped after 12 s
