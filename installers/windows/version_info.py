"""What Windows shows about the two programs and how it treats them: the version resource and the manifest.

PyInstaller takes both when it makes the programs: ``EXE(version=..., manifest=...)``, see ``write``.
"""

from __future__ import annotations

import re
from pathlib import Path

import product

#: US English and UTF-16, as a number and as the name of the table.
_LANGUAGE, _CODE_PAGE = 0x0409, 1200

_VERSION = """\
VSVersionInfo(
  ffi=FixedFileInfo(filevers={numbers}, prodvers={numbers}, mask=0x3F, flags={flags}, OS=0x40004, fileType=0x1,
                    subtype=0x0, date=(0, 0)),
  kids=[
    StringFileInfo([StringTable({table!r}, [
{strings}
    ])]),
    VarFileInfo([VarStruct("Translation", [{language}, {code_page}])]),
  ],
)
"""

# activeCodePage: Python and llama.cpp use wide characters or UTF-8 already; this is for what is left (graphics
# drivers' layers, C libraries that take a narrow path), which would fail for a user called Jürgen or 小明.
# dpiAwareness: what Qt asks for as well, but in force before the first window, the bootloader's error box included.
# supportedOS: Windows 10 and 11; without it Windows reports itself as version 6.2 and adds old workarounds.
_MANIFEST = """\
<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<assembly xmlns="urn:schemas-microsoft-com:asm.v1" manifestVersion="1.0">
  <trustInfo xmlns="urn:schemas-microsoft-com:asm.v3">
    <security>
      <requestedPrivileges>
        <requestedExecutionLevel level="asInvoker" uiAccess="false"/>
      </requestedPrivileges>
    </security>
  </trustInfo>
  <compatibility xmlns="urn:schemas-microsoft-com:compatibility.v1">
    <application>
      <supportedOS Id="{8e0f7a12-bfb3-4fe8-b9a5-48fd50a15a9a}"/>
    </application>
  </compatibility>
  <application xmlns="urn:schemas-microsoft-com:asm.v3">
    <windowsSettings>
      <dpiAware xmlns="http://schemas.microsoft.com/SMI/2005/WindowsSettings">true/pm</dpiAware>
      <dpiAwareness xmlns="http://schemas.microsoft.com/SMI/2016/WindowsSettings">PerMonitorV2</dpiAwareness>
      <longPathAware xmlns="http://schemas.microsoft.com/SMI/2016/WindowsSettings">true</longPathAware>
      <activeCodePage xmlns="http://schemas.microsoft.com/SMI/2019/WindowsSettings">UTF-8</activeCodePage>
    </windowsSettings>
  </application>
</assembly>
"""


def numbers(version: str) -> tuple[int, int, int, int]:
    """The four numbers that Windows compares: ``0.1.0.dev3`` and ``0.1.0rc1`` are (0, 1, 0, 0)."""
    found = re.match(r"\d+(?:\.\d+)*", version)
    parts = [min(int(part), 65535) for part in found[0].split(".")] if found else []
    padded = [*parts, 0, 0, 0, 0]
    return padded[0], padded[1], padded[2], padded[3]


def publisher() -> str:
    """Who publishes, without the address."""
    return product.MAINTAINER.partition(" <")[0]


def text(program: str) -> str:
    """The version resource of ``program`` (its name without ``.exe``) as PyInstaller reads it."""
    version = product.version()
    window = program == product.WINDOW_PROGRAM
    strings = {
        "CompanyName": publisher(),
        # Task Manager and "Open with" call the program by this.
        "FileDescription": product.NAME if window else f"{product.NAME} (commands and background work)",
        "FileVersion": version,
        "InternalName": program,
        "LegalCopyright": f"{publisher()}. {product.LICENCE}.",
        "OriginalFilename": f"{program}.exe",
        "ProductName": product.NAME,
        "ProductVersion": version,
        "Comments": product.DESCRIPTION[-1],
    }
    return _VERSION.format(
        numbers=numbers(version),
        flags="0x2" if re.search(r"[a-z]", version) else "0x0",  # VS_FF_PRERELEASE
        table=f"{_LANGUAGE:04X}{_CODE_PAGE:04X}",
        strings="\n".join(f"      StringStruct({name!r}, {value!r})," for name, value in strings.items()),
        language=_LANGUAGE,
        code_page=_CODE_PAGE,
    )


def manifest() -> str:
    """The manifest of both programs; PyInstaller adds the dependency on the common controls."""
    return _MANIFEST


def write(folder: Path, program: str) -> tuple[Path, Path]:
    """Write both into ``folder``; return the files for ``EXE(version=str(first), manifest=str(second))``."""
    folder.mkdir(parents=True, exist_ok=True)
    version_file, manifest_file = folder / f"{program}.version.txt", folder / f"{program}.manifest"
    version_file.write_text(text(program), encoding="utf-8")
    manifest_file.write_text(manifest(), encoding="utf-8")
    return version_file, manifest_file
