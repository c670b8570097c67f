"""How the next token is chosen from what a context computed. Worker side only."""

from __future__ import annotations

import ctypes
import math
from array import array

from qwen_desktop.core.engine import Sampling
from qwen_desktop.engine.bindings import api
from qwen_desktop.engine.llama import Model
from qwen_desktop.engine.llama_context import Context

#: So many of the last tokens are looked at for penalties.
PENALTY_WINDOW = 256
#: llama.cpp finds so many of the likeliest tokens twice as fast as more (0.4 against 1.0 ms of 152,000).
_FEW = 128
#: Makes of zeros the two bytes of minus infinity that are not zero (its last ones), and zeros of all else.
_FORBID = tuple(bytes((byte, *(0,) * 255)) for byte in (0x80, 0xFF))


class NotNumbersError(Exception):
    """What was computed for the next token are no numbers, or none that count."""


class Sampler:
    """The native chain that chooses the next token; free it (``close``) before its model."""

    def __init__(self, model: Model, sampling: Sampling, seed: int) -> None:
        self._fresh = True
        self._row = ctypes.POINTER(ctypes.c_float * model.vocab_size)
        self._size = model.vocab_size
        self._biases: bytearray | None = None  # of each token its id and what is added to its value, 4 bytes each
        self._limited = False
        self.pointer = chain = api.llama_sampler_chain_init(api.llama_sampler_chain_default_params())
        add = api.llama_sampler_chain_add
        repeat, presence = sampling.repeat_penalty or 1.0, sampling.presence_penalty or 0.0
        if repeat != 1.0 or presence != 0.0:
            # Penalties look at every candidate. They can push down at most the tokens of their window, so keeping
            # that many more than wanted gives the same choice without walking through 150,000 tokens. Where few are
            # wanted, a text in whose last 256 tokens stand all but them of the likeliest 128 is not met.
            kept = 1 if sampling.temperature == 0 else sampling.top_k or 0
            if kept:
                add(chain, api.llama_sampler_init_top_k(_FEW if kept <= _FEW // 4 else kept + PENALTY_WINDOW))
            add(chain, api.llama_sampler_init_penalties(model.vocab_size, PENALTY_WINDOW, repeat, 0.0, presence))
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

    def next(self, context: Context, row: int, refused: int | None = None) -> int:
        """The token after ``row`` of what was evaluated last; the chain remembers it. Asked again for the same row, it
        is told which token was ``refused``, and gives another one.

        Raises ``NotNumbersError`` where there is nothing to choose by. All values are looked at for the first token (a
        few milliseconds), later only the chosen one's.
        """
        values = api.llama_get_logits_ith(context.pointer, row)
        if refused is not None:
            values[refused] = -math.inf
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

    def allow(self, tokens: bytes | None) -> None:
        """Choose from now on only among the ``tokens`` that are not zero (a byte for each of the vocabulary), with None
        among all. The others are forbidden before the chain sees them, so that it chooses rightly whatever it keeps."""
        if self._limited:
            limited = self.pointer
            self.pointer = api.llama_sampler_chain_remove(limited, 1)
            api.llama_sampler_free(limited)
        self._limited = tokens is not None
        if tokens is None:
            return
        if self._biases is None:
            self._biases = bytearray(8 * self._size)
            memoryview(self._biases).cast("i")[::2] = memoryview(array("i", range(self._size)))
        self._biases[6::8], self._biases[7::8] = tokens.translate(_FORBID[0]), tokens.translate(_FORBID[1])
        biases = (api.llama_logit_bias * self._size).from_buffer(self._biases)
        chain = api.llama_sampler_chain_init(api.llama_sampler_chain_default_params())
        api.llama_sampler_chain_add(chain, api.llama_sampler_init_logit_bias(self._size, self._size, biases))
        api.llama_sampler_chain_add(chain, self.pointer)
        self.pointer = chain

    def close(self) -> None:
        """Free the chain and its parts."""
        if self.pointer:
            api.llama_sampler_free(self.pointer)
            self.pointer = None
