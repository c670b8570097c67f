"""Plain data as bytes, msgpack for frames and JSON for files, with strings that need not be text.

The name of a file is bytes; as a string it holds lone surrogates where these are no UTF-8, and msgspec refuses such
strings. Here they come through unchanged: in msgpack as an extension, in JSON as the escape ``\\udcXX`` that it has
for them. Everything else looks as msgspec writes it and costs no more.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any, Generic, TypeVar

import msgspec
from msgspec.msgpack import Ext

from qwen_desktop.core.text import is_text

T = TypeVar("T")

#: Codes of the extensions: a string that is no text, and a map with such strings as keys.
_STRING, _MAP = 1, 2


def _marked_source(value: Any) -> str:
    """A marked text is a string of our own kind (``core.text.Source``), which msgspec asks about."""
    if isinstance(value, str):
        return str(value)
    raise NotImplementedError(f"objects of type {type(value).__name__} cannot be written")


_encode = msgspec.msgpack.Encoder(enc_hook=_marked_source).encode


def pack(value: Any) -> bytes:
    """msgpack of structs and plain data."""
    try:
        return _encode(value)
    except UnicodeEncodeError:
        return _encode(_marked(msgspec.to_builtins(value, enc_hook=_marked_source)))


class Unpacker(Generic[T]):
    """Reads what ``pack`` wrote as the type ``kind``."""

    def __init__(self, kind: Any) -> None:
        self._kind = kind
        self._decoder: msgspec.msgpack.Decoder[T] = msgspec.msgpack.Decoder(kind, ext_hook=_unmarked)

    def __call__(self, data: bytes | msgspec.Raw) -> T:
        """Raises ``ValueError`` for anything else."""
        try:
            return self._decoder.decode(data)
        except msgspec.ValidationError:  # an extension in the place of a string, or really something else
            found: T = msgspec.convert(_plain(data), self._kind)
            return found


@cache
def _unpacker(kind: Any) -> Unpacker[Any]:
    return Unpacker(kind)


def unpack(data: bytes | msgspec.Raw, kind: type[T]) -> T:
    """What ``pack`` wrote, as the type ``kind``; ``object`` stands for plain data of any kind.

    Raises ``ValueError`` for anything else.
    """
    reader: Unpacker[T] = _unpacker(kind)  # type: ignore[arg-type]  # every type that msgspec reads can be a key
    return reader(data)


def to_json(value: Any, *, indent: int | None = None) -> bytes:
    """JSON of structs and plain data in UTF-8, with line ends when ``indent`` is given."""
    try:
        data = msgspec.json.encode(value, enc_hook=_marked_source)
    except UnicodeEncodeError:
        between = (",", ":") if indent is None else None
        text = json.dumps(
            msgspec.to_builtins(value, enc_hook=_marked_source), ensure_ascii=False, indent=indent, separators=between
        )
        return text.encode("utf-8", "backslashreplace")
    return data if indent is None else msgspec.json.format(data, indent=indent)


def from_json(data: bytes, kind: type[T]) -> T:
    """Reads JSON as the type ``kind``. Raises ``ValueError`` for anything else."""
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:  # an escape that stands for no character, or really something else
        try:
            return msgspec.convert(json.loads(data), kind)
        except RecursionError as error:
            raise ValueError("nested too deeply") from error


def _marked(value: Any) -> Any:
    if isinstance(value, str):
        return value if is_text(value) else Ext(_STRING, value.encode("utf-8", "surrogatepass"))
    if isinstance(value, dict):
        if all(not isinstance(key, str) or is_text(key) for key in value):
            return {key: _marked(found) for key, found in value.items()}
        return Ext(_MAP, _encode([[_marked(key), _marked(found)] for key, found in value.items()]))
    if isinstance(value, list | tuple):
        return [_marked(found) for found in value]
    return value


def _unmarked(code: int, data: memoryview) -> Any:
    if code == _STRING:
        return bytes(data).decode("utf-8", "surrogatepass")
    if code == _MAP:
        return dict(_plain(bytes(data)))
    raise ValueError(f"unknown extension {code}")


def _plain(data: bytes | msgspec.Raw) -> Any:
    return msgspec.msgpack.decode(data, ext_hook=_unmarked)
