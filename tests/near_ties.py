"""The rule of near ties: what was computed in other steps may be another text, but only from where two tokens
are about equally likely."""

from __future__ import annotations

import codecs
from array import array
from collections.abc import Sequence

import numpy as np

from qwen_desktop.core.engine import GenerateRequest
from qwen_desktop.engine.llama import Model
from qwen_desktop.engine.llama_context import Context, Piece
from qwen_desktop.engine.marks import CLOSE, OPEN
from tests.integration.engine.in_process import Call, Steps, gap, logits

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


class Fresh:
    """How a fresh engine answers a request, with what it computed for each token."""

    def __init__(self, steps: Steps, request: GenerateRequest) -> None:
        self.call: Call = steps.ask(request)
        self._model: Model = steps.session.model
        self._rows: list[bytes] = []
        while steps.scheduler.busy:
            steps.scheduler.step()
            made = self.call.made
            if made is not None and len(self.call.tokens) > len(self._rows):
                self._rows.append(logits(steps.session.context))
        if self.call.error is not None:
            raise self.call.error
        assert len(self.call.tokens) == len(self._rows), "an answer without drafts is written a token a step"

    def could_say(self, said: str) -> bool:
        """Whether some text (the thought, then the rest) begins as this answer does, up to a token that is within a
        near tie of the one that is here and goes on as that text. Of texts only what is seen counts."""
        said = _seen(said)
        tokens = self.call.tokens
        for at, (token, row) in enumerate(zip(tokens, self._rows, strict=True)):
            values = np.frombuffer(row, dtype=np.float32)
            near = np.flatnonzero(values >= values[token] - NEAR).tolist()
            if any(self._fits([*tokens[:at], other], said) for other in near if other != token):
                return True
            if not self._fits(tokens[: at + 1], said):
                return False
        return False

    def _fits(self, tokens: list[int], said: str) -> bool:
        ends = self._model.is_end(tokens[-1])
        raw = b"".join(map(self._model.piece, tokens[:-1] if ends else tokens))
        text = _seen(codecs.getincrementaldecoder("utf-8")("replace").decode(raw))
        return said == text if ends else said.startswith(text)


def _seen(text: str) -> str:
    text = text.replace(OPEN, "").replace(CLOSE, "")
    return "".join(each for each in text if each.isprintable() and not each.isspace() and each != "\ufffd")
