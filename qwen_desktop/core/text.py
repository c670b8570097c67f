"""Texts below the window: a code, named parameters and an English source; and the one door that cleans strings.

``QT_TRANSLATE_NOOP`` has the name that Qt's ``lupdate`` looks for, so the sources are extracted for translation
without this layer importing Qt. The window translates; the command line prints the source.
"""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct, field

Param: TypeAlias = str | int | float


def QT_TRANSLATE_NOOP(context: str, source: str) -> str:
    """Mark ``source`` for translation in ``context`` and return it unchanged."""
    return source


class Text(Struct, frozen=True):
    """A sentence for people, translatable.

    ``code`` is stable and goes into logs and frames; ``source`` is English with ``{name}`` places, the same string
    that ``QT_TRANSLATE_NOOP`` marked; ``params`` fills the places.
    """

    code: str
    source: str
    params: dict[str, Param] = field(default_factory=dict)

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
