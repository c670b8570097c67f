"""Amounts as people compare them, with their units: texts whose numbers the reader's language writes. Pure."""

from __future__ import annotations

from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Source, Text

_MB, _GB = QT_TRANSLATE_NOOP("units", "{n} MB"), QT_TRANSLATE_NOOP("units", "{n} GB")


def size(count: float) -> Text:
    """Bytes as people compare them: "640 MB", "2.5 GB", "118 GB"."""
    if count < 999.5e6:
        return _amount(_MB, count / 1e6)
    return _amount(_GB, count / 1e9, tenths=count < 99.95e9)


def whole(count: float) -> Text:
    """Bytes in whole GB, in tenths below ten: "21 GB", "3.4 GB"."""
    return _amount(_GB, count / 1e9, tenths=count < 9.95e9)


def tokens(count: int) -> Text:
    """Tokens of context: "8k", "128k", "1M"."""
    if count >= 1_000_000:
        return _amount(QT_TRANSLATE_NOOP("units", "{n}M"), count / 1_000_000)
    if count >= 1024:
        return _amount(QT_TRANSLATE_NOOP("units", "{n}k"), count // 1024)
    return _amount(QT_TRANSLATE_NOOP("units", "{n}"), count)


def _amount(unit: Source, value: float, *, tenths: bool = False) -> Text:
    return Text("amount", unit, {"n": round(value, 1) if tenths else round(value)})
