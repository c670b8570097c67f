"""Whose work is in the frozen folder, under which licence: ``NOTICE`` for people, components for the SBOM.

What counts is what is really there: Python modules inside the program, and every compiled file of the folder. A
compiled file that nobody claims stops the build, and so does a licence that must not ship (see ``licence_table``).
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import dev_cache
import dev_pele
import licence_system
import licence_table as table
import llama
import product
from dev_console import Failed, say
from licence_notice import Component, notice

NOTICE = Path("_internal") / "qwen_desktop" / "_resources" / "NOTICE"
TEXTS = product.HERE / "licence_texts"
#: Which of several licences is chosen, and what metadata leave unclear.
CHOSEN = {
    "pyside6-essentials": "LGPL-3.0-only",
    "shiboken6": "LGPL-3.0-only",
    "pyinstaller": "GPL-2.0-or-later WITH Bootloader-exception",
    "pyinstaller-hooks-contrib": "Apache-2.0",  # only its run-time hooks are shipped
    "quickjs-ng": "MIT",  # as its text says; its metadata name none
    "pypdfium2": "Apache-2.0 AND BSD-3-Clause",  # its own; those of PDFium stand in the table of libraries
}
#: Under the LGPL, and without a text of their own; the LGPL adds to the GPL, so both must be there.
_QT_PYTHON = ("pyside6-essentials", "shiboken6")
_MAGIC = (b"\x7fELF", b"MZ", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe", b"\xfe\xed\xfa\xcf")
_LLAMA = re.compile(r"(^|/)(lib)?(llama|ggml[\w.-]*|mtmd)\.(so[\d.]*|dll|dylib)$")
_PYTHON = re.compile(r"lib-dynload/|(^|/)(libpython3[\w.]*|python3\w*\.dll|Python)$|Python\.framework/|^[\w-]+\.pyd$")


def gather(python: Path, frozen: Path, out: Path) -> list[Component]:
    """The parts of the folder ``frozen``, made with the environment of ``python``; writes ``NOTICE`` below ``out``.

    Raises ``Failed`` when a file belongs to nobody known, or when a licence must not ship.
    """
    program = frozen / (product.CONSOLE_PROGRAM + (".exe" if product.system() == "windows" else ""))
    components = identify(_ask(python, program), native_files(frozen), frozen, llama.source(python))
    check(components)
    target = out / NOTICE
    if not target.parent.is_dir():
        raise Failed(f"{out} is no frozen folder: {NOTICE.parent.as_posix()} is missing in it.")
    target.write_text(notice(components), encoding="utf-8", newline="\n")
    os.utime(target, (product.epoch(), product.epoch()))
    say(f"NOTICE: {len(components)} parts, {target.stat().st_size / 1e3:.0f} kB")
    return components


def _ask(python: Path, program: Path) -> dict[str, Any]:
    command = [str(python), "-B", str(product.HERE / "licence_probe.py"), str(program)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=False)
    if done.returncode != 0:
        raise Failed(f"{program.name} cannot be looked into: {done.stderr.strip()[-400:]}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def native_files(frozen: Path) -> list[str]:
    """Every compiled file below ``frozen``, symbolic links aside, as a path with forward slashes."""
    found = []
    for path in sorted(frozen.rglob("*")):
        if path.is_symlink() or not path.is_file():
            continue
        with path.open("rb") as file:
            if file.read(4).startswith(_MAGIC):
                found.append(path.relative_to(frozen).as_posix())
    return found


def identify(probe: Mapping[str, Any], files: Sequence[str], frozen: Path, source: Path) -> list[Component]:
    """The components that a folder's programs and compiled ``files`` are made of, sorted by name.

    ``probe`` is what ``licence_probe`` printed, ``source`` the unpacked source of llama-cpp-python.
    """
    modules = frozenset(probe["modules"])
    shipped = [entry for entry in probe["distributions"] if _ships(entry, modules, frozen)]
    claims: dict[str, list[str]] = {}
    unclaimed = []
    for path in files:
        owner = _owner(path, shipped)
        if owner:
            claims.setdefault(owner, []).append(path)
        else:
            unclaimed.append(path)
    if unclaimed:
        raise Failed(
            f"Nobody knows whose these files are: {', '.join(unclaimed[:8])}{' …' if len(unclaimed) > 8 else ''}. "
            "Leave them out in qwen_desktop.spec, or add a row with their licence to NATIVE in licence_table.py."
        )

    def hashed(owner: str) -> tuple[tuple[str, str], ...]:
        return tuple((path, dev_cache.sha256_of(frozen / path)) for path in claims.get(owner, ()))

    packages = {_key(entry["name"]): _package(entry) for entry in shipped}
    lost = [name for name in claims if name.startswith("package ") and name.removeprefix("package ") not in packages]
    if lost:
        raise Failed(f"The build's environment does not have {', '.join(lost)}, but the frozen folder does.")
    found = [replace(part, files=hashed(f"package {key}")) for key, part in packages.items()]
    found += [_app(), _icons(), *_pele(frozen), *_llama(source, hashed("llama.cpp")), _python(probe, hashed("Python"))]
    if product.system() == "linux":
        found.append(_appimage())
    found += [_data(row, frozen, packages) for row in table.DATA if (frozen / "_internal" / row.path).is_file()]
    wanted = {row.name for row in table.NATIVE if row.name in table.IN_PYTHON or f"native {row.name}" in claims}
    for row in table.NATIVE:
        if row.name in wanted:
            found += _native(row, hashed(f"native {row.name}"), frozen, probe, packages)
    return sorted(map(_complete, found), key=lambda part: (part.name.casefold(), part.version))


def check(components: Iterable[Component]) -> None:
    """Raise ``Failed`` for parts whose licence must not ship, or whose licence text is missing."""
    problems = []
    for part in components:
        reason = table.judged(part.licence)
        where = f" ({', '.join(path for path, _ in part.files[:3])})" if part.files else ""
        if reason:
            problems.append(f"{part.name}{where} {reason}.")
        elif not any(text.strip() for text in part.texts):
            problems.append(f"{part.name}{where} comes without the text of its licence ({part.licence}).")
    if problems:
        raise Failed("These parts must not ship: " + " ".join(problems))


# Who owns what --------------------------------------------------------------------------------------------------------


def _key(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _ships(entry: Mapping[str, Any], modules: frozenset[str], frozen: Path) -> bool:
    """Whether any file of a distribution is in the folder or in its programs."""
    if _key(entry["name"]) in (product.ID, "pyinstaller"):  # each program begins with PyInstaller's bootloader
        return _key(entry["name"]) == "pyinstaller"
    for path in entry["files"]:
        if path.endswith(".py"):
            name = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            if name in modules or (
                name.rpartition(".")[2].startswith("pyi_rth_") and name.rpartition(".")[2] in modules
            ):
                return True
        elif (frozen / "_internal" / path).is_file():
            return True
    return False


def _owner(path: str, shipped: Sequence[Mapping[str, Any]]) -> str:
    inside = path.removeprefix("_internal/")
    if inside == path and "/" not in path:
        return "package pyinstaller"  # a program: its bootloader
    if _LLAMA.search(inside):
        return "llama.cpp"
    for row in table.NATIVE:
        if row.claims(inside):
            return f"native {row.name}"
    for exact in (True, False):  # PyInstaller puts some libraries beside the program
        for entry in shipped:
            # Windows keeps the capitals of whoever linked a library, not those of its file.
            names = [name.casefold() for name in entry["files"]]
            if exact:
                same = inside.casefold() in names
            else:
                same = inside.rpartition("/")[2].casefold() in [name.rpartition("/")[2] for name in names]
            if same:
                return f"package {_key(entry['name'])}"
    return "Python" if _PYTHON.search(inside) else ""


# The components -------------------------------------------------------------------------------------------------------


def _text(name: str) -> str:
    path = product.ROOT / "LICENSE" if name == "Apache-2.0" else TEXTS / name
    return path.read_text(encoding="utf-8")


def expression(entry: Mapping[str, Any]) -> str:
    """The SPDX expression of a distribution; what its metadata say as it is where that is none."""
    chosen = CHOSEN.get(_key(entry["name"])) or str(entry["expression"])
    if chosen:
        return chosen
    said = [str(entry["licence"]), *entry["classifiers"]]
    for word in said:
        if word.strip().lower() in table.SPELLINGS:
            return table.SPELLINGS[word.strip().lower()]
    if any(word.strip().upper().startswith("BSD") for word in said):
        texts = " ".join(" ".join(entry["texts"].values()).split()).lower()
        return "BSD-2-Clause" if texts and "neither the name" not in texts else "BSD-3-Clause"
    return str(entry["licence"]).strip().split("\n")[0]


def _package(entry: Mapping[str, Any]) -> Component:
    key = _key(entry["name"])
    texts = _texts(entry)
    texts += [_text("GPL-3.0.txt")] if key in _QT_PYTHON else []
    texts += [_text(table.LACKING[key])] if key in table.LACKING else []
    if not texts:
        texts = [head for head in (_head(Path(entry["root"]) / name) for name in entry["files"]) if head][:1]
    note = ""
    if key in _QT_PYTHON:
        note = _relink(str(entry["version"]))
    elif key == "pyinstaller":
        note = "Its bootloader is the beginning of each program; the exception in its licence permits that."
    return Component(
        str(entry["name"]), str(entry["version"]), expression(entry), f"pkg:pypi/{key}@{entry['version']}",
        str(entry["home"]), texts=tuple(texts), note=note, inside=_linked(entry["boms"]),
    )  # fmt: skip


def _texts(entry: Mapping[str, Any], row: table.Native | None = None) -> list[str]:
    """The licence texts that came with a distribution: its own, or those of the library in it that ``row`` tells of."""
    key, found = _key(entry["name"]), []
    for name, text in sorted(entry["texts"].items()):
        owner = next(
            (one for one in table.NATIVE if one.package == key and one.texts and re.search(one.texts, name)), None
        )
        if text.strip() and owner is row and not (row and row.spare and re.search(row.spare, name)):
            found.append(text)
    return found


def _head(path: Path) -> str:
    """The comment at the top of a Python file when it is a licence."""
    if path.suffix != ".py" or not path.is_file():
        return ""
    lines = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.strip("#").removeprefix(" "))
    text = "\n".join(lines).strip()
    return text if "copyright" in text.lower() and "permitted" in text.lower() else ""


def _linked(boms: Iterable[Mapping[str, Any]]) -> tuple[tuple[str, str, str], ...]:
    """What a package's own SBOMs name as linked in: name, version, licence."""
    found = set()
    for bom in boms:
        for part in bom.get("components", ()):
            first: Mapping[str, Any] = next(iter(part.get("licenses") or ()), {})
            licence = first.get("expression") or first.get("license", {}).get("id") or ""
            found.add((str(part.get("name", "")), str(part.get("version", "")), str(licence)))
    return tuple(sorted(found))


def _relink(version: str) -> str:
    release = ".".join(version.split(".")[:3])
    return (
        "Used unmodified, as shared libraries in the folders PySide6 and shiboken6 of the program. You may "
        "change them and put your own builds of the same interface in their place: the program loads what lies there. "
        f"Source of Qt: https://download.qt.io/archive/qt/{'.'.join(release.split('.')[:2])}/{release}/single/ and of "
        f"Qt for Python: https://download.qt.io/official_releases/QtForPython/pyside6/ ({version}). Reverse "
        "engineering for debugging such changes is permitted."
    )


def _app() -> Component:
    texts = tuple((product.ROOT / name).read_text(encoding="utf-8") for name in ("NOTICE", "LICENSE"))
    return Component(product.NAME, product.version(), product.LICENCE, home=product.URL, texts=texts)


def _icons() -> Component:
    text = (product.ROOT / "resources" / "icons" / "LICENSE").read_text(encoding="utf-8")
    return Component("Lucide icons", "", "ISC AND MIT", "pkg:npm/lucide-static", "https://lucide.dev", texts=(text,))


def _pele(frozen: Path) -> list[Component]:
    script, licence = (frozen / NOTICE.parent / "diagrams" / name for name in ("pele.js", "LICENSE"))
    if not script.is_file():
        return []
    files = ((script.relative_to(frozen).as_posix(), dev_cache.sha256_of(script)),)
    texts = (licence.read_text(encoding="utf-8"),) if licence.is_file() else ()
    number, home = dev_pele.VERSION, "https://github.com/obsidianmd/pele"
    return [Component("Pele", number, "MIT AND ISC", f"pkg:npm/pele@{number}", home, files=files, texts=texts)]


def _data(row: table.Data, frozen: Path, packages: Mapping[str, Component]) -> Component:
    files = ((f"_internal/{row.path}", dev_cache.sha256_of(frozen / "_internal" / row.path)),)
    owner = packages.get(row.package)
    note = f"Unmodified, as it comes with {owner.name} {owner.version}." if owner else ""
    return Component(row.name, "", row.licence, home=row.home, files=files, texts=(_text(row.text),), note=note)


def _llama(source: Path, files: tuple[tuple[str, str], ...]) -> list[Component]:
    tree = source / "vendor" / "llama.cpp"
    version = f"of llama-cpp-python {product.engine_version()}"
    sgemm = tree / "ggml" / "src" / "ggml-cpu" / "llamafile" / "sgemm.cpp"
    head = re.match(r"(?://.*\n)+", sgemm.read_text(encoding="utf-8")) if sgemm.is_file() else None
    parts = [
        Component(
            "llama.cpp",
            version,
            "MIT",
            "pkg:github/ggml-org/llama.cpp",
            "https://github.com/ggml-org/llama.cpp",
            files,
            (tree.joinpath("LICENSE").read_text(encoding="utf-8"),),
            f"With ggml. Compiled from the source of llama-cpp-python {product.engine_version()} with SHA-256 "
            f"{product.SDIST_SHA256.get(product.engine_version(), 'unknown')}.",
        )
    ]
    if head:
        text = re.sub(r"^// ?", "", head[0], flags=re.MULTILINE)
        home = "https://github.com/Mozilla-Ocho/llamafile"
        parts.append(Component("llamafile (matrix products in ggml)", version, "MIT", home=home, texts=(text,)))
    if any("vulkan" in path for path, _ in files):
        home = "https://github.com/KhronosGroup/Vulkan-Headers"
        note = "Compiled into the Vulkan backend of llama.cpp."
        parts.append(Component("Vulkan headers", "", "Apache-2.0", home=home, texts=(_text("Apache-2.0"),), note=note))
    return parts


def _python(probe: Mapping[str, Any], files: tuple[tuple[str, str], ...]) -> Component:
    version = str(probe["python"]["version"])
    return Component(
        "Python", version, "PSF-2.0", f"pkg:generic/python@{version}", "https://www.python.org", files,
        (str(probe["python"]["licence"]),),
    )  # fmt: skip


def _appimage() -> Component:
    home = "https://github.com/AppImage/type2-runtime"
    texts = (_text("AppImage-runtime.txt"),)
    return Component("AppImage runtime", "", "MIT AND LGPL-2.1-only", "pkg:github/AppImage/type2-runtime", home,
                     texts=texts, note="Only in the AppImage.")  # fmt: skip


def _native(
    row: table.Native,
    files: tuple[tuple[str, str], ...],
    frozen: Path,
    probe: Mapping[str, Any],
    packages: Mapping[str, Component],
) -> list[Component]:
    """A library of the table: one component, or one for each package of the system that brings a part of it."""
    base = Component(row.name, str(probe["versions"].get(row.version, "")), row.licence, home=row.home, files=files)
    texts: tuple[str, ...] = (_text(row.text),) if row.text else ()
    if row.package:
        owner = packages.get(row.package)
        if row.texts:
            texts += tuple(
                text
                for entry in probe["distributions"]
                if _key(entry["name"]) == row.package
                for text in _texts(entry, row)
            )
        else:
            texts += owner.texts if owner else ()
        note = f"Comes with {owner.name} {owner.version}." if owner else ""
        if row.name == "Qt" and owner:
            base = replace(base, version=owner.version)
            texts, note = (*texts, _text("Qt-parts.txt")), owner.note
        return [replace(base, texts=texts, note=note)]
    groups: dict[str, list[tuple[str, str]]] = {}
    owners = licence_system.owners({path: frozen / path for path, _ in files})
    for path, digest in files:
        groups.setdefault(owners[path].source if path in owners else "", []).append((path, digest))
    if not groups:
        return [replace(base, texts=texts, note="Linked into Python.")]
    found = []
    for source, mine in groups.items():
        packages_of = sorted({owners[path] for path, _ in mine if path in owners}, key=lambda one: one.name)
        part = replace(base, name=row.name if len(groups) == 1 else source or row.name, files=tuple(mine), texts=texts)
        found.append(_of_system(part, packages_of))
    return found


def _of_system(part: Component, packages: Sequence[licence_system.Package]) -> Component:
    if not packages:
        return part
    first = packages[0]
    texts = tuple(dict.fromkeys(package.text for package in packages if package.text)) or part.texts
    note = (
        f"Unmodified files of {', '.join(package.name for package in packages)} {first.version} of "
        f"{first.vendor.capitalize()}; the source is there: apt-get source {first.source}."
    )
    return replace(part, version=first.version, purl=first.purl, texts=texts, note=note)


def _complete(part: Component) -> Component:
    """The part with every long licence text that its expression names and its own texts only point to."""
    have = [" ".join(text.split()).lower() for text in part.texts]
    for word, (file, mark) in table.IN_FULL.items():
        named = any(name.strip("()").startswith(word) for name in part.licence.split())
        if named and not any(mark in text for text in have):
            part = replace(part, texts=(*part.texts, _text(file)))
    return part
