"""The end of a download: what is there already, and giving verified files their names, the manifest last."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from qwen_desktop.core.errors import AppError
from qwen_desktop.core.files import flush_folder, read_file, write_atomic
from qwen_desktop.core.models import DownloadRequest, RemoteFile
from qwen_desktop.hub.copying import has_size, sha256_of
from qwen_desktop.hub.download.journal import Identity, part_path, remove_journal
from qwen_desktop.hub.download.part_file import in_use, of_disk, patiently
from qwen_desktop.hub.manifest import Manifest, ManifestFile, manifest_name, read_manifest, write_manifest

log = logging.getLogger(__name__)

#: Windows may refuse to rename for so long, in seconds.
_IN_USE_S = 2.0


def home_of(request: DownloadRequest, folder: Path) -> Path:
    """The model's folder, where its manifest lies."""
    return folder.joinpath(*request.repo.split("/"))


def already_there(request: DownloadRequest, targets: Mapping[Path, RemoteFile], folder: Path) -> dict[str, Any] | None:
    """The result, when this model is installed as asked for; else None.

    The manifest must name these files, they must be there with its sizes, and hashes that the request knows must be
    the manifest's. Nothing is hashed: that is what Verify is for.
    """
    home = home_of(request, folder)
    manifest = read_manifest(home / manifest_name(request.quant))
    if manifest is None or any(part_path(target).exists() for target in targets):
        return None
    known = {file.path: file for file in (*manifest.files, *manifest.mmproj)}
    for target, wanted in targets.items():
        found = known.get(target.relative_to(home).as_posix())
        if found is None or not has_size(target, found.size_bytes):
            return None
        if wanted.sha256 and found.sha256 and wanted.sha256.lower() != found.sha256:
            return None
    return _result(request, folder, manifest.source, sum(f.size_bytes for f in known.values()), 0)


def is_whole(target: Path, file: Identity, tick: Callable[[], object]) -> bool:
    """Whether ``target`` is there already with the right hash (of another quant's download, or renamed before a crash).

    ``tick`` is called while it is hashed and may raise.
    """
    if not file.sha256 or part_path(target).exists():
        return False
    try:
        return has_size(target, file.size) and sha256_of(target, lambda _count: tick()) == file.sha256
    except OSError:
        return False


def finish(
    request: DownloadRequest,
    folder: Path,
    identities: Mapping[Path, Identity],
    hashes: Mapping[Path, str],
    sources: Sequence[str],
    *,
    fetched: int,
) -> dict[str, Any]:
    """Give all files their names and write the manifest. Whatever interrupts it, doing it again completes it."""
    home = home_of(request, folder)
    old = home / manifest_name(request.quant)
    try:
        _name_all(list(identities), old)
        for place in {target.parent for target in identities}:
            flush_folder(place)
        eyes = {file.path for file in request.mmproj}
        made = {
            file.path: ManifestFile(target.relative_to(home).as_posix(), file.size, hashes[target])
            for target, file in identities.items()
        }
        commit = next((file.commit for file in identities.values() if file.commit), "")
        write_manifest(
            home,
            Manifest(
                repo=request.repo,
                quant=request.quant,
                files=tuple(file for path, file in made.items() if path not in eyes),
                mmproj=tuple(file for path, file in made.items() if path in eyes),
                revision=commit or request.revision,
                licence=request.licence,
                source=", ".join(dict.fromkeys(sources)),
                time=time.time(),
                title=request.title,
            ),
        )
    except OSError as error:
        raise of_disk(error, Path(error.filename or home)) from error
    for target in identities:
        remove_journal(target)
    size = sum(file.size for file in identities.values())
    log.info("download.done bytes=%d fetched=%d", size, fetched)
    return _result(request, folder, ", ".join(dict.fromkeys(sources)), size, fetched)


def _name_all(targets: Sequence[Path], manifest: Path) -> None:
    """Give the parts their names. The old ``manifest`` would describe a mixture of an old and a new version, so it goes
    before that; where not even the first name can be given (an old file is in use), the old version stays whole."""
    parts = [target for target in targets if part_path(target).exists()]
    before = read_file(manifest) if any(target.exists() for target in parts) and manifest.exists() else None
    if before is not None:
        manifest.unlink()
    for number, target in enumerate(parts):
        try:
            _rename(part_path(target), target)
        except (OSError, AppError):
            if before is not None and not number:
                write_atomic(manifest, before)
            raise


def _rename(part: Path, target: Path) -> None:
    try:
        patiently(lambda: part.replace(target), time.monotonic() + _IN_USE_S if os.name == "nt" else 0.0)
    except PermissionError as error:
        if os.name != "nt":
            raise
        raise in_use(str(target)) from error  # there an open file cannot be replaced


def _result(request: DownloadRequest, folder: Path, source: str, size: int, fetched: int) -> dict[str, Any]:
    home = home_of(request, folder)
    return {
        "files": [str(home.joinpath(*file.path.split("/"))) for file in request.files],
        "mmproj": [str(home.joinpath(*file.path.split("/"))) for file in request.mmproj],
        "manifest": str(home / manifest_name(request.quant)),
        "source": source,
        "size_bytes": size,
        "fetched_bytes": fetched,
    }
