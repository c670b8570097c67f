"""What an address of the network really names, for people who are about to open it.

A model writes addresses that may be made to deceive: a name before an @ that looks like a host, letters of other
scripts that look like Latin ones, signs that turn the direction of what follows.
"""

from __future__ import annotations

import unicodedata
from typing import Final
from urllib.parse import unquote

from msgspec import Struct

#: Alphabets with letters that pass for Latin ones, as Unicode's names of their letters begin.
_ALIKE: Final = ("CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC", "GEORGIAN", "LISU")


class Address(Struct, frozen=True):
    """``host`` as it is looked up; ``reads`` is how people would read it, where that is another. ``alike`` says that
    letters in it pass for Latin ones, ``before`` is what stands in front of an @, ``hidden`` says that the address
    holds signs that cannot be seen."""

    host: str
    reads: str = ""
    alike: bool = False
    before: str = ""
    hidden: bool = False

    @property
    def deceives(self) -> bool:
        """Whether it may lead somebody elsewhere than they think."""
        return bool(self.alike or self.before or self.hidden)


def address(host: str, before: str, url: str) -> Address:
    """The facts of an address ``url`` with this host and this text before an @."""
    pairs = [_both(label) for label in host.rstrip(".").split(".")]
    looked_up, reads = (".".join(labels) for labels in zip(*pairs, strict=True))
    alike = looked_up.rpartition(".")[2].isascii() and not pairs[-1][0].lower().startswith("xn--") and _passes(reads)
    hidden = visible(url) != url or any(unicodedata.category(char) == "Cf" for char in unquote(url))
    return Address(looked_up, reads if reads != looked_up else "", alike, before, hidden)


def visible(url: str) -> str:
    """An address with the signs that cannot be seen, and those that turn the direction, as numbers."""
    return "".join(f"\\u{ord(c):04x}" if unicodedata.category(c) in ("Cf", "Cc", "Zl", "Zp") else c for c in url)


def _both(label: str) -> tuple[str, str]:
    """A part of a host's name as it is looked up, and as it reads."""
    try:
        if label.lower().startswith("xn--"):
            return label.lower(), label[4:].encode("ascii").decode("punycode")
        return label.lower() if label.isascii() else label.encode("idna").decode("ascii"), label.lower()
    except UnicodeError:
        return label, label


def _passes(name: str) -> bool:
    return any(unicodedata.name(char, "").startswith(_ALIKE) for char in name if char.isalpha())
