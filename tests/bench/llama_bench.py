"""llama.cpp's own ``llama-bench``, built with the wheel's flags and asked for speeds."""

from __future__ import annotations

import json
import os
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple


class Measured(NamedTuple):
    """What was measured: tokens of a prompt read (0: none), tokens written, at which depth."""

    prompt: int
    written: int
    depth: int


def build(sdist: Path, folder: Path) -> Path:
    """Build it from llama-cpp-python's sdist unless it is there; needs cmake and ninja, some six minutes."""
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


def speeds(
    program: Path,
    model: Path,
    *,
    prompts: Sequence[int] = (),
    written: Sequence[int] = (),
    depths: Sequence[int] = (0,),
    how: Sequence[str] = (),
) -> dict[Measured, float]:
    """Tokens per second for each prompt and for each written number at each depth; ``how`` are further options.

    A long prompt is not read once before for nothing, as the program does by itself.
    """
    command = [str(program), "-m", str(model), "-r", "1", "-o", "json", *how]
    command += ["-p", ",".join(map(str, prompts or (0,))), "-n", ",".join(map(str, written or (0,)))]
    command += ["-d", ",".join(map(str, depths))]
    if max((*prompts, 0)) > 512:
        command.append("--no-warmup")
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return {
        Measured(entry["n_prompt"], entry["n_gen"], entry["n_depth"]): float(entry["avg_ts"])
        for entry in json.loads(output)
    }
