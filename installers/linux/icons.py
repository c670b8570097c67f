"""The app's icon and that of GGUF files, in all sizes of the hicolor theme, drawn from their SVG files.

The drawing is done by Qt's own SVG renderer in the Python of the build's environment, so that no picture of another
program's making lies in the repository and the icons look as the window shows them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import product
from dev_console import Failed

from linux import texts

SIZES = (16, 22, 24, 32, 48, 64, 128, 256, 512)
APP_ICON = product.ROOT / "resources" / "icons" / "app.svg"
FILE_ICON = texts.DATA / "gguf.svg"
_RENDERER = Path(__file__).resolve().parent / "render_icon.py"


def install(share: Path, python: Path, *, name: str = product.ID, file_name: str = texts.MIME_ICON) -> None:
    """Write ``share/icons/hicolor/<size>/{apps,mimetypes}/…``; ``python`` must have PySide6.

    ``name`` and ``file_name`` are the icons' names without an ending.
    """
    hicolor = share / "icons" / "hicolor"
    for source, context, icon in ((APP_ICON, "apps", name), (FILE_ICON, "mimetypes", file_name)):
        scalable = hicolor / "scalable" / context / f"{icon}.svg"
        scalable.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, scalable)
        render(source, {size: hicolor / f"{size}x{size}" / context / f"{icon}.png" for size in SIZES}, python)


def render(source: Path, targets: dict[int, Path], python: Path) -> None:
    """Draw ``source`` as one PNG for each size in pixels."""
    for target in targets.values():
        target.parent.mkdir(parents=True, exist_ok=True)
    command = [str(python), "-I", str(_RENDERER), str(source)]
    command += [f"{size}={target}" for size, target in targets.items()]
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", check=False, timeout=120)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failed(f"The icons cannot be drawn: {python} does not run ({type(error).__name__}).") from error
    missing = [target.name for target in targets.values() if not target.is_file()]
    if done.returncode != 0 or missing:
        reason = done.stderr.strip().splitlines()[-1:] or ["no message"]
        raise Failed(f"The icons cannot be drawn with {python}, which must have PySide6: {reason[0]}")
