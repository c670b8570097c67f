"""Texts below the window: a code, named parameters and an English source; and the one door that cleans strings.

``QT_TRANSLATE_NOOP`` has the name that Qt's ``lupdate`` looks for, so the sources are extracted for translation
without this layer importing Qt. The window translates; the command line prints the source.
"""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct, field
from msgspec.structs import force_setattr

Param: TypeAlias = str | int | float

#: A parameter of a sentence is no longer than this, a name no longer than that, in characters.
_LONGEST_PARAM, LONGEST_NAME = 1000, 160
#: What ends a line or moves the place of writing becomes a space, the marks that turn the direction of what follows
#: go, and other control characters are shown as what cannot be shown.
_ONE_LINE: dict[int, str | None] = {
    **dict.fromkeys([*range(32), *range(127, 160)], "\ufffd"),
    **dict.fromkeys([*range(9, 14), 0x85, 0x2028, 0x2029], " "),
    **dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)], None),
}


def QT_TRANSLATE_NOOP(context: str, source: str) -> str:
    """Mark ``source`` for translation in ``context`` and return it unchanged."""
    return source


class Text(Struct, frozen=True):
    """A sentence for people, translatable.

    ``code`` is stable and goes into logs and frames; ``source`` is English with ``{name}`` places, the same string
    that ``QT_TRANSLATE_NOOP`` marked; ``params`` fills the places, each ``shown`` as one line: names of files and what
    headers say may be anything.
    """

    code: str
    source: str
    params: dict[str, Param] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if any(isinstance(value, str) for value in self.params.values()):
            cleaned = {k: shown(v, _LONGEST_PARAM) if isinstance(v, str) else v for k, v in self.params.items()}
            force_setattr(self, "params", cleaned)

    def __str__(self) -> str:
        return fill(self.source, self.params)


def fill(template: str, params: dict[str, Param]) -> str:
    """Put ``params`` into ``template`` without ever raising: an unknown place stays as it is written."""
    for name, value in params.items():
        template = template.replace("{" + name + "}", str(value))
    return template


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
