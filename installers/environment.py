"""The Python environment that everything is built with: what requirements/build.txt locks by hash, and nothing else."""

from __future__ import annotations

import hashlib
import shutil
import sys
from pathlib import Path

import product  # puts tools/ on the path

import dev_cache  # isort: skip
from dev_console import Failed, heading, quiet, run  # isort: skip

REQUIREMENTS = product.HERE / "requirements" / "build.txt"


def locked() -> Path:
    """Its Python; made in the build cache at the first call, and anew when Python or the requirements change."""
    parts = [sys.version, dev_cache.sha256_of(REQUIREMENTS)]
    cache = dev_cache.created(dev_cache.folder() / "installers")
    folder = cache / f"environment-{hashlib.sha256(repr(parts).encode()).hexdigest()[:16]}"
    python = folder / ("Scripts/python.exe" if product.system() == "windows" else "bin/python")
    with dev_cache.lock(cache / "environment.lock", "making the build's environment"):
        if not (folder / ".complete").is_file():
            _make(folder, python)
            (folder / ".complete").touch()
    return python


def _make(folder: Path, python: Path) -> None:
    heading("The build's environment")
    shutil.rmtree(folder, ignore_errors=True)
    if run([sys.executable, "-m", "venv", folder]) != 0:
        raise Failed(f"{sys.executable} cannot make an environment: install its venv (Debian: python3-venv).")
    command: list[str | Path] = [python, "-m", "pip", "install", *quiet(), "--require-hashes", "--only-binary", ":all:"]
    if run([*command, "-r", REQUIREMENTS]) != 0:
        raise Failed("The locked requirements could not be installed: pip's message stands above. Check the network.")


def add(python: Path, wheel: Path) -> None:
    """Install our wheel of llama.cpp beside them, unless it is there."""
    note = python.parent.parent / ".wheel"
    digest = dev_cache.sha256_of(wheel)
    if note.is_file() and note.read_text(encoding="utf-8") == digest:
        return
    command: list[str | Path] = [python, "-m", "pip", "install", *quiet(), "--no-deps", "--no-index"]
    if run([*command, "--force-reinstall", wheel]) != 0:
        raise Failed("The wheel of llama.cpp could not be installed: pip's message stands above.")
    note.write_text(digest, encoding="utf-8")
