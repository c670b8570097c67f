"""What is built: names, versions, and how llama.cpp is compiled for each system. Every artefact is made from this page.

Standard library only, like the rest of the build: it runs before any environment exists.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(ROOT / "tools"))

from dev_console import Failed  # noqa: E402 - tools/ is on the path only now

NAME = "Qwen Desktop"
ID = "qwen-desktop"
SUMMARY = "Private assistant for your own computer"
DESCRIPTION = (
    "Qwen models, quantized as GGUF files, run by llama.cpp in a background process behind a native window.",
    "There is no account and no telemetry, and nothing goes to the network unless you ask for it.",
    "A small guide model is inside, so that the first answer needs no download.",
    "Unofficial: not affiliated with Alibaba Cloud or the Qwen team.",
)
LICENCE = "Apache-2.0"
#: Reverse domain name for AppStream, Flatpak and macOS. It must belong to whoever publishes: the release workflow
#: gives its repository's address; what stands here is for builds that stay on one computer.
APP_ID = os.environ.get("QWEN_DESKTOP_APP_ID", "").strip() or "io.github.qwen_desktop.QwenDesktop"
URL = os.environ.get("QWEN_DESKTOP_URL", "").strip() or "https://github.com/qwen-desktop/qwen-desktop"
MAINTAINER = os.environ.get("QWEN_DESKTOP_MAINTAINER", "").strip() or (
    "Qwen Desktop contributors <qwen-desktop@users.noreply.github.com>"
)
#: The windowed program (what people click) and the console program (commands and workers: its pipes are real).
WINDOW_PROGRAM = NAME
CONSOLE_PROGRAM = ID
#: PySide6 6.12 needs it.
MACOS_MINIMUM = "14.0"
#: The newest glibc that a release may need (Ubuntu 22.04); a build on a newer base says so and is no release.
GLIBC_CEILING = (2, 35)

#: llama-cpp-python's source, whose vendor/llama.cpp is compiled: version (from pyproject.toml) -> SHA-256 of the sdist.
SDIST_SHA256 = {"0.3.36": "832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e"}


def version() -> str:
    """The version of the app."""
    text = (ROOT / "qwen_desktop" / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "([^"]+)"', text, re.MULTILINE)
    if found is None:
        raise Failed("qwen_desktop/__init__.py names no __version__.")
    return found[1]


def pyproject() -> dict[str, object]:
    """The project's own description."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def engine_version() -> str:
    """The version of llama-cpp-python that pyproject.toml pins."""
    found = re.search(r'"llama-cpp-python==([^"]+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    if found is None:
        raise Failed("pyproject.toml must pin llama-cpp-python with ==.")
    return found[1]


def system() -> str:
    """ "linux", "windows" or "macos"."""
    names = {"linux": "linux", "win32": "windows", "darwin": "macos"}
    if sys.platform not in names:
        raise Failed(f"Installers are built on Linux, Windows and macOS, not on {sys.platform}.")
    return names[sys.platform]


def architecture() -> str:
    """ "x64" or "arm64"."""
    machine = platform.machine().lower()
    if machine in ("x86_64", "amd64"):
        return "x64"
    if machine in ("aarch64", "arm64"):
        return "arm64"
    raise Failed(f"Installers are built for 64-bit Intel, AMD and ARM, not for {machine}.")


def epoch() -> int:
    """The moment that stands in every archive: SOURCE_DATE_EPOCH, else the last commit's."""
    given = os.environ.get("SOURCE_DATE_EPOCH", "").strip()
    if given.isdigit():
        return int(given)
    if given:
        raise Failed(f"SOURCE_DATE_EPOCH must be whole seconds since 1970, not {given!r}.")
    command = ["git", "-C", str(ROOT), "log", "-1", "--format=%ct"]
    try:
        done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    except OSError:
        return 1_750_000_000
    return int(done.stdout) if done.returncode == 0 and done.stdout.strip().isdigit() else 1_750_000_000


def llama_options(target: str, arch: str) -> dict[str, str]:
    """CMake's options for llama.cpp: one build for every processor of the platform, backends loaded at start.

    Measured against a build for one processor: see installers/README.md, "Figures".
    """
    options = {
        "CMAKE_BUILD_TYPE": "Release",
        "BUILD_SHARED_LIBS": "ON",
        "GGML_NATIVE": "OFF",
        "GGML_BACKEND_DL": "ON",
        "GGML_CPU_ALL_VARIANTS": "ON",
        "LLAMA_CURL": "OFF",
        "LLAMA_OPENSSL": "OFF",
        "LLAMA_BUILD_TESTS": "OFF",
        "LLAMA_BUILD_TOOLS": "OFF",
        "LLAMA_BUILD_EXAMPLES": "OFF",
        "LLAMA_BUILD_SERVER": "OFF",
        "LLAMA_BUILD_COMMON": "OFF",
        "CMAKE_BUILD_WITH_INSTALL_RPATH": "ON",
        # One file for each library: libggml.so and libggml.so.0 side by side would be two registries of backends.
        "CMAKE_PLATFORM_NO_VERSIONED_SONAME": "ON",
    }
    if target == "linux":
        options["CMAKE_INSTALL_RPATH"] = "$ORIGIN"
    elif target == "macos":
        options |= {
            "CMAKE_INSTALL_RPATH": "@loader_path",
            "CMAKE_OSX_ARCHITECTURES": "arm64" if arch == "arm64" else "x86_64",
            "CMAKE_OSX_DEPLOYMENT_TARGET": MACOS_MINIMUM,
            # Not on Intel: where Metal finds no graphics processor it still lists one, and llama.cpp's own releases
            # leave it out for that reason.
            "GGML_METAL": "ON" if arch == "arm64" else "OFF",
            "GGML_METAL_EMBED_LIBRARY": "ON",
            "GGML_OPENMP": "OFF",  # Apple's compiler has none; ggml's own threads take its place
        }
    else:
        options["GGML_OPENMP"] = "OFF"  # its runtime would be one more DLL to ship; ggml's own threads take its place
        if arch == "arm64":  # ggml refuses MSVC there, and has no variants for Windows on ARM
            # Not its own toolchain file: that compiles all for armv8.7, and processors before 2023 would die of it.
            options |= {
                "CMAKE_C_COMPILER": "clang",
                "CMAKE_CXX_COMPILER": "clang++",
                "CMAKE_C_COMPILER_TARGET": "arm64-pc-windows-msvc",
                "CMAKE_CXX_COMPILER_TARGET": "arm64-pc-windows-msvc",
                "CMAKE_ASM_COMPILER_TARGET": "arm64-pc-windows-msvc",
                "GGML_CPU_ARM_ARCH": "armv8-a",
                "GGML_CPU_ALL_VARIANTS": "OFF",
            }
    return options
