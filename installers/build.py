#!/usr/bin/env python3
"""Build the installers of this platform: ``python installers/build.py [--out dist] [--without-vulkan] [KIND ...]``.

KIND is one of those that ``--help`` lists; without any, all of this platform's are built. Each artefact gets an SBOM
beside it. What a signature needs comes from the environment (see ``signing``) and is left out with a warning without.
The first run compiles llama.cpp for every processor of the platform (some 25 minutes on two cores); the result is kept
in the build cache.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tools")]

import freeze  # noqa: E402 - the two folders are on the path only now
import licences  # noqa: E402
import llama  # noqa: E402
import product  # noqa: E402
import sbom  # noqa: E402
import signing  # noqa: E402
import verify  # noqa: E402
from dev_console import Failed, duration, heading, say  # noqa: E402


@dataclass(frozen=True)
class Work:
    """What every kind of artefact is made from."""

    python: Path
    frozen: Path
    out: Path


def _deb(work: Work) -> Path:
    from linux import deb  # noqa: PLC0415 - each platform's part only where it is built

    return deb.build(work.frozen, work.out, work.python)


def _appdir(work: Work) -> Path:
    from linux import appimage  # noqa: PLC0415

    return appimage.appdir(work.frozen, work.out, work.python)


def _appimage(work: Work) -> Path | None:
    from linux import appimage  # noqa: PLC0415

    return appimage.appimage(appimage.appdir(work.frozen, work.out, work.python), work.out)


def _flatpak(work: Work) -> Path:
    from linux import flatpak  # noqa: PLC0415

    return flatpak.build(work.frozen, work.out, work.python)


def _nsis(work: Work) -> Path:
    from windows import nsis  # noqa: PLC0415

    return nsis.build(work.frozen, work.out, work.python)


def _zip(work: Work) -> Path:
    from windows import portable  # noqa: PLC0415

    return portable.build(work.frozen, work.out)


def _app(work: Work) -> Path:
    from macos import app  # noqa: PLC0415

    return app.build(work.frozen, work.out, work.python)


def _dmg(work: Work) -> Path:
    from macos import app, dmg  # noqa: PLC0415

    return dmg.build(app.build(work.frozen, work.out, work.python), work.out, work.python)


KINDS: dict[str, dict[str, Callable[[Work], Path | None]]] = {
    "linux": {"deb": _deb, "appdir": _appdir, "appimage": _appimage, "flatpak": _flatpak},
    "windows": {"nsis": _nsis, "zip": _zip},
    "macos": {"app": _app, "dmg": _dmg},
}


def main(arguments: Sequence[str]) -> int:
    """Build; return the exit code."""
    try:
        kinds = KINDS[product.system()]
        options = _parse(arguments, list(kinds))
        started = time.monotonic()
        work = _work(options.out.absolute(), vulkan=not options.without_vulkan)
        components = licences.gather(work.python, work.frozen, work.frozen)
        if product.system() == "windows":
            signing.windows(work.frozen)
        made = [work.frozen]
        for kind in [kind for kind in options.kinds or kinds if kind != "folder"]:
            heading(kind)
            path = kinds[kind](work)
            if path is not None:
                made.append(path)
        heading("Made")
        for path in made:
            sbom.write(path, components)
            megabytes = (freeze.size(path) if path.is_dir() else path.stat().st_size) / 1e6
            say(f"{megabytes:7.1f} MB  {path}")
        say(f"Whole build: {duration(time.monotonic() - started)}")
    except Failed as failure:
        print(f"build: {failure}", file=sys.stderr)
        return 1
    return 0


def _parse(arguments: Sequence[str], kinds: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="build.py", description="Build the installers of this platform.")
    parser.add_argument("--out", type=Path, default=product.ROOT / "dist", help="where the artefacts go (dist/)")
    parser.add_argument("--without-vulkan", action="store_true", help="leave the Vulkan backend out")
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"folder, {', '.join(kinds)}; without: all")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.kinds) - {"folder", *kinds})
    if unknown:
        parser.error(f"not built on this platform: {', '.join(unknown)} (choose from folder, {', '.join(kinds)})")
    return options


def _work(out: Path, *, vulkan: bool) -> Work:
    python = freeze.environment()
    backend = llama.vulkan(Path(sys.executable)) if vulkan else None
    frozen = freeze.folder(python, out, vulkan=backend)
    freeze.warn_about_glibc(frozen)
    verify.verify(frozen)
    return Work(python, frozen, out)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
