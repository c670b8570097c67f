"""The CUDA add-on: where it can be built, what it holds, and that it is built only when it is named."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "installers"), str(ROOT / "tools")]

import addon  # noqa: E402
import build  # noqa: E402
import llama  # noqa: E402
import product  # noqa: E402
import signing  # noqa: E402
from dev_console import Failed  # noqa: E402
from linux import deb, elf  # noqa: E402

linux_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a shell script stands in for nvcc")
needs_dpkg = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="dpkg-deb is missing")
TERMS = """END USER LICENSE AGREEMENT … 2.6. Attachment A
Windows: cudart.dll, cublas.dll, cublasLt.dll
Linux: libcudart.so, libcublas.so, libcublasLt.so
"""


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """One moment, an x64 machine, and nothing of this computer's own CUDA."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1790000000")
    monkeypatch.setattr(product, "architecture", lambda: "x64")
    monkeypatch.setenv(llama.NVCC, "nvcc-that-is-missing")
    for name in (llama.CUDA_ARCHITECTURES, addon.EULA, signing.REQUIRED, signing.PFX, signing.SIGN_COMMAND):
        monkeypatch.delenv(name, raising=False)


def library(path: Path, soname: str, needed: tuple[str, ...], versions: tuple[tuple[str, str], ...] = ()) -> None:
    """An ELF file that says what it needs, and no more."""
    strings, places = b"\0", {}
    for text in [soname, *needed, *(word for pair in versions for word in pair)]:
        places[text] = len(strings)
        strings += text.encode() + b"\0"
    dynamic = b"".join(struct.pack("<qQ", 1, places[name]) for name in needed)
    dynamic += struct.pack("<qQqQ", 14, places[soname], 0, 0)
    wanted = b""
    for number, (file, version) in enumerate(versions):
        last = number == len(versions) - 1
        wanted += struct.pack("<HHIII", 1, 1, places[file], 16, 0 if last else 32)
        wanted += struct.pack("<IHHII", 0, 0, 0, places[version], 0)
    bodies = [(3, strings, 0), (6, dynamic, 1), *([(0x6FFFFFFE, wanted, 1)] if versions else [])]
    content, rows = b"", [struct.pack("<IIQQQQIIQQ", *[0] * 10)]
    for kind, body, link in bodies:
        rows.append(struct.pack("<IIQQQQIIQQ", 0, kind, 0, 0, 64 + len(content), len(body), link, 0, 1, 0))
        content += body
    magic = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    head = struct.pack("<16sHHIQQQIHHHHHH", magic, 3, 62, 1, 0, 0, 64 + len(content), 0, 64, 0, 0, 64, len(rows), 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(head + content + b"".join(rows))


@pytest.fixture
def toolkit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for NVIDIA's toolkit, whose nvcc tells version and folder as the real one does."""
    root = tmp_path / "cuda"
    nvcc = root / "bin" / "nvcc"
    nvcc.parent.mkdir(parents=True)
    nvcc.write_text(
        '#!/bin/sh\ncase $1 in\n--version) echo "Cuda compilation tools, release 12.9, V${FAKE:-12.9.86}" ;;\n'
        f'*) echo "#\\$ TOP={nvcc.parent}/.."; exit 1 ;;\nesac\n',
        encoding="utf-8",
    )
    nvcc.chmod(0o755)
    header = root / "include" / "cub" / "cub.cuh"
    header.parent.mkdir(parents=True)
    header.write_text(
        "/****\n * Copyright (c) 2011\n *\n * Redistribution and use …\n ****/\ncode */", encoding="utf-8"
    )
    (root / "include" / "cublas_v2.h").write_text("", encoding="utf-8")
    lib = root / "lib64"
    library(lib / "libcudart.so.12", "libcudart.so.12", ("libc.so.6", "libpthread.so.0"))
    library(lib / "libcublas.so.12.9.3", "libcublas.so.12", ("libcublasLt.so.12", "libgcc_s.so.1", "libc.so.6"))
    library(lib / "libcublasLt.so.12", "libcublasLt.so.12", ("libm.so.6",), (("libc.so.6", "GLIBC_2.27"),))
    (lib / "libcublas.so.12").symlink_to("libcublas.so.12.9.3")
    library(lib / "libcufft.so.11", "libcufft.so.11", ())
    (root / "EULA.txt").write_text(TERMS, encoding="utf-8")
    (root / "version.json").write_text(json.dumps({"libcublas": {"version": "12.9.3.13"}}), encoding="utf-8")
    monkeypatch.setenv(llama.NVCC, str(nvcc))
    return root


@pytest.fixture
def backend(tmp_path: Path) -> Path:
    path = tmp_path / "built" / "libggml-cuda.so"
    needed = ("libggml-base.so", "libcuda.so.1", "libcudart.so.12", "libcublas.so.12", "libstdc++.so.6", "libc.so.6")
    library(path, path.name, needed, (("libstdc++.so.6", "GLIBCXX_3.4.30"), ("libc.so.6", "GLIBC_2.34")))
    return path


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source" / "vendor" / "llama.cpp" / "LICENSE"
    path.parent.mkdir(parents=True)
    path.write_text("MIT License of ggml", encoding="utf-8")
    return tmp_path / "source"


# Where it can be built ------------------------------------------------------------------------------------------------


def test_without_nvcc_it_says_what_to_name(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(product, "system", lambda: "linux")
    assert build.main(["cuda"]) == 1
    assert llama.NVCC in capsys.readouterr().err


def test_macos_and_windows_on_arm_have_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(product, "system", lambda: "macos")
    assert "macOS" in llama.cuda_problem()
    assert not build.ADDONS["macos"]
    monkeypatch.setattr(product, "system", lambda: "windows")
    monkeypatch.setattr(product, "architecture", lambda: "arm64")
    assert "ARM" in llama.cuda_problem()


@linux_only
def test_a_whole_toolkit_will_do_and_one_without_cublas_or_too_old_will_not(
    toolkit: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert llama.cuda_version() == (12, 9, 86)
    assert llama.cuda_toolkit() == toolkit.resolve()
    assert llama.cuda_problem() == ""
    (toolkit / "include" / "cublas_v2.h").unlink()
    assert "cuBLAS" in llama.cuda_problem()
    monkeypatch.setenv("FAKE", "11.8.89")
    assert "11.8 is too old" in llama.cuda_problem()


def test_each_version_compiles_for_what_it_knows() -> None:
    old, twelve, thirteen = map(llama.cuda_architectures, ((12, 4, 131), (12, 9, 86), (13, 0, 88)))
    assert "120a-real" not in old
    assert set(twelve) == {*old, "120a-real"}
    assert set(twelve) - set(thirteen) == {"61-real", "70-virtual"}
    for chosen in (old, twelve, thirteen):
        assert {"75-real", "86-real", "89-real", "90-virtual"} <= set(chosen)


@linux_only
def test_cmake_gets_the_toolkit_the_processors_and_the_shared_runtime(
    toolkit: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, str] = {}
    done = tmp_path / "done"
    done.mkdir()
    (done / "libggml-cuda.so").touch()

    def built(python: Path, options: dict[str, str], extra: str, target: str) -> Path:
        seen.update(options, extra=extra, target=target)
        return done

    monkeypatch.setattr(llama, "_built", built)
    assert llama.cuda(Path(sys.executable)).name == "libggml-cuda.so"
    assert seen["CUDAToolkit_ROOT"] == str(toolkit.resolve())
    assert (seen["GGML_CUDA"], seen["GGML_BACKEND_DL"], seen["GGML_NATIVE"]) == ("ON", "ON", "OFF")
    assert (seen["GGML_CUDA_NCCL"], seen["CMAKE_CUDA_RUNTIME_LIBRARY"]) == ("OFF", "Shared")
    assert seen["CMAKE_CUDA_ARCHITECTURES"].startswith("61-real;")
    assert (seen["target"], seen["extra"].split()[0]) == ("ggml-cuda", "12.9.86")
    monkeypatch.setenv(llama.CUDA_ARCHITECTURES, "75-virtual")
    llama.cuda(Path(sys.executable))
    assert seen["CMAKE_CUDA_ARCHITECTURES"] == "75-virtual"


def test_only_who_names_it_gets_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    kinds = {"deb": None, "appdir": None}
    system = product.system()
    monkeypatch.setitem(build.KINDS, system, kinds)
    monkeypatch.setitem(build.ADDONS, system, {"cuda": lambda out: made.append("cuda") or [tmp_path]})

    def installers(named: list[str], out: Path, *, vulkan: bool) -> list[Path]:
        made.extend(named)
        return []

    monkeypatch.setattr(build, "_installers", installers)
    for arguments, expected in (([], ["deb", "appdir"]), (["cuda"], ["cuda"]), (["deb", "cuda"], ["cuda", "deb"])):
        made.clear()
        assert build.main([*arguments, "--out", str(tmp_path)]) == 0
        assert made == expected


# What may ship --------------------------------------------------------------------------------------------------------


@linux_only
def test_the_libraries_that_are_linked_ship_and_no_others(backend: Path, toolkit: Path) -> None:
    names = [path.name for path in addon.libraries(backend, toolkit)]
    assert names == ["libcublas.so.12", "libcublasLt.so.12", "libcudart.so.12"]
    (toolkit / "lib64" / "libcublasLt.so.12").unlink()
    with pytest.raises(Failed, match=r"no libcublasLt\.so\.12"):
        addon.libraries(backend, toolkit)


def test_nothing_ships_without_nvidias_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Failed, match=addon.EULA):
        addon.licence(tmp_path, [])
    named = tmp_path / "terms.txt"
    named.write_text(TERMS.replace(", libcublasLt.so", ""), encoding="utf-8")
    monkeypatch.setenv(addon.EULA, str(named))
    assert addon.licence(tmp_path, ["libcudart.so.12", "cublasLt64_12.dll"]).startswith("END USER")
    with pytest.raises(Failed, match=r"does not list libcublasLt\.so"):
        addon.licence(tmp_path, ["libcublasLt.so.12"])
    named.write_text("libcudart.so may be used.", encoding="utf-8")
    with pytest.raises(Failed, match="must not ship"):
        addon.licence(tmp_path, ["libcudart.so.12"])


# What is packed -------------------------------------------------------------------------------------------------------


@linux_only
@needs_dpkg
def test_the_package_and_the_archive_hold_the_same_libraries(
    backend: Path, toolkit: Path, source: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    package, archive = addon.pack(backend, toolkit, source, out)
    assert package.name == f"qwen-desktop-cuda_{deb.version()}_amd64.deb"
    place = f"usr/lib/qwen-desktop/{addon.PLACE}/"
    wanted = {
        place + name for name in ("libcublas.so.12", "libcublasLt.so.12", "libcudart.so.12", "libggml-cuda.so")
    } | {"usr/share/doc/qwen-desktop-cuda/copyright"}
    with tarfile.open(archive) as packed:
        assert set(packed.getnames()) == wanted
        assert {(entry.uid, entry.mode, entry.mtime, entry.type) for entry in packed} == {
            (0, 0o644, 1790000000, tarfile.REGTYPE)
        }
    unpacked = tmp_path / "unpacked"
    subprocess.run(["dpkg-deb", "-x", package, unpacked], check=True)
    found = {path.relative_to(unpacked).as_posix() for path in unpacked.rglob("*") if path.is_file()}
    assert wanted <= found
    # NVIDIA's files arrive as they were, under the names they are asked for.
    kept = (unpacked / place / "libcublas.so.12").read_bytes()
    assert kept == (toolkit / "lib64" / "libcublas.so.12.9.3").read_bytes()
    assert elf.read(unpacked / place / "libggml-cuda.so").soname == "libggml-cuda.so"
    text = (unpacked / "usr/share/doc/qwen-desktop-cuda/copyright").read_text(encoding="utf-8")
    assert all(part in text for part in ("MIT License of ggml", "Attachment A", "Redistribution and use", "12.9.3.13"))
    bill = json.loads((out / f"{package.name}.cdx.json").read_text(encoding="utf-8"))
    files = {entry["name"] for part in bill["components"] for entry in part.get("components", ())}
    assert files == {f"{addon.PLACE}/{name.rpartition('/')[2]}" for name in wanted if name.startswith(place)}


@linux_only
@needs_dpkg
def test_what_dpkg_reads_in_it(backend: Path, toolkit: Path, source: Path, tmp_path: Path) -> None:
    package, _ = addon.pack(backend, toolkit, source, tmp_path / "out")

    def field(name: str) -> str:
        done = subprocess.run(["dpkg-deb", "-f", package, name], capture_output=True, encoding="utf-8", check=True)
        return done.stdout.strip()

    assert field("Package") == "qwen-desktop-cuda"
    depends = field("Depends").split(", ")
    assert depends[0].startswith(f"qwen-desktop (= {deb.version()})")
    assert set(depends[1:]) == {"libc6 (>= 2.34)", "libgcc-s1", "libstdc++6 (>= 12)"}
    assert field("Suggests") == "libcuda1"
    assert "libcuda1" not in field("Recommends") + field("Depends")


@linux_only
@needs_dpkg
def test_the_same_input_gives_the_same_bytes(backend: Path, toolkit: Path, source: Path, tmp_path: Path) -> None:
    first = [path.read_bytes() for path in addon.pack(backend, toolkit, source, tmp_path / "one")]
    os.utime(backend)
    assert [path.read_bytes() for path in addon.pack(backend, toolkit, source, tmp_path / "two")] == first


def test_the_windows_archive_fits_into_the_programs_folder(
    toolkit: Path, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(product, "system", lambda: "windows")
    monkeypatch.setattr(llama, "cuda_version", lambda: (12, 9, 86))
    backend = tmp_path / "ggml-cuda.dll"
    backend.write_bytes(b"MZ backend")
    for name in ("cudart64_12.dll", "cublas64_12.dll", "cublasLt64_12.dll", "nvcuda.dll"):
        (toolkit / "bin" / name).write_bytes(b"MZ " + name.encode())
    (path,) = addon.pack(backend, toolkit, source, tmp_path / "out")
    assert path.name == f"qwen-desktop-cuda-{product.version()}-windows-x64.zip"
    first = path.read_bytes()
    with zipfile.ZipFile(path) as packed:
        libraries = {f"{addon.PLACE}/{name}" for name in ("cudart64_12.dll", "cublas64_12.dll", "cublasLt64_12.dll")}
        assert set(packed.namelist()) == libraries | {f"{addon.PLACE}/ggml-cuda.dll", "CUDA.txt", "CUDA-NOTICE.txt"}
        assert packed.read(f"{addon.PLACE}/cublas64_12.dll") == b"MZ cublas64_12.dll"
        assert b"Attachment A" in packed.read("CUDA-NOTICE.txt")
        assert b"_internal\\llama_cpp\\lib there." in packed.read("CUDA.txt")
    addon.pack(backend, toolkit, source, tmp_path / "out")
    assert path.read_bytes() == first
    (toolkit / "bin" / "cublas64_13.dll").write_bytes(b"MZ another")
    with pytest.raises(Failed, match="more than one"):
        addon.pack(backend, toolkit, source, tmp_path / "out")
