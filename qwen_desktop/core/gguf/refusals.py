"""What a file that cannot be used as a model is instead, with what to do: one table of sentences, and who chooses.

A file that is no GGUF is told by its name and its first bytes. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import PurePath

from qwen_desktop.core.errors import Failure, UserFacing, os_problem
from qwen_desktop.core.gguf.kinds import Kind
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Source, Text


def _refusal(code: str, places: str, what: Source, hint: Source) -> Failure[UserFacing]:
    """A sentence about ``{file}``, whose name is the first of its ``places``."""
    return Failure(UserFacing, f"gguf.{code}", places, what, hint, "model.open")


# fmt: off
_CHOOSE = QT_TRANSLATE_NOOP("gguf", "Choose another file.")
_AGAIN = QT_TRANSLATE_NOOP("gguf", "Download it again.")
_CONVERTED = QT_TRANSLATE_NOOP("gguf", "Look for the same model as GGUF, often from another publisher.")
_MAIN = QT_TRANSLATE_NOOP("gguf", "Choose the file of the model that it was made for.")
_BELONGS = QT_TRANSLATE_NOOP("gguf", "Choose {model}, which it belongs to.")
_CHAT = QT_TRANSLATE_NOOP("gguf", "Choose a chat model; many have Instruct or Chat in their names.")

# GGUF files that hold something else ----------------------------------------------------------------------------------

_NOT_CHAT: dict[Kind, tuple[Source, Source]] = {
    Kind.CHAT: (QT_TRANSLATE_NOOP("gguf", "{file} is a model by itself."), _CHOOSE),  # where something else was wanted
    Kind.EMBEDDING: (
        QT_TRANSLATE_NOOP("gguf", "{file} is an embedding model: it compares texts and writes no answers."),
        QT_TRANSLATE_NOOP(
            "gguf", "To chat, choose a chat model. This one is for programs: qwen-desktop embed --model MODEL TEXT."
        ),
    ),
    Kind.RERANKER: (
        QT_TRANSLATE_NOOP("gguf", "{file} is a reranker: it sorts what a search has found and writes no answers."),
        _CHAT,
    ),
    Kind.MMPROJ: (
        QT_TRANSLATE_NOOP("gguf", "{file} is the part of a model for pictures or sound (mmproj), no model by itself."),
        QT_TRANSLATE_NOOP("gguf", "Keep it in the folder of its model, and choose the model's own file."),
    ),
    Kind.ADAPTER: (
        QT_TRANSLATE_NOOP("gguf", "{file} is an adapter (LoRA): it changes a model and is none by itself."),
        QT_TRANSLATE_NOOP(
            "gguf", "Open the model that it was made for, then add it in the chat's instructions, or with --lora."
        ),
    ),
    Kind.IMATRIX: (
        QT_TRANSLATE_NOOP("gguf", "{file} is an importance matrix, made for quantizing a model, and no model."), _MAIN,
    ),
    Kind.CONTROL_VECTOR: (
        QT_TRANSLATE_NOOP("gguf", "{file} is a control vector: it steers a model and is none by itself."), _MAIN,
    ),
    Kind.DRAFT: (
        QT_TRANSLATE_NOOP("gguf", "{file} is a draft model: it makes another one faster and cannot answer alone."),
        _MAIN,
    ),
    Kind.PICTURES: (
        QT_TRANSLATE_NOOP("gguf", "{file} is a model that makes pictures or films, not text."), _CHAT,
    ),
    Kind.SPEECH: (
        QT_TRANSLATE_NOOP("gguf", "{file} is a model for speech, not for conversations in writing."), _CHAT,
    ),
    Kind.DIFFUSION: (
        QT_TRANSLATE_NOOP("gguf", "{file} is a diffusion model, which writes in a way that this app does not know."),
        _CHAT,
    ),
    Kind.VOCABULARY: (
        QT_TRANSLATE_NOOP("gguf", "{file} is a vocabulary only: it holds no weights."), _CHOOSE,
    ),
    Kind.FOREIGN: (
        QT_TRANSLATE_NOOP("gguf", "{file} is in a form that only Ollama can read."),
        QT_TRANSLATE_NOOP("gguf", "Download the same model here instead."),
    ),
    Kind.OTHER: (
        QT_TRANSLATE_NOOP("gguf", "{file} is not a model by itself: it holds a part of kind {kind}."),
        QT_TRANSLATE_NOOP("gguf", "Choose the model's main file."),
    ),
}
# fmt: on


def _name(path: PurePath) -> str:
    return path.name or str(path)


class NotChat(UserFacing):
    """A file that is well but made for something else than conversations."""

    def __init__(self, path: PurePath, kind: Kind, *, told: str = "", model: str = "") -> None:
        refused = _refusal(kind, "file kind", *_NOT_CHAT[kind])
        problem = refused(_name(path), told[:40]).problem
        hint = Text("gguf.belongs", _BELONGS, {"model": model}) if model else problem.hint
        super().__init__(problem.what, hint, action="model.get" if kind is Kind.FOREIGN else "model.open")
        self.kind_of_file = kind


# fmt: off
# Files that are no GGUF -----------------------------------------------------------------------------------------------

_NOT_GGUF = _refusal(
    "not_gguf", "file", QT_TRANSLATE_NOOP("gguf", "{file} is not a GGUF model file."),
    QT_TRANSLATE_NOOP("gguf", "Choose a file whose name ends in .gguf."),
)
#: A repository was copied without what Git LFS keeps of it.
_LFS_POINTER = _refusal(
    "pointer", "file",
    QT_TRANSLATE_NOOP("gguf", "{file} is not the model but a pointer to it, as Git LFS leaves them."),
    QT_TRANSLATE_NOOP("gguf", "Run “git lfs pull” in its folder, or download the file itself."),
)
#: What a browser got instead: a page to sign in, a page about the file.
_WEB_PAGE = _refusal(
    "page", "file",
    QT_TRANSLATE_NOOP("gguf", "{file} is a web page that was saved under this name, not a GGUF model file."),
    QT_TRANSLATE_NOOP("gguf", "Delete it, then download the model's file itself."),
)
#: Words: a server's message, notes, a settings file.
_TEXT_FILE = _refusal("text", "file", QT_TRANSLATE_NOOP("gguf", "{file} is a text, not a GGUF model file."), _CHOOSE)
_SAFETENSORS = _refusal(
    "safetensors", "file",
    QT_TRANSLATE_NOOP("gguf", "{file} holds weights as safetensors, which is not a GGUF model file."), _CONVERTED,
)
_PYTORCH = _refusal(
    "pytorch", "file",
    QT_TRANSLATE_NOOP("gguf", "{file} holds weights as PyTorch saves them, which is not a GGUF model file."),
    _CONVERTED,
)
#: From before August 2023.
_OLD_FORMAT = _refusal(
    "old", "file",
    QT_TRANSLATE_NOOP("gguf", "{file} is in the GGML format that came before GGUF and that llama.cpp reads no more."),
    _CONVERTED,
)
_ARCHIVE = _refusal(
    "archive", "file", QT_TRANSLATE_NOOP("gguf", "{file} is an archive, not a GGUF model file."),
    QT_TRANSLATE_NOOP("gguf", "Unpack it, then choose the .gguf file that was inside."),
)
#: Its room was taken, its bytes were never written or are lost.
_ZEROS = _refusal(
    "zeros", "file", QT_TRANSLATE_NOOP("gguf", "{file} is not a GGUF model file: it begins with nothing but zeros."),
    _AGAIN,
)
empty = _refusal("empty", "file", QT_TRANSLATE_NOOP("gguf", "{file} is empty."), _AGAIN)
#: Somebody is still fetching it, or stopped to.
unfinished = _refusal(
    "unfinished", "file",
    QT_TRANSLATE_NOOP("gguf", "{file} does not hold a whole model: the download is not complete."),
    QT_TRANSLATE_NOOP("gguf", "Let it come to its end, or download it again."),
)
#: One of the pieces that a large file was cut into: none of them can be read by itself.
piece = _refusal(
    "piece", "file whole",
    QT_TRANSLATE_NOOP("gguf", "{file} is only a piece of the model, which was cut into several files."),
    QT_TRANSLATE_NOOP("gguf", "Get all its pieces, join them in their order into one file, {whole}, and open that."),
)
folder = _refusal(
    "folder", "file", QT_TRANSLATE_NOOP("gguf", "{file} is a folder, not a file."),
    QT_TRANSLATE_NOOP("gguf", "Choose a .gguf file inside it."),
)
_NO_NAME = _refusal("name", "file", QT_TRANSLATE_NOOP("gguf", "{file} is not a file name."), _CHOOSE)

# GGUF files with a fault ----------------------------------------------------------------------------------------------

truncated = _refusal(
    "truncated", "file size n",
    QT_TRANSLATE_NOOP("gguf", "{file} ends after {size} of %n byte(s): the download is not complete."), _AGAIN,
)
ends_in_header = _refusal(
    "short", "file", QT_TRANSLATE_NOOP("gguf", "{file} ends inside its header: the download is not complete."), _AGAIN,
)
#: The header contradicts itself; ``reason`` says how.
damaged = _refusal("damaged", "file reason", QT_TRANSLATE_NOOP("gguf", "{file} is damaged: {reason}."), _AGAIN)
version = _refusal(
    "version", "file version",
    QT_TRANSLATE_NOOP("gguf", "{file} uses version {version} of the GGUF format, which is not supported."),
    QT_TRANSLATE_NOOP("gguf", "Choose a file in version 2 or 3, or update the app."),
)
big_endian = _refusal(
    "big_endian", "file", QT_TRANSLATE_NOOP("gguf", "{file} was made for big-endian computers, and this one is not."),
    QT_TRANSLATE_NOOP("gguf", "Choose the ordinary (little-endian) file."),
)
not_first_part = _refusal(
    "part", "file first", QT_TRANSLATE_NOOP("gguf", "{file} is one part of a model that is split into several files."),
    QT_TRANSLATE_NOOP("gguf", "Open the first part, {first}."),
)
_MISSING_PARTS = _refusal(
    "parts", "file missing", QT_TRANSLATE_NOOP("gguf", "Parts of {file} are missing: {missing}."),
    QT_TRANSLATE_NOOP("gguf", "Put all parts into the same folder."),
)
renamed_part = _refusal(
    "renamed", "file n",
    QT_TRANSLATE_NOOP("gguf", "{file} is one of %n part(s), but its name no longer says which."),
    QT_TRANSLATE_NOOP("gguf", "Give the parts their original names again."),
)
# fmt: on


def missing_parts(path: PurePath, missing: Sequence[str]) -> UserFacing:
    """Not all parts are there: the first three of those that are ``missing`` are named."""
    more = f" (+{len(missing) - 3})" if len(missing) > 3 else ""
    return _MISSING_PARTS(path.name, ", ".join(missing[:3]) + more)


def unreadable(path: PurePath, error: Exception) -> UserFacing:
    """Missing, forbidden, or a failing disk: the general sentence for that failure."""
    if not isinstance(error, OSError):
        return _NO_NAME(_name(path))
    if not error.filename:
        error.filename = str(path)
    problem = os_problem(error)
    return UserFacing(problem.what, problem.hint or Text("gguf.choose", _CHOOSE), action="model.open")


# What a file is, by its name and its first bytes ----------------------------------------------------------------------

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


def is_unfinished(name: str) -> bool:
    """Whether a file of this name is still being fetched by somebody."""
    return _UNFINISHED.search(name) is not None


def refusal(path: PurePath, head: bytes, size: int) -> UserFacing:
    """The sentence for a file of ``size`` bytes that begins with ``head`` (``HEAD`` bytes do) and is no GGUF."""
    if not size:
        return empty(path.name)
    if len(head) >= 4 and not head.strip(b"\0"):
        return _ZEROS(path.name)
    if is_unfinished(path.name):
        return unfinished(path.name)
    say = next((say for is_it, say in _KNOWN if is_it(path.suffix.lower(), head)), _NOT_GGUF)
    return say(path.name)


def _is_text(_ending: str, head: bytes) -> bool:
    if len(head) < 4 or b"\0" in head or head.startswith(b"%PDF"):
        return False
    try:
        head.decode()
    except UnicodeDecodeError as error:
        return error.start > len(head) - 4  # the last letter is cut
    return True


_KNOWN: tuple[tuple[Callable[[str, bytes], bool], Failure[UserFacing]], ...] = (
    (lambda _ending, head: head.startswith(_POINTER), _LFS_POINTER),
    (lambda _ending, head: _PAGE.match(head.removeprefix(b"\xef\xbb\xbf")) is not None, _WEB_PAGE),
    (lambda _ending, head: head.startswith(_OLD), _OLD_FORMAT),
    (lambda ending, head: ending in _PICKLED and head.startswith((b"PK", b"\x80")), _PYTORCH),
    (lambda ending, head: head[8:10] == b'{"' or ending == ".safetensors", _SAFETENSORS),
    (lambda _ending, head: head.startswith((b"PK\x03\x04", *_ARCHIVES)), _ARCHIVE),
    (_is_text, _TEXT_FILE),
)
