"""A saved message (.eml): who wrote it to whom and when, its text, and the names of what is attached."""

from __future__ import annotations

import email
import email.header
import email.message
import email.policy
import re
from collections.abc import Callable, Iterator
from typing import BinaryIO

from qwen_desktop.core import amounts
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text, shown
from qwen_desktop.jobs.documents import encodings, failures
from qwen_desktop.jobs.documents.draft import Draft
from qwen_desktop.jobs.documents.html import convert, decoded

_HEADERS = ("From", "To", "Cc", "Date", "Subject")
#: A message with its attachments is read as a whole, so much of it at most.
_LARGEST = 96 << 20
_LONGEST_HEADER = 4_000
_MOST_PARTS = 500
_NESTED = re.compile(rb"^content-type:\s*(?:multipart|message)/", re.IGNORECASE | re.MULTILINE)
_MOST_NESTED = 200
#: What Python's reader raises for headers and bodies that are no such thing.
_STUMBLES = (ValueError, LookupError, TypeError, AttributeError, AssertionError)


def read_mail(file: BinaryIO, size: int, draft: Draft) -> None:
    """One message."""
    data = file.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        draft.cut = True
        draft.note(
            Text(
                "document.mail_long",
                QT_TRANSLATE_NOOP("documents", "Only the first {size} of the message were read."),
                {"size": amounts.size(_LARGEST)},
            )
        )
    if sum(1 for _ in _NESTED.finditer(data)) > _MOST_NESTED:  # Python's reader calls itself for each
        raise failures.deep(draft.name)
    try:
        message = email.message_from_bytes(data, policy=email.policy.compat32)
        _add(message, draft)
    except RecursionError as error:
        raise failures.deep(draft.name) from error


def _add(message: email.message.Message, draft: Draft) -> None:
    heads = [f"{name}: {text}" for name in _HEADERS if (text := header(message, name))]
    draft.section(header(message, "Subject"))
    draft.block("\n".join(heads))
    texts, attached = _parts(message, draft)
    for part in texts:
        draft.check()
        _body(part, draft)
    if attached:
        draft.section("Attachments")
        draft.block("Attachments:")
        for line in attached:
            draft.block(f"- {line}", item=True)
        draft.note(
            Text(
                "document.attachments",
                QT_TRANSLATE_NOOP("documents", "%n attachment(s) of the message (was|were) not read."),
                {"n": len(attached)},
            )
        )


def _parts(message: email.message.Message, draft: Draft) -> tuple[list[email.message.Message], list[str]]:
    """The parts with text that are shown, and a line for each that is attached."""
    texts: list[email.message.Message] = []
    attached: list[str] = []
    for number, part in enumerate(_walk(message)):
        draft.check()
        if number >= _MOST_PARTS:
            break
        kind = _said(part.get_content_type)
        if _said(part.get_content_disposition) == "attachment" or (kind not in _TEXTS) or _said(part.get_filename):
            attached.append(_attached(part, kind))
        else:
            texts.append(part)
    plain = [part for part in texts if part.get_content_type() == "text/plain" and _payload(part).strip()]
    return plain or [part for part in texts if part.get_content_type() == "text/html"], attached


_TEXTS = ("text/plain", "text/html")


def _walk(message: email.message.Message) -> Iterator[email.message.Message]:
    """The parts that are no container; a message that was forwarded whole is one."""
    waiting = [message]
    while waiting:
        part = waiting.pop()
        for name in ("Content-Type", "Content-Disposition"):  # their parameters are sorted out in steps without end
            if len(value := str(part.get(name, ""))) > _LONGEST_HEADER:
                part.replace_header(name, value[:_LONGEST_HEADER])
        inside = part.get_payload()
        if part.get_content_maintype() == "multipart" and isinstance(inside, list):
            waiting += reversed([one for one in inside if isinstance(one, email.message.Message)])
        else:
            yield part


def _attached(part: email.message.Message, kind: str) -> str:
    inside = part.get_payload()
    if kind == "message/rfc822" and isinstance(inside, list):
        for one in inside[:1]:
            if isinstance(one, email.message.Message):
                return f"Message: {header(one, 'Subject') or '(no subject)'}"
    name = shown(unfolded(_said(part.get_filename))) or "(no name)"
    return f"{name} ({shown(kind)}, {len(_payload(part)):,} bytes)"


def _body(part: email.message.Message, draft: Draft) -> None:
    charset = _said(part.get_content_charset)
    data = _payload(part)
    if part.get_content_type() == "text/html":
        text, note = decoded(data, charset)
        if note is not None:
            draft.note(note)
        convert(text, draft)
        return
    text, note = encodings.decoded(data, said=charset)
    if note is not None:
        draft.note(note)
    draft.block(text)


def _said(ask: Callable[[], str | None]) -> str:
    """What a header says; "" where it cannot be read."""
    try:
        return ask() or ""
    except _STUMBLES:
        return ""


def _payload(part: email.message.Message) -> bytes:
    try:
        found = part.get_payload(decode=True)
    except _STUMBLES:
        return b""
    return found if isinstance(found, bytes) else b""


def header(message: email.message.Message, name: str) -> str:
    """A header as one line, "" when there is none."""
    found = message.get_all(name)
    if not found:
        return ""
    return shown(unfolded(", ".join(map(str, found[:20]))[:_LONGEST_HEADER]), _LONGEST_HEADER).strip()


def unfolded(value: str) -> str:
    """A header with its encoded words read, as far as they can be."""
    try:
        pieces = email.header.decode_header(value)
    except (email.errors.HeaderParseError, *_STUMBLES):
        return value
    texts = []
    for piece, charset in pieces:
        if isinstance(piece, str):
            texts.append(piece)
            continue
        try:
            texts.append(piece.decode(charset or "utf-8", "replace"))
        except (LookupError, ValueError):
            texts.append(piece.decode("utf-8", "replace"))
    return " ".join("".join(texts).split())
