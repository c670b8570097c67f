"""The header of a GGUF that lies behind an address, by ranges: exact, without fetching the weights.

The tokenizer's two great lists, 5.3 of a Qwen file's 6 MB of header, have no length in the file and must be read
through. Those of Qwen's own vocabulary have a known one: their end is looked for where it must be, and taken when the
next entry's key really stands there. The same bounds hold as for files on disk (``core.gguf``). Blocking: a job.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec
from msgspec import Struct

from qwen_desktop.core import gguf
from qwen_desktop.core.errors import AppError
from qwen_desktop.core.gguf import GgufHeader, Reader, refusals
from qwen_desktop.core.gguf.limits import MOST_PARTS
from qwen_desktop.core.shape import Shape, shape_of
from qwen_desktop.core.text import clean
from qwen_desktop.hub import api, failures
from qwen_desktop.hub.access import Access, access_from
from qwen_desktop.hub.client import client, sentences
from qwen_desktop.hub.range_source import MOST, RangeSource

#: A slow line may take its time, in seconds; a file on disk is allowed ten.
_PATIENCE_S = 120.0

#: Length of a list of strings -> its bytes, of Qwen's vocabulary (Qwen2 to Qwen3): tokens and merges.
_KNOWN_LISTS = {151_936: 2_588_196, 151_387: 2_731_548}
#: Some builds name unused tokens otherwise, so the end is looked for from this far before to this far behind.
_BEFORE, _BEHIND = 16 << 10, 48 << 10
#: The length of a key, the key, and the type of its value.
_NEXT_KEY = re.compile(rb"(.)\x00{7}((?:tokenizer|general)\.[a-z_.]{3,40})(?=[\x00-\x0c]\x00{3})", re.DOTALL)


class RemoteHeader(Struct, frozen=True):
    """What the header of a file says, as a job's result. ``size_bytes`` covers all parts."""

    name: str
    quant: str
    shape: Shape
    size_bytes: int
    fetched_bytes: int = 0
    fingerprint: str = ""


def read_remote(urls: Sequence[str], access: Access, *, repo: str = "", path: str = "") -> tuple[GgufHeader, int]:
    """The header of the file at ``urls`` (its parts, in order; for one part of several the others are found by their
    names) and how many bytes were fetched. ``repo`` and ``path`` are for the sentences. Raises ``AppError``,
    ``NotChat`` for what is no model to chat with."""
    fetched = 0
    headers: list[GgufHeader] = []
    with client(access, read_s=api.PATIENCE_S) as http:
        for url in _all_parts(urls):
            name = Path(path or unquote(urlsplit(url).path)).name or "model.gguf"
            source = RangeSource(http, url, access, repo=repo or failures.host_of(url), path=path or name)
            try:
                with sentences(failures.host_of(url)):
                    headers.append(_read_one(source, Path(name)))
            finally:
                source.close()
            gguf.check_together(headers)
            fetched += source.fetched
    return (headers[0] if len(headers) == 1 else gguf.joined(headers)), fetched


def _read_one(source: RangeSource, name: Path) -> GgufHeader:
    size = source.open()
    header = gguf.parse(name, _LeapingReader(source), size, partial=True, digest=False)
    if header.size_bytes > size:
        raise refusals.damaged(name.name, "its weights do not fit into it")
    return header


def _all_parts(urls: Sequence[str]) -> list[str]:
    """All parts' addresses. Raises ``UserFacing`` for a later part by itself."""
    address = urlsplit(urls[0])
    name = Path(unquote(address.path)).name
    part = gguf.split_of(address.path) if len(urls) == 1 else None
    count = len(urls) if part is None else part[2]
    if not 1 <= count <= MOST_PARTS:
        raise refusals.renamed_part(name, count)
    if part is None:
        return list(urls)
    names = gguf.part_names(part[0], count)
    if part[1] != 1:
        raise refusals.not_first_part(name, Path(unquote(names[0])).name)
    return [address._replace(path=name).geturl() for name in names]


class _LeapingReader(Reader):
    """Steps over lists whose length is known, when their end can be seen where it should be."""

    def __init__(self, source: RangeSource) -> None:
        super().__init__(io.BytesIO(), min(source.size, MOST), _PATIENCE_S)
        self._source = source

    def _more(self, missing: int, most: int) -> bytes:
        return self._source.read_at(self._start + len(self._buffer), missing)[:most]

    def _skip_strings(self, count: int) -> None:
        known = _KNOWN_LISTS.get(count)
        end = None if known is None else self._find_key(self.position + known)
        if end is None:
            super()._skip_strings(count)
        else:
            self._skip(end - self.position)

    def _find_key(self, near: int) -> int | None:
        """Where, close to ``near``, the key of the next entry begins; None when there is none to be seen."""
        start = near - _BEFORE
        data = self._source.window(start, near + _BEHIND)
        if data is None:
            return None
        return next((start + m.start() for m in _NEXT_KEY.finditer(data) if m[1][0] == len(m[2])), None)


# The job -------------------------------------------------------------------------------------------------------------


def as_job(
    *,
    urls: Sequence[Sequence[str]] = (),
    file: str = "",
    access: Mapping[str, Any] | None = None,
    repo: str = "",
    path: str = "",
) -> dict[str, Any]:
    """The job ``hub.header``: ``RemoteHeader`` of a local ``file`` (whole or partly there), or of the first of ``urls``
    that can be reached (each is the list of a file's parts). Raises ``AppError``."""
    if file:
        header = gguf.read_header(file, partial=True, kinds=gguf.MODELS)
        return _found(header, 0)
    failed: AppError | None = None
    for parts in urls:
        try:
            header, fetched = read_remote(parts, access_from(access or {}), repo=repo, path=path)
        except AppError as error:
            failed = failed or error  # what the first source says is the answer to what was asked
        else:
            return _found(header, fetched)
    raise failed or failures.no_file(repo, path, "")


def _found(header: GgufHeader, fetched: int) -> dict[str, Any]:
    found = RemoteHeader(
        name=clean(header.name),
        quant=header.quant,
        shape=shape_of(header),
        size_bytes=header.size_bytes,
        fetched_bytes=fetched,
        fingerprint=header.fingerprint,
    )
    result: dict[str, Any] = msgspec.to_builtins(found)
    return result
