"""The portable ZIP: the frozen folder with a marker file, so that all that the app keeps lies beside it in ``data``."""

from __future__ import annotations

import time
import zipfile
from pathlib import Path

import product
from dev_console import Failed, say

from windows import nsis

#: Beside the programs; ``qwen_desktop.core.paths`` looks for it.
MARKER = "portable.txt"
_WORDS = f"""\
{product.NAME} keeps its settings, chats and models in the folder "data" beside this file, so that the whole folder can
be moved or carried along. Without this file they would lie in your Windows profile.

To update, unpack a newer version into an empty folder and move "data" there. To remove the app, delete the folder.
"""


def build(frozen: Path, out: Path) -> Path:
    """Pack ``frozen`` into a ZIP file in ``out``; the same input gives the same bytes."""
    names = nsis.files(frozen)
    clash = next((name for name in names if name.split("/")[0].lower() in (MARKER, "data")), None)
    if clash is not None:
        raise Failed(f"The frozen folder holds {clash}, which is the portable version's own: give it another name.")
    target = out / f"{product.ID}-{product.version()}-windows-{nsis.architecture(frozen)}-portable.zip"
    out.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    stamp = time.gmtime(max(product.epoch(), 315_532_800))[:6]  # a ZIP file begins in 1980
    with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted([*names, MARKER]):
            entry = zipfile.ZipInfo(f"{product.NAME}/{name}", (stamp[0], stamp[1], stamp[2], *stamp[3:6]))
            entry.create_system = 0  # DOS, whatever system packs
            entry.external_attr = 0x20  # an ordinary file
            entry.compress_type = zipfile.ZIP_DEFLATED
            data = _WORDS.replace("\n", "\r\n").encode() if name == MARKER else (frozen / name).read_bytes()
            archive.writestr(entry, data)
    part.replace(target)
    say(f"{target.name}: {len(names)} files, {target.stat().st_size / 1e6:.1f} MB")
    return target
