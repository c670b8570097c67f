"""Random texts in random encodings: what is piped in arrives exactly, or is refused; nothing in between."""

from __future__ import annotations

import codecs
import random
import time

from qwen_desktop.cli.standard_input import decoded
from qwen_desktop.core.errors import UserFacing

#: Where letters of the world's alphabets lie, and signs that every text has.
SCRIPTS = (
    (0x61, 0x7A), (0xC0, 0x17F), (0x391, 0x3C9), (0x410, 0x44F), (0x5D0, 0x5EA), (0x627, 0x64A), (0x905, 0x939),
    (0xE01, 0xE2E), (0x3041, 0x30FE), (0x4E00, 0x9FA5), (0xAC00, 0xD7A3), (0x1F600, 0x1F64F), (0xFEFF, 0xFEFF),
)  # fmt: skip
MARKED = {
    "utf-8": codecs.BOM_UTF8,
    "utf-16-le": codecs.BOM_UTF16_LE,
    "utf-16-be": codecs.BOM_UTF16_BE,
    "utf-32-le": codecs.BOM_UTF32_LE,
    "utf-32-be": codecs.BOM_UTF32_BE,
}
OTHERS = (
    "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be", "gb18030", "gbk", "big5", "shift_jis", "euc_jp", "euc_kr",
    "koi8-r", "cp1251", "cp1252", "latin-1", "cp866", "iso8859-7", "cp1255", "cp1256", "tis-620", "mac-roman",
)  # fmt: skip


def any_text(chance: random.Random) -> str:
    low, high = chance.choice(SCRIPTS)
    words = ["".join(chr(chance.randint(low, high)) for _ in range(chance.randint(1, 9))) for _ in range(12)]
    text = chance.choice((" ", "\n", ", ", "\t", "\r\n")).join(words[: chance.randint(2, 12)])
    return text + chance.choice(("", "\n", " 42.", "?"))


def read(data: bytes, seed: int) -> str | None:
    """What arrives; None when it is refused with a sentence."""
    try:
        return decoded(data)
    except UserFacing as refused:
        assert "iconv" in refused.problem.sentence(), seed
        return None


def valid_utf8(data: bytes) -> str | None:
    """``data`` as UTF-8 if it is such: a few letters of another encoding may be, and nobody can know it of them."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def test_texts_arrive_exactly_or_are_refused(seconds: float) -> None:
    deadline = time.monotonic() + seconds
    refused = told = 0
    while time.monotonic() < deadline:
        seed = random.randrange(1 << 48)
        chance = random.Random(seed)
        text = any_text(chance)
        encoding = chance.choice(list(MARKED))
        assert read(MARKED[encoding] + text.encode(encoding), seed) == text, (seed, encoding)
        start = text.lstrip("\ufeff")  # at its start it is a mark
        assert read(start.encode(), seed) == start, seed
        other = chance.choice(OTHERS)
        try:
            data = start.encode(other)
        except UnicodeEncodeError:
            continue
        if data.startswith(tuple(MARKED.values())):  # letters of another encoding may look like one
            continue
        found = read(data, seed)
        assert found in (None, start, valid_utf8(data)), (seed, other)
        refused, told = refused + (found is None), told + 1
        # damaged on the way: never something that the sender did not write, unless it still is valid UTF-8
        broken = bytearray(MARKED[encoding] + text.encode(encoding))
        broken[chance.randrange(len(broken))] ^= 1 << chance.randrange(8)
        found = read(bytes(broken), seed)
        assert found is None or found.encode(), seed
    assert refused >= told / 4
