"""The Windows installer: makes NSIS's lists of files from the frozen folder and has ``installer.nsi`` compiled.

makensis runs on every system, so that the installer can be compiled (not frozen) on Linux too. The lists are made from
the same names: what the installer writes is what the uninstaller removes, and nothing else.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import product
import signing
from dev_console import Failed, say

from windows import icons, version_info

SCRIPT = Path(__file__).resolve().with_name("installer.nsi")
#: Names another makensis than the one on the PATH.
MAKENSIS = "QWEN_DESKTOP_MAKENSIS"
UNINSTALLER = "uninstall.exe"
#: Without the system's switch for long paths a path ends at 259 characters. This leaves 99 for the folder that the user
#: chooses; the installer compares the sum again.
LONGEST = 160
_RESERVED = re.compile(r"(?i)^(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)")
_FORBIDDEN = re.compile(r'[<>:"|?*\\\x00-\x1f`]|[. ]$')
_MACHINES = {0x8664: "x64", 0xAA64: "arm64"}


def files(frozen: Path) -> list[str]:
    """Every file of the frozen folder, with ``/``, in one order everywhere; refuses what Windows could not hold."""
    found = sorted(path.relative_to(frozen).as_posix() for path in frozen.rglob("*") if not path.is_dir())
    names = {name.lower() for name in found}
    for program in (product.WINDOW_PROGRAM, product.CONSOLE_PROGRAM):
        if f"{program.lower()}.exe" not in names:
            raise Failed(f"{frozen} has no {program}.exe: it must be the folder that PyInstaller made on Windows.")
    if len(names) != len(found):
        raise Failed(f"{frozen} holds two files whose names differ in capitals only: Windows can keep one of them.")
    for name in found:
        parts = PurePosixPath(name).parts
        if any(_FORBIDDEN.search(part) or _RESERVED.match(part) for part in parts):
            raise Failed(f"Windows cannot hold a file called {name}: give it another name.")
        if len(name) > LONGEST:
            raise Failed(f"The path {name} has more than {LONGEST} characters: Windows would refuse it for some users.")
        if name.lower() == UNINSTALLER:
            raise Failed(f"The frozen folder holds {name}, which is the uninstaller's name: give it another one.")
    return found


def folders(names: Sequence[str]) -> list[str]:
    """Every folder that ``names`` need, parents first."""
    return sorted({str(parent) for name in names for parent in PurePosixPath(name).parents if str(parent) != "."})


def architecture(frozen: Path) -> str:
    """ "x64" or "arm64", from the header of the console program, since the computer that packs may be another."""
    program = frozen / f"{product.CONSOLE_PROGRAM}.exe"
    data = program.read_bytes()[:4096]
    start = int.from_bytes(data[0x3C:0x40], "little")
    if data[:2] != b"MZ" or data[start : start + 4] != b"PE\0\0":
        raise Failed(f"{program} is no Windows program.")
    machine = int.from_bytes(data[start + 4 : start + 6], "little")
    if machine not in _MACHINES:
        raise Failed(f"{program} is for another processor (machine type {machine:#06x}) than x64 and arm64.")
    return _MACHINES[machine]


def _target(name: str) -> str:
    """``name`` as a path inside the installation, as NSIS writes it: ``$`` begins a variable there."""
    return "$INSTDIR\\" + name.replace("/", "\\").replace("$", "$$")


def install_list(frozen: Path, names: Sequence[str]) -> str:
    """NSIS commands that unpack ``names``, folder by folder."""
    lines: list[str] = []
    current = None
    for name in sorted(names, key=lambda name: (str(PurePosixPath(name).parent), name)):
        folder = str(PurePosixPath(name).parent)
        if folder != current:
            lines.append(f'SetOutPath "{_target(folder) if folder != "." else "$INSTDIR"}"')
            current = folder
        own = PurePosixPath(name).name.replace("$", "$$")
        lines.append(f'File "/oname={own}" "{frozen / name}"')
    return "\n".join(lines) + "\n"


def uninstall_list(names: Sequence[str]) -> str:
    """NSIS commands that remove ``names`` and the folders that are empty then, deepest first."""
    lines = [f'Delete "{_target(name)}"' for name in sorted(names)]
    lines += [f'RMDir "{_target(folder)}"' for folder in reversed(folders(names))]
    return "\n".join(lines) + "\n"


def compiler() -> str:
    """The program makensis. Raises ``Failed`` where there is none."""
    given = os.environ.get(MAKENSIS, "").strip()
    usual = Path(os.environ.get("PROGRAMFILES(X86)", "C:\\Program Files (x86)")) / "NSIS" / "makensis.exe"
    found = given or shutil.which("makensis") or (str(usual) if usual.is_file() else "")
    if not found:
        raise Failed(
            "makensis is missing: install NSIS 3.08 or newer (Debian: apt install nsis; Windows: nsis.sourceforge.io) "
            f"or name it in {MAKENSIS}."
        )
    return found


def defines(frozen: Path, names: Sequence[str], work: Path) -> dict[str, str]:
    """What the script is told; ``work`` holds the lists and the icon."""
    kilobytes = sum(-(-(frozen / name).stat().st_size // 1024) for name in names)
    found = {
        "NAME": product.NAME,
        "ID": product.ID,
        "SUMMARY": product.SUMMARY,
        "VERSION": product.version(),
        "NUMBERS": ".".join(map(str, version_info.numbers(product.version()))),
        "PUBLISHER": version_info.publisher(),
        "LICENCE": product.LICENCE,
        "URL": product.URL,
        "ARCH": architecture(frozen),
        "WINDOW_EXE": f"{product.WINDOW_PROGRAM}.exe",
        "CONSOLE_EXE": f"{product.CONSOLE_PROGRAM}.exe",
        "UNINSTALLER": UNINSTALLER,
        "KILOBYTES": str(kilobytes),
        "LONGEST": str(max([len(name) for name in names] + [len(UNINSTALLER)]) + 1),
        "ICON": str(work / "app.ico"),
        "PICTURE": str(work / "app.bmp"),
        "INSTALL_LIST": str(work / "install.nsh"),
        "UNINSTALL_LIST": str(work / "uninstall.nsh"),
    }
    if signing.windows_possible():
        # makensis hands this to a shell, which needs the quotes; the secrets stay in the environment.
        found["SIGN"] = f'"{sys.executable}" "{Path(signing.__file__).resolve()}" windows'
    return found


def build(frozen: Path, out: Path, python: Path | None = None) -> Path:
    """Compile the installer of ``frozen`` into ``out`` and return it. ``python`` has PySide6 (for the icon).

    The programs should be signed before (``signing.windows(frozen)``); installer and uninstaller are signed here.
    """
    makensis = compiler()
    names = files(frozen)
    target = out / f"{product.ID}-{product.version()}-windows-{architecture(frozen)}-setup.exe"
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="nsis-") as name:
        work = Path(name)
        icons.write(work / "app.ico", python)
        (work / "install.nsh").write_text(install_list(frozen.absolute(), names), encoding="utf-8")
        (work / "uninstall.nsh").write_text(uninstall_list(names), encoding="utf-8")
        part = work / target.name
        values = {**defines(frozen, names, work), "OUT": str(part)}
        command = [makensis, "-V2", "-WX", "-INPUTCHARSET", "UTF8"]
        command += [f"-D{name}={value}" for name, value in values.items()]
        done = subprocess.run(
            [*command, str(SCRIPT)],
            stdin=subprocess.DEVNULL,
            env=signing.environment(),  # it starts ``signing`` for the uninstaller and itself
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        if done.returncode != 0 or not part.is_file():
            said = "\n".join(done.stdout.strip().splitlines()[-12:])
            raise Failed(f"makensis could not compile {SCRIPT.name}:\n{signing.redacted(said)}")
        shutil.move(part, target)
    if "SIGN" not in values:
        signing.windows(target)  # which says that it is left out
    say(f"{target.name}: {len(names)} files, {target.stat().st_size / 1e6:.1f} MB")
    return target
