"""What a GGUF file is for, from its metadata alone, and which mmproj (for pictures, sound) belongs to which model."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct

from qwen_desktop.core.files import open_file
from qwen_desktop.core.gguf import ArrayInfo, Damaged, Reader, kind_of
from qwen_desktop.core.gguf import Kind as Content
from qwen_desktop.core.gguf.reader import LONGEST_KEY
from qwen_desktop.hub.names import is_gguf, is_mmproj, mmproj_order, quant_of, split_of

Kind = Literal["model", "mmproj", "other", "none"]
#: General entries stand first; a vocabulary may be many megabytes and is never reached.
_LONGEST = 64 << 20
_MOST_ENTRIES = 4096
#: Of a folder with more files no model is looked for beside an mmproj: each is opened.
_MOST_BESIDE = 64
_WORDS = re.compile(r"[a-z]+|[0-9]+(?:\.[0-9]+)?")


class FileFacts(Struct, frozen=True):
    """A file by its first metadata; "other" is what no conversation can be held with. ``width`` is what an mmproj gives
    out and what a model takes in, 0 when it does not say."""

    kind: Kind
    architecture: str = ""
    name: str = ""
    width: int = 0


def facts(path: Path) -> FileFacts:
    """What ``path`` is: "none" for anything that is no readable GGUF. Reads no further than the vocabulary."""
    found: dict[str, Any] = {}
    try:
        size = path.stat().st_size
        with open_file(path) as file:
            reader = Reader(file, min(size, _LONGEST))
            if reader.take(4) != b"GGUF" or reader.u32() not in (2, 3):
                return FileFacts("none")
            reader.u64()
            count = reader.u64()
            for _ in range(min(count, _MOST_ENTRIES)):
                key = reader.text(LONGEST_KEY)
                if key.startswith("tokenizer."):
                    break
                value = reader.value(reader.u32())
                if not isinstance(value, ArrayInfo):
                    found[key] = value
    except (Damaged, EOFError):
        if "general.architecture" not in found:
            return FileFacts("none")
    except (OSError, ValueError):
        return FileFacts("none")
    architecture, content = _text(found, "general.architecture"), kind_of(found)
    kind: Kind = "model" if content is Content.CHAT else "mmproj" if content is Content.MMPROJ else "other"
    parts = ("vision.projection_dim", "audio.projection_dim", "projection_dim")
    keys = [f"clip.{part}" for part in parts] if kind == "mmproj" else [f"{architecture}.embedding_length"]
    width = next((w for key in keys if isinstance(w := found.get(key), int) and w > 0), 0)
    return FileFacts(kind, architecture, _text(found, "general.basename") or _text(found, "general.name"), width)


def _text(found: dict[str, Any], key: str) -> str:
    value = found.get(key)
    return value.strip() if isinstance(value, str) else ""


def find_mmproj(model: Path, *, name: str = "", architecture: str = "", width: int = 0) -> Path | None:
    """The mmproj in the folder of ``model`` that belongs to it, or None.

    ``name`` is the model's own (from its header) and ``width`` its embedding length. A file counts by its header, not
    by its name; one that gives out another width never fits. A common name is asked for as well, but where the
    folder holds one model only and the mmproj has no name of its own (or the model is one that sees).
    """
    try:
        files = [path for path in sorted(model.parent.iterdir()) if is_gguf(path.name)]
    except OSError:
        return None
    companions = {path: found for path in files if path != model and (found := facts(path)).kind == "mmproj"}
    fitting = [(path, found) for path, found in companions.items() if _fits(found, width)]
    if not fitting:
        return None
    stems = {_stem(path.name) for path in files if not is_mmproj(path.name) and path not in companions}
    chosen = [(path, found) for path, found in fitting if _same(path, found, model, name)]
    if not chosen and len(stems) <= 1:
        chosen = [(path, found) for path, found in fitting if not _stem(path.name) or "vl" in architecture]
    return min((path for path, _ in chosen), key=lambda path: mmproj_order(path.name), default=None)


def find_model(part: Path) -> Path | None:
    """The model in the folder of the mmproj ``part`` that it belongs to, the smallest file of several quants."""
    try:
        files = [path for path in sorted(part.parent.iterdir()) if is_gguf(path.name)][:_MOST_BESIDE]
        sized = sorted((path.stat().st_size, path) for path in files if path != part)
    except OSError:
        return None
    for _, path in sized:
        number, found = split_of(path.name), facts(path)
        if found.kind != "model" or (number is not None and number[1] != 1):
            continue
        if find_mmproj(path, name=found.name, architecture=found.architecture, width=found.width) is not None:
            return path
    return None


def fits(part: Path, width: int) -> bool:
    """Whether ``part`` is an mmproj that a model of ``width`` can take."""
    return _fits(facts(part), width)


def _fits(found: FileFacts, width: int) -> bool:
    return found.kind == "mmproj" and not (width and found.width and found.width % width)


def _same(path: Path, found: FileFacts, model: Path, name: str) -> bool:
    """Whether the mmproj's name, in its file name or its header, is the model's."""
    wanted = {_stem(model.name), _plain(name)} - {""}
    return bool({_stem(path.name), _plain(found.name)} & wanted)


def _stem(name: str) -> str:
    """A file's name without quant, part, "mmproj" and punctuation: "mmproj-A-7B-f16.gguf" and "A-7B-Q4_K_M.gguf" are
    both "a7b"."""
    part = split_of(name)
    stem = part[0] if part else name[: -len(".gguf")] if is_gguf(name) else name
    quant = quant_of(stem)
    if quant:
        spelled = re.escape(quant) if quant not in ("F16", "F32") else f"(?:fp?{quant[1:]})"
        stem = re.sub(spelled, "", stem, flags=re.IGNORECASE)
    return _plain(re.sub("mmproj|model", "", stem, flags=re.IGNORECASE))


def _plain(name: str) -> str:
    return "".join(_WORDS.findall(name.lower()))
