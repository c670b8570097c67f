"""The application bundle: what PyInstaller's BUNDLE made, completed from the frozen folder and signed. Not yet run."""

from __future__ import annotations

import os
import plistlib
import shutil
from pathlib import Path

import freeze
import product
import signing
from dev_console import Failed, say

BUNDLE = f"{product.NAME}.app"
_INTERNAL = "_internal"
#: Bundles that this run has signed. The disk image asks for the bundle again, and Apple takes minutes to notarise one.
_signed: set[Path] = set()


def build(frozen: Path, out: Path, _python: Path | None = None) -> Path:
    """Complete, check and sign the bundle beside ``frozen``; return its place in ``out``.

    The spec's BUNDLE made it from the same files, but what came into the frozen folder later (licences) is not in it.
    """
    made, target = frozen.parent / BUNDLE, out / BUNDLE
    if target.absolute() in _signed:
        return target
    if not made.is_dir():
        raise Failed(f"{made} is missing: qwen_desktop.spec must end in a BUNDLE, and the build must run on macOS.")
    if made != target:
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(made, target, symlinks=True)
    complete(frozen, target)
    check(target)
    signing.macos_app(target)
    _signed.add(target.absolute())
    say(f"{target.name}: {freeze.size(target) / 1e6:.1f} MB")
    return target


def complete(frozen: Path, bundle: Path) -> list[str]:
    """Make the bundle hold what the frozen folder holds, no less and no more; return the names that were added.

    Data belongs into Contents/Resources. PyInstaller looks for everything in Contents/Frameworks, which therefore has
    a link to what lies there.
    """
    resources, frameworks = bundle / "Contents" / "Resources", bundle / "Contents" / "Frameworks"
    freeze.clean(bundle)
    for path in sorted(bundle.rglob("*")):
        if path.is_symlink() and not path.exists():  # codesign refuses links to nothing
            path.unlink()
    added: list[str] = []
    programs = {product.WINDOW_PROGRAM, product.CONSOLE_PROGRAM}
    for path in sorted(frozen.rglob("*")):
        parts = path.relative_to(frozen).parts
        if path.is_dir() or (len(parts) == 1 and parts[0] in programs):
            continue
        name = Path(*parts[1:]) if parts[0] == _INTERNAL else Path(*parts)
        if os.path.lexists(resources / name) or os.path.lexists(frameworks / name):
            continue
        (resources / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, resources / name)
        _link(resources, frameworks, name)
        added.append(name.as_posix())
    return added


def _link(resources: Path, frameworks: Path, name: Path) -> None:
    """Let ``frameworks`` show ``name`` too: by the first part of it that Frameworks does not have itself."""
    for depth in range(1, len(name.parts) + 1):
        part = Path(*name.parts[:depth])
        place = frameworks / part
        if place.is_symlink():
            return  # a link to Resources already, and so shows what is new in there
        if not place.exists():
            place.symlink_to(os.path.relpath(resources / part, place.parent))
            return


def check(bundle: Path) -> None:
    """Fail when something is missing that only a user would notice."""
    contents = bundle / "Contents"
    programs = [contents / "MacOS" / name for name in (product.WINDOW_PROGRAM, product.CONSOLE_PROGRAM)]
    for path in [*programs, contents / "Info.plist", contents / "Resources" / "qwen_desktop" / "_resources"]:
        if not path.exists():
            raise Failed(f"{bundle.name} lacks {path.relative_to(bundle)}: see BUNDLE in qwen_desktop.spec.")
    found = plistlib.loads((contents / "Info.plist").read_bytes())
    wanted = {"CFBundleExecutable": product.WINDOW_PROGRAM, "CFBundleIdentifier": product.APP_ID}
    for key, value in wanted.items():
        if found.get(key) != value:
            raise Failed(
                f"{key} in {bundle.name} is {found.get(key)!r}, not {value!r}: "
                "BUNDLE in qwen_desktop.spec must get info_plist=info.values()."
            )
    if not (contents / "Resources" / str(found.get("CFBundleIconFile", ""))).is_file():
        raise Failed(f"{bundle.name} has no icon: BUNDLE in qwen_desktop.spec must get one from macos.icns.")
