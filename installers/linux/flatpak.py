"""The Flatpak manifest, and the archive of the AppDir that it is built from (a download of its own, too).

The manifest is complete for flatpak-builder; building needs the runtime from Flathub, so that is not done here.
"""

from __future__ import annotations

import hashlib
import tarfile
import time
from pathlib import Path

import product
from dev_console import Failed, duration, say

from linux import appimage, texts

#: The runtime needs no Qt (ours is inside); its yearly releases are kept for two years.
RUNTIME_VERSION = "25.08"


def build(frozen: Path, out: Path, python: Path | None = None) -> Path:
    """Write AppDir, archive and manifest into ``out``; return the archive, which is what is published."""
    packed = archive(appimage.appdir(frozen, out, python), out)
    manifest(packed, out)
    return packed


def archive(folder: Path, out: Path) -> Path:
    """Pack an AppDir as ``out/Qwen_Desktop-<version>-<processor>.tar.xz``: owned by root, always the same bytes."""
    target = out / appimage.file_name(".tar.xz")
    part = target.with_name(target.name + ".part")
    started = time.monotonic()
    with tarfile.open(part, "w:xz", preset=6, format=tarfile.GNU_FORMAT) as packed:
        for path in [folder, *sorted(folder.rglob("*"))]:
            entry = packed.gettarinfo(path, str(Path(folder.name, path.relative_to(folder))))
            entry.uid = entry.gid = 0
            entry.uname = entry.gname = "root"
            entry.mtime = product.epoch()
            if not entry.isreg():
                packed.addfile(entry)
                continue
            with path.open("rb") as content:
                packed.addfile(entry, content)
    part.replace(target)
    say(f"{target.name}: {target.stat().st_size / 1e6:.1f} MB in {duration(time.monotonic() - started)}")
    return target


def manifest(packed: Path, out: Path, *, url: str = "") -> Path:
    """Write ``out/<application id>.yml`` for an archive beside it, or for the same archive at ``url``: then the name
    has the processor in it, since a release publishes one for each."""
    if not url and packed.parent.resolve() != out.resolve():
        raise Failed(f"The manifest is written beside its archive: {out} is not the folder of {packed}.")
    with packed.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    source = f"url: {url}" if url else f"path: {packed.name}"
    text = texts.fill("flatpak.yml.in", RUNTIME_VERSION=RUNTIME_VERSION, SOURCE=source, SHA256=digest)
    processor = f"-{appimage.MACHINES[product.architecture()][0]}" if url else ""
    target = out / f"{product.APP_ID}{processor}.yml"
    target.write_text(text, encoding="utf-8", newline="\n")
    return target
