"""The installed tree: the program, and what a desktop reads about it. The Debian package and the AppDir share it.

PREFIX/lib/qwen-desktop/            the frozen folder
PREFIX/bin/qwen-desktop             a symbolic link to its console program, which finds its folder by the real path
PREFIX/share/{applications,icons,metainfo,mime/packages,man/man1,doc/qwen-desktop}
"""

from __future__ import annotations

import gzip
import os
import shutil
import sys
import textwrap
from pathlib import Path

import product
from dev_console import Failed

from linux import icons, texts

#: The library that is left out of a tree without Vulkan.
VULKAN = "libggml-vulkan.so"
#: Where the freezing writes the licences of all parts, inside the frozen folder.
NOTICE = Path("_internal") / "qwen_desktop" / "_resources" / "NOTICE"


def program_folder(prefix: str) -> str:
    """Where the frozen folder lies under ``prefix``."""
    return f"{prefix}/lib/{product.ID}"


def lay_out(
    frozen: Path,
    root: Path,
    *,
    prefix: str = "/usr",
    python: Path | None = None,
    command: str = "",
    extra: str = "",
) -> None:
    """Write the tree below ``root``.

    ``python`` draws the icons and must have PySide6 (this Python when it is None). ``command`` is what the desktop file
    starts; without it that is the windowed program below ``prefix``. ``extra`` are more lines for the desktop file.
    """
    check_frozen(frozen)
    base = root / prefix.strip("/")
    share = base / "share"
    inside = program_folder(prefix)
    target = root / inside.strip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(frozen, target, symlinks=True)
    link = base / "bin" / product.CONSOLE_PROGRAM
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(f"../lib/{product.ID}/{product.CONSOLE_PROGRAM}")
    command = command or texts.quoted(f"{inside}/{product.WINDOW_PROGRAM}")
    _write(share / "applications" / f"{product.ID}.desktop", texts.desktop(command, extra=extra))
    _write(share / "metainfo" / f"{product.APP_ID}.metainfo.xml", texts.metainfo())
    _write(share / "mime" / "packages" / f"{product.ID}.xml", texts.mime())
    compressed(share / "man" / "man1" / f"{product.CONSOLE_PROGRAM}.1.gz", texts.manual())
    documents = share / "doc" / product.ID
    _write(documents / "copyright", copyright_text(frozen, f"{inside}/"))
    compressed(documents / "changelog.gz", (product.ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
    icons.install(share, python or Path(sys.executable))


def check_frozen(frozen: Path) -> None:
    """Fail when ``frozen`` is not what PyInstaller made of this app."""
    missing = [name for name in (product.CONSOLE_PROGRAM, product.WINDOW_PROGRAM) if not (frozen / name).is_file()]
    if missing:
        raise Failed(f"{frozen} is no frozen {product.NAME}: it lacks {' and '.join(missing)}. Build the folder first.")


def has_vulkan(frozen: Path) -> bool:
    """Whether the Vulkan backend is in the folder."""
    return any(frozen.rglob(VULKAN))


def copyright_text(frozen: Path, place: str) -> str:
    """The machine-readable copyright file. ``place`` is where the frozen folder will lie."""
    others = (
        f"What each part is, and the text of its licence, stands in {place}{NOTICE}."
        if (frozen / NOTICE).is_file()
        else "The text of each licence lies beside its part, where the part brings one."
    )
    lucide = (product.ROOT / "resources" / "icons" / "LICENSE").read_text(encoding="utf-8").split("\n---", 1)[0]
    return texts.fill(
        "copyright.in",
        NOTICE=field((product.ROOT / "NOTICE").read_text(encoding="utf-8")),
        OTHERS=field(others),
        EXPAT=field((texts.DATA / "expat.txt").read_text(encoding="utf-8")),
        ISC=field("\n\n".join(lucide.strip().split("\n\n")[2:])),
    )


def field(text: str) -> str:
    """``text`` as the lines of a field: indented, folded, with a dot for each empty line."""
    paragraphs = [" ".join(part.split()) for part in text.strip().split("\n\n")]
    return "\n .\n".join(
        textwrap.fill(part, 79, initial_indent=" ", subsequent_indent=" ", break_on_hyphens=False)
        for part in paragraphs
    )


def settle(root: Path) -> None:
    """Give every file the modes of a package and one moment, so that the same tree gives the same bytes."""
    moment = (product.epoch(), product.epoch())
    for path in [root, *root.rglob("*")]:
        if path.is_symlink():
            os.utime(path, moment, follow_symlinks=False)
            continue
        # PyInstaller marks libraries as programs; only what can be started needs that.
        runs = path.is_dir() or (os.access(path, os.X_OK) and ".so" not in path.suffixes)
        path.chmod(0o755 if runs else 0o644)
        os.utime(path, moment)


def compressed(path: Path, text: str) -> None:
    """Write ``text`` as gzip without a name or time in it (``gzip -9n``)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode("utf-8"), 9, mtime=0))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")
