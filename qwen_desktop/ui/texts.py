"""The words of the layers below, translated; and numbers as people read them."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication, QLocale

from qwen_desktop.core.errors import Problem
from qwen_desktop.core.text import Text, fill

#: The contexts in which ``core``, ``engine``, ``store`` and ``services`` mark their sources for translation.
_CONTEXTS = ("errors", "history", "models", "chat", "engine", "gguf", "store", "settings", "commands", "fit", "advice")


def source(english: str, *contexts: str) -> str:
    """Translate a marked English source; untranslated it stays English."""
    for context in contexts or _CONTEXTS:
        found = QCoreApplication.translate(context, english)
        if found != english:
            return found
    return english


def text(value: Text) -> str:
    """Translate a ``Text`` and fill its places."""
    return fill(source(value.source), value.params)


def problem(value: Problem) -> str:
    """What went wrong and what to do, as one paragraph."""
    return f"{text(value.what)} {text(value.hint)}" if value.hint else text(value.what)


def number(value: float, decimals: int = 0) -> str:
    """A number in the user's locale."""
    return locale().toString(float(value), "f", decimals) if decimals else locale().toString(round(value))


def locale() -> QLocale:
    """The user's locale; English where the environment names none, since plain C groups no digits."""
    found = QLocale()
    return QLocale(QLocale.Language.English) if found.language() == QLocale.Language.C else found


def size(count: int) -> str:
    """Bytes in decimal units: "4.2 MB", "2.50 GB"."""
    for limit, name, decimals in ((1e9, "GB", 2), (1e6, "MB", 1), (1e3, "kB", 0)):
        if count >= limit:
            return f"{number(count / limit, decimals)} {name}"
    return QCoreApplication.translate("texts", "{n} bytes").replace("{n}", number(count))


def seconds(value: float) -> str:
    """A duration: "0.4 s", "12 s", "3 min 5 s"."""
    if value < 10:
        return f"{number(value, 1)} s"
    if value < 60:
        return f"{number(value)} s"
    return f"{number(int(value // 60))} min {number(int(value % 60))} s"
