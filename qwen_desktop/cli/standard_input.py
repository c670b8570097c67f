"""A message that is piped in: bytes whose encoding nobody tells.

A byte order mark says it; else valid UTF-8 is UTF-8; else on Windows it is the console's code page; else the message is
refused, since an answer to garbage looks like an answer. What is no text at all (NULs, a picture) is refused too: the
bytes of UTF-16 without a mark are often valid UTF-8.
"""

from __future__ import annotations

import codecs
import locale
import os
import select
import sys

from qwen_desktop.core.chat import LONGEST_MESSAGE, message_too_long
from qwen_desktop.core.errors import Failure, UserFacing
from qwen_desktop.core.text import QT_TRANSLATE_NOOP

#: No encoding needs more bytes for a character.
_MOST = 4 * LONGEST_MESSAGE + 4
_CHUNK = 1 << 20
#: The longer marks first: that of UTF-16 is the beginning of one of UTF-32.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
#: Control characters that no text has, but every other byte of some alphabets in UTF-16.
_NO_TEXT = frozenset(map(chr, (*range(1, 7), *range(0x0E, 0x1B), 0x1C, 0x1D, 0x1F)))
#: One of so many characters may be one: old printers' files and logs of terminals have a few.
_RARE = 20

# fmt: off
_unknown_encoding = Failure(
    UserFacing, "input.encoding", "",
    QT_TRANSLATE_NOOP("cli", "What was piped in is not in UTF-8, and nothing says what it is in."),
    QT_TRANSLATE_NOOP("cli", "Convert it first, such as: iconv -f GB18030 -t UTF-8 FILE"),
)
_no_text = Failure(
    UserFacing, "input.binary", "",
    QT_TRANSLATE_NOOP("cli", "What was piped in is not a text, or one in UTF-16 without a byte order mark."),
    QT_TRANSLATE_NOOP("cli", "Convert it first, such as: iconv -f UTF-16LE -t UTF-8 FILE"),
)
# fmt: on


def read_message() -> str:
    """All of standard input. Blocks. Raises ``UserFacing`` for what is too long or in an unknown encoding, and
    ``OSError``."""
    # only Python's own reading understands what is typed in Windows' console
    data = sys.stdin.buffer.read(_MOST + 1) if sys.stdin.isatty() else _read(sys.stdin.fileno())
    if len(data) > _MOST:
        raise message_too_long()
    text = decoded(data)
    if len(text) > LONGEST_MESSAGE:
        raise message_too_long()
    return text


def decoded(data: bytes, *, code_page: str | None = None) -> str:
    """``data`` as text. ``code_page`` is the encoding of this system's console, None where there is none.

    Raises ``UserFacing`` when that cannot be known: the text is then never a guess.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _checked(_strictly(data[len(mark) :], encoding))
    try:
        return _checked(data.decode("utf-8"))
    except UnicodeDecodeError:
        return _checked(_strictly(data, code_page or _console_encoding()))


def _strictly(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding or "utf-8")
    except (UnicodeDecodeError, LookupError) as error:
        raise _unknown_encoding() from error


def _checked(text: str) -> str:
    if "\x00" in text or sum(sign in _NO_TEXT for sign in text) * _RARE > len(text):
        raise _no_text()
    return text


def _console_encoding() -> str:
    """The code page in which Windows' consoles and their programs write; "" elsewhere."""
    encoding = ""
    if sys.platform == "win32":
        import ctypes  # noqa: PLC0415 - only for such input

        number = ctypes.windll.kernel32.GetConsoleCP()
        encoding = f"cp{number}" if number else locale.getencoding()
    return encoding


def _read(number: int) -> bytes:
    """What comes, a little more than is allowed at most."""
    found = bytearray()
    while len(found) <= _MOST:
        try:
            chunk = os.read(number, _CHUNK)
        except BlockingIOError:  # somebody made the pipe so that it does not wait
            select.select([number], [], [])
            continue
        if not chunk:
            break
        found += chunk
    return bytes(found)
