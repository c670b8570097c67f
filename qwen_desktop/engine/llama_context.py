"""A context on a loaded model: evaluate tokens, sample the next one. Worker side only.

One sequence; ``tokens`` mirrors what its memory holds, so that a new prompt evaluates only what differs. Prompts are
evaluated in chunks that end at multiples of a fixed size and the last token by itself, so that the same prompt gives
the same logits whether its beginning was remembered or not.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct

from qwen_desktop.core.engine import Sampling
from qwen_desktop.engine.bindings import api
from qwen_desktop.engine.llama import Flag, Model, set_fields

_KV_TYPES = {"f16": api.GGML_TYPE_F16, "q8_0": api.GGML_TYPE_Q8_0}
_FLASH = {"auto": -1, "off": 0, "on": 1}
_PENALTY_WINDOW = 256


class ContextError(Exception):
    """llama.cpp could not make a context (memory, as a rule)."""


class AbortedError(Exception):
    """The flag was set while tokens were evaluated; what had been finished stays."""


class DecodeError(Exception):
    """llama.cpp refused tokens; ``code`` is what ``llama_decode`` returned."""

    def __init__(self, code: int) -> None:
        super().__init__(f"llama_decode returned {code}")
        self.code = code


class NotNumbersError(Exception):
    """What was computed for the next token are no numbers, or none that count."""


class ContextShape(Struct, frozen=True):
    """What a context is made with. ``size`` is in tokens; ``chunk`` is how many tokens are evaluated at once."""

    size: int
    threads: int
    chunk: int
    flash: str
    kv_type: str


class Context:
    """Evaluated tokens of one conversation at a time. Raises ``ContextError`` when it cannot be made."""

    def __init__(self, model: Model, shape: ContextShape, flag: Flag) -> None:
        self.model = model
        self.shape = shape
        self.flag = flag
        params = api.llama_context_default_params()
        kv_type = _KV_TYPES[shape.kv_type]
        set_fields(
            params,
            n_ctx=shape.size,
            n_batch=shape.chunk,
            n_ubatch=shape.chunk,
            n_seq_max=1,
            n_outputs_max=1,  # else room for the logits of a whole chunk is reserved: 78 MB for 128 tokens
            n_threads=shape.threads,
            n_threads_batch=shape.threads,
            flash_attn_type=_FLASH[shape.flash],
            type_k=kv_type,
            type_v=kv_type,
            abort_callback=flag.callback,
            abort_callback_data=flag.data,
            no_perf=True,
        )
        flag.clear()
        self.pointer = api.llama_init_from_model(model.pointer, params)
        if not self.pointer:
            raise ContextError
        self._memory = api.llama_get_memory(self.pointer)
        self.size = min(shape.size, int(api.llama_n_ctx(self.pointer)))
        self.threads = self._read_threads = shape.threads
        self.tokens: list[int] = []
        self._one = (api.llama_token * 1)()
        self._one_batch = api.llama_batch_get_one(self._one, 1)
        self._chunk = (api.llama_token * shape.chunk)()

    def close(self) -> None:
        """Free its memory."""
        if self.pointer:
            api.llama_free(self.pointer)
            self.pointer = None

    def set_threads(self, *, write: int | None = None, read: int | None = None) -> None:
        """Use other numbers of threads from now on: ``write`` for answers, ``read`` for prompts."""
        write, read = write or self.threads, read or self._read_threads
        if (write, read) != (self.threads, self._read_threads):
            api.llama_set_n_threads(self.pointer, write, read)
            self.threads, self._read_threads = write, read

    def reuse(self, prompt: Sequence[int]) -> int:
        """Keep the longest common beginning of memory and ``prompt`` and forget the rest; returns its length.

        At least the last token is left to evaluate, since a memory has no logits. Models with a recurrent state
        cannot go back a part of the way and start anew.
        """
        common = 0
        for kept, wanted in zip(self.tokens, prompt, strict=False):
            if kept != wanted:
                break
            common += 1
        common = min(common, len(prompt) - 1)
        if common == len(self.tokens):
            return common
        if common == 0 or not api.llama_memory_seq_rm(self._memory, 0, common, -1):
            self.forget()
            return 0
        del self.tokens[common:]
        return common

    def forget(self) -> None:
        """Forget everything."""
        api.llama_memory_clear(self._memory, True)
        self.tokens.clear()

    def read(self, prompt: Sequence[int], progress: Callable[[int], None]) -> None:
        """Evaluate ``prompt`` after what is remembered of it. ``progress`` gets the tokens done so far.

        Raises ``AbortedError`` (what is finished stays remembered) or ``DecodeError``.
        """
        last = len(prompt) - 1
        chunk = self.shape.chunk
        at = len(self.tokens)
        while at < last:
            end = min(last, (at // chunk + 1) * chunk)
            part = prompt[at:end]
            self._chunk[: len(part)] = part
            self._decode(api.llama_batch_get_one(self._chunk, len(part)), part)
            at = end
            progress(at)
        self.step(prompt[last])
        progress(len(prompt))

    def step(self, token: int) -> None:
        """Evaluate one token. Raises ``AbortedError`` or ``DecodeError``."""
        self._one[0] = token
        self._decode(self._one_batch, (token,))

    def _decode(self, batch: Any, part: Sequence[int]) -> None:
        code = api.llama_decode(self.pointer, batch)
        if code:
            self._failed(code, part)
        self.tokens.extend(part)

    def _failed(self, code: int, part: Sequence[int]) -> None:
        # finished micro-batches stay in the memory: mirror what is really there
        held = int(api.llama_memory_seq_pos_max(self._memory, 0)) + 1
        before = len(self.tokens)
        if self.model.recurrent:
            self.forget()  # its state may be half-way
        elif before < held <= before + len(part):
            self.tokens.extend(part[: held - before])
        elif held != before:
            self.forget()
        if code == 2 or self.flag.is_set:
            raise AbortedError
        raise DecodeError(code)


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

    def next(self, context: Context) -> int:
        """The next token, which the chain remembers.

        Raises ``NotNumbersError`` where there is nothing to choose by. All values are looked at for the first token (a
        few milliseconds), later only the chosen one's.
        """
        values = api.llama_get_logits_ith(context.pointer, -1)
        if self._fresh:
            self._fresh = False
            total = sum(memoryview(ctypes.cast(values, self._row).contents).cast("B").cast("f"))
            if math.isnan(total) or total == math.inf:  # minus infinity only forbids a token
                raise NotNumbersError
        token = int(api.llama_sampler_sample(self.pointer, context.pointer, -1))
        if token < 0 or not math.isfinite(values[token]):
            raise NotNumbersError
        return token

    def close(self) -> None:
        """Free the chain and its parts."""
        if self.pointer:
            api.llama_sampler_free(self.pointer)
            self.pointer = None
