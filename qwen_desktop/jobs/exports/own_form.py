"""Our own JSON (``core.exchange``), written as a stream: memory holds one conversation or one attachment at a time."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import BinaryIO

from qwen_desktop.core.exchange import FORMAT, VERSION, BlobRecord, Record
from qwen_desktop.core.packed import to_json
from qwen_desktop.jobs.exports.form import Contents


def write(
    file: BinaryIO,
    records: Iterable[Record],
    blobs: Iterable[tuple[str, str]],
    contents: Contents,
) -> None:
    """Write all. ``blobs`` are the hashes and kinds of what is attached, in order."""
    file.write(b'{"format":"%s","version":%d,\n"blobs":[' % (FORMAT.encode(), VERSION))
    first = True
    for sha256, media_type in blobs:
        data = contents(sha256)
        if data is None:
            continue
        file.write(b"\n" if first else b",\n")
        file.write(to_json(BlobRecord(sha256, media_type, base64.b64encode(data).decode())))
        first = False
    file.write(b'],\n"conversations":[')
    first = True
    for record in records:
        file.write(b"\n" if first else b",\n")
        file.write(to_json(record))
        first = False
    file.write(b"]}\n")
