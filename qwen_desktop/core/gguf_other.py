"""What a file is that is no GGUF model, told by its name and its first bytes, with what to do. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import PurePath

from qwen_desktop.core import gguf_errors as errors
from qwen_desktop.core.errors import UserFacing

#: As many bytes of a file's beginning tell what it is.
HEAD = 512
#: Names of the pieces that a file was cut into by size: ".part1of2", "-split-a", ".part_aa", ".001".
_PIECE = re.compile(
    r"^(?P<whole>.+\.gguf)(?:[._-](?:part[._-]?(?:\d+[._-]?of[._-]?\d+|\d+|[a-z]{1,2})|split[._-]?[a-z]{1,2})|\.\d{2,3}|\.a[a-z])$",
    re.IGNORECASE,
)
_UNFINISHED = re.compile(r"\.(?:part|partial|crdownload|download|incomplete|aria2|tmp)$", re.IGNORECASE)
_PAGE = re.compile(rb"^\s*(?:<!--.*?-->\s*)?<(?:!doctype|html|head|body|\?xml)\b", re.IGNORECASE | re.DOTALL)
_POINTER = b"version https://git-lfs.github.com/spec/"
#: GGUF's forerunners, as they stand in a file: ggml, ggmf, ggjt, ggla.
_OLD = (b"lmgg", b"fmgg", b"tjgg", b"algg")
_ARCHIVES = (b"\x1f\x8b", b"7z\xbc\xaf\x27\x1c", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd", b"Rar!\x1a\x07", b"BZh")
_PICKLED = (".bin", ".pt", ".pth", ".ckpt")


def piece_of(name: str) -> str:
    """The name of the whole file that ``name`` is a piece of, cut by size; "" for any other file."""
    found = _PIECE.match(name)
    return found["whole"] if found is not None else ""


def unfinished(name: str) -> bool:
    """Whether a file of this name is still being fetched by somebody."""
    return _UNFINISHED.search(name) is not None


def refusal(path: PurePath, head: bytes, size: int) -> UserFacing:
    """The sentence for a file of ``size`` bytes that begins with ``head`` (``HEAD`` bytes do) and is no GGUF."""
    if not size:
        return errors.empty(path)
    if len(head) >= 4 and not head.strip(b"\0"):
        return errors.zeros(path)
    if unfinished(path.name):
        return errors.unfinished(path)
    say = next((say for is_it, say in _KNOWN if is_it(path.suffix.lower(), head)), errors.not_gguf)
    return say(path)


def _is_text(_ending: str, head: bytes) -> bool:
    if len(head) < 4 or b"\0" in head or head.startswith(b"%PDF"):
        return False
    try:
        head.decode()
    except UnicodeDecodeError as error:
        return error.start > len(head) - 4  # the last letter is cut
    return True


_KNOWN: tuple[tuple[Callable[[str, bytes], bool], Callable[[PurePath], UserFacing]], ...] = (
    (lambda _ending, head: head.startswith(_POINTER), errors.lfs_pointer),
    (lambda _ending, head: _PAGE.match(head.removeprefix(b"\xef\xbb\xbf")) is not None, errors.web_page),
    (lambda _ending, head: head.startswith(_OLD), errors.old_format),
    (lambda ending, head: ending in _PICKLED and head.startswith((b"PK", b"\x80")), errors.pytorch),
    (lambda ending, head: head[8:10] == b'{"' or ending == ".safetensors", errors.safetensors),
    (lambda _ending, head: head.startswith((b"PK\x03\x04", *_ARCHIVES)), errors.archive),
    (_is_text, errors.text_file),
)
