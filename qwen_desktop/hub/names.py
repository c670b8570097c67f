"""Names from outside: what a pasted reference means, which quant a file is, and which names may become paths.

Pure functions; everything that a hub or a user wrote passes through here before it is used.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from urllib.parse import parse_qs, unquote, urlsplit

from msgspec import Struct

from qwen_desktop.core import gguf
from qwen_desktop.core.errors import Failure, UserFacing
from qwen_desktop.core.models import Quant, RemoteFile
from qwen_desktop.core.quants import order
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, clean, is_text

_WRITE_IT = QT_TRANSLATE_NOOP(
    "hub", "Write it as owner/name, such as Qwen/Qwen3-4B-GGUF, or paste its address at Hugging Face."
)

# fmt: off
_unknown = Failure(
    UserFacing, "names.unknown", "text", QT_TRANSLATE_NOOP("hub", "“{text}” does not name a model."), _WRITE_IT,
)
_empty = Failure(UserFacing, "names.empty", "", QT_TRANSLATE_NOOP("hub", "There is no name of a model."), _WRITE_IT)
_elsewhere = Failure(
    UserFacing, "names.host", "host",
    QT_TRANSLATE_NOOP("hub", "{host} is neither Hugging Face, a mirror of it, nor ModelScope."),
    QT_TRANSLATE_NOOP("hub", "Download the file with a browser, then open it with Open GGUF."), "model.open",
)
_unsafe_path = Failure(
    UserFacing, "names.path", "", QT_TRANSLATE_NOOP("hub", "The repository names a file that cannot be stored safely."),
    QT_TRANSLATE_NOOP("hub", "Choose another repository."),
)
# fmt: on


class Reference(Struct, frozen=True):
    """A model at a hub: "owner/name", and what else the text said (a quant, a file, a revision, which hub)."""

    repo: str
    quant: str = ""
    file: str = ""
    revision: str = ""
    modelscope: bool = False


# Quants and files ----------------------------------------------------------------------------------------------------

_QUANT = re.compile(
    r"""(?<![a-z0-9])(?P<name>
        (?:ud-)?(?:
            iq[1-4]_(?:xxs|xs|nl|s|m)
          | q[1-8]_k_(?:xxl|xl|xs|s|m|l) | q[1-8]_k
          | q4_0_[48]_[48] | q[1-8]_[01]
          | tq[12]_0 | mxfp4_moe | mxfp4 | nvfp4
          | bf16 | f16 | fp16 | f32 | fp32
        )
    )(?![a-z0-9])""",
    re.IGNORECASE | re.VERBOSE,
)
_SAME = {"FP16": "F16", "FP32": "F32"}
#: Files beside a model that are none themselves: drafts for speculative decoding, statistics, adapters, vocabularies.
_NO_MODEL = re.compile(
    r"^(?:mtp|draft|eagle3?|imatrix|ggml-vocab|clip)[-_.]|[-_.](?:imatrix|lora|adapter|control-?vector)[-_.]",
    re.IGNORECASE,
)
_MMPROJ_ORDER = ("F16", "BF16", "Q8_0", "F32", "")


def quant_of(path: str) -> str:
    """The quant that a file's name tells ("Q4_K_M", "UD-Q4_K_XL", "F16", …), else its folder's; "" without one."""
    for piece in reversed(PurePosixPath(path.replace("\\", "/")).parts):
        part = gguf.split_of(piece)
        found = [m["name"].upper() for m in _QUANT.finditer(part[0] if part else piece)]
        if found:
            return _SAME.get(found[-1], found[-1])
    return ""


def normal_quant(text: str) -> str:
    """A quant as people write it ("q4_k_m", "fp16") in its usual form; an unknown one in capitals."""
    name = text.strip().upper()
    return _SAME.get(name, name)


def split_of(path: str) -> tuple[str, int, int] | None:
    """(name without the number, number from 1, count) of a part of a split model, else None."""
    found = gguf.split_of(PurePosixPath(path).name)
    return found if found is not None and 1 <= found[1] <= found[2] else None


def is_gguf(path: str) -> bool:
    """Whether the name ends in .gguf."""
    return path.lower().endswith(".gguf")


def is_mmproj(path: str) -> bool:
    """Whether this is a model's companion for pictures or sound."""
    return is_gguf(path) and "mmproj" in PurePosixPath(path).name.lower()


def is_model(path: str) -> bool:
    """Whether this is a model (or a part of one), not something that lies beside it."""
    return is_gguf(path) and not is_mmproj(path) and _NO_MODEL.search(PurePosixPath(path).name) is None


def best_mmproj(files: Iterable[RemoteFile]) -> tuple[RemoteFile, ...]:
    """The one mmproj file to take, or nothing."""
    return tuple(sorted((f for f in files if is_mmproj(f.path)), key=lambda f: mmproj_order(f.path))[:1])


def mmproj_order(path: str) -> tuple[int, int, str]:
    """A key that sorts the files of one mmproj in several types, the one to take first: F16 keeps all detail that the
    model was made with, smaller types lose some, larger ones gain nothing."""
    quant = quant_of(path)
    return (_MMPROJ_ORDER.index(quant) if quant in _MMPROJ_ORDER else len(_MMPROJ_ORDER), len(path), path)


def quants_of(files: Iterable[RemoteFile]) -> tuple[Quant, ...]:
    """The quants that a repository's files make up, smallest first. Split models are complete or left out.

    A repository with several models under one quant's name offers the one that most of its files belong to. Files
    that do not tell their quant become a quant named after the file.
    """
    sets: dict[tuple[str, str, int], dict[int, RemoteFile]] = {}
    for file in files:
        if not is_model(file.path):
            continue
        part = split_of(file.path)
        stem = str(PurePosixPath(file.path).with_name(part[0])) if part else file.path[: -len(".gguf")]
        quant = quant_of(file.path) or PurePosixPath(stem).name
        _, number, count = part or ("", 1, 1)
        sets.setdefault((quant, stem, count), {})[number] = file
    complete = {key: found for key, found in sets.items() if len(found) == key[2]}
    bases: dict[str, int] = {}
    for quant, stem, _ in complete:
        bases[_base(stem, quant)] = bases.get(_base(stem, quant), 0) + 1
    chosen: dict[str, tuple[str, str, int]] = {}
    for key in sorted(complete, key=lambda k: (-bases[_base(k[1], k[0])], k[2], k[1])):
        chosen.setdefault(key[0], key)
    quants = []
    for name, key in chosen.items():
        parts = tuple(complete[key][number] for number in sorted(complete[key]))
        sizes = [f.size_bytes for f in parts]
        quants.append(Quant(name, parts, sum(sizes) if all(sizes) else None))
    return tuple(sorted(quants, key=lambda q: order(q.name)))


def _base(stem: str, quant: str) -> str:
    return re.sub(re.escape(quant), "", PurePosixPath(stem).name, flags=re.IGNORECASE).lower()


def find_quant(quants: Iterable[Quant], wanted: str) -> Quant | None:
    """The quant called ``wanted``, in any spelling; also the "UD-" one where there is no plain one."""
    name = normal_quant(wanted)
    known = {normal_quant(q.name): q for q in quants}
    return known.get(name) or known.get(f"UD-{name}")


# Paths ---------------------------------------------------------------------------------------------------------------

_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f<>:"|?*\\]')
_RESERVED = re.compile(r"^(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?$", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}")


def is_repo(text: str) -> bool:
    """Whether ``text`` is an "owner/name" that can be a repository and a folder on every system."""
    parts = text.split("/")
    return len(parts) == 2 and all(_NAME.fullmatch(p) and ".." not in p and not _unsafe(p) for p in parts)


def safe_path(path: str) -> PurePosixPath:
    """``path`` of a repository as a relative path that stays inside its folder on every system.

    Raises ``UserFacing``: a name such as "../x", "C:x" or "nul" is an attack or a mistake, never a model.
    """
    if not _is_safe_path(path):
        raise _unsafe_path(details=repr(path[:200]))
    return PurePosixPath(path)


def is_usable(path: str) -> bool:
    """Whether this is a GGUF whose name can become a path."""
    return is_gguf(path) and _is_safe_path(path)


def is_safe(name: str) -> bool:
    """Whether a file can have this name on every system, and in a manifest."""
    return is_text(name) and not _unsafe(name)


def safe_name(name: str) -> str:
    """``name``, each character that some system or a manifest does not take as "_"."""
    changed = _FORBIDDEN.sub("_", "".join(sign if is_text(sign) else "_" for sign in name)).replace("/", "_")
    ending = Path(changed).suffix
    while len(changed.encode()) > 240:
        changed = changed[: -len(ending) - 1] + ending if ending else changed[:-1]
    changed = changed.rstrip(". ")
    return changed if is_safe(changed) else f"_{changed}"


def local_path(root: Path, repo: str, path: str) -> Path:
    """Where the file ``path`` of ``repo`` lies under ``root``. Raises ``UserFacing`` for an unsafe name."""
    if not is_repo(repo):
        raise not_understood(repo)
    return root.joinpath(*repo.split("/"), *safe_path(path).parts)


def _is_safe_path(path: str) -> bool:
    parts = path.split("/")
    return 0 < len(path) <= 1000 and len(parts) <= 8 and not any(not part or _unsafe(part) for part in parts)


def _unsafe(part: str) -> bool:
    return (
        part in (".", "..")
        or len(part.encode("utf-8", "replace")) > 240
        or part != part.rstrip(". ")
        or _FORBIDDEN.search(part) is not None
        or _RESERVED.match(part) is not None
    )


# References ----------------------------------------------------------------------------------------------------------

_LONGEST = 4000
_HUGGING_FACE = ("huggingface.co", "hf.co")
_MODELSCOPE = ("modelscope.cn", "modelscope.ai")
#: First parts of the hub's own addresses that are nobody's name.
_NOT_MODELS = frozenset(
    {
        *("api", "blog", "chat", "collections", "datasets", "docs", "join", "learn", "login", "models", "new"),
        *("papers", "pricing", "search", "settings", "spaces", "tasks"),
    }
)
_URL = re.compile(
    r"(?:https?://|(?:www\.)?(?:hf\.co|huggingface\.co|modelscope\.(?:cn|ai))/)[^\s\"'<>]+", re.IGNORECASE
)
_WORD = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*(?:@[\w./-]+)?(?::[\w.-]+)?", re.ASCII)
_FILE_WORD = re.compile(r"[\w./-]+\.gguf", re.ASCII | re.IGNORECASE)


def parse_reference(text: str) -> Reference:
    """What a pasted text refers to. Understood are

    "owner/name", "owner/name:QUANT", "owner/name@revision", "hf.co/owner/name:QUANT" as other programs write it,
    addresses of Hugging Face, of its mirrors (any host with ``/resolve/`` or ``/blob/`` after the name) and of
    ModelScope, and a command line that holds one of them. Raises ``UserFacing`` with a sentence for anything else.
    """
    text = clean(text).strip()[:_LONGEST]
    address = _URL.search(text)
    if address is not None:
        return _of_address(address.group().rstrip(".,;)]}"))
    words = [w.strip("\"'`<>()[],;") for w in text.split()]
    if len(words) > 1:  # a command line: its paths and options are not names of models
        words = [w for w in words if not w.startswith(("-", ".", "/", "~"))]
    for word in words:
        if _WORD.fullmatch(word) and not _FILE_WORD.fullmatch(word):
            found = _of_name(word)
            file = next((w for w in words if _FILE_WORD.fullmatch(w)), "")
            if file and not found.file:
                return Reference(found.repo, found.quant or quant_of(file), file, found.revision)
            return found
    raise not_understood(text)


def _of_name(word: str) -> Reference:
    name, _, tail = word.partition(":")
    name, _, revision = name.partition("@")
    if not is_repo(name):
        raise not_understood(word)
    return _with_tail(name, tail, revision)


def _with_tail(repo: str, tail: str, revision: str = "", *, modelscope: bool = False) -> Reference:
    if is_gguf(tail):
        return Reference(repo, quant_of(tail), tail, revision, modelscope)
    return Reference(repo, "" if tail.lower() == "latest" else normal_quant(tail), "", revision, modelscope)


def _of_address(address: str) -> Reference:
    try:
        url = urlsplit(address if "://" in address else "https://" + address)
        host = (url.hostname or "").lower().removeprefix("www.")
    except ValueError as error:
        raise not_understood(address) from error
    parts = [unquote(p) for p in url.path.split("/") if p]
    query = {key: values[-1] for key, values in parse_qs(url.query).items()}
    known = host in _HUGGING_FACE or host in _MODELSCOPE
    if host in _MODELSCOPE:
        found = _of_modelscope(parts, query)
    elif known or host.startswith("hf-mirror.") or (len(parts) > 3 and parts[2] in ("resolve", "blob", "tree")):
        found = _of_hugging_face(parts, query)  # a mirror is known by the shape of its addresses
    else:
        found = None
    if found is None:
        raise not_understood(address) if known else _elsewhere(host or "?")
    if found.file:
        safe_path(found.file)
    return found


def _of_hugging_face(parts: list[str], query: dict[str, str]) -> Reference | None:
    if parts[:1] == ["models"] and len(parts) >= 3:
        parts = parts[1:]
    if len(parts) < 2 or parts[0].lower() in _NOT_MODELS:
        return None
    name, _, tail = parts[1].partition(":")
    repo = f"{parts[0]}/{name}"
    if not is_repo(repo):
        return None
    if len(parts) >= 4 and parts[2] in ("resolve", "blob", "raw", "tree"):
        inside = "/".join(parts[4:])
        revision = "" if parts[3] == "main" else parts[3]
        return Reference(repo, quant_of(inside), inside if is_gguf(inside) else "", revision)
    shown = query.get("show_file_info", "")  # the hub's own link to one file of its list
    return _with_tail(repo, shown if is_gguf(shown) else tail)


def _of_modelscope(parts: list[str], query: dict[str, str]) -> Reference | None:
    if parts[:2] == ["api", "v1"]:
        parts = parts[2:]
    if len(parts) < 3 or parts[0] != "models":
        return None
    name, _, tail = parts[2].partition(":")
    repo = f"{parts[1]}/{name}"
    if not is_repo(repo):
        return None
    rest = parts[3:]
    if rest[:2] == ["file", "view"]:
        rest = rest[1:]
    file = query.get("FilePath", "") or ("/".join(rest[2:]) if rest[:1] in (["resolve"], ["view"]) else "")
    return _with_tail(repo, file if is_gguf(file) else tail, modelscope=True)


def not_understood(text: str) -> UserFacing:
    """The sentence for a text that names no model."""
    told = clean(" ".join(text.split()))[:80]
    return _unknown(told) if told else _empty()
