#!/usr/bin/env python3
"""Lock what the installers are built from: ``python installers/requirements/lock.py [--upgrade | --check]``.

``build.txt`` holds the app's dependencies (pyproject.toml) and the build's tools (build.in), ``test.txt`` the same
dependencies with what the tests need, ``release.txt`` what the release workflow's last job needs (release.in): exact
versions with the SHA-256 of every file, in one resolution for all systems, processors and Pythons. llama-cpp-python is
left out: the installers carry a wheel of their own.

``uv`` (from PyPI, pinned with its sums in ``uv.txt``, in an environment of its own) resolves; no package index is
written into the files. Without ``--upgrade`` versions that still fit stay. ``--check`` changes nothing and fails when a
file is out of date.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent.parent / "tools")]

import dev_cache  # noqa: E402 - the two folders are on the path only now
import product  # noqa: E402
from dev_console import Failed, output, quiet, run, say  # noqa: E402

OLDEST_PYTHON = "3.11"
#: Built here from their source, so that they are in no lock.
OWN = ("llama-cpp-python",)
_PROJECT = product.ROOT / "pyproject.toml"
SOURCES: Mapping[str, tuple[str | Path, ...]] = {
    "build.txt": (_PROJECT, HERE / "build.in"),
    "test.txt": (_PROJECT, HERE / "test.in", "--group", "dev", "--constraints", HERE / "build.txt"),
    "release.txt": (HERE / "release.in",),
    "uv.txt": (HERE / "uv.in",),
}
#: Each platform of a release as uv names it. Everything must be there as a wheel, since nothing else is compiled.
PLATFORMS = (
    "x86_64-manylinux_2_35",
    "aarch64-manylinux_2_35",
    "x86_64-pc-windows-msvc",
    "aarch64-pc-windows-msvc",
    "x86_64-apple-darwin",
    "aarch64-apple-darwin",
)
#: The Python of the release workflow.
RELEASE_PYTHON = "3.13"

_CAREFUL = ("--require-hashes", "--only-binary", ":all:")
_PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==(\S+?)(?:\s*;\s*(.*?))?\s*\\?$", re.MULTILINE)
_HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def pins(text: str) -> dict[str, list[str]]:
    """The packages of a lock (normalized names) and their versions; a package may have one for each system."""
    found: dict[str, list[str]] = {}
    for name, version, _ in _PIN.findall(text):
        found.setdefault(re.sub(r"[-_.]+", "-", name).lower(), []).append(version)
    return found


def unsafe(text: str) -> str:
    """What is wrong with a lock as one sentence, "" when nothing is: a pin without hashes, or an address in it."""
    if re.search(r"https?://|file:|--(extra-)?index-url|--find-links", text):
        return "it names an address, and whoever builds must be free to use their own index"
    for block in re.split(r"\n(?=\S)", text):
        if _PIN.match(block) and not _HASH.search(block):
            return f"{block.split()[0]} has no SHA-256"
    return "" if _PIN.search(text) else "it pins nothing"


def _uv() -> Path:
    wanted = HERE / "uv.txt"
    pinned = pins(wanted.read_text(encoding="utf-8"))["uv"][0]
    folder = dev_cache.created(dev_cache.folder() / "installers") / f"uv-{pinned}"
    scripts = folder / ("Scripts" if product.system() == "windows" else "bin")
    if not list(scripts.glob("uv*")):
        steps: list[list[str | Path]] = [
            [sys.executable, "-m", "venv", folder],
            [
                scripts / "python",
                "-m",
                "pip",
                "install",
                "--require-hashes",
                "--only-binary",
                ":all:",
                "-r",
                wanted,
                *quiet(),
            ],
        ]
        for step in steps:
            if run(step) != 0:
                raise Failed(f"uv {pinned} could not be installed: pip's message stands above.")
    return scripts / "uv"


def resolved(uv: Path, name: str, *, upgrade: bool) -> str:
    """The text of one lock as it should be now."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / name
        if not upgrade and (HERE / name).is_file():
            target.write_bytes((HERE / name).read_bytes())  # uv keeps the versions that it finds there
        command: list[str | Path] = [uv, "pip", "compile", "--quiet", "--universal", "--generate-hashes"]
        command += ["--no-header", "--no-annotate", "--no-emit-index-url", "--python-version", OLDEST_PYTHON]
        command += [part for package in OWN for part in ("--no-emit-package", package)]
        code, text = output([*command, *SOURCES[name], "-o", target], timeout=600)
        if code != 0:
            raise Failed(f"{name} cannot be resolved: {text.strip()[-600:]}")
        body = target.read_text(encoding="utf-8")
    # uv ends with a remark on what it left out; ours says more.
    body = re.sub(r"\n# The following packages were excluded.*", "\n", body, flags=re.DOTALL).rstrip() + "\n"
    names = " and ".join(path.name for path in SOURCES[name] if isinstance(path, Path) and path.suffix != ".txt")
    return (
        f"# Made by installers/requirements/lock.py from {names}: do not edit.\n"
        "# Exact versions with the SHA-256 of every file, for all systems:\n"
        "# pip install --require-hashes --no-deps --only-binary :all: -r FILE\n" + body
    )


def missing_wheels(uv: Path, name: str) -> list[str]:
    """The platforms for which some package of a lock has no wheel, each with uv's reason."""
    problems = []
    os.environ.setdefault("MACOSX_DEPLOYMENT_TARGET", product.MACOS_MINIMUM)
    for platform in PLATFORMS:
        with tempfile.TemporaryDirectory() as folder:
            command: list[str | Path] = [uv, "pip", "install", "--dry-run", "--quiet", "--require-hashes"]
            command += ["--only-binary", ":all:", "--python-platform", platform, "--python-version", RELEASE_PYTHON]
            code, text = output([*command, "--target", folder, "-r", HERE / name], timeout=600)
        if code != 0:
            problems.append(f"{platform}: {' '.join(text.split())[:400]}")
    return problems


def main(arguments: Sequence[str]) -> int:
    """Lock or check; return the exit code."""
    parser = argparse.ArgumentParser(prog="lock.py", description="Lock what the installers are built from.")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--upgrade", action="store_true", help="take the newest versions that fit")
    how.add_argument("--check", action="store_true", help="change nothing; fail when a file is out of date")
    options = parser.parse_args(arguments)
    try:
        uv = _uv()
        for name in SOURCES:
            text = resolved(uv, name, upgrade=options.upgrade)
            problem = unsafe(text)
            if problem:
                raise Failed(f"{name} is no safe lock: {problem}.")
            if options.check:
                if not (HERE / name).is_file() or (HERE / name).read_text(encoding="utf-8") != text:
                    raise Failed(f"{name} is out of date: run `python installers/requirements/lock.py`.")
            else:
                (HERE / name).write_text(text, encoding="utf-8", newline="\n")
            say(f"{name}: {len(pins(text))} packages")
        for name in ("build.txt", "test.txt"):
            problems = missing_wheels(uv, name)
            if problems:
                raise Failed(f"{name}: not everything is there as a wheel. {' | '.join(problems)}")
            say(f"{name} has a wheel of everything for {len(PLATFORMS)} platforms with Python {RELEASE_PYTHON}.")
    except Failed as failure:
        print(f"lock: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
