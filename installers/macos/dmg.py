"""The disk image: the app and a link to /Applications, laid out by dmgbuild. Not yet run."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import product
import signing
from dev_console import Failed, run, say

from macos import icns

SETTINGS = Path(__file__).resolve().with_name("dmg_settings.py")


def build(app: Path, out: Path, python: Path) -> Path:
    """Make the disk image of ``app`` in ``out``, sign it and return it. ``python`` has dmgbuild and PySide6."""
    if product.system() != "macos":
        raise Failed("A disk image is made by macOS's own hdiutil: run this on a Mac.")
    target = out / f"{product.ID}-{product.version()}-macos-{product.architecture()}.dmg"
    out.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(prefix="dmg-") as name:
        icon = icns.write(Path(name) / "volume.icns", python)
        if run(command(app, target, python, icon), env={"SOURCE_DATE_EPOCH": str(product.epoch())}) != 0:
            raise Failed("dmgbuild could not make the disk image: its message stands above.")
    if not target.is_file():
        raise Failed(f"dmgbuild ended without making {target.name}.")
    signing.macos_dmg(target)
    say(f"{target.name}: {target.stat().st_size / 1e6:.1f} MB")
    return target


def command(app: Path, target: Path, python: Path, icon: Path) -> list[str | Path]:
    """dmgbuild's command line. The volume is named like the app: it is what Finder shows on the desktop."""
    return [
        python, "-m", "dmgbuild", "-s", SETTINGS, "-D", f"app={os.fspath(app)}", "-D", f"icon={os.fspath(icon)}",
        product.NAME, target,
    ]  # fmt: skip
