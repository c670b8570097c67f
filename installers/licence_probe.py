"""Asks the environment that was frozen what is in it. Run by its own Python: ``python licence_probe.py PROGRAM``.

Prints one JSON object: the modules inside PROGRAM, every installed distribution with its files and licence texts, and
what is linked into Python. It imports nothing of this project.
"""

import importlib
import importlib.metadata
import json
import os
import pathlib
import platform
import sqlite3
import ssl
import sys
import zlib
from xml.parsers import expat

_TEXTS = ("LICEN", "COPYING", "NOTICE", "AUTHORS")


def modules(program: str) -> list[str]:
    """The names of all Python modules inside a frozen program."""
    readers = importlib.import_module("PyInstaller.archive.readers")  # by name: only the build's environment has it
    archive = readers.CArchiveReader(program)
    found = [name for name in archive.toc if not name.endswith(".pyz")]
    for name in archive.toc:
        if name.endswith(".pyz"):
            found += archive.open_embedded_archive(name).toc
    return sorted(found)


def distribution(entry: importlib.metadata.Distribution) -> dict[str, object]:
    """What the metadata of one distribution say."""
    data = entry.metadata
    paths = [path for path in entry.files or [] if ".." not in path.parts]
    texts: dict[str, str] = {}
    boms: list[object] = []
    for path in paths:
        inside = path.parts[0].endswith((".dist-info", ".egg-info"))
        if inside and (path.name.upper().startswith(_TEXTS) or "licenses" in path.parts[1:-1]):
            texts["/".join(path.parts[1:])] = read(path)
        elif inside and "sboms" in path.parts and path.suffix == ".json":
            boms.append(json.loads(read(path)))
    classifiers = [line.split(" :: ")[-1] for line in data.get_all("Classifier") or [] if line.startswith("License")]
    homes = [line.split(",", 1)[1].strip() for line in data.get_all("Project-URL") or [] if "," in line]
    return {
        "name": data["Name"],
        "version": data["Version"],
        "expression": first(data, "License-Expression"),
        "licence": first(data, "License"),
        "classifiers": classifiers,
        "home": first(data, "Home-page") or next(iter(homes), ""),
        "files": ["/".join(path.parts) for path in paths if not path.parts[0].endswith(".dist-info")],
        "texts": texts,
        "boms": boms,
        "root": str(entry.locate_file("")),
    }


def first(data: importlib.metadata.PackageMetadata, name: str) -> str:
    """The first value of a field, "" without."""
    return next(iter(data.get_all(name) or ()), "")


def read(path: importlib.metadata.PackagePath) -> str:
    """The text of an installed file."""
    return pathlib.Path(str(path.locate())).read_bytes().decode("utf-8", "replace")


def python_licence() -> str:
    """The text that came with Python, "" where its installation has none."""
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    base = pathlib.Path(sys.base_prefix)
    for path in (
        base / "LICENSE.txt",
        base / "lib" / version / "LICENSE.txt",
        pathlib.Path(os.__file__).parent / "LICENSE.txt",
    ):
        if path.is_file():
            return path.read_text(encoding="utf-8", errors="replace")
    debian = pathlib.Path(f"/usr/share/doc/{version}/copyright")
    return debian.read_text(encoding="utf-8", errors="replace") if debian.is_file() else ""


def main(program: str) -> None:
    """Print the answer."""
    answer = {
        "modules": modules(program),
        "distributions": [distribution(entry) for entry in importlib.metadata.distributions()],
        "python": {"version": platform.python_version(), "licence": python_licence()},
        "versions": {
            "openssl": ssl.OPENSSL_VERSION.split()[1],
            "sqlite": sqlite3.sqlite_version,
            "zlib": zlib.ZLIB_RUNTIME_VERSION,
            "expat": expat.EXPAT_VERSION.removeprefix("expat_"),
        },
    }
    sys.stdout.buffer.write(json.dumps(answer).encode("utf-8"))


if __name__ == "__main__":
    main(sys.argv[1])
