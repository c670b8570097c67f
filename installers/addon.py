"""CUDA as an add-on: ggml's CUDA backend, and NVIDIA's libraries that it calls, to be laid into an installed app.

The app itself needs no change: its worker loads every backend that lies beside the others, and passes over one that
cannot be loaded, as this one cannot where NVIDIA's driver is missing. NVIDIA's runtime and cuBLAS ship as they are:
their licence lets them be passed on with a program (Attachment A lists them) if they are not modified, so they are
neither stripped nor linked in. The driver (libcuda.so.1, nvcuda.dll) belongs to the computer and is never shipped.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tarfile
import tempfile
import textwrap
import time
import zipfile
from collections.abc import Sequence
from email.utils import formatdate
from pathlib import Path
from typing import Literal

import dev_cache
import llama
import product
import sbom
import signing
from dev_console import Failed, duration, heading, say
from licence_notice import Component, notice
from linux import appimage, deb, depends, elf, tree

ID = f"{product.ID}-cuda"
#: Where NVIDIA's licence stands when the toolkit's own folder does not have it.
EULA = "QWEN_DESKTOP_CUDA_EULA"
#: Inside the frozen folder, beside all other backends.
PLACE = "_internal/llama_cpp/lib"
#: Libraries of NVIDIA that may ship, by the stems of their names: of which part they are, and what version.json of the
#: toolkit calls that.
NVIDIA = {
    "cudart": ("NVIDIA CUDA Runtime", "cuda_cudart"),
    "cublas": ("NVIDIA cuBLAS", "libcublas"),
    "cublasLt": ("NVIDIA cuBLAS", "libcublas"),
}
#: What the backend links that is neither in the add-on nor in a package of its own: the app brings the one, the driver
#: the other.
ELSEWHERE = ("libggml-base.so", "libcuda.so.1")
#: Machine code for graphics processors lies compressed in these libraries: of 25.2 MB from cuBLASLt, xz -0 leaves 24.8
#: and -6 leaves 24.7 in two and a half times the time.
PRESET: Literal[0] = 0


def need() -> Path:
    """The toolkit it is built with. Raises ``Failed`` before any long work."""
    heading("cuda")
    problem = llama.cuda_problem()
    if problem:
        raise Failed(f"The CUDA add-on cannot be built: {problem}.")
    toolkit = llama.cuda_toolkit()
    licence(toolkit, [])
    return toolkit


def build(python: Path, toolkit: Path, out: Path) -> list[Path]:
    """Compile the backend and pack it: a Debian package and an archive on Linux, a ZIP file on Windows."""
    return pack(llama.cuda(python), toolkit, llama.source(python), out)


def pack(backend: Path, toolkit: Path, source: Path, out: Path) -> list[Path]:
    """Pack a compiled backend with what it needs from ``toolkit``; the same input gives the same bytes.

    ``source`` is the unpacked source of llama-cpp-python. Each artefact gets its SBOM.
    """
    out.mkdir(parents=True, exist_ok=True)
    windows = product.system() == "windows"
    with tempfile.TemporaryDirectory(prefix="qwen-desktop-cuda-") as name:
        root = Path(name) / "root"
        prefix = root if windows else root / tree.program_folder("/usr").strip("/")
        folder = prefix / PLACE
        folder.mkdir(parents=True)
        for path in [backend, *libraries(backend, toolkit)]:
            shutil.copyfile(path, folder / path.name)
        if windows:  # NVIDIA's are signed by NVIDIA
            signing.windows(folder / backend.name)
        parts = components(folder, toolkit, source)
        made = [_zip(root, parts, out)] if windows else _linux(root, folder, parts, out)
    for path in made:
        sbom.write(path, parts)
    return made


# What ships -----------------------------------------------------------------------------------------------------------


def libraries(backend: Path, toolkit: Path) -> list[Path]:
    """NVIDIA's libraries that the backend needs, from the toolkit it was compiled with."""
    if product.system() == "windows":
        return [_only(toolkit, f"{stem}64_*.dll") for stem in NVIDIA]
    found: dict[str, Path] = {}
    wanted = _needed(backend)
    while wanted:
        name = wanted.pop()
        if _stem(name) in NVIDIA and name not in found:
            found[name] = _only(toolkit, name)
            wanted += _needed(found[name])
    return [found[name] for name in sorted(found)]


def _needed(path: Path) -> list[str]:
    try:
        return list(elf.read(path).needed)
    except ValueError as error:
        raise Failed(f"{error}: {path}.") from error


def _only(toolkit: Path, pattern: str) -> Path:
    places = ("bin", "bin/x64") if product.system() == "windows" else ("lib64", "lib", "targets/*/lib")
    found = {path.name: path for place in reversed(places) for path in sorted(toolkit.glob(f"{place}/{pattern}"))}
    if len(found) != 1:
        what = f"more than one {pattern} ({', '.join(found)})" if found else f"no {pattern}"
        raise Failed(f"The CUDA toolkit in {toolkit} has {what}: name the nvcc of a whole one in {llama.NVCC}.")
    return next(iter(found.values()))


def _stem(name: str) -> str:
    """ "cublasLt" of libcublasLt.so.12 and of cublasLt64_12.dll."""
    return re.sub(r"(64_\d+)?\.(dll|so[\d.]*)$", "", name).removeprefix("lib")


def licence(toolkit: Path, shipped: Sequence[str]) -> str:
    """NVIDIA's licence. Raises ``Failed`` without it, or when it does not name one of the ``shipped`` libraries."""
    named = os.environ.get(EULA, "").strip()
    places = [Path(named)] if named else [toolkit / name for name in ("EULA.txt", "doc/EULA.txt", "LICENSE")]
    path = next((path for path in places if path.is_file()), None)
    if path is None:
        raise Failed(f"NVIDIA's libraries ship with their licence, and {places[0]} is missing: name it in {EULA}.")
    text = path.read_text(encoding="utf-8", errors="replace")
    end = text[max(text.rfind("Attachment A"), 0) :]
    for name in shipped:
        listed = f"{_stem(name)}.dll" if name.endswith(".dll") else f"lib{_stem(name)}.so"
        if "Attachment A" not in text or listed not in end:
            raise Failed(f"{path} does not list {listed} as distributable, so {name} must not ship.")
    return text


def components(folder: Path, toolkit: Path, source: Path) -> list[Component]:
    """Whose work is in ``folder``, for the notice and the SBOM."""
    files = {path.name: (f"{PLACE}/{path.name}", dev_cache.sha256_of(path)) for path in sorted(folder.iterdir())}
    theirs = [name for name in files if _stem(name) in NVIDIA]
    text = licence(toolkit, theirs)
    versions = _versions(toolkit)
    mit = (source / "vendor" / "llama.cpp" / "LICENSE").read_text(encoding="utf-8")
    parts = [
        Component(
            "llama.cpp (CUDA backend of ggml)",
            f"of llama-cpp-python {product.engine_version()}",
            "MIT",
            "pkg:github/ggml-org/llama.cpp",
            "https://github.com/ggml-org/llama.cpp",
            tuple(found for name, found in files.items() if name not in theirs),
            (mit,),
            f"Compiled by nvcc {'.'.join(map(str, llama.cuda_version()))} from the source of llama-cpp-python "
            f"{product.engine_version()} with SHA-256 {product.SDIST_SHA256[product.engine_version()]}.",
        ),
        Component(
            "CUDA Core Compute Libraries (CUB, libcu++)",
            versions.get("cuda_cccl", versions[""]),
            "BSD-3-Clause AND Apache-2.0 WITH LLVM-exception",
            home="https://github.com/NVIDIA/cccl",
            texts=(_cub(toolkit), (product.ROOT / "LICENSE").read_text(encoding="utf-8")),
            note="Headers, compiled into the backend. The exception lets object code go without the Apache licence.",
        ),
    ]
    for title, key in dict.fromkeys(NVIDIA.values()):
        mine = tuple(files[name] for name in theirs if NVIDIA[_stem(name)][0] == title)
        if mine:
            home = "https://developer.nvidia.com/cuda-toolkit"
            note = "Unmodified files of NVIDIA, for use by this program on computers with NVIDIA's graphics cards."
            eula = "LicenseRef-NVIDIA-CUDA-EULA"
            version = versions.get(key, versions[""])
            parts.append(Component(title, version, eula, home=home, files=mine, texts=(text,), note=note))
    return parts


def _versions(toolkit: Path) -> dict[str, str]:
    """Versions by the names of version.json; "" is the toolkit's, which stands for all where there is no such file."""
    versions = {"": f"of CUDA {'.'.join(map(str, llama.cuda_version()[:2]))}"}
    try:
        read = json.loads((toolkit / "version.json").read_text(encoding="utf-8"))
        return {name: str(entry["version"]) for name, entry in read.items()} | versions
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return versions


def _cub(toolkit: Path) -> str:
    """The licence at the head of CUB's own header."""
    for place in ("include/cccl", "include", "targets/*/include/cccl", "targets/*/include"):
        for path in sorted(toolkit.glob(f"{place}/cub/cub.cuh")):
            head = path.read_text(encoding="utf-8", errors="replace").partition("*/")[0]
            text = "\n".join(re.sub(r"^[/ *]+|[* ]+$", "", line) for line in head.splitlines()).strip()
            if "Redistribution" in text:
                return text
    raise Failed(f"The CUDA toolkit in {toolkit} lacks CUB's header with its licence (include/cub/cub.cuh).")


# Linux ----------------------------------------------------------------------------------------------------------------


def _linux(root: Path, folder: Path, parts: Sequence[Component], out: Path) -> list[Path]:
    document = root / "usr" / "share" / "doc" / ID / "copyright"
    document.parent.mkdir(parents=True)
    document.write_text(notice(parts), encoding="utf-8", newline="\n")
    tree.settle(root)
    archive = _archive(root, out / f"{ID}-{product.version()}-{appimage.MACHINES[product.architecture()][0]}.tar.xz")
    started = time.monotonic()
    package = out / deb.file_name(ID)
    moment = formatdate(product.epoch())
    changes = f"  * Version {product.version()}, for {product.ID} of the same version."
    text = f"{ID} ({deb.version()}) unstable; urgency=medium\n\n{changes}\n\n -- {product.MAINTAINER}  {moment}\n"
    tree.compressed(document.with_name("changelog.Debian.gz"), text)
    overrides = root / "usr" / "share" / "lintian" / "overrides" / ID
    overrides.parent.mkdir(parents=True)
    overrides.write_text(_OVERRIDES, encoding="utf-8")
    deb.write_control(root, control(root, folder))
    tree.settle(root)
    deb.pack(root, package, ("-Zxz", f"-z{PRESET}"))
    say(f"{package.name}: {package.stat().st_size / 1e6:.1f} MB in {duration(time.monotonic() - started)}")
    return [package, archive]


_OVERRIDES = f"""\
# There is no request for this package in Debian's list of bugs: the project publishes it itself.
{ID}: initial-upload-closes-no-bugs *
# The archive of this add-on holds the same file, and goes where Debian's copies of licences are not.
{ID}: copyright-file-contains-full-apache-2-license *
# NVIDIA's licence quotes those of what is inside its tools.
{ID}: copyright-not-using-common-license-for-lgpl *
"""


def control(root: Path, folder: Path) -> str:
    """The control file of the package whose tree lies in ``root``, its libraries in ``folder``."""
    stand_ins = [folder / name for name in ELSEWHERE]
    try:
        for path in stand_ins:
            path.touch(exist_ok=False)
        needs = depends.of(root)
    finally:
        for path in stand_ins:
            path.unlink(missing_ok=True)
    if needs.glibc > product.GLIBC_CEILING:
        say(f"warning: this add-on asks for libc6 >= {'.'.join(map(str, needs.glibc))}: build on an older base.")
    # The backend links what the app's package of the same version brings.
    app = f"{product.ID} (= {deb.version()})"
    system = [one for one in needs.depends if one not in depends.ALWAYS]
    lines = [
        f"Package: {ID}",
        f"Version: {deb.version()}",
        f"Architecture: {deb.ARCHITECTURES[product.architecture()]}",
        f"Maintainer: {product.MAINTAINER}",
        f"Installed-Size: {deb.kilobytes(root)}",
        f"Depends: {', '.join([app, *system])}",
        # No recommendation: apt would take one of many drivers, which may not be the one of the running kernel.
        "Suggests: libcuda1",
        "Section: non-free/utils",
        "Priority: optional",
        f"Homepage: {product.URL}",
        f"Description: {product.NAME} on NVIDIA graphics cards (CUDA)",
        tree.field(_DESCRIPTION),
    ]
    return "\n".join(lines) + "\n"


_DESCRIPTION = f"""\
{product.NAME} finds this backend by itself and computes with it. It needs NVIDIA's own driver; without one the app \
goes on with Vulkan or the processor.

The package holds NVIDIA's CUDA runtime and cuBLAS, which are not free software; their licence stands in \
/usr/share/doc/{ID}/copyright."""


def _archive(root: Path, target: Path) -> Path:
    """The same files as ``usr/…``, to be unpacked over an AppDir."""
    started = time.monotonic()
    part = target.with_name(target.name + ".part")
    with tarfile.open(part, "w:xz", preset=PRESET, format=tarfile.GNU_FORMAT) as packed:
        for path in sorted(path for path in root.rglob("*") if path.is_file()):
            entry = packed.gettarinfo(path, path.relative_to(root).as_posix())
            entry.uid = entry.gid = 0
            entry.uname = entry.gname = "root"
            with path.open("rb") as content:
                packed.addfile(entry, content)
    part.replace(target)
    say(f"{target.name}: {target.stat().st_size / 1e6:.1f} MB in {duration(time.monotonic() - started)}")
    return target


# Windows --------------------------------------------------------------------------------------------------------------


def _zip(root: Path, parts: Sequence[Component], out: Path) -> Path:
    """A ZIP file to be unpacked into the program's folder. Not yet run on Windows."""
    (root / "CUDA.txt").write_text(_words(), encoding="utf-8", newline="\r\n")
    (root / "CUDA-NOTICE.txt").write_text(notice(parts), encoding="utf-8", newline="\r\n")
    target = out / f"{ID}-{product.version()}-windows-{product.architecture()}.zip"
    part = target.with_name(target.name + ".part")
    stamp = time.gmtime(max(product.epoch(), 315_532_800))[:6]  # a ZIP file begins in 1980
    with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in sorted(path for path in root.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(path.relative_to(root).as_posix(), (stamp[0], stamp[1], stamp[2], *stamp[3:6]))
            entry.create_system = 0  # DOS, whatever system packs
            entry.external_attr = 0x20  # an ordinary file
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, path.read_bytes())
    part.replace(target)
    say(f"{target.name}: {target.stat().st_size / 1e6:.1f} MB")
    return target


def _words() -> str:
    folder = PLACE.replace("/", "\\")
    return textwrap.dedent(f"""\
        CUDA for {product.NAME} {product.version()}

        Quit {product.NAME} and unpack this ZIP file into the folder of its program, so that ggml-cuda.dll comes to lie
        in {folder} there. It fits version {product.version()} alone: before an update, delete ggml-cuda.dll, and
        take the add-on of the new version afterwards. To remove it, delete what this ZIP file holds.

        It needs NVIDIA's driver. Without one the app goes on with Vulkan or the processor.
        """)
