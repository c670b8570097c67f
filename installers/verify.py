#!/usr/bin/env python3
"""Check a frozen folder: ``python installers/verify.py dist/qwen-desktop``.

The guide must answer, natively with the code for the best kind of processor that this one is, and, where qemu's user
emulator is installed, on a processor of 2008 without AVX. A planted library must not be loaded, and the app must do
without the Vulkan backend and its loader. ``build.py`` runs this after freezing; the release workflow does with it.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tools")]

import product  # noqa: E402 - the two folders are on the path only now
from dev_console import Failed, heading, say  # noqa: E402
from linux import elf  # noqa: E402

QUESTION, ANSWER = "How do I start a new chat?", "Ctrl+N"
#: Without AVX: what the oldest processors that are served have.
OLD, OLD_KIND = "Nehalem", "sse42"
_CPU = re.compile(r"^(?:lib)?ggml-cpu-([\w.]+)\.(?:so|dll|dylib)$")
_PATIENCE_S = 600


def program(folder: Path) -> Path:
    """The console program of a frozen folder."""
    return folder / (product.CONSOLE_PROGRAM + (".exe" if product.system() == "windows" else ""))


def ask(folder: Path, environment: Mapping[str, str] | None = None, cwd: Path | None = None) -> dict[str, Any]:
    """Ask the guide by the command line with a data folder of its own; return the printed object."""
    with tempfile.TemporaryDirectory() as home:
        done = subprocess.run(
            [program(folder), "chat", "--json", QUESTION],
            env={**os.environ, "QWEN_DESKTOP_HOME": home, **(environment or {})},
            cwd=cwd,
            capture_output=True,
            encoding="utf-8",
            check=False,
            timeout=_PATIENCE_S,
        )
    if done.returncode != 0:
        raise Failed(f"{program(folder)} chat failed ({done.returncode}): {done.stderr.strip()[-800:]}")
    answer: dict[str, Any] = json.loads(done.stdout)
    if ANSWER not in answer["text"]:
        raise Failed(f"The guide's answer lacks {ANSWER!r}: {answer['text'][:200]!r}")
    return answer


def kinds(folder: Path) -> dict[str, Path]:
    """The kinds of processors that the folder has a library for."""
    found = {}
    for path in sorted((folder / "_internal" / "llama_cpp" / "lib").iterdir()):
        match = _CPU.match(path.name)
        if match:
            found[match[1]] = path
    return found


def best_kind(folder: Path) -> str:
    """The kind whose own score for this processor is the highest; each library is asked in a process of its own."""
    scores = {}
    for kind, path in kinds(folder).items():
        code = f"import sys; sys.path.insert(0, {str(HERE)!r}); import verify; print(verify.score({str(path)!r}))"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=False)
        scores[kind] = int(done.stdout) if done.returncode == 0 else 0
    best = max(scores, key=lambda kind: scores[kind])
    if not scores[best]:
        raise Failed(f"No library in {folder} fits this processor.")
    return best


def score(path: str) -> int:
    """What one library of ggml says of this processor: 0 is "does not run here"."""
    folder = Path(path).parent
    for name in ("libggml-base.so", "libggml-base.dylib", "ggml-base.dll"):
        if (folder / name).exists():
            ctypes.CDLL(str(folder / name), mode=ctypes.RTLD_GLOBAL)
    return int(ctypes.CDLL(path).ggml_backend_score())


def natively(folder: Path) -> str:
    """The guide answers with the best kind for this processor; returns what was seen."""
    cpu, wanted = str(ask(folder)["stats"]["cpu"]), best_kind(folder) if kinds(folder) else "native"
    if cpu != wanted:
        raise Failed(f"The engine picked its code for {cpu!r}, but {wanted!r} is the best for this processor.")
    return f"answers with {cpu}, the best of {len(kinds(folder))} kinds"


def on_an_old_processor(folder: Path) -> str:
    """The worker runs under qemu as a processor without AVX; returns what was seen, or why it was not tried.

    qemu's user emulator does not follow into child processes, so the worker is started through it, and PyInstaller's
    bootloader is told that it has started itself anew already.
    """
    if product.system() != "linux" or product.architecture() != "x64":
        return "not tried: emulated for x64 on Linux only"
    emulator = shutil.which("qemu-x86_64-static") or shutil.which("qemu-x86_64")
    if emulator is None:
        return "not tried: qemu-x86_64 is not installed (Debian: qemu-user-static)"
    inside = folder / "_internal"
    prefix = (
        f"env '_PYI_ARCHIVE_FILE={program(folder)}' '_PYI_APPLICATION_HOME_DIR={inside}' "
        f"_PYI_PARENT_PROCESS_LEVEL=0 'LD_LIBRARY_PATH={inside}' {emulator} -cpu {OLD}"
    )
    cpu = str(ask(folder, {"QWEN_DESKTOP_WORKER_PREFIX": prefix})["stats"]["cpu"])
    if cpu != OLD_KIND:
        raise Failed(f"On a {OLD} the engine picked its code for {cpu!r} instead of {OLD_KIND!r}.")
    return f"answers with {cpu} on a {OLD}"


def with_planted_libraries(folder: Path) -> str:
    """Libraries that lie in the current folder, beside a model that was clicked on, are not loaded."""
    compiler = shutil.which("cc")
    if product.system() != "linux" or compiler is None:
        return "not tried: needs Linux and a C compiler"
    with tempfile.TemporaryDirectory() as place:
        marker, trap = Path(place) / "loaded", Path(place) / "trap.c"
        trap.write_text(
            "#include <fcntl.h>\n__attribute__((constructor)) static void sprung(void)"
            f'{{ open("{marker}", O_CREAT | O_WRONLY, 0600); }}\n',
            encoding="utf-8",
        )
        library = Path(place) / "libggml-cpu-native.so"
        subprocess.run([compiler, "-shared", "-fPIC", "-o", library, trap], check=True)
        names = [*(path.name for path in kinds(folder).values()), "libggml-vulkan.so", "libggml-base.so", "libllama.so"]
        for name in names:
            shutil.copy(library, Path(place) / name)
        ctypes.CDLL(str(library))
        if not marker.exists():
            raise Failed("The trap of the check for planted libraries does not spring.")
        marker.unlink()
        ask(folder, {"GGML_BACKEND_PATH": str(library), "LLAMA_CPP_LIB_PATH": place}, cwd=Path(place))
        if marker.exists():
            raise Failed("A library from the current folder or from one that the environment names was loaded.")
    return f"{len(names)} planted libraries were not loaded"


def without_vulkan(folder: Path) -> str:
    """The guide answers where the backend is there and its loader is not, as on a computer without graphics drivers."""
    backend = [path for path in (folder / "_internal" / "llama_cpp" / "lib").iterdir() if "vulkan" in path.name]
    if not backend:
        return "built without it"
    if product.system() != "linux":
        return "not tried: needs Linux"
    if not any("vulkan" in name for name in elf.read(backend[0]).needed):
        return "its loader is not linked"
    with tempfile.TemporaryDirectory() as place:  # in front of the system's: a loader that cannot be loaded
        (Path(place) / "libvulkan.so.1").write_bytes(b"no library")
        ask(folder, {"LD_LIBRARY_PATH": place, "LD_LIBRARY_PATH_ORIG": place})
    return "answers where Vulkan's loader cannot be loaded"


CHECKS = {
    "natively": natively,
    "old processor": on_an_old_processor,
    "planted libraries": with_planted_libraries,
    "Vulkan": without_vulkan,
}


def verify(folder: Path) -> None:
    """Run all checks. Raises ``Failed`` at the first that does not hold."""
    heading("Checking the frozen folder")
    for name, check in CHECKS.items():
        say(f"{name}: {check(folder)}")


def main() -> int:
    """Check the folder that the command line names."""
    if len(sys.argv) != 2 or not program(Path(sys.argv[1])).is_file():
        print(f"verify: name a frozen folder (it holds the program {product.CONSOLE_PROGRAM}).", file=sys.stderr)
        return 2
    try:
        verify(Path(sys.argv[1]).absolute())
    except Failed as failure:
        print(f"verify: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
