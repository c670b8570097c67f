"""Decode speed through worker, pipe and client against ``llama-bench``: the same file, depth, threads and settings.

Writes a random-weight model in the shape of Qwen3-0.6B (``--vocab`` takes the true vocabulary from
``vendor/llama.cpp/models/ggml-vocab-qwen2.gguf`` of llama-cpp-python's sdist), quantizes it to Q4_K_M, then runs both
programs in turns and compares the best of each. Run it on a quiet machine::

    python -m tests.bench.decode --sdist llama_cpp_python-0.3.36.tar.gz

``--sdist`` builds ``llama-bench`` once (cmake and ninja, some six minutes); ``--llama-bench`` names a built one.
The verdict is "ok" at 0.95 or more.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tarfile
import time
from pathlib import Path

from qwen_desktop.core.engine import ChatMessage, GenerateRequest, LoadRequest, Sampling
from qwen_desktop.core.parts import Role, TextPart
from qwen_desktop.engine.local import LocalWorkerEngine
from qwen_desktop.process.spawn import worker_command
from tests import gguf_files

TARGET = 0.95


def cache_folder() -> Path:
    """Where the built program and the model are kept."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "qwen-desktop" / "build"


def build_llama_bench(sdist: Path, folder: Path) -> Path:
    """Build ``llama-bench`` with the flags that the wheel is built with, unless it is there."""
    program = folder / "llama-bench" / "bin" / ("llama-bench.exe" if os.name == "nt" else "llama-bench")
    if program.exists():
        return program
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    source = folder / sdist.name.removesuffix(".tar.gz") / "vendor" / "llama.cpp"
    options = ["-DLLAMA_CURL=OFF", "-DCMAKE_BUILD_TYPE=Release", "-DLLAMA_BUILD_TESTS=OFF"]
    target = folder / "llama-bench"
    subprocess.run(["cmake", "-G", "Ninja", "-S", str(source), "-B", str(target), *options], check=True)
    subprocess.run(["cmake", "--build", str(target), "--target", "llama-bench"], check=True)
    return program


def write_model(folder: Path, vocab: Path | None) -> Path:
    """The quantized model, written once."""
    done = folder / f"qwen3-0.6b-random{'-true' if vocab else ''}-q4_k_m.gguf"
    if done.exists():
        return done
    folder.mkdir(parents=True, exist_ok=True)
    whole = folder / "qwen3-0.6b-random-f16.gguf"
    print("writing the model …", flush=True)
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
    print("quantizing …", flush=True)
    import llama_cpp.llama_cpp as api  # noqa: PLC0415 - the engine itself runs in its worker

    quiet = api.llama_log_callback(lambda _level, _text, _data: None)
    api.llama_log_set(quiet, None)
    params = api.llama_model_quantize_default_params()
    params.ftype = api.LLAMA_FTYPE_MOSTLY_Q4_K_M
    if api.llama_model_quantize(str(whole).encode(), str(done).encode(), params):
        raise SystemExit("quantizing failed")
    whole.unlink()
    return done


def repacks() -> bool:
    """Whether our engine lets llama.cpp rearrange the weights on this processor."""
    from qwen_desktop.engine.llama import LlamaLibrary  # noqa: PLC0415 - imports llama_cpp

    return LlamaLibrary(lambda _line: None).repacks


async def ours(engine: LocalWorkerEngine, depth: int, tokens: int) -> tuple[float, float]:
    """Tokens per second as the client sees it, and as the worker measures it, after a prompt of ``depth`` tokens."""
    words = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]

    def request(count: int) -> GenerateRequest:
        text = " ".join(words[i % 10] for i in range(count))
        message = ChatMessage(Role.USER, (TextPart(text),))
        return GenerateRequest((message,), max_tokens=tokens, sampling=Sampling(temperature=0.0))

    count = 1
    while (await engine.count_tokens(request(count + 1)))[0] <= depth:
        count += 1
    began = time.perf_counter()
    async with engine.generate(request(count)) as run:
        async for _ in run:
            pass
    wall = time.perf_counter() - began
    stats = run.result.stats
    if stats.completion_tokens != tokens:
        raise SystemExit(f"the random model ended after {stats.completion_tokens} tokens: take another --depth")
    return (tokens - 1) / (wall - stats.ttft_s), stats.decode_tokens_per_s


def theirs(program: Path, model: Path, *, depth: int, tokens: int, threads: int, flash: str, repack: bool) -> float:
    """Tokens per second by ``llama-bench``."""
    command = [str(program), "-m", str(model), "-p", "0", "-n", str(tokens), "-d", str(depth), "-t", str(threads)]
    command += ["-fa", flash, "--repack", str(int(repack)), "-ngl", "0", "-r", "1", "-o", "json"]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return float(json.loads(output)[0]["avg_ts"])


async def compare(args: argparse.Namespace, model: Path, program: Path) -> float:
    """Run both in turns; returns the ratio of the bests."""
    repack = repacks()
    print(f"threads {args.threads}, depth {args.depth}, flash attention {args.flash}, repacking {repack}")
    client: list[float] = []
    worker: list[float] = []
    bench: list[float] = []
    for turn in range(args.turns):
        engine = LocalWorkerEngine(worker_command("engine"))
        load = LoadRequest(str(model), context=1024, threads=args.threads, gpu_layers=0, flash_attention=args.flash)
        async for _ in engine.load(load):
            pass
        seen, measured = await ours(engine, args.depth, args.tokens)
        await engine.aclose()
        client.append(seen)
        worker.append(measured)
        bench.append(
            await asyncio.to_thread(
                theirs,
                program,
                model,
                depth=args.depth,
                tokens=args.tokens,
                threads=args.threads,
                flash=args.flash,
                repack=repack,
            )
        )
        print(
            f"{turn + 1}: client {seen:6.2f}  worker {measured:6.2f}  llama-bench {bench[-1]:6.2f} tokens/s", flush=True
        )
    ratio = max(client) / max(bench)
    print(f"best: client {max(client):.2f}, worker {max(worker):.2f}, llama-bench {max(bench):.2f}; ratio {ratio:.3f}")
    return ratio


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--llama-bench", type=Path, help="a built llama-bench")
    parser.add_argument("--sdist", type=Path, help="llama-cpp-python's sdist, to build llama-bench from")
    parser.add_argument("--vocab", type=Path, help="a GGUF to take the vocabulary from")
    parser.add_argument("--folder", type=Path, default=cache_folder())
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--depth", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--flash", choices=("on", "off"), default="off")
    args = parser.parse_args()
    program = args.llama_bench or (build_llama_bench(args.sdist, args.folder) if args.sdist else None)
    if program is None:
        parser.error("name --llama-bench or --sdist")
    ratio = asyncio.run(compare(args, write_model(args.folder, args.vocab), program))
    verdict = "ok" if ratio >= TARGET else "too slow"
    print(f"verdict: {verdict} (wanted {TARGET})")
    return 0 if ratio >= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
