"""Which Debian packages the frozen folder needs, read from its libraries.

Like dpkg-shlibdeps, but from a table of our own: release builds do not run on Debian, and the newest package that is
installed where we build says nothing about the oldest that will do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from dev_console import Failed

from linux import elf

#: Soname -> package in Debian 12 and Ubuntu 22.04; later names (…t64) provide these.
PACKAGES = {
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libGLX.so.0": "libglx0",
    "libOpenGL.so.0": "libopengl0",
    "libICE.so.6": "libice6",
    "libSM.so.6": "libsm6",
    "libX11-xcb.so.1": "libx11-xcb1",
    "libX11.so.6": "libx11-6",
    "libXext.so.6": "libxext6",
    "libasound.so.2": "libasound2",
    "libbz2.so.1.0": "libbz2-1.0",
    "libc.so.6": "libc6",
    "libcrypt.so.1": "libcrypt1",
    "libdbus-1.so.3": "libdbus-1-3",
    "libdl.so.2": "libc6",
    "libdrm.so.2": "libdrm2",
    "libexpat.so.1": "libexpat1",
    "libffi.so.8": "libffi8",
    "libfontconfig.so.1": "libfontconfig1",
    "libfreetype.so.6": "libfreetype6",
    "libgbm.so.1": "libgbm1",
    "libgcc_s.so.1": "libgcc-s1",
    "libgio-2.0.so.0": "libglib2.0-0",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libgobject-2.0.so.0": "libglib2.0-0",
    "libgthread-2.0.so.0": "libglib2.0-0",
    "libgomp.so.1": "libgomp1",
    "liblzma.so.5": "liblzma5",
    "libm.so.6": "libc6",
    "libncursesw.so.6": "libncursesw6",
    "libpthread.so.0": "libc6",
    "libreadline.so.8": "libreadline8",
    "libresolv.so.2": "libc6",
    "librt.so.1": "libc6",
    "libsqlite3.so.0": "libsqlite3-0",
    "libssl.so.3": "libssl3",
    "libcrypto.so.3": "libssl3",
    "libstdc++.so.6": "libstdc++6",
    "libtinfo.so.6": "libtinfo6",
    "libutil.so.1": "libc6",
    "libuuid.so.1": "libuuid1",
    "libwayland-client.so.0": "libwayland-client0",
    "libwayland-cursor.so.0": "libwayland-cursor0",
    "libwayland-egl.so.1": "libwayland-egl1",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-glx.so.0": "libxcb-glx0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-randr.so.0": "libxcb-randr0",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-render.so.0": "libxcb-render0",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-shm.so.0": "libxcb-shm0",
    "libxcb-sync.so.1": "libxcb-sync1",
    "libxcb-util.so.1": "libxcb-util1",
    "libxcb-xfixes.so.0": "libxcb-xfixes0",
    "libxcb-xinerama.so.0": "libxcb-xinerama0",
    "libxcb-xinput.so.0": "libxcb-xinput0",
    "libxcb-xkb.so.1": "libxcb-xkb1",
    "libxcb.so.1": "libxcb1",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libz.so.1": "zlib1g",
    "libzstd.so.1": "libzstd1",
}
#: The loader of the C library, under its name on each processor.
_LOADER = re.compile(r"^ld-linux.*\.so\.\d$")
#: What the app does without: the Vulkan backend is passed over when its loader is missing.
OPTIONAL = {"libvulkan.so.1": "libvulkan1"}
#: Needed although no library may name them: the EGL and GL dispatchers must be the system's, beside its drivers, and
#: fontconfig's package brings the configuration without which Qt finds no font.
ALWAYS = ("libegl1", "libgl1", "libfontconfig1")
#: The version of GCC's library that brought a version of its symbols (from GCC's own table).
_LIBSTDCXX = {
    "GLIBCXX_3.4.26": "9", "GLIBCXX_3.4.27": "9", "GLIBCXX_3.4.28": "9.3", "GLIBCXX_3.4.29": "11",
    "GLIBCXX_3.4.30": "12", "GLIBCXX_3.4.31": "13", "GLIBCXX_3.4.32": "13.2", "GLIBCXX_3.4.33": "14",
    "GLIBCXX_3.4.34": "15",
}  # fmt: skip


class Needs(NamedTuple):
    """What a folder needs from the system: package relations, and the C library's version behind them."""

    depends: tuple[str, ...]
    recommends: tuple[str, ...]
    glibc: tuple[int, int]


def of(frozen: Path, *, leave_out: Iterable[str] = ()) -> Needs:
    """Read every library below ``frozen``, but not those whose file name is in ``leave_out``."""
    without = set(leave_out)
    own: set[str] = set()
    needed: dict[str, str] = {}
    versions: set[tuple[str, str]] = set()
    for path in sorted(frozen.rglob("*")):
        if path.name in without or not path.is_file():
            continue
        own.add(path.name)
        if path.is_symlink() or not elf.is_elf(path):
            continue
        try:
            file = elf.read(path)
        except ValueError as error:
            raise Failed(f"{error}: freeze the app again.") from error
        own.add(file.soname)
        versions.update(file.versions)
        for name in file.needed:
            needed.setdefault(name, path.name)
    outside = {name: by for name, by in needed.items() if name not in own and not _LOADER.match(name)}
    unknown = sorted(f"{by} needs {name}" for name, by in outside.items() if name not in PACKAGES | OPTIONAL)
    if unknown:
        raise Failed(
            f"{', '.join(unknown)}: neither in the frozen folder nor in a package that linux/depends.py knows. "
            "Leave the one out of the folder (qwen_desktop.spec) or add the other to the table."
        )
    glibc = _newest(versions, r"GLIBC_(\d+)\.(\d+)")
    packages = {PACKAGES[name] for name in outside if name in PACKAGES} | set(ALWAYS)
    least = {"libc6": f"{glibc[0]}.{glibc[1]}" if glibc > (0, 0) else "", "libstdc++6": _libstdcxx(versions)}
    depends = [f"{name} (>= {least[name]})" if least.get(name) else name for name in sorted(packages)]
    recommends = sorted({OPTIONAL[name] for name in outside if name in OPTIONAL})
    return Needs(tuple(depends), tuple(recommends), glibc)


def _newest(versions: Iterable[tuple[str, str]], pattern: str) -> tuple[int, int]:
    found = [re.fullmatch(pattern, name) for _, name in versions]
    return max(((int(match[1]), int(match[2])) for match in found if match), default=(0, 0))


def _libstdcxx(versions: Iterable[tuple[str, str]]) -> str:
    """The least version of libstdc++6, "" for any."""
    newest = max((int(name.rpartition(".")[2]) for _, name in versions if name.startswith("GLIBCXX_3.4.")), default=0)
    if newest > 34:
        raise Failed(f"GLIBCXX_3.4.{newest} is newer than installers/linux/depends.py knows: add its line there.")
    return _LIBSTDCXX.get(f"GLIBCXX_3.4.{newest}", "")
