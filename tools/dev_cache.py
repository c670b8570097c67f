"""The build cache: where it lies, how a built wheel is named, locks, checksums and atomic placement.

A wheel of llama-cpp-python is built for the processor at hand, so its key holds the processor's flags: the same
home folder on another computer builds again instead of dying of an illegal instruction.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from dev_console import Failed, say

OVERRIDE = "QWEN_DESKTOP_BUILD_CACHE"
FOLDER = "qwen-desktop-build"


def folder(environ: Mapping[str, str] = os.environ, system: str = sys.platform) -> Path:
    """The cache folder of this user; not created here."""
    override = environ.get(OVERRIDE, "").strip()
    if override:
        return Path(override).expanduser().absolute()
    if system == "win32":
        return Path(environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / FOLDER
    if system == "darwin":
        return Path.home() / "Library" / "Caches" / FOLDER
    return Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / FOLDER


def created(path: Path) -> Path:
    """``path``, made if need be; a sentence when it cannot be."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Failed(
            f"The cache folder {path} cannot be made ({error.strerror}): set {OVERRIDE} to a folder you can write."
        ) from error
    return path


def cpuinfo_flags(text: str) -> tuple[str, ...]:
    """The processor's flags out of ``/proc/cpuinfo`` (x86 calls them flags, ARM calls them Features), sorted."""
    found: set[str] = set()
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("flags", "Features"):
            found.update(value.split())
    return tuple(sorted(found))


def processor() -> tuple[str, ...]:
    """What distinguishes this processor for a native build, on this system."""
    if sys.platform == "win32":
        return (os.environ.get("PROCESSOR_IDENTIFIER", ""), platform.machine())
    if sys.platform == "darwin":
        return tuple(_sysctl(name) for name in ("machdep.cpu.brand_string", "machdep.cpu.features", "hw.optional"))
    try:
        flags = cpuinfo_flags(Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace"))
    except OSError:
        flags = ()
    return flags or (platform.machine(), platform.processor())


def _sysctl(name: str) -> str:
    try:
        done = subprocess.run(["sysctl", "-n", name], capture_output=True, encoding="utf-8", check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return " ".join(sorted(done.stdout.split()))


def wheel_key(version: str, cmake_args: str, cpu: tuple[str, ...], system: str | None = None) -> str:
    """The name of a built wheel's folder: readable in front, a hash of everything that changes the result behind.

    The wheel holds no Python extension module (ctypes loads the libraries), so the Python version is not in it.
    """
    system = system or sysconfig.get_platform()
    parts = json.dumps([version, system, list(cpu), " ".join(cmake_args.split())])
    return f"llama_cpp_python-{version}-{system}-{hashlib.sha256(parts.encode()).hexdigest()[:16]}"


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, as hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def place(source: Path, target: Path) -> Path:
    """Copy ``source`` to ``target`` so that nobody ever sees a part of it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".part-", dir=target.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as out, source.open("rb") as data:
            shutil.copyfileobj(data, out, 1 << 20)
            out.flush()
            os.fsync(out.fileno())
        shutil.copymode(source, temporary)  # a temporary file is its maker's alone
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return target


@contextlib.contextmanager
def lock(path: Path, waiting_for: str) -> Iterator[None]:
    """Hold the lock file ``path``; the system frees it when its holder dies. Says once when it has to wait."""
    created(path.parent)
    with path.open("a+b") as file:
        told = False
        while not _try_lock(file.fileno()):
            if not told:
                say(f"Waiting for another run that is {waiting_for} …")
                told = True
            time.sleep(0.5)
        try:
            yield
        finally:
            _unlock(file.fileno())


if sys.platform == "win32":
    import msvcrt

    def _try_lock(handle: int) -> bool:
        os.lseek(handle, 0, os.SEEK_SET)
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _unlock(handle: int) -> None:
        os.lseek(handle, 0, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _try_lock(handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def _unlock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_UN)


def clean() -> int:
    """Remove everything in the cache; return the bytes freed."""
    root = folder()
    if not root.is_dir():
        return 0
    size = sum(path.stat().st_size for path in root.rglob("*") if path.is_file() and not path.is_symlink())
    shutil.rmtree(root)
    return size
