"""llama.cpp for every processor of this platform, compiled once and kept in the build cache.

The source is the sdist of llama-cpp-python that pyproject.toml pins (its SHA-256 stands in ``product``). It is
compiled here and not by that package's own build, which would install each library six times, in two places, and
switch AVX off on Intel Macs. Its Python part becomes a wheel by itself; ``wheel`` joins both.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import product  # puts tools/ on the path

import dev_cache  # isort: skip
import dev_wheel  # isort: skip
from dev_console import Failed, duration, heading, output, say  # isort: skip

#: Where a build finds what the system's own packages are too old for (see README, "Vulkan").
GLSLC = "QWEN_DESKTOP_GLSLC"
VULKAN_PREFIX = "QWEN_DESKTOP_VULKAN_PREFIX"
#: NVIDIA's compiler, and for which graphics processors it compiles in place of ``cuda_architectures`` (see "CUDA").
NVCC = "QWEN_DESKTOP_NVCC"
CUDA_ARCHITECTURES = "QWEN_DESKTOP_CUDA_ARCHITECTURES"
SDIST = "QWEN_DESKTOP_LLAMA_SDIST"
_LIBRARY = re.compile(r"^(lib)?(llama|ggml[\w.-]*)\.(so|dll|dylib)$")


def cache() -> Path:
    """The installers' part of the build cache."""
    return dev_cache.created(dev_cache.folder() / "installers")


def source(python: Path) -> Path:
    """The unpacked source, fetched and checked when it is not there."""
    version = product.engine_version()
    wanted = product.SDIST_SHA256.get(version)
    if wanted is None:
        raise Failed(f"installers/product.py names no SHA-256 for the source of llama-cpp-python {version}.")
    folder = cache() / "source"
    tree = folder / f"llama_cpp_python-{version}"
    if (tree / ".complete").is_file():
        return tree
    archive = Path(os.environ.get(SDIST, "")) if os.environ.get(SDIST) else _download(python, version, folder)
    found = dev_cache.sha256_of(archive)
    if found != wanted:
        raise Failed(f"{archive} is not the expected source (SHA-256 {found[:16]}… instead of {wanted[:16]}…).")
    shutil.rmtree(tree, ignore_errors=True)
    dev_cache.created(folder)
    try:
        with tarfile.open(archive) as packed:
            # No target needs the pages of llama.cpp's server, whose paths are too long for Windows.
            members = [member for member in packed if "/vendor/llama.cpp/tools/ui/" not in member.name]
            packed.extractall(folder, members, filter="data")
    except (OSError, tarfile.TarError) as error:
        raise Failed(f"{archive} cannot be unpacked into {folder}: {error}") from error
    (tree / ".complete").touch()
    return tree


def _download(python: Path, version: str, folder: Path) -> Path:
    dev_cache.created(folder)
    # With its sum, since pip runs the build of what it has fetched to learn its name: nothing else may run here.
    wanted = folder / "llama.txt"
    wanted.write_text(f"llama-cpp-python=={version} --hash=sha256:{product.SDIST_SHA256[version]}\n", encoding="utf-8")
    command: list[str | Path] = [python, "-m", "pip", "download", "-q", "--no-deps", "--no-build-isolation"]
    command += ["--no-binary", ":all:", "--require-hashes"]
    code, text = output([*command, "-d", folder, "-r", wanted], timeout=900)
    archive = folder / f"llama_cpp_python-{version}.tar.gz"
    if code != 0 or not archive.is_file():
        raise Failed(f"The source of llama-cpp-python {version} cannot be downloaded: {text.strip()[-300:]}")
    return archive


def libraries(python: Path) -> Path:
    """The folder with libllama, libggml, libggml-base and one libggml-cpu for each kind of processor."""
    options = product.llama_options(product.system(), product.architecture())
    return _built(python, options, "", "llama")  # with it come all libraries; "all" has programs that do not build


def vulkan(python: Path) -> Path | None:
    """The Vulkan backend's library, or None with a warning where the toolchain cannot build it."""
    problem = vulkan_problem()
    if problem:
        say(f"warning: without Vulkan: {problem}")
        return None
    options = product.llama_options(product.system(), product.architecture()) | {"GGML_VULKAN": "ON"}
    prefix = os.environ.get(VULKAN_PREFIX, "").strip()
    if prefix:
        options |= {"CMAKE_PREFIX_PATH": prefix, "Vulkan_INCLUDE_DIR": f"{prefix}/include"}
    glslc = os.environ.get(GLSLC, "").strip()
    if glslc:
        options["Vulkan_GLSLC_EXECUTABLE"] = glslc
    folder = _built(python, options, _version_of(glslc or "glslc"), "ggml-vulkan")
    return next(path for path in folder.iterdir() if "vulkan" in path.name)


def vulkan_problem() -> str:
    """Why the Vulkan backend cannot be built here, "" when it can."""
    if product.system() == "macos":
        return "Metal takes its place on macOS"
    if not _version_of(os.environ.get(GLSLC, "").strip() or "glslc"):
        return f"glslc is missing (name it in {GLSLC})"
    if product.system() == "windows":
        return "" if os.environ.get("VULKAN_SDK") else "VULKAN_SDK names no SDK"
    prefix = Path(os.environ.get(VULKAN_PREFIX, "").strip() or "/usr")
    try:
        header = (prefix / "include" / "vulkan" / "vulkan_core.h").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return f"Vulkan's headers are missing (a newer set may be named in {VULKAN_PREFIX})"
    found = re.search(r"#define VK_HEADER_VERSION (\d+)", header)
    if found is None or int(found[1]) < 261:  # VK_EXT_layer_settings
        return f"Vulkan's headers are too old for llama.cpp (a newer set may be named in {VULKAN_PREFIX})"
    return "" if (prefix / "include" / "spirv").is_dir() else "the SPIR-V headers are missing"


def cuda(python: Path) -> Path:
    """The CUDA backend's library. Raises ``Failed`` where it cannot be built: only who names it gets here."""
    problem = cuda_problem()
    if problem:
        raise Failed(f"The CUDA backend cannot be built: {problem}.")
    version = cuda_version()
    chosen = os.environ.get(CUDA_ARCHITECTURES, "").strip() or ";".join(cuda_architectures(version))
    options = product.llama_options(product.system(), product.architecture()) | {
        "GGML_CUDA": "ON",
        "GGML_CUDA_NCCL": "OFF",  # would be linked where this machine happens to have it
        "CMAKE_CUDA_COMPILER": Path(shutil.which(_nvcc()) or _nvcc()).as_posix(),
        "CUDAToolkit_ROOT": cuda_toolkit().as_posix(),  # else CMake may take the libraries of another one
        "CMAKE_CUDA_ARCHITECTURES": chosen,
        # ggml links the shared runtime in any case; CMake's own choice would put the static one beside it.
        "CMAKE_CUDA_RUNTIME_LIBRARY": "Shared",
    }
    extra = f"{'.'.join(map(str, version))} {os.environ.get('CUDAHOSTCXX', '')}".strip()
    folder = _built(python, options, extra, "ggml-cuda")
    return next(path for path in folder.iterdir() if "cuda" in path.name)


def cuda_problem() -> str:
    """Why the CUDA backend cannot be built here as the part of a sentence, "" when it can."""
    if product.system() == "macos":
        return "NVIDIA makes no drivers for macOS"
    if (product.system(), product.architecture()) == ("windows", "arm64"):
        return "ggml's CUDA backend has not been made for Windows on ARM"
    version = cuda_version()
    if not version:
        return f"nvcc is missing (name it in {NVCC})"
    if version < (12,):
        return f"CUDA {version[0]}.{version[1]} is too old: 12 or newer is needed ({NVCC} may name another nvcc)"
    root = cuda_toolkit()
    if not [*root.glob("include/cublas_v2.h"), *root.glob("targets/*/include/cublas_v2.h")]:
        return f"the CUDA toolkit in {root} has no cuBLAS"
    return ""


def cuda_version() -> tuple[int, ...]:
    """The version of nvcc, such as (12, 9, 86); () when there is none."""
    code, text = output([_nvcc(), "--version"])
    found = re.search(r"\bV(\d+)\.(\d+)\.(\d+)", text) if code == 0 else None
    return tuple(map(int, found.groups())) if found else ()


def cuda_toolkit() -> Path:
    """The folder that nvcc takes its headers and libraries from: it prints it before it misses its source file."""
    found = re.search(r"^#\$ TOP=(.+)$", output([_nvcc(), "-v", "no-source"])[1], re.MULTILINE)
    return Path(found[1].strip() if found else Path(shutil.which(_nvcc()) or _nvcc()).parent.parent).resolve()


def cuda_architectures(version: tuple[int, ...]) -> list[str]:
    """For which graphics processors a release compiles, in CMake's words.

    Machine code ("real") for the cards that people have: it runs with every driver of the toolkit's major version. The
    rest gets code that the driver translates at first use ("virtual"), which needs a driver as new as the toolkit.
    """
    chosen = ["75-real", "80-virtual", "86-real", "89-real", "90-virtual"]  # GeForce 16/20, A100, 30, 40, what follows
    if version < (13,):
        chosen = ["61-real", "70-virtual", *chosen]  # GeForce 10 and V100: CUDA 13 has dropped them
    if version >= (12, 8):
        chosen.append("120a-real")  # GeForce 50, whose four-bit instructions are in no code that runs on others too
    return chosen


def _nvcc() -> str:
    return os.environ.get(NVCC, "").strip() or "nvcc"


def _version_of(program: str) -> str:
    code, text = output([program, "--version"])
    return " ".join(text.split()[:3]) if code == 0 else ""


def compiler() -> str:
    """Which compiler CMake will take: part of the key, since another one gives another library."""
    if product.system() == "windows":
        return os.environ.get("VCTOOLSVERSION", "") or _version_of("clang")
    return _version_of(os.environ.get("CXX", "").strip() or "c++")


def without_sme() -> bool:
    """Whether this is Linux on ARM with a compiler that does not know SME, as GCC before 14 does not.

    llama.cpp asks no compiler before it compiles for such processors; without those two kinds they get the next best.
    """
    if (product.system(), product.architecture()) != ("linux", "arm64"):
        return False
    program = os.environ.get("CXX", "").strip() or "c++"
    return output([*shlex.split(program), "-march=armv9.2-a+sme", "-x", "c++", "-fsyntax-only", os.devnull])[0] != 0


def fit(tree: Path, *, sme: bool) -> None:
    """Let the source ``tree`` of llama.cpp have the kinds of ARM processors with SME, or not."""
    listed = tree / "ggml" / "src" / "CMakeLists.txt"
    whole = listed.with_suffix(".whole")
    if not whole.is_file():
        dev_cache.place(listed, whole)
    text = whole.read_text(encoding="utf-8")
    if not sme:
        text = re.sub(r"^\s*ggml_add_cpu_backend_variant\(armv9\.2_.*\n", "", text, flags=re.MULTILINE)
    if text != listed.read_text(encoding="utf-8"):
        listed.write_text(text, encoding="utf-8", newline="\n")


def key(options: Mapping[str, str], extra: str) -> str:
    """The name of a build's folder: whatever changes the result changes it."""
    parts = json.dumps([product.engine_version(), sysconfig.get_platform(), sorted(options.items()), compiler(), extra])
    return f"llama-{product.engine_version()}-{hashlib.sha256(parts.encode()).hexdigest()[:16]}"


def _built(python: Path, options: Mapping[str, str], extra: str, target: str) -> Path:
    sme = not without_sme()
    folder = cache() / key(options, extra if sme else f"{extra} without SME")
    done = folder / "lib"
    with dev_cache.lock(cache() / "llama.lock", "compiling llama.cpp"):
        if not done.is_dir():
            heading(f"llama.cpp {product.engine_version()}, {target}")
            tree = source(python) / "vendor" / "llama.cpp"
            if not sme:
                say("warning: without processors with SME, which this compiler does not know (GCC 14 does)")
            fit(tree, sme=sme)
            with _build_tree(folder) as build:
                _compile(tree, build, options, target, python.parent)
                keep(build, folder)
    return done


@contextmanager
def _build_tree(folder: Path) -> Iterator[Path]:
    """Where CMake builds: in ``folder``, but on Windows in a short folder, for its compiler takes no longer paths."""
    if product.system() == "windows":
        with dev_wheel.build_folder(cache()) as short:
            yield short
    else:
        yield folder / "build"


def _compile(tree: Path, build: Path, options: Mapping[str, str], target: str, tools: Path) -> None:
    """``tools`` is the folder with the locked cmake and ninja."""
    started = time.monotonic()
    configure = ["cmake", "-G", "Ninja", "-S", str(tree), "-B", str(build)]
    configure += [f"-D{name}={value}" for name, value in options.items()]
    if product.system() == "linux":  # the same libraries wherever the cache lies
        mapped = f"-ffile-prefix-map={tree}=llama.cpp"
        configure += [f"-DCMAKE_C_FLAGS={mapped}", f"-DCMAKE_CXX_FLAGS={mapped}"]
        if "GGML_CUDA" in options:
            configure.append(f"-DCMAKE_CUDA_FLAGS=-Xcompiler={mapped}")
    path = os.pathsep.join((str(tools), os.environ.get("PATH", "")))
    environment = {**os.environ, "PATH": path, "SOURCE_DATE_EPOCH": str(product.epoch())}
    configure[0] = shutil.which("cmake", path=path) or "cmake"
    for command in (configure, [configure[0], "--build", str(build), "--target", target]):
        if subprocess.run(command, env=environment, check=False).returncode != 0:
            raise Failed(f"llama.cpp could not be built: the messages stand above. The command was: {command}")
    say(f"Built in {duration(time.monotonic() - started)}.")


def keep(build: Path, folder: Path) -> Path:
    """Copy the libraries of a build tree into ``folder/lib``, all or none; return it."""
    part = folder / "lib.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    for path in sorted((build / "bin").iterdir()):
        if _LIBRARY.match(path.name) and not path.is_symlink():
            shutil.copy2(path, part / path.name)
            if product.system() == "linux":
                subprocess.run(["strip", "--strip-unneeded", str(part / path.name)], check=True)
    return part.rename(folder / "lib")


def bindings(python: Path) -> Path:
    """The wheel with llama-cpp-python's Python part alone."""
    folder = cache() / f"bindings-{product.engine_version()}"
    found = sorted(folder.glob("*.whl"))
    if found:
        return found[0]
    command = [
        str(python),
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(folder),
        str(source(python)),
    ]
    command += ["-Ccmake.define.LLAMA_BUILD=OFF", "-Ccmake.define.LLAVA_BUILD=OFF"]
    if subprocess.run(command, check=False).returncode != 0:
        raise Failed("The Python part of llama-cpp-python could not be built: pip's message stands above.")
    return sorted(folder.glob("*.whl"))[0]


def wheel(python: Path, folder: Path) -> Path:
    """Join the Python part and the libraries to one wheel in ``folder``; the same input gives the same bytes."""
    small = bindings(python)
    extra = {f"llama_cpp/lib/{path.name}": path.read_bytes() for path in sorted(libraries(python).iterdir())}
    tag = re.sub(r"[^A-Za-z0-9]", "_", sysconfig.get_platform())
    target = folder / f"llama_cpp_python-{product.engine_version()}-py3-none-{tag}.whl"
    folder.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    stamp = time.gmtime(max(product.epoch(), 315_532_800))[:6]
    records: list[str] = []
    with zipfile.ZipFile(small) as old, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as new:
        names = [name for name in old.namelist() if not name.endswith("/RECORD") and not name.startswith("bin/")]
        record = next(name for name in old.namelist() if name.endswith("/RECORD"))
        content = {name: old.read(name) for name in names} | extra
        for name, data in sorted(content.items()):
            new.writestr(_entry(name, stamp), data)
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            records.append(f"{name},sha256={digest},{len(data)}\n")
        new.writestr(_entry(record, stamp), "".join(records) + f"{record},,\n")
    return part.replace(target)


def _entry(name: str, stamp: tuple[int, ...]) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, (stamp[0], stamp[1], stamp[2], stamp[3], stamp[4], stamp[5]))
    entry.external_attr = 0o644 << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry


def main(arguments: list[str]) -> int:
    """Make the wheel in the folder that is named (dist/): the release workflow runs the tests with it."""
    from environment import locked  # noqa: PLC0415 - only where this file is the program

    try:
        print(wheel(locked(), Path(arguments[0]) if arguments else Path("dist")))
    except Failed as failure:
        print(f"llama: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
