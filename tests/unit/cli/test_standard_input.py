"""A piped message arrives exactly as it was, or is refused."""

from __future__ import annotations

import codecs

import pytest

from qwen_desktop.cli.standard_input import decoded
from qwen_desktop.core.errors import UserFacing

WORDS = "Ünïcode 水火\n你好, \U0001f600 \ufeff inside\r\n\ttab"


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (b"", "utf-8"),
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
    ],
)
def test_a_mark_or_utf8_says_the_encoding(mark: bytes, encoding: str) -> None:
    assert decoded(mark + WORDS.encode(encoding)) == WORDS


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ("你好，世界".encode("gb18030"), "is not in UTF-8"),
        ("Grüße".encode("latin-1"), "is not in UTF-8"),
        ("Привет".encode("koi8-r"), "is not in UTF-8"),
        ("hello".encode("utf-16-le"), "not a text"),
        ("hello".encode("utf-16-be"), "not a text"),
        ("Привет".encode("utf-16-le"), "not a text"),
        ("Γειά".encode("utf-16-be"), "is not in UTF-8"),
        (codecs.BOM_UTF16_LE + b"h\x00i", "is not in UTF-8"),
        (codecs.BOM_UTF16_LE + b"\x00\xd8h\x00", "is not in UTF-8"),  # half a pair
        (b"\xed\xb3\xa9", "is not in UTF-8"),  # a lone surrogate
        (b"\xff" * 9, "is not in UTF-8"),
        (b"a\x00b", "not a text"),
        (codecs.BOM_UTF16_LE + "a\x00b".encode("utf-16-le"), "not a text"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "is not in UTF-8"),
    ],
)
def test_anything_else_is_refused_with_what_to_do(data: bytes, sentence: str) -> None:
    with pytest.raises(UserFacing, match=sentence) as told:
        decoded(data)
    assert "iconv -f" in told.value.problem.sentence()
    assert "chat" not in told.value.problem.sentence()  # other commands read it, too


def test_on_windows_the_consoles_code_page_is_tried_last_and_strictly() -> None:
    assert decoded("Größe 水".encode(), code_page="cp1252") == "Größe 水"
    assert decoded("Größe".encode("cp1252"), code_page="cp1252") == "Größe"
    assert decoded("你好".encode("cp936"), code_page="cp936") == "你好"
    with pytest.raises(UserFacing):
        decoded(b"\x81\x8d\x90", code_page="cp1252")
    with pytest.raises(UserFacing):
        decoded(b"\xff", code_page="cp99999")


def test_logs_of_terminals_are_texts() -> None:
    log = "\x1b[32mok\x1b[0m 12 tests\x07 passed\x08\n\x0cnext page\x0b"
    assert decoded(log.encode()) == log
