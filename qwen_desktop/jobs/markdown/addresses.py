"""Addresses in running text: which may be opened at all, and which words are one without being marked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

_REST = r"[^\s<>\"'`，。；：！？、（）【】「」『』《》]+"
#: Beside whole addresses, as GitHub does: names that begin with www, and mail addresses.
_BARE = re.compile(
    rf"(?P<whole>https?://{_REST})"
    rf"|(?<![\w./@-])(?P<name>www\.[\w-]+\.{_REST})"
    r"|(?<![\w.+/@:-])(?P<mail>[A-Za-z0-9][A-Za-z0-9._+-]{0,63}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z0-9]+)(?![\w@-])",
    re.IGNORECASE,
)
_PREFIXES = {"whole": "", "name": "http://", "mail": "mailto:"}
_TRAILING = ".,;:!?*_~'\""


def safe_href(address: str) -> str:
    """``address`` when it is an http, https or mailto link, else an empty string."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    if parts.scheme in ("http", "https"):
        return address if parts.netloc else ""
    return address if parts.scheme == "mailto" and parts.path else ""


def host(address: str) -> str:
    """The computer that an address names, "" where it names none."""
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


def autolinks(text: str) -> Iterator[tuple[str, str]]:
    """The pieces of a text, each with the address that it is, or ""."""
    end = 0
    for match in _BARE.finditer(text):
        shown = match[0].rstrip(_TRAILING)
        closing, opening = shown.count(")"), shown.count("(")
        while closing > opening and shown.endswith(")"):
            shown, closing = shown[:-1].rstrip(_TRAILING), closing - 1
        address = _PREFIXES[match.lastgroup or ""] + shown
        if not safe_href(address):
            continue
        if match.start() > end:
            yield text[end : match.start()], ""
        yield shown, address
        end = match.start() + len(shown)
    if end < len(text):
        yield text[end:], ""
