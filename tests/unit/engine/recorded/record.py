"""Records what models really write, token by token: ``python tests/unit/engine/recorded/record.py OUT.json [KIND …]``.

Greedy and sampled answers of SmolLM2-135M-Instruct to open questions, and greedy ones of random-weight models. What of
it is a loop and what a normal text is said by ``make_sets.py``, which makes the sets that the loop guard's tests read.
The kinds are greedy, sampled and random. On one core all of them take most of an hour; what there is, is in the file.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[4]))

from qwen_desktop.core.gguf import read_header
from qwen_desktop.engine.bindings import api
from qwen_desktop.engine.llama import LlamaLibrary, Model, set_fields
from tests import gguf_files
from tests.smollm2 import model_path

TOPICS = (
    "the sea", "black holes", "bread", "the French Revolution", "learning to play the piano", "climate change",
    "a small village in the mountains", "chess", "sleep", "volcanoes", "the history of writing", "bees", "trains",
    "democracy", "a lost dog", "photosynthesis", "loneliness", "the stock market", "robots", "gardens", "tea",
    "the Moon", "fractions", "a lighthouse keeper", "recycling", "music", "viruses", "the Silk Road", "cooking rice",
    "friendship",
)  # fmt: skip
OPEN = (
    "Explain {} in detail.", "Write a long story about {}.", "List thirty facts about {}.", "Write an essay about {}.",
    "Give me step by step advice about {}.", "Write a dialogue between two people about {}.",
    "What are the advantages and disadvantages of {}?", "Write a poem with many verses about {}.",
    "Think step by step about {} and tell me everything.", "Make a table about {}.",
)  # fmt: skip
SHORT = (
    "What is {}?", "Tell me something about {} in a few sentences.", "Write a letter to a friend about {}.",
    "Describe {} to a child.", "Give three tips about {}.", "Summarise what is known about {}.",
    "Write a product description about {}.", "Write a short Python function that has to do with {}.",
)  # fmt: skip
_SYSTEM = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"


def prompt(question: str) -> str:
    """A question as SmolLM2's own template writes it."""
    return f"<|im_start|>system\n{_SYSTEM}<|im_end|>\n<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n"


class Recorder:
    """Answers of one model, some at once."""

    def __init__(self, model: Model, *, slots: int = 16, each: int = 1280) -> None:
        self._model, self._slots = model, slots
        params = api.llama_context_default_params()
        set_fields(
            params, n_ctx=slots * each, n_batch=512, n_ubatch=512, n_seq_max=slots, n_outputs_max=max(slots, 16),
            n_threads=1, n_threads_batch=1, flash_attn_type=0, no_perf=True,
        )  # fmt: skip
        self._context = api.llama_init_from_model(model.pointer, params)
        self._memory = api.llama_get_memory(self._context)
        self._batch = api.llama_batch_init(512, 0, 1)

    def _decode(self, rows: list[tuple[int, int, int, bool]]) -> None:
        batch = self._batch
        batch.n_tokens = len(rows)
        for index, (token, position, sequence, output) in enumerate(rows):
            batch.token[index], batch.pos[index], batch.n_seq_id[index] = token, position, 1
            batch.seq_id[index][0], batch.logits[index] = sequence, output
        if api.llama_decode(self._context, batch):
            raise RuntimeError("llama_decode failed")

    def record(
        self, prompts: list[str], *, temperature: float, most: int, seed: int, ends: bool = True
    ) -> Iterator[dict[str, Any]]:
        """``{"prompt", "tokens", "ended"}`` of each, in the order in which they end. Greedy with temperature 0."""
        waiting = deque(enumerate(prompts))
        free = list(range(self._slots))
        running: dict[int, dict[str, Any]] = {}
        while waiting or running:
            while waiting and free:
                number, text = waiting.popleft()
                slot = free.pop()
                read = self._model.tokenize(text, special=True, begin=True)
                api.llama_memory_seq_rm(self._memory, slot, -1, -1)
                self._decode([(t, i, slot, i == len(read) - 1) for i, t in enumerate(read)])
                chain = api.llama_sampler_chain_init(api.llama_sampler_chain_default_params())
                if temperature:
                    api.llama_sampler_chain_add(chain, api.llama_sampler_init_top_p(0.95, 1))
                    api.llama_sampler_chain_add(chain, api.llama_sampler_init_temp(temperature))
                    api.llama_sampler_chain_add(chain, api.llama_sampler_init_dist(seed + number))
                else:
                    api.llama_sampler_chain_add(chain, api.llama_sampler_init_greedy())
                running[slot] = {"prompt": text, "tokens": [], "at": len(read), "chain": chain, "row": len(read) - 1}
                first = int(api.llama_sampler_sample(chain, self._context, -1))
                running[slot]["next"] = first
            rows: list[tuple[int, int, int, bool]] = []
            for slot, run in tuple(running.items()):
                token = run["next"]
                ended = ends and self._model.is_end(token)
                if not ended:
                    run["tokens"].append(token)
                if ended or len(run["tokens"]) >= most or _enough(run["tokens"]):
                    api.llama_sampler_free(run["chain"])
                    del running[slot]
                    free.append(slot)
                    yield {"prompt": run["prompt"], "tokens": run["tokens"], "ended": ended}
                    continue
                run["row"] = len(rows)
                rows.append((token, run["at"], slot, True))
                run["at"] += 1
            if rows:
                self._decode(rows)
                for run in running.values():
                    run["next"] = int(api.llama_sampler_sample(run["chain"], self._context, run["row"]))

    def close(self) -> None:
        """Free the context."""
        api.llama_batch_free(self._batch)
        api.llama_free(self._context)


def _enough(tokens: list[int]) -> bool:
    """Whether the last 400 tokens are one exact loop: more would only be the same again."""
    if len(tokens) % 25 or len(tokens) < 400:
        return False
    last = tokens[-400:]
    return any(last[period:] == last[:-period] for period in range(1, 60))


def main() -> None:
    """Record everything into one file, which grows as answers end."""
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("kinds", nargs="*", default=["greedy", "sampled", "random"])
    arguments = parser.parse_args()
    out, kinds = arguments.out, arguments.kinds
    library = LlamaLibrary(lambda _line: None)
    found: list[dict[str, Any]] = []
    began = time.monotonic()

    def keep(kind: str, answers: Iterator[dict[str, Any]]) -> None:
        for answer in answers:
            found.append({"kind": kind, **answer})
            if len(found) % 4 == 0:
                out.write_text(json.dumps(found))
                print(f"{len(found)} answers, {sum(len(f['tokens']) for f in found)} tokens, "
                      f"{time.monotonic() - began:.0f} s", flush=True)  # fmt: skip

    model = library.load(read_header(str(model_path())), 0, lambda _fraction: True)
    recorder = Recorder(model)
    asked = [prompt(f.format(t)) for t, f in itertools.product(TOPICS, OPEN)]
    if "greedy" in kinds:
        keep("greedy", recorder.record(asked[::2], temperature=0.0, most=900, seed=1))
    asked = [prompt(f.format(t)) for t, f in itertools.product(TOPICS, SHORT)]
    if "sampled" in kinds:
        keep("sampled", recorder.record(asked[::2], temperature=0.9, most=420, seed=1))
    recorder.close()
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(36) if "random" in kinds else ():
            path = Path(folder) / f"{seed}.gguf"
            tied = bool(seed % 4)
            prefer = None if tied else gguf_files.NEVER_ENDS
            gguf_files.write(path, vocab=600, tied=tied, prefer=prefer, seed=seed, layers=1 + seed % 4)
            random = library.load(read_header(os.fspath(path)), 0, lambda _fraction: True)
            other = Recorder(random, slots=4)
            said = [
                f"<|im_start|>user\n{t}<|im_end|>\n<|im_start|>assistant\n" for t in TOPICS[seed % 26 : seed % 26 + 4]
            ]
            keep("random", other.record(said, temperature=0.0, most=900, seed=1, ends=False))
            other.close()
            random.close()
    out.write_text(json.dumps(found))
    model.close()


if __name__ == "__main__":
    main()
