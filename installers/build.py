#!/usr/bin/env python3
"""Build the installers of this platform: ``python installers/build.py [--out dist] [--without-vulkan] [KIND ...]``.

KIND is one of those that ``--help`` lists; without any, all of this platform's are built; the add-on ``cuda`` for
NVIDIA's graphics cards only when it is named. Each artefact gets an SBOM beside it. What a signature needs comes from
the environment (see ``signing``) and is left out with a warning without. The first run compiles llama.cpp for every
processor of the platform (some 15 minutes on two cores); the result is kept in the build cache.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tools")]

import dev_pele  # noqa: E402 - the two folders are on the path only now
import environment  # noqa: E402
import freeze  # noqa: E402
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


def _cuda(out: Path) -> list[Path]:
    import addon  # noqa: PLC0415

    toolkit = addon.need()
    return addon.build(environment.locked(), toolkit, out)


KINDS: dict[str, dict[str, Callable[[Work], Path | None]]] = {
    "linux": {"deb": _deb, "appdir": _appdir, "appimage": _appimage, "flatpak": _flatpak},
    "windows": {"nsis": _nsis, "zip": _zip},
    "macos": {"app": _app, "dmg": _dmg},
}
#: Built only when they are named, and without the frozen folder. They write their SBOMs themselves.
ADDONS: dict[str, dict[str, Callable[[Path], list[Path]]]] = {
    "linux": {"cuda": _cuda},
    "windows": {"cuda": _cuda},
    "macos": {},
}


def main(arguments: Sequence[str]) -> int:
    """Build; return the exit code."""
    signing.hold()
    try:
        kinds, addons = KINDS[product.system()], ADDONS[product.system()]
        options = _parse(arguments, list(kinds), list(addons))
        started = time.monotonic()
        out = options.out.absolute()
        made = [path for kind in options.kinds if kind in addons for path in addons[kind](out)]
        named = [kind for kind in options.kinds if kind not in addons]
        if named or not options.kinds:
            made += _installers(named or list(kinds), out, vulkan=not options.without_vulkan)
        heading("Made")
        for path in made:
            megabytes = (freeze.size(path) if path.is_dir() else path.stat().st_size) / 1e6
            say(f"{megabytes:7.1f} MB  {path}")
        say(f"Whole build: {duration(time.monotonic() - started)}")
    except Failed as failure:
        print(f"build: {failure}", file=sys.stderr)
        return 1
    return 0


def _installers(named: Sequence[str], out: Path, *, vulkan: bool) -> list[Path]:
    """Freeze the app and make the kinds that are named, each with its SBOM."""
    _need(named)
    dev_pele.ensure()
    work = _work(out, vulkan=vulkan)
    if product.system() == "windows":
        signing.windows(work.frozen)  # first: the bills of materials hold the sums of what is shipped
    components = licences.gather(work.python, work.frozen, work.frozen)
    sbom.write(work.frozen, components)
    made = [work.frozen]
    for kind in [kind for kind in named if kind != "folder"]:
        heading(kind)
        path = KINDS[product.system()][kind](work)
        if path is not None:
            sbom.write(path, components)
            made.append(path)
    return made


def _need(named: Sequence[str]) -> None:
    """Say what is missing before the long work, not after it."""
    if product.system() == "windows" and "nsis" in named:
        from windows import nsis  # noqa: PLC0415

        nsis.compiler()
    if product.system() != "linux":
        return
    from linux import appimage  # noqa: PLC0415

    wanted = {"strip": "binutils"}
    if "deb" in named:
        wanted["dpkg-deb"] = "dpkg"
    if "appimage" in named and os.environ.get(appimage.RUNTIME, "").strip():
        wanted["mksquashfs"] = "squashfs-tools"
    missing = [name for name in wanted if shutil.which(name) is None]
    if missing:
        packages = " and ".join(wanted[name] for name in missing)
        others = "" if missing == ["strip"] else ", or name other kinds"
        raise Failed(f"{' and '.join(missing)} missing: install {packages}{others}.")


def _parse(arguments: Sequence[str], kinds: Sequence[str], addons: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="build.py", description="Build the installers of this platform.")
    parser.add_argument("--out", type=Path, default=product.ROOT / "dist", help="where the artefacts go (dist/)")
    parser.add_argument("--without-vulkan", action="store_true", help="leave the Vulkan backend out")
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=_listed(kinds, addons))
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.kinds) - {"folder", *kinds, *addons})
    if unknown:
        choice = ", ".join(("folder", *kinds, *addons))
        parser.error(f"not built on this platform: {', '.join(unknown)} (choose from {choice})")
    return options


def _listed(kinds: Sequence[str], addons: Sequence[str]) -> str:
    more = f"; only when named: {', '.join(addons)}" if addons else ""
    return f"folder, {', '.join(kinds)}; without: all of these{more}"


def _work(out: Path, *, vulkan: bool) -> Work:
    python = environment.locked()
    environment.add(python, llama.wheel(python, llama.cache() / "wheels"))
    backend = llama.vulkan(python) if vulkan else None
    frozen = freeze.folder(python, out, vulkan=backend)
    freeze.warn_about_glibc(frozen)
    verify.verify(frozen)
    return Work(python, frozen, out)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
