"""The rule of near ties: what was computed in other steps may be another text, but only from where two tokens
are about equally likely."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from qwen_desktop.engine.llama_context import Context, Piece
from tests.integration.engine.in_process import gap, logits

#: Two best logits that are within this of each other are a near tie.
NEAR = 1.0


def first_difference(first: Sequence[int], second: Sequence[int]) -> int | None:
    """Where two lists of tokens differ; None where one begins with the other."""
    return next((at for at, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), None)


def same_or_near(context: Context, prompt: Sequence[int], *answers: Sequence[int]) -> None:
    """Answers that were chosen greedily behind ``prompt`` are the one that a fresh sequence of ``context`` gives, or
    differ from it first at a near tie. ``context`` is no other's: what it holds is forgotten."""
    for answer in answers:
        sequence = context.sequences[0]
        sequence.forget()
        sequence.stops = ()
        context.read(sequence, list(prompt))
        for token in answer:
            values = logits(context)
            numbers = array("f", values)
            best = max(range(len(numbers)), key=numbers.__getitem__)
            if best != token:
                assert gap(values) <= NEAR, f"token {token} in the place of {best}, which is {gap(values)} ahead"
                break
            context.evaluate((Piece(sequence, (token,)),))
