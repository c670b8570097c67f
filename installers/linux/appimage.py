"""The AppDir, which runs from any folder, and the AppImage: the same as one file.

An AppImage is a small program, the runtime, with a squashfs behind it. The runtime is not ours: the release workflow
fetches the official type-2 runtime and names its path and SHA-256 in the environment. Without one no AppImage is made.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import struct
import subprocess
import tempfile
import time
from pathlib import Path

import product
from dev_console import Failed, duration, output, say

from linux import elf, texts, tree

RUNTIME = "QWEN_DESKTOP_APPIMAGE_RUNTIME"
RUNTIME_SHA256 = "QWEN_DESKTOP_APPIMAGE_RUNTIME_SHA256"
#: Such as "gh-releases-zsync|owner|repository|latest|Qwen_Desktop-*-x86_64.AppImage.zsync".
UPDATE_INFO = "QWEN_DESKTOP_UPDATE_INFO"
MACHINES = {"x64": ("x86_64", 62), "arm64": ("aarch64", 183)}
_MAGIC = b"AI\x02"  # at byte 8 of every type-2 runtime
_SECTION = ".upd_info"
#: Blocks of 256 KiB, a middle: 128 KiB give 87.6 MB, 256 KiB 86.1 MB, 1 MiB 83.8 MB, but whatever is read is unpacked
#: by whole blocks.
_SQUASHFS = ("-comp", "zstd", "-Xcompression-level", "19", "-b", "256K")


def stem() -> str:
    """The first part of the names of AppDir, archive and AppImage."""
    return product.NAME.replace(" ", "_")


def file_name(ending: str) -> str:
    """The name of an artefact for this version and processor."""
    return f"{stem()}-{product.version()}-{MACHINES[product.architecture()][0]}{ending}"


def appdir(frozen: Path, out: Path, python: Path | None = None) -> Path:
    """Write ``out/Qwen_Desktop.AppDir`` (replaced); ``python`` draws the icons and must have PySide6."""
    tree.check_frozen(frozen)
    target = out / f"{stem()}.AppDir"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    # Programs that enter AppImages into the menu put the file's own path there instead of this first word.
    extra = f"X-AppImage-Version={product.version()}\n"
    tree.lay_out(frozen, target, prefix="/usr", python=python, command=product.CONSOLE_PROGRAM, extra=extra)
    run = target / "AppRun"
    run.write_text(texts.fill("AppRun.in"), encoding="utf-8", newline="\n")
    run.chmod(0o755)
    # Copies, not links: some programs look at an AppImage's top folder alone, and copying a folder may lose links.
    share = target / "usr" / "share"
    shutil.copyfile(share / "applications" / f"{product.ID}.desktop", target / f"{product.ID}.desktop")
    hicolor = share / "icons" / "hicolor"
    shutil.copyfile(hicolor / "scalable" / "apps" / f"{product.ID}.svg", target / f"{product.ID}.svg")
    shutil.copyfile(hicolor / "256x256" / "apps" / f"{product.ID}.png", target / ".DirIcon")
    tree.settle(target)
    return target


def appimage(folder: Path, out: Path, runtime: Path | None = None) -> Path | None:
    """Make the AppImage of an AppDir, and a ``.zsync`` file beside it; None, with a warning, without a runtime."""
    named = os.environ.get(RUNTIME, "").strip()
    runtime = runtime or (Path(named) if named else None)
    if runtime is None:
        say(f"warning: no AppImage is made: {RUNTIME} names no type-2 runtime (the AppDir runs without one).")
        return None
    head = with_update_info(_runtime(runtime), os.environ.get(UPDATE_INFO, "").strip())
    out.mkdir(parents=True, exist_ok=True)
    target = out / file_name(".AppImage")
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="qwen-desktop-appimage-") as temporary:
        packed = Path(temporary) / "squashfs"
        _squash(folder, packed)
        part = target.with_name(target.name + ".part")
        with part.open("wb") as file, packed.open("rb") as body:
            file.write(head)
            shutil.copyfileobj(body, file, 1 << 20)
    part.chmod(0o755)
    os.utime(part, (product.epoch(), product.epoch()))
    part.replace(target)
    say(f"{target.name}: {target.stat().st_size / 1e6:.1f} MB in {duration(time.monotonic() - started)}")
    _zsync(target)
    return target


def _runtime(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Failed(f"The AppImage runtime {path} cannot be read ({error.strerror}): see {RUNTIME}.") from error
    found, wanted = hashlib.sha256(data).hexdigest(), os.environ.get(RUNTIME_SHA256, "").strip().lower()
    if wanted and found != wanted:
        raise Failed(f"{path} is not the expected runtime (SHA-256 {found} instead of {wanted}).")
    if not wanted:
        say(f"warning: the runtime is taken unchecked: {RUNTIME_SHA256} is not set (it has {found}).")
    name, machine = MACHINES[product.architecture()]
    if data[:4] != b"\x7fELF" or data[8:11] != _MAGIC:
        raise Failed(f"{path} is no type-2 AppImage runtime.")
    if struct.unpack_from("<H", data, 18)[0] != machine:
        raise Failed(f"{path} is a runtime for another processor than {name}.")
    return data


def with_update_info(runtime: bytes, info: str) -> bytes:
    """The runtime with ``info`` in the section that update programs read; unchanged for an empty one."""
    if not info:
        return runtime
    try:
        found = [section for section in elf.sections(memoryview(runtime)) if section.name == _SECTION]
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise Failed("The AppImage runtime is damaged: fetch it again.") from error
    text = info.encode("utf-8")
    if not found or len(text) >= found[0].size:
        raise Failed(f"The AppImage runtime has no room for {UPDATE_INFO} ({len(text)} bytes).")
    place, size = found[0].offset, found[0].size
    return runtime[:place] + text.ljust(size, b"\0") + runtime[place + size :]


def _squash(folder: Path, target: Path) -> None:
    command = ["mksquashfs", str(folder), str(target), "-root-owned", "-noappend", "-no-xattrs", "-no-progress"]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(product.epoch())}  # also the moment of the file system
    try:
        done = subprocess.run(
            [*command, *_SQUASHFS], env=environment, capture_output=True, encoding="utf-8", check=False
        )
    except OSError as error:
        raise Failed("mksquashfs is missing: apt-get install squashfs-tools.") from error
    if done.returncode != 0:
        raise Failed(f"mksquashfs failed: {done.stderr.strip()[-500:]}")


def _zsync(target: Path) -> None:
    """The table of blocks by which update programs fetch only what has changed."""
    if shutil.which("zsyncmake") is None:
        say("warning: no .zsync file is made: zsyncmake is missing (apt-get install zsync).")
        return
    code, text = output(["zsyncmake", "-u", target.name, "-o", f"{target.name}.zsync", target.name], cwd=target.parent)
    if code != 0:
        raise Failed(f"zsyncmake failed: {text.strip()[-300:]}")
