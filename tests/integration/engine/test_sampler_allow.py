"""What is forbidden is never chosen, and the choice among the rest is the model's own, whatever the chain keeps."""

from __future__ import annotations

import math
import random
from array import array
from collections import Counter

import pytest

from qwen_desktop.core.engine import Sampling
from qwen_desktop.engine import llama_sampler
from qwen_desktop.engine.llama_sampler import Sampler
from tests.integration.engine import in_process
from tests.integration.engine.conftest import Files

_TIMES = 3000


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(temperature=1.0),
        Sampling(temperature=0.7, top_k=20, top_p=0.95, min_p=0.01),
        Sampling(temperature=1.0, top_k=5, presence_penalty=1.5),
    ],
)
def test_the_choice_is_the_models_own_among_what_is_allowed(files: Files, sampling: Sampling) -> None:
    context = in_process.context(files.small())
    context.read(context.sequences[0], context.model.tokenize("Hello", special=False, begin=False))
    values = array("f", in_process.logits(context))
    allowed = [11, 200, 333, 512]  # not the likeliest ones: alone the chain would keep none of them
    mask = bytes(token in allowed for token in range(len(values)))
    found: Counter[int] = Counter()
    for seed in range(_TIMES):
        sampler = Sampler(context.model, sampling, seed * 7919)
        sampler.allow(mask)
        found[sampler.next(context, -1)] += 1
        sampler.close()
    assert found.keys() <= set(allowed)
    weights = [math.exp(values[token] / (sampling.temperature or 1.0)) for token in allowed]
    for token, weight in zip(allowed, weights, strict=True):
        share = weight / sum(weights)
        assert abs(found[token] / _TIMES - share) < 4 * math.sqrt(share * (1 - share) / _TIMES) + 0.001
    context.close()


def test_what_was_forbidden_may_come_again(files: Files) -> None:
    context = in_process.context(files.small())
    context.read(context.sequences[0], context.model.tokenize("Hello", special=False, begin=False))
    size = context.model.vocab_size
    greedy, other = (Sampler(context.model, Sampling(temperature=0), 1) for _ in range(2))
    best = other.next(context, -1)
    for token in (7, 0, size - 1):
        greedy.allow(bytes(token) + b"\1" + bytes(size - token - 1))
        assert greedy.next(context, -1) == token
    greedy.allow(None)
    assert greedy.next(context, -1) == best
    for sampler in (greedy, other):
        sampler.close()
    context.close()


@pytest.mark.parametrize("top_k", [1, 20, 32, 60])
def test_penalties_choose_as_among_all_tokens(files: Files, monkeypatch: pytest.MonkeyPatch, top_k: int) -> None:
    """Only the likeliest ones are looked at: with up to 90 of them used already, the choice is the same."""
    context = in_process.context(files.small())
    context.read(context.sequences[0], context.model.tokenize("Hello", special=False, begin=False))
    values = array("f", in_process.logits(context))
    likeliest = sorted(range(len(values)), key=values.__getitem__, reverse=True)
    dice = random.Random(top_k)
    for seed in range(60):
        used = dice.sample(likeliest[: dice.choice((90, 300, len(values)))], dice.randrange(91))
        sampling = Sampling(temperature=dice.choice((0.0, 0.8)), top_k=top_k, presence_penalty=2.0, repeat_penalty=1.3)
        chosen = []
        for few in (llama_sampler._FEW, 4 * len(values)):
            monkeypatch.setattr(llama_sampler, "_FEW", few)
            sampler = Sampler(context.model, sampling, seed)
            for token in used:
                sampler.accept(token)
            chosen.append(sampler.next(context, -1))
            sampler.close()
            monkeypatch.undo()
        assert chosen[0] == chosen[1]
    context.close()
