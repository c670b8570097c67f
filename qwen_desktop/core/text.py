"""Texts below the window: a code, named parameters and an English source; and the one door that cleans strings.

``QT_TRANSLATE_NOOP`` has the name that Qt's ``lupdate`` looks for, so the sources are extracted for translation
without this layer importing Qt. The window translates; the command line prints the source.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct, field
from msgspec.structs import force_setattr

#: What fills a place. Numbers are written as the reader's language does, a float with one decimal; a ``Text`` is
#: translated first. What only looks like a number (a port, a year, an error's code) is a string.
Param: TypeAlias = "str | int | float | Text"

#: A parameter of a sentence is no longer than this, a name no longer than that, in characters.
_LONGEST_PARAM, LONGEST_NAME = 1000, 160
#: What ends a line or moves the place of writing becomes a space, the marks that turn the direction of what follows
#: go, and other control characters are shown as what cannot be shown.
_ONE_LINE: dict[int, str | None] = {
    **dict.fromkeys([*range(32), *range(127, 160)], "\ufffd"),
    **dict.fromkeys([*range(9, 14), 0x85, 0x2028, 0x2029], " "),
    **dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)], None),
}
_PLACE = re.compile(r"\{(\w+)\}")
#: "(s)" and "(es)" for many, or both forms: "(is|are)".
_FORMS = re.compile(r"\((?:(e?s)|([^()|]*)\|([^()|]*))\)")


class Source(str):
    """An English source that knows in which context it is translated. Made by ``QT_TRANSLATE_NOOP`` alone."""

    __slots__ = ("context",)
    context: str


def QT_TRANSLATE_NOOP(context: str, source: str) -> Source:
    """Mark ``source`` for translation in ``context``. One with ``%n`` (see ``plural``) needs a number to be shown."""
    marked = Source(source)
    marked.context = context
    return marked


class Text(Struct, frozen=True):
    """A sentence for people, translatable.

    ``code`` is stable and goes into logs and frames; ``source`` is English with ``{name}`` places, made by
    ``QT_TRANSLATE_NOOP``, from which ``context`` comes; ``params`` fills the places, each string ``shown`` as one line:
    names of files and what headers say may be anything. ``context`` is "" in what older versions stored: English.
    """

    code: str
    source: str
    params: dict[str, Param] = field(default_factory=dict)
    context: str = ""

    if TYPE_CHECKING:  # only a marked source is one

        def __init__(self, code: str, source: Source, params: dict[str, Param] = ...) -> None: ...

    def __post_init__(self) -> None:
        if isinstance(self.source, Source):
            force_setattr(self, "context", self.source.context)
            force_setattr(self, "source", str(self.source))
        if any(isinstance(value, str) for value in self.params.values()):
            cleaned = {k: shown(v, _LONGEST_PARAM) if isinstance(v, str) else v for k, v in self.params.items()}
            force_setattr(self, "params", cleaned)

    def __str__(self) -> str:
        return fill(self.source, self.params)

    @property
    def count(self) -> int:
        """The number that chooses among the forms of a source with ``%n``; -1 for a source without forms."""
        n = self.params.get("n")
        return n if isinstance(n, int) and "%n" in self.source else -1


def fill(template: str, params: dict[str, Param]) -> str:
    """Put ``params`` into the English ``template`` without ever raising: an unknown place stays as it is written."""
    n = params.get("n")
    if isinstance(n, int) and "%n" in template:
        template = plural(template, n).replace("%n", english(n))
    return put(template, {name: english(value) for name, value in params.items()})


def put(template: str, places: dict[str, str]) -> str:
    """Put strings into the places of ``template``; what they bring along is no place again."""
    return _PLACE.sub(lambda found: places.get(found[1], found[0]), template)


def plural(source: str, n: int) -> str:
    """The English form of ``source`` for ``n`` things: "%n file(s) (is|are) missing" is "%n file is missing" for 1.
    ``%n`` stays. This is the one rule for English plurals; the window's are made by it too (``tools/translations``)."""

    def form(found: re.Match[str]) -> str:
        many, one, other = found.groups()
        return ("" if n == 1 else many) if many else (one if n == 1 else other)

    return _FORMS.sub(form, source)


def english(value: Param) -> str:
    """A value as the command line writes it."""
    if isinstance(value, str):
        return value
    if isinstance(value, Text):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


def clean(text: str) -> str:
    """Return ``text`` without NUL characters and lone surrogates.

    SQLite stops at NUL and both SQLite and msgspec refuse lone surrogates, so every string that comes from outside
    (keyboard, clipboard, model, file) passes through here once.
    """
    if "\x00" in text:
        text = text.replace("\x00", "")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def is_text(value: str) -> bool:
    """Whether ``value`` has no lone surrogates."""
    return value.isascii() or not any("\ud800" <= sign <= "\udfff" for sign in value)


def shown(text: str, longest: int = LONGEST_NAME) -> str:
    """``text``, which somebody else wrote (the name of a file, a header), as one line that can be shown.

    Bytes of a name that are no UTF-8 become U+FFFD. A longer one keeps its beginning and its end.
    """
    text = clean(text.replace("\x00", "\ufffd"))
    if not text.isprintable():
        text = text.translate(_ONE_LINE)
    if len(text) > longest:
        tail = longest // 3
        text = f"{text[: longest - tail - 1]}…{text[-tail:]}"
    return text
