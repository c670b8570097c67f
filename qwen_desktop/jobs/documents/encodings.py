"""Bytes to text where nothing says how: by marks, as UTF-8 if it fits, else in the likeliest of the older encodings."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from typing import Final

from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
#: Older encodings that are tried, each with its name for people.
_OLDER: Final = {
    "cp1252": "Windows-1252 (Western)",
    "cp1251": "Windows-1251 (Cyrillic)",
    "koi8-r": "KOI8-R (Cyrillic)",
    "cp866": "CP866 (Cyrillic)",
    "cp1253": "Windows-1253 (Greek)",
    "gb18030": "GB 18030 (Chinese)",
    "big5": "Big5 (Chinese)",
    "cp932": "Shift JIS (Japanese)",
    "euc-jp": "EUC-JP (Japanese)",
    "cp949": "EUC-KR (Korean)",
}
#: Never taken from what a document says of itself: tried anyway, or not meant for documents.
_NEVER: Final = ("", "utf-8", "utf-7", "idna", "punycode", "unicode_escape", "raw_unicode_escape")
#: Bytes of text to judge by.
_SAMPLE = 16_384
_HIGH = re.compile(rb"[\x80-\xff]")
#: Bytes that text has none of: controls but tab, the ends of lines and pages, backspace and escape (colours of logs).
_CONTROLS: Final = bytes(n for n in range(32) if n not in (8, 9, 10, 12, 13, 27)) + b"\x7f"


def marked(data: bytes) -> str:
    """The encoding that the first bytes say, "" when they say none."""
    return next((name for mark, name in _MARKS if data.startswith(mark)), "")


def unmarked_utf16(data: bytes) -> str:
    """UTF-16 without a mark, told by where its zeros are; "" for anything else."""
    sample = data[: len(data) & ~1][:_SAMPLE]
    if len(sample) < 8:
        return ""
    half = len(sample) // 2
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    if odd > half * 0.4 and even < half * 0.02:
        return "utf-16-le"
    if even > half * 0.4 and odd < half * 0.02:
        return "utf-16-be"
    return ""


def is_binary(data: bytes) -> bool:
    """Whether these bytes are no text in any encoding."""
    if not data or marked(data) or unmarked_utf16(data):
        return False
    controls = len(data) - len(data.translate(None, _CONTROLS))
    return controls > max(len(data) * 0.02, 2 if len(data) < 64 else 4)


def decoded(data: bytes, *, cut: bool = False, said: str = "") -> tuple[str, Text | None]:
    """The text of ``data``, whose last character may be ``cut``, and a note where the encoding is a guess.

    ``said`` is the encoding that the document names for itself; one that is unknown or does not fit does not count.
    """
    name = marked(data) or _known(said, data) or unmarked_utf16(data)
    if name:
        return data.decode(name, "replace" if not cut else "ignore"), None
    try:
        return _utf8(data, cut=cut), None
    except UnicodeDecodeError:
        pass
    broken, high = _broken(data[:1_000_000])
    if broken * 20 < high:  # UTF-8 with some damage
        return data.decode("utf-8", "replace"), Text(
            "document.broken_utf8",
            QT_TRANSLATE_NOOP("documents", "Some characters could not be read: they are shown as \ufffd."),
        )
    name = _likeliest(data)
    return data.decode(name, "replace"), Text(
        "document.encoding",
        QT_TRANSLATE_NOOP("documents", "It does not say how its text is written; it was read as {encoding}."),
        {"encoding": _OLDER[name]},
    )


def _known(said: str, data: bytes) -> str:
    try:
        found = codecs.lookup(said.strip().strip("\"'")) if said and said.isascii() and len(said) < 40 else None
        if found is None or not getattr(found, "_is_text_encoding", True):
            return ""
        name = {"iso8859-1": "cp1252", "ascii": ""}.get(found.name, found.name)  # what browsers take them for
        if name in _NEVER or name.startswith(("utf-16", "utf-32")):  # who can read that it says so sees that it is not
            return ""
        data[:_SAMPLE].decode(name, "replace")
        return name
    except (LookupError, ValueError):
        return ""


def _utf8(data: bytes, *, cut: bool) -> str:
    return codecs.getincrementaldecoder("utf-8")("strict").decode(data, final=not cut)


def _broken(data: bytes) -> tuple[int, int]:
    """How many bytes are no UTF-8, and how many are beyond ASCII at all."""
    text = data.decode("utf-8", "replace")
    return text.count("\ufffd"), len(_HIGH.findall(data))


def _likeliest(data: bytes) -> str:
    """The older encoding in which ``data`` reads best."""
    lines, length = [], 0
    for line in data.split(b"\n"):
        if _HIGH.search(line):
            lines.append(line[:2000])
            length += len(lines[-1])
            if length > _SAMPLE:
                break
    sample = b"\n".join(lines)
    best, most = "cp1252", -1.0
    for name in _OLDER:
        try:
            text = sample.decode(name)
        except UnicodeDecodeError:
            if name != "cp1252":
                continue
            text = sample.decode(name, "replace")
        points = _points(text, name)
        if points > most:
            best, most = name, points
    return best


def _points(text: str, name: str) -> float:
    """How much ``text`` looks like one, by its characters beyond ASCII; 1 is as likely as can be."""
    weight: Callable[[str, str], float] = _asian(name) if name in _FREQUENT else _western
    total, count, before = 0.0, 0, " "
    for sign in text:
        if sign > "\x7f":
            total += weight(sign, before)
            count += 1
        before = sign
    return total / count if count else 0.0


def _western(sign: str, before: str) -> float:
    if "\u0400" <= sign <= "\u04ff" or "\u0386" <= sign <= "\u03ce":
        if sign.islower():
            return 1.0 if before.isalpha() and before > "\x7f" else 0.7
        return -0.5 if before.islower() else 0.7
    if "\xc0" <= sign <= "\xff" and sign not in "\xd7\xf7":
        # accents stand alone among plain letters; a row of them is another script
        return 0.1 if before > "\x7f" and before.isalpha() else 0.9 if sign.islower() or not before.islower() else 0.2
    if sign in "“”„‘’‚–—…«»€°§©®·•¡¿ªº\xa0№±²³½¼¾£¥":
        return 0.6
    return 0.2 if sign.isalpha() else -1.0


#: First bytes of the characters that are often written, in each of the Asian encodings.
_FREQUENT: Final = {
    "gb18030": ("gb2312", 0xB0, 0xD7),
    "big5": ("big5", 0xA4, 0xC6),
    "cp932": ("shift_jis", 0x88, 0x98),
    "euc-jp": ("euc-jp", 0xB0, 0xCF),
    "cp949": ("euc-kr", 0xB0, 0xC8),
}
_JAPANESE = ("cp932", "euc-jp")


def _asian(name: str) -> Callable[[str, str], float]:
    codec, first, last = _FREQUENT[name]

    def weight(sign: str, _before: str) -> float:
        if "\u3040" <= sign <= "\u30ff":
            return 1.0 if name in _JAPANESE else 0.4
        if "\u3000" <= sign <= "\u3020" or "\uff01" <= sign <= "\uff5e" or sign in "“”‘’…—·《》":
            return 0.8
        if "\uff61" <= sign <= "\uff9f":
            return 0.1
        try:
            lead = sign.encode(codec)[0]
        except UnicodeEncodeError:
            return -0.5
        if "\u4e00" <= sign <= "\u9fff":
            return (0.3 if name == "cp949" else 0.9) if first <= lead <= last else 0.2
        return 0.95 if "\uac00" <= sign <= "\ud7a3" else 0.0

    return weight
