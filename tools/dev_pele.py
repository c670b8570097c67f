"""Pele, the JavaScript library that draws diagrams: fetched from npm's registry once, checked, kept in the cache, and
two files of it laid into ``resources/diagrams``, whose README says how to renew it.
"""

from __future__ import annotations

import hashlib
import tarfile
import tempfile
from pathlib import Path
from typing import NamedTuple

import dev_cache
import dev_download
from dev_console import ROOT, Failed, say
from dev_download import Download

VERSION = "1.13.0"
ARCHIVE = Download(
    f"https://registry.npmjs.org/pele/-/pele-{VERSION}.tgz",
    "00f879d86c5a6ece897ef70e18fd228a9952bba338a0cb1293b373900d7414bd",
)
FOLDER = ROOT / "resources" / "diagrams"
#: What waits for an answer waits so long, in seconds: every start from source would, where a network swallows requests.
_PATIENCE_S = 15.0


class Member(NamedTuple):
    """A file that is taken out of the archive: what it becomes, its bytes, and what they hash to."""

    name: str
    size: int
    sha256: str


MEMBERS = {
    "package/dist/pele.global.js": Member(
        "pele.js", 733_670, "0b0a46c57a5a6971670c09f5ec4066705bd78505f90fd11adf6260325efa0910"
    ),
    "package/LICENSE": Member("LICENSE", 1_934, "311bccc30de6f7b9cbfb64232bb0c911ccb2191abe316550813ae25b2c7925b9"),
}


def cache_path() -> Path:
    """Where the archive lies in the cache, whether it is there or not."""
    return dev_cache.folder() / "pele" / ARCHIVE.name


def complete() -> bool:
    """Whether all that is needed of Pele lies in its folder, byte for byte."""
    return all(_is(FOLDER / member.name, member.sha256) for member in MEMBERS.values())


def ensure() -> None:
    """Lay Pele into its folder unless it is there; from the cache without any network. Raises ``Failed``."""
    if complete():
        return
    cache = dev_cache.created(dev_cache.folder())
    with dev_cache.lock(cache / "locks" / "pele.lock", "fetching Pele"):
        if complete():
            return
        try:
            with tempfile.TemporaryDirectory(prefix="pele-", dir=cache) as name:
                unpack(_archive(Path(name)), Path(name))
        except OSError as error:
            raise Failed(f"Pele, which draws diagrams, cannot be laid into {FOLDER}: {error}.") from error


def try_ensure() -> None:
    """``ensure`` for a set-up that goes on without: the app shows Mermaid as code then."""
    try:
        ensure()
    except Failed as error:
        say(f"{error} Until then the app shows diagrams as code.")


def _archive(folder: Path) -> Path:
    """The archive in the cache; fetched by way of ``folder`` where it is not there."""
    kept = cache_path()
    if not _is(kept, ARCHIVE.sha256):
        say(f"Fetching Pele {VERSION}, which draws diagrams (0.9 MB, once) …")
        dev_cache.place(dev_download.fetch(ARCHIVE, folder, f"Pele {VERSION}", timeout_s=_PATIENCE_S), kept)
    return kept


def unpack(archive: Path, work: Path) -> None:
    """Lay the files of ``MEMBERS``, and no others, into their folder, by way of ``work``. Raises ``Failed``.

    A name in the archive never becomes a path here, and no more is read of a file than it may be long.
    """
    with tarfile.open(archive, "r:gz") as tar:
        for path, member in MEMBERS.items():
            try:
                data = tar.extractfile(tar.getmember(path))
            except KeyError:
                data = None
            content = data.read(member.size + 1) if data else b""
            if hashlib.sha256(content).hexdigest() != member.sha256:
                raise Failed(f"{path} in {archive.name} is not the expected file (its checksum differs).")
            (work / member.name).write_bytes(content)
    for left in FOLDER.glob(".part-*"):  # of a set-up that was killed; nobody else writes while we hold the lock
        left.unlink()
    for member in MEMBERS.values():
        dev_cache.place(work / member.name, FOLDER / member.name)


def _is(path: Path, sha256: str) -> bool:
    try:
        return dev_cache.sha256_of(path) == sha256
    except OSError:
        return False
