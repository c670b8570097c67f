"""What the system must bring: a C++ compiler, Python's venv module, the libraries of Qt, a display, a CJK font.

Everything missing is collected first and named in one command of the system's own package manager.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from dev_console import Failed, output, run, say


class Packages(NamedTuple):
    """The same thing as the package managers call it."""

    apt: str
    dnf: str
    pacman: str
    zypper: str


COMPILER = Packages("build-essential", "gcc-c++", "base-devel", "gcc-c++")
#: Only for the tests' pictures. Of Debian's three CJK fonts this one is by far the smallest: 1.6 MB to download
#: (fonts-wqy-zenhei 7.5 MB, fonts-noto-cjk 57 MB), and it covers Chinese, Japanese and Korean.
CJK_FONT = Packages("fonts-wqy-microhei", "google-noto-sans-cjk-fonts", "noto-fonts-cjk", "google-noto-sans-cjk-fonts")

#: What Qt's wheel takes from the system (found by ldd on its platform plugins), by soname.
QT_LIBRARIES: dict[str, Packages] = {
    "libEGL.so.1": Packages("libegl1", "libglvnd-egl", "libglvnd", "Mesa-libEGL1"),
    "libGL.so.1": Packages("libgl1", "libglvnd-glx", "libglvnd", "Mesa-libGL1"),
    "libglib-2.0.so.0": Packages("libglib2.0-0", "glib2", "glib2", "libglib-2_0-0"),
    "libdbus-1.so.3": Packages("libdbus-1-3", "dbus-libs", "dbus", "libdbus-1-3"),
    "libfontconfig.so.1": Packages("libfontconfig1", "fontconfig", "fontconfig", "libfontconfig1"),
    "libfreetype.so.6": Packages("libfreetype6", "freetype", "freetype2", "libfreetype6"),
    "libxkbcommon.so.0": Packages("libxkbcommon0", "libxkbcommon", "libxkbcommon", "libxkbcommon0"),
    "libxkbcommon-x11.so.0": Packages(
        "libxkbcommon-x11-0", "libxkbcommon-x11", "libxkbcommon-x11", "libxkbcommon-x11-0"
    ),
    "libX11-xcb.so.1": Packages("libx11-xcb1", "libX11-xcb", "libx11", "libX11-xcb1"),
    "libxcb-cursor.so.0": Packages("libxcb-cursor0", "xcb-util-cursor", "xcb-util-cursor", "libxcb-cursor0"),
    "libxcb-icccm.so.4": Packages("libxcb-icccm4", "xcb-util-wm", "xcb-util-wm", "libxcb-icccm4"),
    "libxcb-image.so.0": Packages("libxcb-image0", "xcb-util-image", "xcb-util-image", "libxcb-image0"),
    "libxcb-keysyms.so.1": Packages("libxcb-keysyms1", "xcb-util-keysyms", "xcb-util-keysyms", "libxcb-keysyms1"),
    "libxcb-render-util.so.0": Packages(
        "libxcb-render-util0", "xcb-util-renderutil", "xcb-util-renderutil", "libxcb-render-util0"
    ),
    "libxcb-randr.so.0": Packages("libxcb-randr0", "libxcb", "libxcb", "libxcb-randr0"),
    "libxcb-shape.so.0": Packages("libxcb-shape0", "libxcb", "libxcb", "libxcb-shape0"),
    "libxcb-shm.so.0": Packages("libxcb-shm0", "libxcb", "libxcb", "libxcb-shm0"),
    "libxcb-sync.so.1": Packages("libxcb-sync1", "libxcb", "libxcb", "libxcb-sync1"),
    "libxcb-xfixes.so.0": Packages("libxcb-xfixes0", "libxcb", "libxcb", "libxcb-xfixes0"),
    "libxcb-xkb.so.1": Packages("libxcb-xkb1", "libxcb", "libxcb", "libxcb-xkb1"),
}
WAYLAND_LIBRARIES: dict[str, Packages] = {
    "libwayland-client.so.0": Packages(
        "libwayland-client0", "libwayland-client", "wayland", "libwayland-client0"
    ),
    "libwayland-cursor.so.0": Packages(
        "libwayland-cursor0", "libwayland-cursor", "wayland", "libwayland-cursor0"
    ),
}  # fmt: skip

_COMMANDS = {
    "apt": "apt-get install -y",
    "dnf": "dnf install -y",
    "pacman": "pacman -S --needed",
    "zypper": "zypper install -y",
}
_FAMILIES = {
    "debian": "apt", "ubuntu": "apt", "fedora": "dnf", "rhel": "dnf", "centos": "dnf",
    "arch": "pacman", "suse": "zypper", "opensuse": "zypper",
}  # fmt: skip

#: Run in a fresh process: glibc remembers the list of libraries from its start, and an installation changes it.
_TRY_LIBRARIES = """
import ctypes, json, sys
missing = []
for name in sys.argv[1:]:
    try:
        ctypes.CDLL(name)
    except OSError:
        missing.append(name)
print(json.dumps(missing))
"""


def manager(os_release: str) -> str:
    """The package manager ("apt", "dnf", "pacman", "zypper" or "") of the system that ``/etc/os-release`` describes."""
    values: dict[str, str] = {}
    for line in os_release.splitlines():
        name, _, value = line.partition("=")
        values[name.strip()] = value.strip().strip("\"'")
    for word in (values.get("ID", ""), *values.get("ID_LIKE", "").split()):
        for family, found in _FAMILIES.items():
            if word == family or word.startswith(family + "-"):
                return found
    return ""


def this_manager() -> str:
    """The package manager of this computer, or ""."""
    for path in (Path("/etc/os-release"), Path("/usr/lib/os-release")):
        if path.is_file():
            return manager(path.read_text(encoding="utf-8", errors="replace"))
    return ""


def install_command(name: str, packages: Iterable[str], *, root: bool) -> str:
    """The one command that installs ``packages`` with the package manager ``name``."""
    return " ".join(([] if root else ["sudo"]) + [_COMMANDS[name], *packages])


def missing_libraries(names: Iterable[str]) -> list[str]:
    """Those of the sonames that the dynamic linker does not find."""
    code, text = output([sys.executable, "-c", _TRY_LIBRARIES, *names])
    if code != 0:
        return []
    found: list[str] = json.loads(text)
    return found


def wanted_libraries(environ: Mapping[str, str] = os.environ) -> dict[str, Packages]:
    """Qt's libraries for this session: those of Wayland only where it runs."""
    return {**QT_LIBRARIES, **(WAYLAND_LIBRARIES if environ.get("WAYLAND_DISPLAY") else {})}


def has_display(environ: Mapping[str, str] = os.environ, system: str = sys.platform) -> bool:
    """Whether a window can open here. Only a Unix without X11 and Wayland says no."""
    if system in ("win32", "darwin"):
        return True
    names = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    return any(environ.get(name, "").strip() for name in names)


def has_compiler(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether CMake will find a C++ compiler. CMake and Ninja themselves come with the build, from pip."""
    if environ.get("CXX", "").strip():
        return True
    if sys.platform == "win32":
        return bool(shutil.which("cl") or shutil.which("clang-cl") or _visual_studio(environ))
    if sys.platform == "darwin":  # /usr/bin/c++ exists on every Mac; it works only with the command line tools
        return output(["xcode-select", "-p"])[0] == 0
    return any(shutil.which(name) for name in ("c++", "g++", "clang++"))


def _visual_studio(environ: Mapping[str, str]) -> bool:
    base = environ.get("ProgramFiles(x86)") or environ.get("ProgramFiles") or ""
    finder = Path(base) / "Microsoft Visual Studio" / "Installer" / "vswhere.exe"
    if not finder.is_file():
        return False
    tools = "Microsoft.VisualStudio.Component.VC.Tools.x86.x64"
    query: list[str | Path] = [finder, "-products", "*", "-requires", tools, "-property", "installationPath"]
    code, text = output(query)
    return code == 0 and bool(text.strip())


def compiler_advice(name: str) -> str:
    """What to install where no compiler is, for the package manager ``name``."""
    if sys.platform == "win32":
        return 'install the "Desktop development with C++" workload of the Visual Studio Build Tools'
    if sys.platform == "darwin":
        return "install Apple's command line tools: xcode-select --install"
    if name:
        return "install a C++ compiler: " + install_command(name, [getattr(COMPILER, name)], root=is_root())
    return "install a C++ compiler (GCC or Clang) with your system's package manager"


def is_root() -> bool:
    """Whether this is the superuser of a Unix."""
    return sys.platform != "win32" and os.geteuid() == 0


def has_venv() -> bool:
    """Whether this Python can make environments. Debian puts that into a package of its own."""
    return importlib.util.find_spec("venv") is not None and importlib.util.find_spec("ensurepip") is not None


def venv_packages() -> Packages:
    """The packages that bring the venv module for the running Python."""
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    return Packages(f"python{version}-venv", f"python{version}", "python", f"python{sys.version_info[0]}-base")


def has_cjk_font(folders: Iterable[Path] | None = None) -> bool:
    """Whether a font with Chinese characters is installed: fontconfig says so, or its file has a well-known name."""
    code, text = output(["fc-list", ":lang=zh", "file"]) if folders is None else (1, "")
    if code == 0:
        return bool(text.strip())
    home = Path.home()
    for folder in folders or (Path("/usr/share/fonts"), Path("/usr/local/share/fonts"), home / ".local/share/fonts"):
        for path in folder.rglob("*.tt[fc]"):
            if any(
                word in path.name.lower() for word in ("cjk", "wqy", "droidsansfallback", "notosanssc", "sourcehan")
            ):
                return True
    return False


def provide(packages: list[Packages], why: str) -> bool:
    """Install what is missing where that is ours to do (root on Debian, or a container of it), and return True.

    Elsewhere raises ``Failed`` with the one command that does it.
    """
    name = this_manager()
    if not name:
        raise Failed(f"{why}: install the packages that Debian calls {' '.join(_names(packages, 'apt'))}.")
    names = _names(packages, name)
    if name != "apt" or not is_root():
        raise Failed(f"{why}: {install_command(name, names, root=is_root())}")
    say(f"{why}. As root on this Debian or Ubuntu they are installed now: {' '.join(names)}")
    environment = {"DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "-q", "-o", "DPkg::Lock::Timeout=300", "install", "-y", "--no-install-recommends", *names]
    lists = Path("/var/lib/apt/lists")
    if lists.is_dir() and any(lists.glob("*_Packages*")) and run(install, env=environment) == 0:
        return True
    if run(["apt-get", "-q", "update"], env=environment) != 0 or run(install, env=environment) != 0:
        raise Failed(f"apt-get failed (its messages stand above). Install by hand: apt-get install {' '.join(names)}")
    return True


def _names(packages: Iterable[Packages], name: str) -> list[str]:
    return sorted({getattr(entry, name) for entry in packages})
