"""Run the finished guide through llama.cpp, for ``evaluate.py`` and the tests. Needs the app's packages, no torch."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import llama_cpp.llama_cpp as lib
import numpy as np
from jinja2.sandbox import ImmutableSandboxedEnvironment

ROOT = Path(__file__).resolve().parent
GGUF = ROOT / "guide.gguf"


@lib.llama_log_callback
def _silent(_level: int, _text: bytes, _data: ctypes.c_void_p) -> None:
    """Swallow llama.cpp's log; kept at module level, since a collected callback crashes the process."""


class Guide:
    """The model, loaded once; answers greedily. Close it, or use it as a context manager."""

    def __init__(self, path: Path = GGUF, context: int = 4096, vocab_only: bool = False, threads: int = 1) -> None:
        lib.llama_log_set(_silent, ctypes.c_void_p(0))
        lib.llama_backend_init()
        params = lib.llama_model_default_params()
        params.vocab_only = vocab_only
        params.n_gpu_layers = 0
        params.use_extra_bufts = False  # AMX crashes in containers whose kernel does not grant it
        self.model: Any = lib.llama_model_load_from_file(str(path).encode(), params)
        if not self.model:
            raise RuntimeError(f"cannot load {path}")
        self.vocab = lib.llama_model_get_vocab(self.model)
        self.size = lib.llama_vocab_n_tokens(self.vocab)
        self.context: Any = None
        if not vocab_only:
            wanted = lib.llama_context_default_params()
            wanted.n_ctx = context
            wanted.n_batch = context
            wanted.n_threads = wanted.n_threads_batch = threads
            self.context = lib.llama_init_from_model(self.model, wanted)
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
        self.template = environment.from_string(self.meta("tokenizer.chat_template"))

    def __enter__(self) -> Guide:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the model."""
        if self.context:
            lib.llama_free(self.context)
        if self.model:
            lib.llama_model_free(self.model)
        self.context = self.model = None

    def meta(self, key: str) -> str:
        """Return one value of the file's metadata as text, "" when it is not there."""
        buffer = ctypes.create_string_buffer(65_536)
        count = lib.llama_model_meta_val_str(self.model, key.encode(), buffer, len(buffer))
        return buffer.value.decode("utf-8") if count >= 0 else ""

    @property
    def version(self) -> str:
        """The version of the file: it knows the facts whose ``since`` is no later."""
        return self.meta("qwen_desktop.guide.version")

    def tokens(self, text: str) -> list[int]:
        """Return llama.cpp's ids of a text."""
        raw = text.encode("utf-8")
        room = (lib.llama_token * (len(raw) + 8))()
        count = lib.llama_tokenize(self.vocab, raw, len(raw), room, len(room), False, True)
        return list(room[:count])

    def piece(self, token: int) -> bytes:
        """Return the bytes of a token, control tokens included."""
        buffer = ctypes.create_string_buffer(256)
        count = lib.llama_token_to_piece(self.vocab, token, buffer, len(buffer), 0, True)
        return buffer.raw[: max(count, 0)]

    def prompt(self, messages: list[dict[str, str]], thinking: bool | None) -> str:
        """Return the rendered chat; ``None`` leaves ``enable_thinking`` undefined."""
        extra = {} if thinking is None else {"enable_thinking": thinking}
        return self.template.render(messages=messages, add_generation_prompt=True, **extra)

    def logits(self, ids: list[int]) -> np.ndarray:
        """Decode some tokens after those already seen and return the logits after the last."""
        array = (lib.llama_token * len(ids))(*ids)
        if lib.llama_decode(self.context, lib.llama_batch_get_one(array, len(ids))) != 0:
            raise RuntimeError("decoding failed")
        row = lib.llama_get_logits_ith(self.context, -1)
        return np.ctypeslib.as_array(row, shape=(self.size,))

    def complete(self, prompt: str, limit: int = 400) -> str:
        """Return the most likely continuation up to the end of the answer."""
        lib.llama_memory_clear(lib.llama_get_memory(self.context), True)
        ids, out = self.tokens(prompt), b""
        for _ in range(limit):
            token = int(np.argmax(self.logits(ids)))
            if lib.llama_vocab_is_eog(self.vocab, token):
                break
            out += self.piece(token)
            ids = [token]
        return out.decode("utf-8", "replace")

    def answer(self, messages: list[dict[str, str]], thinking: bool | None) -> tuple[str, str]:
        """Return thoughts and answer to a conversation."""
        text = self.complete(self.prompt(messages, thinking))
        thoughts, mark, rest = text.partition("</think>")
        return (thoughts.replace("<think>", "").strip(), rest.strip()) if mark else ("", text.strip())

    def ask(self, question: str, thinking: bool | None) -> str:
        """Return the answer to one question in a fresh chat."""
        return self.answer([{"role": "user", "content": question}], thinking)[1]
