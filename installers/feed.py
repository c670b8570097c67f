#!/usr/bin/env python3
"""The update feed: which files a release has, signed with Ed25519.

    feed.py keygen FOLDER                          make a key pair: private.pem (keep it secret) and public.pem
    feed.py make FOLDER --base URL                 write FOLDER/feed.json for the artefacts in FOLDER
    feed.py complete FEED                          fail when a download of some platform is missing
    feed.py sign FEED                              write FEED.sig; the private key is in QWEN_DESKTOP_FEED_KEY (PEM)
    feed.py verify FEED --key FILE [--files DIR]   check signature and form, and the files if they are there

The signature (64 bytes, in base64) covers every byte of the file. OpenSSL 3 does the cryptography. A reader that meets
a ``schema`` it does not know must stop; unknown fields within a schema are to be ignored.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tools")]

import dev_cache  # noqa: E402 - the two folders are on the path only now
import product  # noqa: E402
from dev_console import Failed, say  # noqa: E402
from linux import deb  # noqa: E402

SCHEMA = 1
NAME = "feed.json"
KEY = "QWEN_DESKTOP_FEED_KEY"
WINDOWS_MINIMUM = "10.0.19045"  # Windows 10 22H2
_LENGTH = 64


class Kind(NamedTuple):
    """How the file of one kind is named, and what it is for."""

    pattern: str
    system: str
    kind: str


#: A file that fits none of these is no download of its own (sums, bills of materials, zsync data).
KINDS = (
    Kind(r"-cuda_[^_]+_(?P<arch>amd64|arm64)\.deb", "linux", "cuda-deb"),
    Kind(r"-cuda-[^-]+-(?P<arch>x86_64|aarch64)\.tar\.xz", "linux", "cuda-archive"),
    Kind(r"-cuda-[^-]+-windows-(?P<arch>x64|arm64)\.zip", "windows", "cuda-zip"),
    Kind(r"_(?P<arch>amd64|arm64)\.deb", "linux", "deb"),
    Kind(r"-(?P<arch>x86_64|aarch64)\.AppImage", "linux", "appimage"),
    Kind(r"-(?P<arch>x86_64|aarch64)\.tar\.xz", "linux", "archive"),
    Kind(r"-windows-(?P<arch>x64|arm64)-setup\.exe", "windows", "installer"),
    Kind(r"-windows-(?P<arch>x64|arm64)-portable\.zip", "windows", "portable"),
    Kind(r"-macos-(?P<arch>x64|arm64)\.dmg", "macos", "dmg"),
)
#: What every release has for x64 and arm64; the archive is for the Flatpak alone.
COMPLETE = {"linux": ("deb", "appimage"), "windows": ("installer", "portable"), "macos": ("dmg",)}
_ARCHITECTURES = {"amd64": "x64", "x86_64": "x64", "aarch64": "arm64"}


def minimum(system: str) -> dict[str, str]:
    """The oldest system that a download for ``system`` runs on."""
    if system == "windows":
        return {"windows": WINDOWS_MINIMUM}
    if system == "macos":
        return {"macos": product.MACOS_MINIMUM}
    return {"glibc": ".".join(map(str, product.GLIBC_CEILING))}


def entry(path: Path, base: str) -> dict[str, Any] | None:
    """What the feed says of a file, None for one that is no download."""
    for kind in KINDS:
        found = re.search(f"{kind.pattern}$", path.name)
        if found:
            return {
                "name": path.name,
                "url": f"{base.rstrip('/')}/{path.name}",
                "system": kind.system,
                "architecture": _ARCHITECTURES.get(found["arch"], found["arch"]),
                "kind": kind.kind,
                "size": path.stat().st_size,
                "sha256": dev_cache.sha256_of(path),
                "minimum": minimum(kind.system),
            }
    return None


def notes(version: str, changelog: str) -> str:
    """The part of CHANGELOG.md on ``version``; what is unreleased where it has none."""
    for title in (version, "Unreleased"):
        found = re.search(rf"^## \[{re.escape(title)}\][^\n]*\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
        if found:
            return found[1].strip()
    return ""


def make(folder: Path, base: str) -> Path:
    """Write the feed for the artefacts in ``folder``, which will be found below the address ``base``."""
    if not base.startswith("https://"):
        raise Failed(f"The address of the downloads must begin with https: {base!r}")
    files = [found for found in (entry(path, base) for path in sorted(folder.iterdir()) if path.is_file()) if found]
    if not files:
        raise Failed(f"{folder} holds no artefact: see KINDS in installers/feed.py for their names.")
    own = (product.version(), f"_{deb.version()}_".replace("~", "."))
    foreign = [str(file["name"]) for file in files if not any(word in str(file["name"]) for word in own)]
    if foreign:
        raise Failed(f"These are not of version {product.version()}: {', '.join(foreign)}.")
    feed = {
        "schema": SCHEMA,
        "product": product.ID,
        "version": product.version(),
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(product.epoch())),
        "page": f"{product.URL}/releases/tag/v{product.version()}",
        "notes": notes(product.version(), (product.ROOT / "CHANGELOG.md").read_text(encoding="utf-8")),
        "files": files,
    }
    target = folder / NAME
    target.write_text(json.dumps(feed, indent=1, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n")
    return target


def check(data: bytes) -> dict[str, Any]:
    """The feed in ``data``; ``Failed`` when its form is not that of this schema."""
    try:
        feed = json.loads(data)
    except ValueError as error:
        raise Failed(f"The feed is no JSON ({error}).") from error
    if not isinstance(feed, dict) or feed.get("schema") != SCHEMA:
        raise Failed(f"The feed is not of schema {SCHEMA}.")
    texts = ("product", "version", "date", "page", "notes")
    if feed.get("product") != product.ID or any(not isinstance(feed.get(name), str) for name in texts):
        raise Failed("The feed lacks a field, or is of another program.")
    files = feed.get("files")
    if not isinstance(files, list) or not files:
        raise Failed("The feed names no file.")
    for file in files:
        good = isinstance(file, dict) and isinstance(file.get("size"), int) and file["size"] > 0
        good = good and re.fullmatch(r"[0-9a-f]{64}", str(file.get("sha256"))) is not None
        good = (
            good and str(file.get("url")).startswith("https://") and not re.search(r"[/\\]", str(file.get("name", "/")))
        )
        if not good or not all(file.get(name) for name in ("system", "architecture", "kind", "minimum")):
            raise Failed(f"The feed describes a file wrongly: {json.dumps(file)[:200]}")
    return feed


def complete(feed: Path) -> int:
    """How many downloads a feed has; ``Failed`` when one that every release has is missing or there twice."""
    files = check(feed.read_bytes())["files"]
    there = [(file["system"], file["architecture"], file["kind"]) for file in files]
    wanted = [(system, arch, kind) for system in COMPLETE for arch in ("x64", "arm64") for kind in COMPLETE[system]]
    missing = [" ".join(download) for download in wanted if there.count(download) != 1]
    if missing:
        raise Failed(f"The release must have each of these once: {', '.join(missing)}.")
    return len(there)


# The signature --------------------------------------------------------------------------------------------------------


def _openssl(*words: str | Path) -> bytes:
    try:
        done = subprocess.run(["openssl", *map(str, words)], capture_output=True, check=False)
    except OSError as error:
        raise Failed("openssl is missing: install OpenSSL 3 (on macOS the system's LibreSSL does not do).") from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout).decode("utf-8", "replace").strip().splitlines()
        raise Failed(f"openssl {words[0]} failed: {said[0] if said else 'without a word'}")
    return done.stdout


def keygen(folder: Path) -> tuple[Path, Path]:
    """Make a new pair of keys in ``folder``; existing ones are not overwritten."""
    private, public = folder / "private.pem", folder / "public.pem"
    if private.exists() or public.exists():
        raise Failed(f"{folder} has keys already.")
    folder.mkdir(parents=True, exist_ok=True)
    private.touch(mode=0o600)
    private.write_bytes(_openssl("genpkey", "-algorithm", "ed25519"))
    public.write_bytes(_openssl("pkey", "-in", private, "-pubout"))
    return private, public


def sign(feed: Path) -> Path:
    """Write the signature of ``feed`` beside it. The private key comes from the environment and leaves no file."""
    key = os.environ.get(KEY, "").strip()
    if not key:
        raise Failed(f"{KEY} holds no private key (PEM, Ed25519): without it the feed stays unsigned.")
    with tempfile.TemporaryDirectory(prefix="feed-") as folder:
        private = Path(folder) / "key"
        private.touch(mode=0o600)
        private.write_text(key + "\n", encoding="ascii", newline="\n")
        raw = _openssl("pkeyutl", "-sign", "-rawin", "-inkey", private, "-in", feed)
    if len(raw) != _LENGTH:
        raise Failed(f"The key in {KEY} is no Ed25519 key: its signature has {len(raw)} bytes instead of {_LENGTH}.")
    target = feed.with_name(feed.name + ".sig")
    target.write_text(base64.b64encode(raw).decode("ascii") + "\n", encoding="ascii", newline="\n")
    return target


def verify(feed: Path, public: Path, files: Path | None = None) -> dict[str, Any]:
    """The content of ``feed`` once signature, form and (with ``files``) the artefacts are as they should be."""
    try:
        raw = base64.b64decode(feed.with_name(feed.name + ".sig").read_text(encoding="ascii"), validate=False)
    except (OSError, ValueError, binascii.Error) as error:
        raise Failed(f"The signature {feed.name}.sig cannot be read: {error}") from error
    if "ED25519" not in _openssl("pkey", "-pubin", "-in", public, "-noout", "-text").decode().upper():
        raise Failed(f"{public} is no Ed25519 public key.")
    with tempfile.TemporaryDirectory(prefix="feed-") as folder:
        signature, data = Path(folder) / "signature", Path(folder) / "feed"
        signature.write_bytes(raw)
        content = feed.read_bytes()  # what is checked is what is read: one copy for both
        data.write_bytes(content)
        try:
            _openssl("pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", public, "-sigfile", signature, "-in", data)
        except Failed as failure:
            raise Failed(f"{feed.name} is not what the holder of the key has signed ({failure}).") from failure
    found = check(content)
    for file in found["files"] if files is not None else ():
        path = (files or feed.parent) / file["name"]
        if not path.is_file() or path.stat().st_size != file["size"] or dev_cache.sha256_of(path) != file["sha256"]:
            raise Failed(f"{path} is not the file that the feed names.")
    return found


def main(arguments: Sequence[str]) -> int:
    """Run one command; return the exit code."""
    parser = argparse.ArgumentParser(prog="feed.py", description="The signed update feed.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("keygen").add_argument("folder", type=Path)
    maker = commands.add_parser("make")
    maker.add_argument("folder", type=Path)
    maker.add_argument("--base", required=True, help="the address below which the files will be found")
    commands.add_parser("complete").add_argument("feed", type=Path)
    commands.add_parser("sign").add_argument("feed", type=Path)
    checker = commands.add_parser("verify")
    checker.add_argument("feed", type=Path)
    checker.add_argument("--key", type=Path, required=True, help="the public key (PEM)")
    checker.add_argument("--files", type=Path, help="also compare the artefacts in this folder")
    options = parser.parse_args(arguments)
    try:
        if options.command == "keygen":
            private, public = keygen(options.folder)
            say(f"{private} belongs into the secret {KEY} and nowhere else; {public} may be published.")
        elif options.command == "make":
            say(str(make(options.folder, options.base)))
        elif options.command == "complete":
            say(f"{complete(options.feed)} downloads, none missing.")
        elif options.command == "sign":
            say(str(sign(options.feed)))
        else:
            found = verify(options.feed, options.key, options.files)
            say(f"{options.feed.name}: version {found['version']} with {len(found['files'])} files, signature good.")
    except (Failed, OSError) as failure:
        print(f"feed: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
