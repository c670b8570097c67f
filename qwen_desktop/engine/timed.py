"""A context of its own on loaded weights, to be timed: made deep without reading. Worker side only."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable

from qwen_desktop.core.memory import cache_types
from qwen_desktop.core.tuning import Way
from qwen_desktop.engine import made_up
from qwen_desktop.engine.bindings import api
from qwen_desktop.engine.llama import Flag, Model, set_fields
from qwen_desktop.engine.llama_context import TYPES

#: Tokens of a context are counted in steps of so many.
STEP = 256
#: A state is put together in pieces of so many bytes, between which the flag is looked at.
_PIECE = 4 << 20


class StoppedError(Exception):
    """The flag was set: something else is wanted of the model."""


class CannotError(Exception):
    """There is no such context here, or it computes nothing."""


class Timed:
    """A context of ``size`` tokens for ``rows`` sequences that share them. Raises ``CannotError``."""

    def __init__(
        self, model: Model, way: Way, flag: Flag, *, size: int, threads: int, chunk: int, rows: int = 1
    ) -> None:
        self.way = way
        self.depth = 0
        self._model = model
        self._flag = flag
        self._threads = threads
        keys, values = (TYPES[name] for name in cache_types(way.kv_type))
        params = api.llama_context_default_params()
        set_fields(
            params,
            n_ctx=size,
            n_batch=max(chunk, rows),
            n_ubatch=max(chunk, rows),
            n_seq_max=rows,
            n_outputs_max=rows,  # fewer than sequences, or than rows that are asked for, end the process
            n_threads=threads,
            n_threads_batch=threads,
            flash_attn_type=int(way.flash_attention),
            type_k=keys,
            type_v=values,
            kv_unified=rows > 1,
            abort_callback=flag.callback,
            abort_callback_data=flag.data,
            no_perf=True,
        )
        self.pointer = api.llama_init_from_model(model.pointer, params)
        if not self.pointer:
            raise CannotError
        self._memory = api.llama_get_memory(self.pointer)
        self.size = int(api.llama_n_ctx(self.pointer))
        self._tokens = (api.llama_token * max(chunk, 1))()
        for index in range(len(self._tokens)):
            self._tokens[index] = (index * 97 + 11) % model.vocab_size
        self._rows = _Rows(rows) if rows > 1 else None

    def close(self) -> None:
        """Free its memory."""
        if self.pointer:
            if self._rows is not None:
                self._rows.close()
            api.llama_free(self.pointer)
            self.pointer = None

    def empty(self) -> None:
        """Nothing stands before what is evaluated next."""
        api.llama_memory_clear(self._memory, False)
        self.depth = 0

    def fill(self, one: made_up.OneToken, depth: int) -> None:
        """Have ``depth`` made-up tokens before what is evaluated next. Raises ``CannotError`` and ``StoppedError``."""
        state = bytearray()
        for piece in made_up.repeated(one, depth):
            for at in range(0, len(piece), _PIECE):
                self._check()
                state += piece[at : at + _PIECE]
        source = (ctypes.c_uint8 * len(state)).from_buffer(state)
        if api.llama_state_seq_set_data(self.pointer, source, len(state), 0) != len(state):
            self.empty()
            raise CannotError
        self.depth = depth

    def one_token(self) -> made_up.OneToken:
        """The state of one evaluated token. Raises ``CannotError`` and ``StoppedError``."""
        self.empty()
        self._decode(1)
        size = int(api.llama_state_seq_get_size(self.pointer, 0))
        state = (ctypes.c_uint8 * size)()
        if api.llama_state_seq_get_data(self.pointer, state, size, 0) != size:
            raise CannotError
        self.empty()
        try:
            return made_up.parse(bytes(state), recurrent=self._model.recurrent)
        except made_up.UnknownLayoutError as error:
            raise CannotError from error

    def write(self, threads: int) -> float:
        """Seconds that one token takes. Raises ``StoppedError`` and ``CannotError``."""
        return self._timed(threads, lambda: self._decode(1))

    def read(self, threads: int, tokens: int) -> float:
        """Seconds that ``tokens`` of a prompt take, at most the chunk. Raises as ``write``."""
        return self._timed(threads, lambda: self._decode(tokens))

    def batch(self, threads: int) -> float:
        """Seconds that one token each of all rows takes. Raises as ``write``."""
        rows = self._rows
        if rows is None:
            raise CannotError
        self.empty()
        return self._timed(threads, lambda: self._run(rows.batch))

    def _timed(self, threads: int, work: Callable[[], None]) -> float:
        if threads != self._threads:
            api.llama_set_n_threads(self.pointer, threads, threads)
            self._threads = threads
        self._check()
        began = time.perf_counter()
        work()
        taken = time.perf_counter() - began
        self._back()
        return max(taken, 1e-9)

    def _back(self) -> None:
        """Forget what was evaluated. A recurrent state cannot go back: it goes on, a little deeper."""
        if not self._model.recurrent:
            api.llama_memory_seq_rm(self._memory, -1, self.depth, -1)

    def _decode(self, tokens: int) -> None:
        if self._model.recurrent and api.llama_memory_seq_pos_max(self._memory, 0) + 1 + tokens > self.size:
            raise CannotError
        self._run(api.llama_batch_get_one(self._tokens, tokens))

    def _run(self, batch: object) -> None:
        code = api.llama_decode(self.pointer, batch)
        if code and self._flag.is_set:
            raise StoppedError
        if code:
            raise CannotError
        api.llama_synchronize(self.pointer)  # graphics cards may only have begun

    def _check(self) -> None:
        if self._flag.is_set:
            raise StoppedError


class _Rows:
    """A batch with one token of each sequence, all of which are asked for."""

    def __init__(self, rows: int) -> None:
        self.batch = batch = api.llama_batch_init(rows, 0, 1)
        batch.n_tokens = rows
        for row in range(rows):
            batch.token[row] = row + 11
            batch.pos[row] = 0
            batch.n_seq_id[row] = 1
            batch.seq_id[row][0] = row
            batch.logits[row] = 1

    def close(self) -> None:
        api.llama_batch_free(self.batch)
