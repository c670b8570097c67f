"""Whether one model may guess for another what comes next: both must mean the same by each token. Read with bounds.

llama.cpp's own rule (``common/speculative.cpp``) compares the kind of the vocabulary, the tokens that begin and end a
text, and the words behind the first five, where as many as 128 may be missing at the end. This one is stricter: the way
text is split and all words are compared, and what only one of both has must be padding.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from qwen_desktop.core.errors import Failure, UserFacing
from qwen_desktop.core.files import open_file
from qwen_desktop.core.gguf.header import GgufHeader
from qwen_desktop.core.gguf.reader import ArrayInfo
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Source

#: From so many parameters on a model is offered another one, which has one for eight of them at most.
LARGE, SHARE = 8_000_000_000, 8
#: More words than this are no padding: Qwen2.5's large models have 128 more than its small ones.
_PADDING = 128
_STRING, _INT32, _UNUSED = 8, 5, 5
_TOKENS, _TYPES = "tokenizer.ggml.tokens", "tokenizer.ggml.token_type"
_KEY = "tokenizer.ggml."
#: What must be the same, besides the words; the second ones are off where nothing is said.
_SAME, _FLAGS = (f"{_KEY}model", f"{_KEY}pre", f"{_KEY}eos_token_id"), (f"{_KEY}add_bos_token", f"{_KEY}add_eos_token")
#: What must be where a text begins with it.
_BEGIN, _BEGINS = f"{_KEY}bos_token_id", f"{_KEY}add_bos_token"
#: Models that cannot go back a part of the way, by what their headers say.
_STATE, _WINDOW = ".ssm.", ".attention.sliding_window"

_CHOOSE = QT_TRANSLATE_NOOP("gguf", "Choose a smaller model of the same family, or none.")


def _refusal(code: str, what: Source) -> Failure[UserFacing]:
    return Failure(UserFacing, f"draft_model.{code}", "file model", what, _CHOOSE)


# fmt: off
_words = _refusal(
    "words", QT_TRANSLATE_NOOP("gguf", "{file} cannot guess for {model}: it does not have the same tokens."),
)
_goes_on = _refusal(
    "state", QT_TRANSLATE_NOOP("gguf", "{file} cannot guess for {model}: one of them cannot take back what was wrong."),
)
_larger = _refusal(
    "size", QT_TRANSLATE_NOOP("gguf", "{file} cannot guess for {model}: it is not the smaller one."),
)
# fmt: on


def may_pay(model: GgufHeader, draft: GgufHeader) -> bool:
    """Whether ``draft`` is so much smaller that what it guesses may be worth its time. Only such pairs are offered."""
    return model.parameters >= LARGE and 0 < draft.parameters * SHARE <= model.parameters


def check_pair(model: GgufHeader, draft: GgufHeader) -> None:
    """Raise ``UserFacing`` for a ``draft`` whose guesses ``model`` cannot use. Blocking: it reads both vocabularies,
    some 50 ms each."""
    places = Path(draft.path).name, model.name
    if draft.parameters > model.parameters:
        raise _larger(*places)
    if any(goes_on(each) for each in (model, draft)):
        raise _goes_on(*places)
    if not _alike(model, draft):
        raise _words(*places)


def goes_on(header: GgufHeader) -> bool:
    """Whether a model only goes on: it has a recurrent state, or forgets old tokens in some layers."""
    state, window = header.architecture + _STATE, header.architecture + _WINDOW
    return any(key.startswith(state) or (key == window and value) for key, value in header.metadata.items())


def _alike(model: GgufHeader, draft: GgufHeader) -> bool:
    one, other = model.metadata, draft.metadata
    same = *_SAME, *((_BEGIN,) if one.get(_BEGINS) else ())
    if not one.get(_SAME[0]) or any(one.get(key) != other.get(key) for key in same):
        return False
    if any(bool(one.get(key)) != bool(other.get(key)) for key in _FLAGS):
        return False
    sizes = model.vocab_size, draft.vocab_size
    if not min(sizes) or max(sizes) - min(sizes) > _PADDING:
        return False
    try:
        if any(word != heard for word, heard in zip(_words_of(model), _words_of(draft), strict=False)):
            return False
        kinds = _types_of(max((model, draft), key=lambda header: header.vocab_size))
    except (OSError, ValueError):
        return False
    return min(sizes) == max(sizes) or (len(kinds) == max(sizes) and set(kinds[min(sizes) :]) == {_UNUSED})


def _words_of(header: GgufHeader) -> Iterator[bytes]:
    """The words of the vocabulary in their order. Raises ``ValueError`` where they are not what they should be."""
    kept = header.metadata.get(_TOKENS)
    if isinstance(kept, list):
        for word in kept:
            if not isinstance(word, str):
                raise ValueError("a word is none")
            yield word.encode("utf-8", "replace")
        return
    place = _place(header, _TOKENS, _STRING)
    data = _bytes(header, place.offset, header.data_offset - place.offset)
    at = 0
    for _ in range(place.count):
        length = int.from_bytes(data[at : at + 8], "little")
        at += 8 + length
        if at > len(data):
            raise ValueError("a word is longer than its file")
        # as texts are read elsewhere: a short list is among the header's own words
        yield data[at - length : at].decode("utf-8", "replace").encode("utf-8", "replace")


def _types_of(header: GgufHeader) -> list[int]:
    kept = header.metadata.get(_TYPES)
    if isinstance(kept, list):
        return kept
    if _TYPES not in header.arrays:
        return []
    place = _place(header, _TYPES, _INT32)
    data = _bytes(header, place.offset, 4 * place.count)
    return [value[0] for value in _numbers(data)]


def _numbers(data: bytes) -> Iterator[tuple[Any, ...]]:
    return struct.iter_unpack("<i", data[: len(data) // 4 * 4])


def _place(header: GgufHeader, key: str, kind: int) -> ArrayInfo:
    place = header.arrays.get(key)
    if place is None or place.type != kind:
        raise ValueError(f"{key} is not there")
    return place


def _bytes(header: GgufHeader, offset: int, count: int) -> bytes:
    """Of the header, whose length was checked when it was read."""
    if not 0 <= count <= header.data_offset - offset:
        raise ValueError("it lies outside of the header")
    with open_file(Path(header.path)) as file:
        file.seek(offset)
        return bytes(file.read(count))
