"""What this process holds of main memory, measured; and giving back pages of model files that are not needed.

Worker side, without llama.cpp.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import mmap
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import psutil

from qwen_desktop.core.gguf import GgufHeader, TensorInfo

_STATUS = Path("/proc/self/status")
_MAPS = Path("/proc/self/maps")
_COUNTED = ("RssAnon:", "RssFile:", "RssShmem:")
_MADV_RANDOM, _MADV_DONTNEED = 1, 4
_PAGE = mmap.PAGESIZE
_ALIGNMENT = 32
_EMBEDDING = "token_embd.weight"
#: Types of weights that are tried together, and how exactly their size must be the logged one.
_MOST_KINDS = 6
_NEAR = 0.002


def held_bytes() -> int:
    """Bytes of main memory that this process holds now: its own, and the pages of files that it has touched."""
    try:
        found = [int(line.split()[1]) for line in _STATUS.read_text().splitlines() if line.startswith(_COUNTED)]
    except (OSError, ValueError, IndexError):
        found = []
    if found:
        return sum(found) * 1024
    return int(psutil.Process().memory_info().rss)


def let_go(header: GgufHeader, copied_bytes: int) -> int:
    """Take those pages of a mapped model file out of this process that are not used, ``copied_bytes`` of weights being
    kept elsewhere; returns the bytes of address space that this concerned.

    llama.cpp maps a model file whole. Where it keeps weights rearranged for the processor, or on a graphics card, the
    file's own pages would stay in memory beside the copy. Nothing can break by this: a page that is touched all the
    same comes back by itself. The advice about random access is what keeps a copied tensor out when its neighbour is
    touched: the system maps what lies around a touched page, but never beyond an area of one kind of advice.
    Linux only; elsewhere nothing happens.
    """
    if not sys.platform.startswith("linux"):
        return 0
    ranges = copied_ranges(header, copied_bytes) if len(header.parts) == 1 else None
    done = 0
    with contextlib.suppress(OSError, ValueError, AttributeError):
        advise = ctypes.CDLL(None, use_errno=True).madvise
        advise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
        for mapping in list(_mappings(header.parts)):
            if ranges is None:
                done += mapping.length * (advise(mapping.address, mapping.length, _MADV_DONTNEED) == 0)
                continue
            for address, length in mapping.pages(ranges):
                advise(address, length, _MADV_RANDOM)
                done += length * (advise(address, length, _MADV_DONTNEED) == 0)
    return done


def copied_ranges(header: GgufHeader, copied_bytes: int) -> list[tuple[int, int]] | None:
    """Where in the file the tensors lie that were copied (first byte and length, neighbours joined).

    Whole types of weights are rearranged, which ones depends on the processor: those whose tensors have just the
    logged size together. None when that is not to be found out.
    """
    by_type: dict[int, list[TensorInfo]] = {}
    embedding = next((t for t in header.tensors if t.name == _EMBEDDING), None)
    tied = embedding is not None and all(t.name != "output.weight" for t in header.tensors)
    for tensor in header.tensors:
        if len(tensor.shape) > 1 and tensor.type > 1 and tensor is not embedding:
            by_type.setdefault(tensor.type, []).append(tensor)
    kinds = sorted(by_type, key=lambda kind: -sum(t.size for t in by_type[kind]))[:_MOST_KINDS]
    for count in range(1, len(kinds) + 1):
        for chosen in itertools.combinations(kinds, count):
            tensors = [t for kind in chosen for t in by_type[kind]]
            size = sum(t.size for t in tensors)
            if tied and embedding is not None and embedding.type in chosen:
                size += embedding.size  # as the output matrix; as the embedding it is read where it lies
            if abs(size - copied_bytes) <= copied_bytes * _NEAR:
                return _joined(header.data_offset, tensors)
    return None


def _joined(start: int, tensors: Iterable[TensorInfo]) -> list[tuple[int, int]]:
    ranges: list[tuple[int, int]] = []
    for tensor in sorted(tensors, key=lambda t: t.offset):
        place = start + tensor.offset
        if ranges and place - sum(ranges[-1]) < _ALIGNMENT:  # nothing lies between them
            ranges[-1] = (ranges[-1][0], place + tensor.size - ranges[-1][0])
        else:
            ranges.append((place, tensor.size))
    return ranges


class _Mapping(NamedTuple):
    """A part of a file in memory: where it is, how long, and where in the file it begins."""

    address: int
    length: int
    offset: int

    def pages(self, ranges: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
        """Address and length of the whole pages inside ``ranges`` of the file."""
        for first, length in ranges:
            start = -(-max(first, self.offset) // _PAGE) * _PAGE
            end = min(first + length, self.offset + self.length) // _PAGE * _PAGE
            if start < end:
                yield self.address + start - self.offset, end - start


def _mappings(paths: Iterable[str]) -> Iterator[_Mapping]:
    """Each read-only mapping of one of the files, known by their names or inodes: the device
    number in the table is another one than ``stat``'s on some file systems."""
    if sys.platform == "win32":
        return
    names, inodes = set(), set()
    for path in paths:
        found = Path(path).stat()
        names.add(os.path.realpath(path))
        inodes.add((f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}", str(found.st_ino)))
    for line in _MAPS.read_text(errors="surrogateescape").splitlines():
        fields = line.split(maxsplit=5)
        if len(fields) < 6 or not fields[1].startswith("r-"):
            continue
        if fields[5] in names or (fields[3], fields[4]) in inodes:
            first, _, last = fields[0].partition("-")
            yield _Mapping(int(first, 16), int(last, 16) - int(first, 16), int(fields[2], 16))
