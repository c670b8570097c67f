"""What the licence check knows: which licences may ship, and what libraries without metadata are.

A file of the frozen folder that neither a Python package nor a row of ``NATIVE`` claims stops the build, and so does a
licence that is in no set here: somebody has to look first.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

#: SPDX identifiers that go together with an Apache-2.0 program in one package.
ALLOWED = frozenset({
    "0BSD", "AFL-2.1", "AFL-2.0", "Apache-2.0", "Beerware", "BSD-2-Clause", "BSD-3-Clause", "BSD-4-Clause-UC",
    "BSL-1.0", "bzip2-1.0.6", "CC0-1.0", "FTL", "HPND", "HPND-sell-variant", "ICU", "IJG", "ISC", "libpng-2.0",
    "LGPL-2.1-only", "LGPL-2.1-or-later", "LGPL-3.0-only", "LGPL-3.0-or-later", "LPPL-1.3c", "MIT", "MIT-0", "MIT-CMU",
    "MPL-2.0", "OFL-1.1", "PSF-2.0", "Python-2.0", "Unicode-3.0", "Unicode-DFS-2016", "Unlicense", "X11", "Zlib",
    "blessing", "libtiff", "LicenseRef-AGG-2.3", "LicenseRef-Microsoft-Distributable", "LicenseRef-Public-Domain",
})  # fmt: skip
#: GPL with an exception that permits this use: the run-time libraries of GCC, PyInstaller's bootloader. And what asks
#: for less than Apache-2.0 does.
ALLOWED_EXCEPTIONS = frozenset({
    "GPL-3.0-or-later WITH GCC-exception-3.1", "GPL-2.0-or-later WITH Bootloader-exception",
    "Apache-2.0 WITH LLVM-exception",
})  # fmt: skip
#: Known and not to be shipped: their terms would cover the whole package.
REFUSED = frozenset(
    f"{name}-{version}{end}"
    for name, versions in (("GPL", ("1.0", "2.0", "3.0")), ("AGPL", ("3.0",)))
    for version in versions
    for end in ("", "-only", "-or-later")
)

#: What packages say in place of an SPDX expression.
SPELLINGS = {
    "mit": "MIT", "mit license": "MIT", "apache 2.0": "Apache-2.0", "apache-2.0": "Apache-2.0",
    "apache license 2.0": "Apache-2.0", "apache software license": "Apache-2.0", "isc license": "ISC",
    "isc license (iscl)": "ISC", "bsd-3-clause": "BSD-3-Clause", "bsd-2-clause": "BSD-2-Clause",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0", "python software foundation license": "PSF-2.0",
    "the unlicense (unlicense)": "Unlicense", "mpl-2.0 and mit": "MPL-2.0 AND MIT",
}  # fmt: skip


@dataclass(frozen=True)
class Native:
    """A library as ``pattern`` (of its path in the frozen folder) finds it.

    ``text`` names a file of ``licence_texts``; "" where the system's package or the Python package has the text.
    ``package`` is the normalized name of the Python package that brings the file, whose licence texts are added:
    with ``texts`` only those whose names this pattern finds, which are not the package's own then, but for those that
    ``spare`` finds (of builds for other systems).
    """

    name: str
    licence: str
    pattern: str
    text: str = ""
    home: str = ""
    package: str = ""
    version: str = ""  # the name of a version that the probe of the build's Python tells
    texts: str = ""
    spare: str = ""

    def claims(self, path: str) -> bool:
        """Whether the file at ``path`` (with forward slashes, in any capitals) is of this library."""
        return re.search(rf"(?:^|/)(?:{self.pattern})", path, re.IGNORECASE) is not None


def _system(  # noqa: PLR0917 - rows of a table
    name: str, licence: str, stems: str, home: str = "", text: str = "", version: str = ""
) -> Native:
    """A shared library that Linux's packages bring: ``stems`` are its names without ``.so``, between bars."""
    return Native(name, licence, rf"(?:{stems})(?:-[\d.]+)?\.(?:so|(?:[\d.]+\.)?dylib)[\d.]*$", text, home, "", version)


_X = "https://www.x.org"
NATIVE: tuple[Native, ...] = (
    # Brought by Python packages.
    Native("ICU", "Unicode-3.0 OR ICU", r"(lib)?icu(data|i18n|uc|dt|in)[\w.]*$", "ICU.txt", "https://icu.unicode.org"),
    Native("Mesa", "MIT", r"opengl32sw\.dll$", "Mesa.txt", "https://mesa3d.org"),
    Native(
        "Qt", "LGPL-3.0-only", r"(lib)?Qt6\w*\.(so[\d.]*|dll|dylib)$|Qt\w+\.framework/|PySide6/(Qt/)?plugins/",
        "LGPL-3.0.txt", "https://www.qt.io", "pyside6-essentials",
    ),
    Native(  # with what is linked into it: its texts come with the package
        "PDFium",
        "BSD-3-Clause AND Apache-2.0 AND MIT AND BSD-2-Clause AND FTL AND IJG AND Zlib AND libpng-2.0 AND libtiff AND "
        "Unicode-3.0 AND BSL-1.0 AND LicenseRef-AGG-2.3 AND Apache-2.0 WITH LLVM-exception",
        r"(lib)?pdfium\.(so|dll|dylib)$", "", "https://pdfium.googlesource.com/pdfium", "pypdfium2",
        texts=r"/BUILD_LICENSES/", spare=r"/BUILD_LICENSES/(android|cibw_musl|pbin_musl|v8_xfa)/",
    ),
    Native(
        "Microsoft runtime", "LicenseRef-Microsoft-Distributable",
        r"(vcruntime140\w*|msvcp140[\w-]*|concrt140\w*|ucrtbase|api-ms-win-[\w-]+|d3dcompiler_47|dxcompiler|dxil)\.dll$",
        "Microsoft.txt", "https://visualstudio.microsoft.com",
    ),
    # Beside Python on every system, also where they are linked into it.
    Native(
        "OpenSSL", "Apache-2.0", r"lib(ssl|crypto)[\w.-]*\.(so[\d.]*|dll|dylib)$", "Apache-2.0", "https://openssl.org",
        "", "openssl",
    ),
    Native(
        "SQLite", "blessing", r"(lib)?sqlite3[\w.]*\.(so[\d.]*|dll|dylib)$", "SQLite.txt", "https://sqlite.org", "",
        "sqlite",
    ),
    Native("libffi", "MIT", r"libffi[\w.-]*\.(so[\d.]*|dll|dylib)$", "libffi.txt", "https://sourceware.org/libffi"),
    _system("zlib", "Zlib", "libz", "https://zlib.net", "zlib.txt", "zlib"),
    _system("bzip2", "bzip2-1.0.6", "libbz2", "https://sourceware.org/bzip2", "bzip2.txt"),
    _system("XZ Utils", "0BSD", "liblzma", "https://tukaani.org/xz", "XZ.txt"),
    _system("Expat", "MIT", "libexpat", "https://libexpat.github.io", "Expat.txt", "expat"),
    _system("mpdecimal", "BSD-2-Clause", r"libmpdec(?:\+\+)?", "https://www.bytereef.org/mpdecimal", "mpdecimal.txt"),
    # What Qt's plugins and llama.cpp need of a Linux desktop.
    _system("GNU OpenMP", "GPL-3.0-or-later WITH GCC-exception-3.1", "libgomp", "https://gcc.gnu.org", "GPL-3.0.txt"),
    _system("GCC runtime", "GPL-3.0-or-later WITH GCC-exception-3.1", r"libgcc_s|libstdc\+\+", "https://gcc.gnu.org",
            "GPL-3.0.txt"),
    _system("X11", "X11 AND MIT", "libX11|libX11-xcb|libXau|libXdmcp|libXext|libXi|libXrender|libSM|libICE", _X),
    _system("X extensions", "MIT AND HPND-sell-variant",
            "libXcomposite|libXcursor|libXdamage|libXfixes|libXinerama|libXrandr|libXtst|libXss", _X),
    _system("XCB", "MIT", r"libxcb(?:-[a-z-]+)?", "https://xcb.freedesktop.org"),
    _system("xkbcommon", "MIT AND X11", "libxkbcommon|libxkbcommon-x11", "https://xkbcommon.org"),
    _system("Wayland", "MIT", "libwayland-[a-z]+", "https://wayland.freedesktop.org"),
    _system("libdrm", "MIT", "libdrm|libgbm", "https://dri.freedesktop.org"),
    _system("GLVND", "MIT", "libGL|libEGL|libGLX|libGLdispatch|libOpenGL|libGLESv2",
            "https://gitlab.freedesktop.org/glvnd/libglvnd"),
    _system("epoxy", "MIT", "libepoxy", "https://github.com/anholt/libepoxy"),
    _system("Fontconfig", "HPND-sell-variant AND MIT", "libfontconfig", "https://fontconfig.org"),
    _system("FreeType", "FTL", "libfreetype", "https://freetype.org"),
    _system("HarfBuzz", "MIT", r"libharfbuzz(?:-\w+)?", "https://harfbuzz.github.io"),
    _system("Graphite", "LGPL-2.1-or-later OR MPL-2.0", "libgraphite2", "https://graphite.sil.org"),
    _system("FriBidi", "LGPL-2.1-or-later", "libfribidi", "https://github.com/fribidi/fribidi"),
    _system("libthai", "LGPL-2.1-or-later", "libthai|libdatrie", "https://linux.thai.net"),
    _system("libpng", "libpng-2.0", r"libpng\d*", "http://www.libpng.org"),
    _system("libjpeg-turbo", "IJG AND BSD-3-Clause AND Zlib", "libjpeg", "https://libjpeg-turbo.org"),
    _system("pixman", "MIT", "libpixman-1", "https://pixman.org"),
    _system("GdkPixbuf", "LGPL-2.1-or-later", r"libgdk_pixbuf-2\.0", "https://gitlab.gnome.org/GNOME/gdk-pixbuf"),
    _system("AT-SPI", "LGPL-2.1-or-later", r"libatspi|libatk-bridge-2\.0|libatk-1\.0",
            "https://gitlab.gnome.org/GNOME/at-spi2-core"),
    _system("GLib", "LGPL-2.1-or-later", r"lib(?:glib|gio|gobject|gmodule|gthread)-2\.0", "https://www.gtk.org"),
    _system("PCRE2", "BSD-3-Clause", r"libpcre2-\d+", "https://www.pcre.org"),
    _system("D-Bus", "AFL-2.1 OR GPL-2.0-or-later", "libdbus-1", "https://dbus.freedesktop.org"),
    _system("systemd", "LGPL-2.1-or-later", "libsystemd|libudev", "https://systemd.io"),
    _system("Libgcrypt", "LGPL-2.1-or-later", "libgcrypt|libgpg-error", "https://gnupg.org"),
    _system("libcap", "BSD-3-Clause OR GPL-2.0-only", "libcap", "https://sites.google.com/site/fullycapable"),
    _system("libbsd", "BSD-3-Clause AND ISC AND Beerware", "libbsd|libmd", "https://libbsd.freedesktop.org"),
    _system("util-linux", "LGPL-2.1-or-later", "libmount|libblkid", "https://github.com/util-linux/util-linux"),
    _system("libuuid", "BSD-3-Clause", "libuuid", "https://github.com/util-linux/util-linux"),
    _system("SELinux", "LicenseRef-Public-Domain", "libselinux", "https://github.com/SELinuxProject/selinux"),
    _system("Brotli", "MIT", r"libbrotli\w+", "https://github.com/google/brotli"),
    _system("LZ4", "BSD-2-Clause", "liblz4", "https://lz4.org"),
    _system("Zstandard", "BSD-3-Clause OR GPL-2.0-only", "libzstd", "https://facebook.github.io/zstd"),
    _system("MIT Kerberos", "MIT AND BSD-3-Clause", "libgssapi_krb5|libkrb5|libk5crypto|libkrb5support|libcom_err",
            "https://web.mit.edu/kerberos"),
    _system("keyutils", "LGPL-2.1-or-later", "libkeyutils", "https://people.redhat.com/~dhowells/keyutils"),
    _system("ncurses", "X11", r"libtinfow?|libncursesw?|libpanelw?", "https://invisible-island.net/ncurses"),
    _system("nsl", "LGPL-2.1-or-later", "libnsl|libtirpc", "https://github.com/thkukuk/libnsl"),
    _system("GNU Readline", "GPL-3.0-or-later", "libreadline|libhistory", "https://tiswww.case.edu/php/chet/readline"),
    _system("libedit", "BSD-3-Clause", "libedit", "https://thrysoee.dk/editline"),
)  # fmt: skip

#: Texts of ``licence_texts`` that packages (normalized names) do not bring: their own, or of what is linked into them.
LACKING = {"latex2mathml": "latex2mathml.txt", "quickjs-ng": "QuickJS.txt"}


@dataclass(frozen=True)
class Data:
    """A file of somebody else's in a Python package, by its place below ``_internal``; ``text`` as for ``Native``."""

    name: str
    licence: str
    path: str
    text: str
    home: str
    package: str


DATA = (
    Data("STIX Two Math", "OFL-1.1", "ziamath/fonts/STIXTwoMath-Regular.ttf", "OFL-STIX.txt",
         "https://github.com/stipub/stixfonts", "ziamath"),
    Data("unimathsymbols.txt", "LPPL-1.3c", "latex2mathml/unimathsymbols.txt", "LPPL-unimathsymbols.txt",
         "http://milde.users.sourceforge.net/LUCR/Math", "latex2mathml"),
)  # fmt: skip

#: Inside every CPython, whether linked in or beside it.
IN_PYTHON = ("OpenSSL", "SQLite", "libffi", "zlib", "bzip2", "XZ Utils", "Expat", "mpdecimal")
#: Texts that must stand there in full, by the beginning of an identifier: the file, and what shows that it is there.
IN_FULL = {
    "Apache-2.0": ("Apache-2.0", "conditions for use, reproduction, and distribution"),
    "MPL-2.0": ("MPL-2.0.txt", "covered software"),
    "LGPL-2.1": ("LGPL-2.1.txt", "gnu lesser general public license version 2.1"),
    "LGPL-3.0": ("LGPL-3.0.txt", "gnu lesser general public license version 3"),
    "GPL-3.0": ("GPL-3.0.txt", "gnu general public license version 3, 29 june 2007"),
}


def judged(expression: str) -> str:
    """Why a licence expression must not ship as a sentence without its end, "" when it may.

    ``A OR B`` needs one that may, ``A AND B`` all of them; AND binds more tightly, brackets are understood.
    """
    tokens = re.findall(r"[()]|[^\s()]+", expression)
    if not tokens:
        return "has no licence in its metadata"
    problem, rest = _either(tokens)
    return problem if not rest else f"has the licence expression {expression!r}, which cannot be read"


def _either(tokens: list[str]) -> tuple[str, list[str]]:
    problems = []
    while True:
        problem, tokens = _both(tokens)
        problems.append(problem)
        if tokens[:1] != ["OR"]:
            return ("" if "" in problems else problems[0]), tokens
        tokens = tokens[1:]


def _both(tokens: list[str]) -> tuple[str, list[str]]:
    found = ""
    while True:
        if tokens[:1] == ["("]:
            problem, tokens = _either(tokens[1:])
            tokens = tokens[1:]
        elif tokens[1:2] == ["WITH"]:
            problem, tokens = _single(" ".join(tokens[:3])), tokens[3:]
        else:
            problem, tokens = _single(tokens[0] if tokens else ""), tokens[1:]
        found = found or problem
        if tokens[:1] != ["AND"]:
            return found, tokens
        tokens = tokens[1:]


def _single(name: str) -> str:
    if name in ALLOWED or name in ALLOWED_EXCEPTIONS:
        return ""
    if name in REFUSED:
        return f"is under {name}, which would cover the whole package"
    return f"is under {name!r}, which nobody has judged: add it to ALLOWED or REFUSED in installers/licence_table.py"
