"""Models, companions and other programs' folders for the library's tests: small real files, written once and copied."""

from __future__ import annotations

import functools
import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from qwen_desktop.hub.manifest import Manifest, ManifestFile, write_manifest
from tests import gguf_files


@functools.cache
def _made(options: tuple[tuple[str, Any], ...]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = gguf_files.write(
            Path(folder) / "a.gguf", **({"vocab": 320, "layers": 1, "width": 32, "hidden": 64} | dict(options))
        )
        return path.read_bytes()


def model(path: Path, **options: Any) -> Path:
    """A small model file; ``options`` as ``gguf_files.write`` takes them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    extra = options.pop("extra", None)
    if extra is not None:
        return gguf_files.write(path, vocab=320, layers=1, width=32, hidden=64, extra=extra, **options)
    path.write_bytes(_made(tuple(sorted(options.items()))))
    return path


def mmproj(path: Path, *, name: str = "", width: int = 32, kind: str = "mmproj", of: str = "clip") -> Path:
    """A companion for pictures: its header says so, whatever its file is called."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = gguf.GGUFWriter(path, of)
    writer.add_string("general.type", kind)
    if name:
        writer.add_name(name)
    writer.add_bool("clip.has_vision_encoder", True)
    writer.add_uint32("clip.vision.projection_dim", width)
    writer.add_tensor("v.patch_embd.weight", np.ones((4, 4), dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def split_model(folder: Path, stem: str, parts: int = 2) -> list[Path]:
    """A model in parts, each a GGUF of its own that says which it is."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number in range(parts):
        path = folder / f"{stem}-{number + 1:05d}-of-{parts:05d}.gguf"
        writer = gguf.GGUFWriter(path, "qwen3")
        writer.add_uint16("split.no", number)
        writer.add_uint16("split.count", parts)
        writer.add_name("Split Model")
        writer.add_tensor(f"blk.{number}.weight", np.full((32, 32), number, dtype=np.float32))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        paths.append(path)
    return paths


def sha256(path: Path) -> str:
    """The hash of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def installed(
    root: Path, name: str = "Qwen3-0.6B-GGUF", quant: str = "Q8_0", *, files: list[Path] | None = None, **options: Any
) -> Path:
    """A finished download under ``root``, as the downloader leaves it; returns the first file."""
    home = root / "Qwen" / name
    companion = options.pop("mmproj", None)
    files = files or [model(home / f"{name.removesuffix('-GGUF')}-{quant}.gguf", **options)]
    write_manifest(
        home,
        Manifest(
            repo=f"Qwen/{name}",
            quant=quant,
            files=tuple(_listed(home, path) for path in files),
            mmproj=(_listed(home, companion),) if companion else (),
            revision="abc",
            licence="apache-2.0",
            source="Hugging Face",
            time=1_700_000_000.0,
            title=name.removesuffix("-GGUF").replace("-", " "),
        ),
    )
    return files[0]


def _listed(home: Path, path: Path) -> ManifestFile:
    return ManifestFile(path.relative_to(home).as_posix(), path.stat().st_size, sha256(path))


def ollama_model(root: Path, place: str, blob: Path, *, projector: Path | None = None) -> Path:
    """Put a file into Ollama's store under the manifest ``place`` ("registry.ollama.ai/library/qwen3/8b")."""
    blobs = root / "blobs"
    blobs.mkdir(parents=True, exist_ok=True)
    layers = [{"mediaType": "application/vnd.ollama.image.license", "digest": "sha256:" + "0" * 64, "size": 1}]
    target = Path()
    for kind, source in (("model", blob), ("projector", projector)):
        if source is not None:
            digest = sha256(source)
            stored = blobs / f"sha256-{digest}"
            shutil.copy(source, stored)
            target = stored if kind == "model" else target
            layers.append(
                {
                    "mediaType": f"application/vnd.ollama.image.{kind}",
                    "digest": f"sha256:{digest}",
                    "size": stored.stat().st_size,
                }
            )
    manifest = root / "manifests" / place
    manifest.parent.mkdir(parents=True, exist_ok=True)
    manifest.write_text(json.dumps({"schemaVersion": 2, "config": {"digest": "sha256:" + "1" * 64}, "layers": layers}))
    return target


def hub_cache_model(root: Path, repo: str, file: str, source: Path, *, revision: str = "a" * 40) -> Path:
    """Put a file into a Hugging Face cache: a blob named by its hash and a link to it. Returns the link."""
    home = root / ("models--" + repo.replace("/", "--"))
    blob = home / "blobs" / sha256(source)
    blob.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, blob)
    link = home / "snapshots" / revision / file
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(Path("../" * (2 + file.count("/") + 0)) / "blobs" / blob.name)
    (home / "refs").mkdir(exist_ok=True)
    (home / "refs" / "main").write_text(revision)
    return link


def tree(root: Path) -> Mapping[str, str]:
    """Every file under ``root`` with its hash."""
    if not root.is_dir():
        return {}
    return {p.relative_to(root).as_posix(): sha256(p) for p in sorted(root.rglob("*")) if p.is_file()}
