"""What the smoke test does with a model beside chatting: it is made smaller, turns texts into vectors, gets an adapter.

All of it by commands of the installed program; each needs another process, or another part of llama.cpp.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import smoke_files
from dev_console import Failed
from smoke_report import Report
from smoke_window import QUESTIONS


class Models:
    """``command`` runs one of the app's and returns what it prints, ``model`` is a copy of the guide."""

    def __init__(self, command: Callable[..., str], model: Path, report: Report) -> None:
        self._command = command
        self._model = model
        self._report = report

    def all(self) -> None:
        """Everything in order. Raises ``Failed``."""
        self._smaller()
        self._vectors()
        self._adapted()

    def _smaller(self) -> None:
        """Said how small it will be, made so by the worker for that, and measured with the text that was packed."""
        target = self._model.with_name("smaller, модель.gguf")
        words = (str(self._model), "q4_k_m", "--out", str(target), "--allow-requantize", "--json")
        planned = json.loads(self._command("models", "quantize", *words, "--dry-run"))
        if planned["status"] != "planned" or not planned["matrices"] or target.exists():
            raise Failed(f"models quantize --dry-run gives {planned}.")
        found = json.loads(self._command("models", "quantize", *words, "--quality"))
        sizes = {target.stat().st_size, found["size_bytes"], planned["size_bytes"]}
        if found["status"] != "done" or len(sizes) != 1 or not found["quality"]:
            raise Failed(f"models quantize gives {found}.")
        self._ask("--model", str(target))  # what it says is worse: the guide is small already
        listed = [file.name for file in target.parent.iterdir() if ".quantizing." in file.name]
        if listed:
            raise Failed(f"models quantize leaves {listed}.")
        self._report.right(f"models quantize: {found['source_bytes']} to {found['size_bytes']} bytes")
        self._command("models", "remove", str(target), "--yes")  # the link to it
        target.unlink()

    def _vectors(self) -> None:
        texts = ("How do I start a new chat?", "Which key starts a new chat?", "7 * 6 = 42")
        found = json.loads(self._command("embed", "--model", str(self._model), "--json", *texts))
        vectors = found["embeddings"]
        if [len(vector) for vector in vectors] != [found["dimensions"]] * 3 or not all(found["tokens"]):
            raise Failed(f"embed gives {[len(vector) for vector in vectors]} numbers, {found['tokens']} tokens.")
        alike, other = _cosine(vectors[0], vectors[1]), _cosine(vectors[0], vectors[2])
        if not -1.01 < other < alike < 1.01:
            raise Failed(f"embed: two like questions are {alike:.3f} near, another text {other:.3f}.")
        self._report.right(f"embed: like texts {alike:.2f}, others {other:.2f}")

    def _adapted(self) -> None:
        """An adapter changes what is said, and without strength nothing."""
        path = self._model.with_name("adapter.gguf")
        path.write_bytes(smoke_files.adapter(width=256, layers=6))
        plain = self._ask("--model", str(self._model))
        adapted, off = (self._ask("--model", str(self._model), "--lora", f"{path}{end}") for end in ("", ":0"))
        used = [each["used"] for each in adapted["adapters"]]
        if used != [True] or adapted["text"] == plain["text"] or off["text"] != plain["text"]:
            raise Failed(f"chat --lora: {used}, {adapted['text'][:100]!r}, {off['text'][:100]!r}.")
        self._report.right("chat --lora: an adapter changes the answer")
        path.unlink()

    def _ask(self, *words: str) -> dict[str, Any]:
        words = ("chat", "--json", "--max-tokens", "40", *words, QUESTIONS["new_chat"])
        answer: dict[str, Any] = json.loads(self._command(*words))
        return answer


def _cosine(one: Sequence[float], other: Sequence[float]) -> float:
    lengths = math.hypot(*one) * math.hypot(*other)
    return sum(a * b for a, b in zip(one, other, strict=True)) / (lengths or 1.0)
