"""The one door for words and numbers: what is marked is translated, and every number, size and time stands as the
user's language writes it.

In a ``QObject`` a text is ``self.tr("…")``, elsewhere ``translate("context", "…")``: literals, since ``lupdate`` reads
them from the source. Forms for one and many: ``self.tr("%n file(s)", "", n)``. Places are filled by ``fill``.
"""

from __future__ import annotations

import html
import re
import time
import unicodedata
from collections.abc import Iterable

from PySide6.QtCore import QCoreApplication, QDate, QDateTime, QLocale
from PySide6.QtGui import QGuiApplication, Qt

from qwen_desktop.core import amounts
from qwen_desktop.core.errors import Problem
from qwen_desktop.core.text import Param, Source, Text, put

#: ``translate(context, source, "", n)``: for functions and classes that have no ``self.tr``. ``n`` chooses the form.
translate = QCoreApplication.translate
#: The day of the week in a form for dates.
_WEEKDAY = re.compile(r"[\s,،]*dddd[\s,،]*")
#: Characters of a tooltip.
_LONGEST_TIP = 300


# Texts ----------------------------------------------------------------------------------------------------------------


def marked(source: Source | None, n: int = -1) -> str:
    """A source that was marked elsewhere, translated in its own context; "" for none."""
    if not source:
        return ""
    return translate(source.context, source, "", n if "%n" in source else -1)  # others have one form, for any number


def text(value: Text) -> str:
    """Translate a ``Text`` and fill its places."""
    if not value.context:  # from the history of a version that did not keep it
        return str(value)
    return fill(translate(value.context, value.source, "", value.count), **value.params)


def problem(value: Problem) -> str:
    """What went wrong and what to do, as one paragraph."""
    return f"{text(value.what)} {text(value.hint)}" if value.hint else text(value.what)


def fill(sentence: str, /, **places: Param) -> str:
    """Put values into the ``{places}`` of a translated sentence, numbers as the user writes them (a float with one
    decimal). What they bring along is no place again."""
    return put(sentence, {name: _shown(value) for name, value in places.items()})


def _shown(value: Param) -> str:
    if isinstance(value, str):
        return isolated(value)
    if isinstance(value, Text):
        return text(value)
    return number(value, 1 if isinstance(value, float) else 0)


def isolated(name: str) -> str:
    """``name`` set by itself: where the window reads from right to left, one in Latin letters turns no sentence, and is
    turned by none."""
    if QGuiApplication.layoutDirection() is Qt.LayoutDirection.LeftToRight:
        return name
    way = next((way for way in map(unicodedata.bidirectional, name) if way in {"L", "R", "AL"}), "")
    # Not the newer marks that isolate: few fonts have them, and another font makes its line taller.
    return f"\u200f\u202a{name}\u202c\u200f" if way == "L" else name


def tip(text: str) -> str:
    """``text`` as a tooltip, cut where it is endless. What looks like markup is shown as it is written: Qt would read
    it, with pictures of files that it names, and models, pages and files can say anything."""
    text = text if len(text) <= _LONGEST_TIP else text[: _LONGEST_TIP - 1] + "…"
    return f'<span style="white-space: pre-wrap">{html.escape(text)}</span>' if Qt.mightBeRichText(text) else text


def catalogue(english: str) -> str:
    """What the catalogue says of a model. One that it did not ship with may have said it only now: in English."""
    return translate("catalogue", english) if english else ""


def joined(parts: Iterable[str]) -> str:
    """A list as people write it: "a, b, and c"."""
    return QLocale().createSeparatedList(list(parts))


# Numbers --------------------------------------------------------------------------------------------------------------


def number(value: float, decimals: int = 0) -> str:
    """A number in the user's locale."""
    return QLocale().toString(float(value), "f", decimals) if decimals else QLocale().toString(round(value))


def percent(share: float) -> str:
    """A share of 1, rounded down, so that 100 % is the whole: "64 %"."""
    return fill(translate("units", "{n} %"), n=int(share * 100))


def tokens(count: int) -> str:
    """ "4,096 tokens"."""
    return translate("units", "%n token(s)", "", count)


def context(count: int) -> str:
    """Tokens of context, short: "8k", "128k", "1M"."""
    return text(amounts.tokens(count))


def parameters(count: int) -> str:
    """Parameters of a model: "596M", "1.7B", "30.5B"."""
    if count < 950_000_000:
        return fill(translate("units", "{n}M"), n=count / 1e6)
    return fill(translate("units", "{n}B"), n=number(count / 1e9, 1 if count < 99.95e9 else 0))


# Sizes and speeds -----------------------------------------------------------------------------------------------------


def size(count: float) -> str:
    """Bytes as people compare them: "640 MB", "2.5 GB", "118 GB"."""
    return text(amounts.size(count))


def whole(count: float) -> str:
    """Bytes in whole GB, in tenths below ten: "21 GB", "3.4 GB"."""
    return text(amounts.whole(count))


def exact(count: float) -> str:
    """Bytes for a table or a progress: "4.93 GB", "312.0 MB", "12 kB", "7 bytes"."""
    if count >= 1e9:
        return fill(translate("units", "{n} GB"), n=number(count / 1e9, 2))
    if count >= 1e6:
        return fill(translate("units", "{n} MB"), n=number(count / 1e6, 1))
    if count >= 1e3:
        return fill(translate("units", "{n} kB"), n=number(count / 1e3))
    return translate("units", "%n byte(s)", "", round(count))


def of_size(done: float, total: float) -> str:
    """How much is there, in one unit: "1.61 of 2.50 GB"."""
    if total >= 1e9:
        sentence, unit, decimals = translate("units", "{done} of {total} GB"), 1e9, 2
    else:
        sentence, unit, decimals = translate("units", "{done} of {total} MB"), 1e6, 0
    return fill(sentence, done=number(done / unit, decimals), total=number(total / unit, decimals))


def rate(bytes_per_s: float) -> str:
    """Bytes per second: "38 MB/s", "640 kB/s"."""
    if bytes_per_s < 1e6:
        return fill(translate("units", "{n} kB/s"), n=number(bytes_per_s / 1e3))
    return fill(translate("units", "{n} MB/s"), n=number(bytes_per_s / 1e6, 0 if bytes_per_s >= 9.95e6 else 1))


def speed(tokens_per_s: float) -> str:
    """Measured tokens per second: "8.3 tok/s", "120 tok/s"."""
    return fill(translate("units", "{n} tok/s"), n=number(tokens_per_s, 0 if tokens_per_s >= 100 else 1))


def about_speed(tokens_per_s: float | None) -> str:
    """Predicted tokens per second: "about 18 tok/s"; empty while unknown."""
    if not tokens_per_s:
        return ""
    return fill(translate("units", "about {n} tok/s"), n=number(tokens_per_s, 0 if tokens_per_s >= 9.5 else 1))


# Times ----------------------------------------------------------------------------------------------------------------


def seconds(value: float) -> str:
    """A measured time: "0.4 s", "12 s", "3 min 5 s", "2 h 10 min"."""
    if value < 10:
        return fill(translate("units", "{n} s"), n=float(value))
    return duration(value)


def duration(value: float) -> str:
    """A time in whole seconds: "4 s", "3 min 5 s", "2 h 10 min"."""
    total = round(value)
    if total < 60:
        return fill(translate("units", "{n} s"), n=total)
    minutes, rest = divmod(total, 60)
    if minutes < 60:
        return fill(translate("units", "{min} min {s} s"), min=minutes, s=rest)
    hours, minutes = divmod(minutes, 60)
    return fill(translate("units", "{h} h {min} min"), h=hours, min=minutes)


def left(value: float) -> str:
    """Time left in seconds, rounded as far as it can be trusted: "24 s left", "3 min left", "2 h 10 min left"."""
    if value < 100:
        return fill(translate("units", "{n} s left"), n=max(1, round(value)))
    minutes = round(value / 60)
    if minutes < 100:
        return fill(translate("units", "{n} min left"), n=minutes)
    hours, minutes = divmod(minutes, 60)
    return fill(translate("units", "{h} h {min} min left"), h=hours, min=minutes // 10 * 10)


def date(when: float) -> str:
    """The day of a time in seconds of the epoch: "12 April 2025"."""
    return QLocale().toString(QDateTime.fromSecsSinceEpoch(int(when)).date(), QLocale.FormatType.LongFormat)


def day(when: float) -> str:
    """The day of a time as people say it: "today", "yesterday", "12 April 2025", without the day of the week."""
    found, now = (QDateTime.fromSecsSinceEpoch(int(each)).date() for each in (when, time.time()))
    if 0 <= found.daysTo(now) <= 1:
        return translate("units", "yesterday") if found.daysTo(now) else translate("units", "today")
    pattern = _WEEKDAY.sub("", QLocale().dateFormat(QLocale.FormatType.LongFormat))
    return QLocale().toString(found, pattern)


def month(year: int, number_: int) -> str:
    """A month of a year: "April 2025"."""
    name = QLocale().standaloneMonthName(number_)
    return fill(translate("units", "{month} {year}"), month=name, year=QLocale().toString(QDate(year, 1, 1), "yyyy"))


def ago(when: float) -> str:
    """How long ago a time was, in days: "today", "yesterday", "12 days ago", "3 months ago"."""
    days = int((time.time() - when) // 86400)
    if days <= 0:
        return translate("units", "today")
    if days == 1:
        return translate("units", "yesterday")
    if days < 60:
        return translate("units", "%n day(s) ago", "", days)
    return translate("units", "%n month(s) ago", "", days // 30)
