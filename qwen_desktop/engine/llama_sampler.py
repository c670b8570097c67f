"""How the next token is chosen from what a context computed. Worker side only."""

from __future__ import annotations

import ctypes
import math

from qwen_desktop.core.engine import Sampling
from qwen_desktop.engine.bindings import api
from qwen_desktop.engine.llama import Model
from qwen_desktop.engine.llama_context import Context

_PENALTY_WINDOW = 256


class NotNumbersError(Exception):
    """What was computed for the next token are no numbers, or none that count."""


class Sampler:
    """The native chain that chooses the next token; free it (``close``) before its model."""

    def __init__(self, model: Model, sampling: Sampling, seed: int) -> None:
        self._fresh = True
        self._row = ctypes.POINTER(ctypes.c_float * model.vocab_size)
        self.pointer = chain = api.llama_sampler_chain_init(api.llama_sampler_chain_default_params())
        add = api.llama_sampler_chain_add
        repeat, presence = sampling.repeat_penalty or 1.0, sampling.presence_penalty or 0.0
        if repeat != 1.0 or presence != 0.0:
            # Penalties look at every candidate. They can push down at most the tokens of their window, so keeping
            # that many more than wanted gives the same choice without walking through 150,000 tokens.
            kept = 1 if sampling.temperature == 0 else sampling.top_k or 0
            if kept:
                add(chain, api.llama_sampler_init_top_k(kept + _PENALTY_WINDOW))
            add(chain, api.llama_sampler_init_penalties(model.vocab_size, _PENALTY_WINDOW, repeat, 0.0, presence))
        temperature = 1.0 if sampling.temperature is None else sampling.temperature
        if temperature <= 0:
            add(chain, api.llama_sampler_init_greedy())
            return
        if sampling.top_k:
            add(chain, api.llama_sampler_init_top_k(sampling.top_k))
        if sampling.top_p is not None and sampling.top_p < 1.0:
            add(chain, api.llama_sampler_init_top_p(sampling.top_p, 1))
        if sampling.min_p:
            add(chain, api.llama_sampler_init_min_p(sampling.min_p, 1))
        add(chain, api.llama_sampler_init_temp(temperature))
        add(chain, api.llama_sampler_init_dist(seed & 0xFFFFFFFF))

    def next(self, context: Context, row: int) -> int:
        """The token after ``row`` of what was evaluated last; the chain remembers it.

        Raises ``NotNumbersError`` where there is nothing to choose by. All values are looked at for the first token (a
        few milliseconds), later only the chosen one's.
        """
        values = api.llama_get_logits_ith(context.pointer, row)
        if self._fresh:
            self._fresh = False
            total = sum(memoryview(ctypes.cast(values, self._row).contents).cast("B").cast("f"))
            if math.isnan(total) or total == math.inf:  # minus infinity only forbids a token
                raise NotNumbersError
        token = int(api.llama_sampler_sample(self.pointer, context.pointer, row))
        if token < 0 or not math.isfinite(values[token]):
            raise NotNumbersError
        return token

    def accept(self, token: int) -> None:
        """Remember a token that was not chosen here."""
        api.llama_sampler_accept(self.pointer, token)

    def close(self) -> None:
        """Free the chain and its parts."""
        if self.pointer:
            api.llama_sampler_free(self.pointer)
            self.pointer = None
