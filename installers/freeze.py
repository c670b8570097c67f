"""The environment that is frozen, and the frozen folder: what every artefact of every system is made from."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
from pathlib import Path

import llama
import product
from dev_console import Failed, heading, run, say
from linux import elf

SPEC = product.HERE / "qwen_desktop.spec"
_INTERNAL = "_internal"
#: What pip writes about how it installed something.
_PIP_NOTES = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")
_PDFIUM = {"linux": "libpdfium.so", "macos": "libpdfium.dylib", "windows": "pdfium.dll"}
_SOURCES = (".pyi", ".pxd", ".h", ".a", ".c", ".cmake")


def folder(python: Path, out: Path, *, vulkan: Path | None = None) -> Path:
    """Freeze the app into ``out/qwen-desktop`` (replaced) and return that folder.

    ``python`` is the environment's; ``vulkan`` the library of the Vulkan backend, which ggml finds beside the others.
    """
    heading("Freezing")
    target, work = out / product.ID, llama.cache() / "work"
    give_way(target)
    command: list[str | Path] = [python, "-m", "PyInstaller", "--noconfirm", "--log-level", "WARN"]
    command += ["--distpath", out, "--workpath", work, "--clean", SPEC]
    variables = {
        "PYTHONHASHSEED": "1",  # the order of sets is the order of names in the archives
        "SOURCE_DATE_EPOCH": str(product.epoch()),
        "PYTHONPATH": str(product.ROOT),
        "PYINSTALLER_CONFIG_DIR": str(llama.cache() / "pyinstaller"),
    }
    if run(command, env=variables) != 0 or not target.is_dir():
        raise Failed("PyInstaller failed: its messages stand above.")
    if vulkan is not None:
        shutil.copy2(vulkan, target / _INTERNAL / "llama_cpp" / "lib" / vulkan.name)
    clean(target)
    drop_unneeded(target / _INTERNAL)
    check(target)
    say(f"{target}: {size(target) / 1e6:.0f} MB in {sum(1 for _ in target.rglob('*'))} files and folders")
    return target


def give_way(target: Path) -> None:
    """Remove an older frozen folder at ``target``. Raises ``Failed`` for anything else that lies there."""
    if not target.exists():
        return
    if product.ROOT.is_relative_to(target.resolve()) or not (target.is_dir() and (target / _INTERNAL).is_dir()):
        raise Failed(f"{target} is no frozen folder and would be replaced: name another folder with --out.")
    shutil.rmtree(target, ignore_errors=True)


def clean(target: Path) -> None:
    """Remove what no run needs, and give every file the same moment, so that archives of it are equal."""
    for path in sorted(target.rglob("*"), reverse=True):
        installed_by = path.parent.suffix == ".dist-info" and path.name in _PIP_NOTES
        if installed_by or (path.suffix in _SOURCES and path.is_file()):
            path.unlink()
    if product.system() == "linux":  # a Python built from source brings its tables of symbols, 15 MB, QuickJS 7 MB
        named = ("_internal/libpython*", "_internal/**/lib-dynload/*.so", "_internal/_quickjs*.so")
        for path in [path for pattern in named for path in target.glob(pattern)]:
            subprocess.run(["strip", "--strip-unneeded", path], check=True)
        for path in target.rglob("*"):
            if path.is_file() and not path.is_symlink() and elf.is_elf(path):
                elf.drop_search_paths(path)  # of the machine that built Python: a foreign library could lie there
    for path in [target, *target.rglob("*")]:
        if path.is_symlink():
            continue
        with contextlib.suppress(OSError):
            if product.system() != "windows":
                path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
            os.utime(path, (product.epoch(), product.epoch()))


def drop_unneeded(inside: Path) -> None:
    """Remove shared libraries that came along with parts which are left out (GTK's, above all), as nothing links them.

    Linux only. Libraries lie directly in ``inside`` and in Qt's folder, with links from one to the other; what lies
    elsewhere is loaded by name and stays.
    """
    if product.system() != "linux":
        return
    while True:
        elves = [path for path in inside.rglob("*") if path.is_file() and not path.is_symlink() and elf.is_elf(path)]
        wanted = {name for path in elves for name in elf.read(path).needed} | {
            path.name for path in inside.glob("libpython*")
        }
        loose = [path for folder in (inside, inside / "PySide6" / "Qt" / "lib") for path in folder.glob("lib*.so*")]
        spare = [path for path in loose if path.name not in wanted]
        if not spare:
            return
        for path in spare:
            path.unlink()


def check(target: Path) -> None:
    """Fail when something is missing that only a user would notice."""
    inside = target / _INTERNAL
    wanted = {
        "the guide": inside / "qwen_desktop" / "_resources" / "guide" / "guide.gguf",
        "the catalogue": inside / "qwen_desktop" / "_resources" / "catalog.json",
        "the icons": inside / "qwen_desktop" / "_resources" / "icons" / "app.svg",
        "the translations": inside / "qwen_desktop" / "_resources" / "translations" / "qwen_desktop_en.qm",
        "the themes": inside / "qwen_desktop" / "_resources" / "themes" / "tokens.json",
        "the text that quality is measured on": inside / "qwen_desktop" / "_resources" / "quality" / "text.txt",
        "what draws diagrams": inside / "qwen_desktop" / "_resources" / "diagrams" / "pele.js",
        "the font of formulas": inside / "ziamath" / "fonts" / "STIXTwoMath-Regular.ttf",
        "the symbols of formulas": inside / "latex2mathml" / "unimathsymbols.txt",
        "llama.cpp": inside / "llama_cpp" / "lib",
        "what reads PDFs": inside / "pypdfium2_raw" / _PDFIUM[product.system()],
    }
    if product.system() != "windows":  # there the system's own screen does for it
        offscreen = {"linux": "libqoffscreen.so", "macos": "libqoffscreen.dylib"}[product.system()]
        wanted["what writes PDFs"] = inside / "PySide6" / "Qt" / "plugins" / "platforms" / offscreen
    missing = [name for name, path in wanted.items() if not path.exists()]
    if missing:
        raise Failed(f"The frozen folder lacks {', '.join(missing)}: see resources, data and binaries in {SPEC.name}.")
    libraries = {path.name for path in wanted["llama.cpp"].iterdir()}
    if not any("cpu" in name for name in libraries):
        raise Failed(f"The frozen folder has no processor backend of llama.cpp, only {sorted(libraries)}.")


def size(path: Path) -> int:
    """Bytes of all files below ``path``; symbolic links count nothing."""
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file() and not file.is_symlink())


def newest_glibc(target: Path) -> tuple[int, ...]:
    """The newest glibc that any shipped file asks for; (0, 0) where there is none."""
    found: tuple[int, ...] = (0, 0)
    for path in target.rglob("*"):
        if path.is_file() and not path.is_symlink() and elf.is_elf(path):
            for _, version in elf.read(path).versions:
                if match := re.fullmatch(r"GLIBC_(\d+)\.(\d+)(?:\.\d+)?", version):
                    found = max(found, (int(match[1]), int(match[2])))
    return found


def warn_about_glibc(target: Path) -> None:
    """Say when the folder needs a newer glibc than the oldest system that a release serves."""
    if product.system() != "linux":
        return
    found = newest_glibc(target)
    if found > product.GLIBC_CEILING:
        wanted = ".".join(map(str, product.GLIBC_CEILING))
        say(
            f"warning: this build needs glibc {found[0]}.{found[1]}; a release must do with {wanted} (Ubuntu 22.04): "
            "release images are built there."
        )
