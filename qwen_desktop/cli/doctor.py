"""``qwen-desktop doctor``: what there is, what is wrong, what to do. Nothing is changed and nothing is sent anywhere.

The JSON object of ``--json``: ``ok``, ``checks`` (rows as ``Check``) and ``speed`` (see ``doctor_speed``).

Adding a check: a function that returns ``Check`` rows, and its name in ``_CHECKS``. A check never raises: what it
cannot find out is a row too. What may crash (Qt, drivers, llama.cpp) is asked in a short-lived process.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.metadata
import logging
import os
import platform
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from qwen_desktop import __version__
from qwen_desktop.cli import doctor_speed
from qwen_desktop.cli.console import Console, exact_size
from qwen_desktop.cli.one_run import CommandRun
from qwen_desktop.core.errors import problem_of
from qwen_desktop.core.gguf import read_header
from qwen_desktop.core.packed import unpack
from qwen_desktop.core.paths import Paths
from qwen_desktop.core.slowness import Diagnosis
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, fill, shown
from qwen_desktop.engine.local import LocalWorkerEngine
from qwen_desktop.engine.prompt_cache.files import Folder
from qwen_desktop.engine.worker import About
from qwen_desktop.hardware import cpu, memory
from qwen_desktop.process import one_shot
from qwen_desktop.process.spawn import worker_command
from qwen_desktop.store import migrations
from qwen_desktop.store.connection import connect_read_only
from qwen_desktop.store.settings_file import SettingsFile

log = logging.getLogger(__name__)

#: A child that has not answered after this many seconds hangs.
PATIENCE_S = 30
LITTLE_DISK = 2_000_000_000
LITTLE_MEMORY = 4_000_000_000
#: Features of processors that speed answers up.
_USEFUL = ("AVX2", "FMA", "F16C", "AVX-512", "AVX-512 VNNI", "AMX", "DotProd")

_INTERFACE_FONTS = ("Inter", "Adwaita Sans", "Cantarell", "Ubuntu", "Noto Sans", "Roboto", "Open Sans", "Source Sans 3")
_CODE_FONTS = (
    "JetBrains Mono", "Adwaita Mono", "Ubuntu Mono", "Noto Sans Mono", "DejaVu Sans Mono", "Source Code Pro",
    "Fira Code", "Fira Mono", "Liberation Mono",
)  # fmt: skip

#: What to do about a part that is missing or broken.
_AGAIN = (
    QT_TRANSLATE_NOOP("doctor", "Install Qwen Desktop again.")
    if getattr(sys, "frozen", False)
    else QT_TRANSLATE_NOOP("doctor", "Run the set-up again: make setup, or python tools/dev.py setup.")
)


class Check(Struct, frozen=True):
    """One row: ``state`` ok, warn or bad; ``hint`` says what to do when it is not ok."""

    name: str
    state: Literal["ok", "warn", "bad"]
    value: str
    hint: str = ""


def _judged(name: str, value: str, good: object, hint: str, otherwise: Literal["warn", "bad"] = "warn") -> Check:
    return Check(name, "ok", value) if good else Check(name, otherwise, value, hint)


async def examine(run: CommandRun) -> int:
    """Run all checks and print them. Returns 1 when one is bad, else 0."""
    rows = await asyncio.to_thread(lambda: [row for check in _CHECKS for row in check(run.paths)])
    found = await asyncio.to_thread(doctor_speed.look, run.paths)
    rows += _speed(found)
    bad = sum(row.state == "bad" for row in rows)
    if run.as_json:
        checks = [msgspec.structs.asdict(row) for row in rows]
        run.console.object({"ok": not bad, "checks": checks, "speed": doctor_speed.as_object(found)})
    else:
        _print(rows, run.console)
    if bad:
        template = QT_TRANSLATE_NOOP("doctor", "Checks that failed: {count}.")
        run.console.warn(fill(template, {"count": bad}))
    return int(bool(bad))


def _speed(found: Diagnosis) -> Iterator[Check]:
    """Why answers are slow, one row a cause."""
    if not found.causes:
        yield Check("Speed", "ok", str(found.verdict))
    for cause in found.causes:
        yield Check("Speed", "warn", str(cause.what), str(cause.remedy.text))


def _print(rows: list[Check], console: Console) -> None:
    if not sys.stdout.isatty():
        for row in rows:
            line = f"{row.state:4}  {row.name:18}{row.value}" + (f" - {row.hint}" if row.hint else "")
            console.line(shown(line, 2000))
        return
    styles = {"ok": "green", "warn": "yellow", "bad": "bold red"}
    cells: list[Sequence[tuple[str, str]]] = []
    for row in rows:
        cells.append(((row.state, styles[row.state]), (row.name, ""), (row.value, "")))
        if row.hint:
            cells.append((("", ""), ("", ""), (row.hint, "italic")))
    console.table(cells)


# The checks ----------------------------------------------------------------------------------------------------------


def _versions(_paths: Paths) -> Iterator[Check]:
    yield Check("Qwen Desktop", "ok", __version__)
    hint = QT_TRANSLATE_NOOP("doctor", "Install Python 3.11 or newer.")
    version = f"{platform.python_version()} ({sys.executable})"
    yield _judged("Python", version, sys.version_info >= (3, 11), hint, "bad")
    yield Check("System", "ok", " ".join(part for part in (platform.platform(), *platform.libc_ver()) if part))
    yield _package("llama-cpp-python")


def _package(name: str) -> Check:
    try:
        return Check(name, "ok", importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Check(name, "bad", QT_TRANSLATE_NOOP("doctor", "not installed"), _AGAIN)


def _engine(_paths: Paths) -> Iterator[Check]:
    try:
        found = asyncio.run(_engine_greets())
    except Exception as error:  # whatever it is, the row says so and the other checks are shown
        log.warning("doctor.engine kind=%s", type(error).__name__)
        yield Check("llama.cpp", "bad", QT_TRANSLATE_NOOP("doctor", "The engine does not start."), _AGAIN)
        return
    yield Check("llama.cpp", "ok", found.engine)
    yield Check("Computes on", "ok", ", ".join(found.devices) or QT_TRANSLATE_NOOP("doctor", "the processor"))


async def _engine_greets() -> About:
    engine = LocalWorkerEngine(worker_command("engine"))
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await engine.about()
    finally:
        await engine.aclose()


def _processor(_paths: Paths) -> Iterator[Check]:
    found = cpu.read()
    value = f"{found.model or platform.machine()}, {cpu.cores()} cores, {found.usable or 1} threads"
    useful = [name for name in found.features if name in _USEFUL]
    slow = platform.machine().lower() in ("x86_64", "amd64") and bool(found.features) and "AVX2" not in useful
    hint = QT_TRANSLATE_NOOP("doctor", "Without AVX2 answers are slow: choose small models.")
    yield _judged("Processor", f"{value} ({', '.join(useful)})" if useful else value, not slow, hint)
    room = memory.read()
    total, free = room.total_bytes or 0, room.free_bytes or 0
    hint = QT_TRANSLATE_NOOP("doctor", "Enough for the guide and models up to 1 GB.")
    yield _judged("Memory", f"{total / 1e9:.1f} GB, {free / 1e9:.1f} GB free", total >= LITTLE_MEMORY, hint)


def _folders(paths: Paths) -> Iterator[Check]:
    portable = QT_TRANSLATE_NOOP("doctor", "portable: everything lies in QWEN_DESKTOP_HOME")
    if paths.portable:
        yield Check("Mode", "ok", portable)
    hint = QT_TRANSLATE_NOOP("doctor", "It cannot be written: set QWEN_DESKTOP_HOME to a folder that can.")
    for name, folder in (
        ("Settings folder", paths.config), ("Data folder", paths.data), ("Cache folder", paths.cache),
        ("Log folder", paths.logs),
    ):  # fmt: skip
        yield _judged(name, str(folder), _can_write(folder), hint, "bad")
    free = shutil.disk_usage(_existing(paths.data)).free
    hint = QT_TRANSLATE_NOOP("doctor", "Models need some GB each: free some space.")
    yield _judged("Free disk space", f"{free / 1e9:.1f} GB", free > LITTLE_DISK, hint)


def _kept_ready(paths: Paths) -> Iterator[Check]:
    size, chats = Folder(paths.prompt_cache).size()
    value = fill(QT_TRANSLATE_NOOP("doctor", "%n chat(s), {size}"), {"n": chats, "size": exact_size(size)})
    yield Check("Chats kept ready", "ok", f"{value} ({paths.prompt_cache})")


def _existing(folder: Path) -> Path:
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder


def _can_write(folder: Path) -> bool:
    """Without making anything: whether the folder, or the nearest one above it that exists, can be written."""
    nearest = _existing(folder)
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        return False
    read_only = getattr(os, "ST_RDONLY", 0)
    return sys.platform == "win32" or not os.statvfs(nearest).f_flag & read_only


def _settings(paths: Paths) -> Iterator[Check]:
    loaded = SettingsFile(paths.settings_file).load()
    exists = paths.settings_file.is_file()
    value = str(paths.settings_file) if exists else QT_TRANSLATE_NOOP("doctor", "none yet: the defaults hold")
    hint = " ".join(problem.sentence() for problem in loaded.problems)
    yield _judged("Settings", value, not hint, hint)
    yield _model("Guide", paths.guide_file)
    if chosen := loaded.settings.engine.model:
        yield _model("Model", Path(chosen))


def _model(name: str, path: Path) -> Check:
    try:
        header = read_header(path)
    except Exception as error:
        return Check(name, "bad", str(path), problem_of(error).sentence())
    return Check(name, "ok", f"{path} ({header.architecture}, {header.size_bytes / 1e6:.1f} MB)")


def _history(paths: Paths) -> Iterator[Check]:
    path = paths.database_file
    if not path.is_file():
        yield Check("History", "ok", QT_TRANSLATE_NOOP("doctor", "none yet"))
        return
    known = len(migrations.MIGRATIONS)
    try:
        with contextlib.closing(connect_read_only(path)) as connection:
            version = migrations.version(connection)
            found = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
    except (sqlite3.Error, OSError) as error:
        log.warning("doctor.history kind=%s", type(error).__name__)
        found, version = type(error).__name__, 0
    value = f"{path} (version {version}, {path.stat().st_size / 1e6:.1f} MB)"
    if found != "ok":
        hint = QT_TRANSLATE_NOOP("doctor", "It is damaged: copy it somewhere safe, then start the window once.")
        yield Check("History", "bad", value, hint)
    elif version > known:
        hint = QT_TRANSLATE_NOOP("doctor", "It comes from a newer Qwen Desktop: update this one.")
        yield Check("History", "bad", value, hint)
    else:
        yield Check("History", "ok", value)


def _display(_paths: Paths) -> Iterator[Check]:
    found = _ask_qt()
    version = found.get("version")
    if version is None:
        yield Check("Qt", "bad", str(found.get("problem")), _AGAIN)
    else:
        yield Check("Qt", "ok", str(version))
        yield from _fonts(set(found["families"]), list(found["cjk"]))
    if sys.platform in ("win32", "darwin"):
        return
    display = os.environ.get("WAYLAND_DISPLAY") or os.environ.get("DISPLAY")
    hint = QT_TRANSLATE_NOOP("doctor", 'The window cannot open here; qwen-desktop chat "…" works.')
    yield _judged("Display", display or QT_TRANSLATE_NOOP("doctor", "none"), display, hint)


def _ask_qt() -> dict[str, Any]:
    variables = {} if sys.platform in ("win32", "darwin") else {"QT_QPA_PLATFORM": "offscreen"}
    answers = one_shot.ask(worker_command("qt"), PATIENCE_S, **variables)
    for payload in answers.payloads:
        with contextlib.suppress(ValueError):
            found: dict[str, Any] = unpack(payload, dict[str, Any])
            return found
    code = "" if answers.code is None else f" (exit code {answers.code})"
    return {"problem": (answers.tail.strip().splitlines() or [f"{answers.how}{code}"])[-1]}


def _fonts(families: set[str], cjk: list[str]) -> Iterator[Check]:
    if sys.platform not in ("win32", "darwin"):
        for name, wanted, package in (
            ("Interface font", _INTERFACE_FONTS, "Inter (fonts-inter)"),
            ("Code font", _CODE_FONTS, "JetBrains Mono (fonts-jetbrains-mono)"),
        ):
            found = next((family for family in wanted if family in families), None)
            template = QT_TRANSLATE_NOOP("doctor", "{font} looks best here; install it.")
            value = found or QT_TRANSLATE_NOOP("doctor", "only basic ones")
            yield _judged(name, value, found, fill(template, {"font": package}))
    hint = QT_TRANSLATE_NOOP("doctor", "Chinese shows as boxes: install fonts-noto-cjk.")
    value = ", ".join(cjk) or QT_TRANSLATE_NOOP("doctor", "none")
    yield _judged("Chinese font", value, cjk, hint)


_CHECKS: tuple[Callable[[Paths], Iterator[Check]], ...] = (
    _versions,
    _engine,
    _processor,
    _folders,
    _settings,
    _history,
    _kept_ready,
    _display,
)
