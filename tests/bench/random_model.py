"""A model with random weights in the shape of Qwen3-0.6B, for figures that do not depend on what is downloaded.

    python -m tests.bench.random_model --vocab vendor/llama.cpp/models/ggml-vocab-qwen2.gguf --quant q8_0

``--vocab`` takes the true vocabulary, from llama-cpp-python's sdist. Prints the path; a file that is there stays.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from tests import gguf_files

QUANTS = ("q4_k_m", "q8_0")


def cache_folder() -> Path:
    """Where models and built programs for benches are kept."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "qwen-desktop" / "build"


def write_model(folder: Path, vocab: Path | None, quant: str = QUANTS[0]) -> Path:
    """The quantized model, written once."""
    done = folder / f"qwen3-0.6b-random{'-true' if vocab else ''}-{quant}.gguf"
    if done.exists():
        return done
    folder.mkdir(parents=True, exist_ok=True)
    whole, part = folder / "qwen3-0.6b-random-f16.gguf", done.with_suffix(".part")
    print("writing the model …", file=sys.stderr, flush=True)
    gguf_files.write(
        whole,
        vocab=gguf_files.FULL_VOCABULARY,
        vocab_from=vocab,
        layers=28,
        width=1024,
        heads=16,
        kv_heads=8,
        head=128,
        hidden=3072,
        context=40_960,
        quant="f16",
        name="Qwen3 0.6B shape, random weights",
    )
    print("quantizing …", file=sys.stderr, flush=True)
    import llama_cpp.llama_cpp as api  # noqa: PLC0415 - the engine itself runs in its worker

    quiet = api.llama_log_callback(lambda _level, _text, _data: None)
    api.llama_log_set(quiet, None)
    params = api.llama_model_quantize_default_params()
    params.ftype = {"q4_k_m": api.LLAMA_FTYPE_MOSTLY_Q4_K_M, "q8_0": api.LLAMA_FTYPE_MOSTLY_Q8_0}[quant]
    if api.llama_model_quantize(str(whole).encode(), str(part).encode(), params):
        raise SystemExit("quantizing failed")
    whole.unlink()
    part.rename(done)
    return done


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--vocab", type=Path, help="a GGUF to take the vocabulary from")
    parser.add_argument("--quant", choices=QUANTS, default=QUANTS[0])
    parser.add_argument("--folder", type=Path, default=cache_folder())
    args = parser.parse_args()
    print(write_model(args.folder, args.vocab, args.quant))
    return 0


if __name__ == "__main__":
    sys.exit(main())
