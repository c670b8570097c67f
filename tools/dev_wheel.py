"""llama-cpp-python: built from its source once for this processor, kept in the cache, installed from there.

Where it cannot be built, a prebuilt wheel named in ``prebuilt.json`` (with its checksum) takes its place.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import dev_cache
import dev_download
import dev_system
from dev_console import ROOT, Failed, ProgressLine, duration, output, quiet, run, say
from dev_download import Download

PACKAGE = "llama-cpp-python"
_STEP = re.compile(r"\[(\d+)/(\d+)\]")
_CHECK = (
    "import llama_cpp as l\n"
    "l.llama_backend_init()\n"
    "print('ok', l.__version__, l.llama_print_system_info().decode())\n"
    "l.llama_backend_free()\n"
)


def find_prebuilt(table: Mapping[str, object], version: str, system: str) -> Download | None:
    """The entry of ``prebuilt.json`` for this version and platform, or None."""
    wheels = table.get("wheels", [])
    for entry in wheels if isinstance(wheels, list) else []:
        if (entry.get("package"), entry.get("version"), entry.get("platform")) == (PACKAGE, version, system):
            return Download(str(entry["url"]), str(entry["sha256"]).lower())
    return None


def this_prebuilt(version: str) -> Download | None:
    """The prebuilt wheel for this computer, or None."""
    table = json.loads((ROOT / "tools" / "prebuilt.json").read_text(encoding="utf-8"))
    return find_prebuilt(table, version, sysconfig.get_platform())


def progress_of(line: str) -> tuple[int, int] | None:
    """``(n, m)`` from Ninja's ``[n/m]``, or None."""
    found = _STEP.search(line)
    return (int(found[1]), int(found[2])) if found and int(found[2]) > 1 else None


@contextmanager
def build_folder(cache: Path) -> Iterator[Path]:
    """A folder for the build. On Windows short (``C:\\qwb…``): paths of llama.cpp exceed 260 characters elsewhere."""
    for left in cache.glob("qwb*"):  # of a build that was killed; nobody else builds while we hold the lock
        shutil.rmtree(left, ignore_errors=True)
    base = cache
    if sys.platform == "win32":
        drive = Path(os.environ.get("SYSTEMDRIVE", "C:") + "\\")
        if os.access(drive, os.W_OK):
            base = drive
    folder = Path(tempfile.mkdtemp(prefix="qwb", dir=base))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def build(python: Path, version: str, folder: Path, log: Path) -> Path:
    """Build the wheel from its sdist with the environment's pip; its whole output goes to ``log``.

    Raises ``Failed`` with the end of that output.
    """
    say(f"Building {PACKAGE} {version} from its source for this processor: about 5 minutes on two cores, only once.")
    command = [str(python), "-m", "pip", "wheel", "-v", "--no-deps", "--no-cache-dir", "--no-binary", PACKAGE]
    command += ["--wheel-dir", str(folder / "out"), f"{PACKAGE}=={version}"]
    short = folder / "t"
    short.mkdir()
    environment = {**os.environ, "TMPDIR": str(short), "TEMP": str(short), "TMP": str(short), "PIP_NO_COLOR": "1"}
    started = time.monotonic()
    line = ProgressLine()
    tail: list[str] = []
    with log.open("w", encoding="utf-8") as record:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, encoding="utf-8", errors="replace",
        )  # fmt: skip
        try:
            assert process.stdout is not None  # noqa: S101 - it was asked for
            done = ""
            for text in process.stdout:
                record.write(text)
                tail = [*tail, text.rstrip()][-20:]
                step = progress_of(text)
                if step:
                    done = f"{100 * step[0] // step[1]:3d} % ({step[0]} of {step[1]} files), "
                line.show(f"  {done}{duration(time.monotonic() - started)}")
            code = process.wait()
        except BaseException:
            process.terminate()
            process.wait()
            raise
    line.end()
    wheels = list((folder / "out").glob("*.whl"))
    if code != 0 or len(wheels) != 1:
        say("\n".join(tail))
        raise Failed(f"Building {PACKAGE} failed; the end of its output stands above, all of it in {log}.")
    say(f"Built in {duration(time.monotonic() - started)}.")
    return wheels[0]


def works(python: Path) -> str:
    """Import the installed package and start its backend in a process of its own: "" when it works, else why not."""
    code, text = output([python, "-I", "-c", _CHECK], timeout=120, cwd=python.parent)
    if code == 0 and "ok " in text:
        return ""
    lines = text.strip().splitlines()
    return lines[-1] if lines else f"exit code {code}"


def installed_version(python: Path) -> str:
    """The version in the environment, or ""."""
    query = f"import importlib.metadata as m\ntry: print(m.version({PACKAGE!r}))\nexcept m.PackageNotFoundError: pass"
    return output([python, "-I", "-c", query], cwd=python.parent)[1].strip()


def install(python: Path, wheel: Path) -> None:
    """Put exactly this wheel into the environment, with what it depends on. Raises ``Failed``."""
    if installed_version(python):
        run([python, "-m", "pip", "uninstall", *quiet(), "-y", PACKAGE])
    if run([python, "-m", "pip", "install", *quiet(), wheel]) != 0:
        raise Failed(f"{PACKAGE} could not be installed: pip's message stands above.")


def cached(folder: Path) -> Path | None:
    """The wheel in a cache folder, or None."""
    wheels = sorted(folder.glob("*.whl"))
    return wheels[0] if wheels else None


def cache_folder(version: str) -> Path:
    """Where the wheel for this version, processor and CMAKE_ARGS lies or will lie."""
    key = dev_cache.wheel_key(version, os.environ.get("CMAKE_ARGS", ""), dev_cache.processor())
    return dev_cache.folder() / "wheels" / key


def ensure(python: Path, version: str, installed_key: str | None) -> str:
    """Make the environment hold a working llama-cpp-python of this version; return the key of its wheel.

    ``installed_key`` is the key noted at the last set-up, None when there is no note (an environment made by hand).
    """
    target = cache_folder(version)
    if installed_version(python) == version and installed_key in (None, target.name) and not works(python):
        return target.name
    with dev_cache.lock(dev_cache.folder() / "locks" / "wheel.lock", f"building {PACKAGE}"):
        wheel = cached(target)
        if wheel:
            install(python, wheel)
            problem = works(python)
            if not problem:
                say(f"{PACKAGE} {version} came from the cache.")
                return target.name
            say(f"The cached {PACKAGE} does not work here ({problem}); it is made again.")
            wheel.unlink()
        _make(python, version, target)
    return target.name


def _make(python: Path, version: str, target: Path) -> None:
    cache = dev_cache.created(dev_cache.folder())
    prebuilt = this_prebuilt(version)
    with build_folder(cache) as folder:
        if dev_system.has_compiler():
            try:
                wheel = build(python, version, folder, cache / "build.log")
                _try(python, wheel)
            except Failed as error:
                if prebuilt is None:
                    raise
                say(str(error))
                wheel = _fetch(python, prebuilt, folder)
        elif prebuilt is not None:
            wheel = _fetch(python, prebuilt, folder)
        else:
            raise Failed(nothing_works())
        dev_cache.place(wheel, target / wheel.name)


def _fetch(python: Path, prebuilt: Download, folder: Path) -> Path:
    say(f"{PACKAGE} cannot be built here; a prebuilt wheel is downloaded and checked.")
    wheel = dev_download.fetch(prebuilt, folder, "the prebuilt wheel")
    _try(python, wheel)
    return wheel


def _try(python: Path, wheel: Path) -> None:
    install(python, wheel)
    problem = works(python)
    if problem:
        raise Failed(f"The new {PACKAGE} does not start ({problem}): please report this with {dev_cache.folder()}.")


def nothing_works() -> str:
    """The sentence for a computer that can neither build nor has a prebuilt wheel."""
    advice = dev_system.compiler_advice(dev_system.this_manager())
    return (
        f"{PACKAGE} must be built here and there is no C++ compiler (nor a prebuilt wheel for "
        f"{sysconfig.get_platform()}): {advice}. Then run the same command again."
    )
