"""What is typed into the search: words, "phrases", -without, and ``folder:``, ``tag:``, ``model:``, ``before:``,
``after:``, ``has:``.

Nothing that is typed is an error: a prefix that nobody knows is a word, one without a value, or with one that makes no
sense yet, asks for nothing. Each word is found at the beginning of a word, one of a single letter only as it is; a
phrase is found as it is, the last word of one that is not closed yet by its beginning.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from functools import cached_property, lru_cache

from msgspec import Struct

from qwen_desktop.core.chat import Conversation
from qwen_desktop.core.parts import Role
from qwen_desktop.core.words import LETTER, Folded, is_own, part_at, words_of

#: What may stand before a colon.
PREFIXES = ("folder", "tag", "model", "before", "after", "has")
#: What ``has:`` may ask for.
HAS = ("code", "file", "image")
#: So many words count; the rest of a pasted page asks for nothing.
MOST_TERMS = 32
#: So much of what is typed is read, in characters.
LONGEST = 1000

_QUOTES = '"“”„‟＂'
_PIECES = re.compile(
    rf"(?P<minus>-(?=\S))?(?:(?P<name>[A-Za-z]+)[:：])?(?:[{_QUOTES}](?P<quoted>[^{_QUOTES}]*)(?P<closed>[{_QUOTES}]?)"
    rf"|(?P<bare>[^\s{_QUOTES}]*))"
)
_DATE = re.compile(r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2}))?)?$")


class Term(Struct, frozen=True):
    """One word or phrase: its ``words`` as they are compared, one after the other. With ``prefix`` the last one is the
    beginning of a word. ``without``: no message that has it is wanted. It was typed from ``start`` to ``end``."""

    words: tuple[str, ...]
    prefix: bool
    phrase: bool
    without: bool
    start: int
    end: int


class Filter(Struct, frozen=True):
    """A prefix with its value, typed from ``start`` to ``end``. ``understood``: it asks for something.

    ``when`` is the time that ``before:`` and ``after:`` name, in seconds since the epoch: the begin of that day, month
    or year here.
    """

    name: str
    value: str
    start: int
    end: int
    understood: bool
    when: float | None = None


class _Known(Struct, frozen=True):
    text: str
    terms: tuple[Term, ...] = ()
    filters: tuple[Filter, ...] = ()


class Query(_Known, frozen=True, dict=True):
    """What was typed (``text``), understood."""

    def __bool__(self) -> bool:
        return bool(self.wanted or self.asked)

    @cached_property
    def wanted(self) -> tuple[Term, ...]:
        """The words and phrases that must be there, each once."""
        wanted = (term for term in self.terms if not term.without)
        return tuple({(term.words, term.prefix, term.phrase): term for term in wanted}.values())

    @cached_property
    def unwanted(self) -> tuple[Term, ...]:
        """Those that must not be there."""
        return tuple(term for term in self.terms if term.without)

    @cached_property
    def asked(self) -> tuple[Filter, ...]:
        """The prefixes that ask for something."""
        return tuple(entry for entry in self.filters if entry.understood)

    def values(self, name: str) -> tuple[str, ...]:
        """What is asked for with one prefix."""
        return tuple(entry.value for entry in self.asked if entry.name == name)

    @property
    def after(self) -> float | None:
        """Nothing older is wanted, in seconds since the epoch."""
        return max((f.when for f in self.asked if f.name == "after" and f.when is not None), default=None)

    @property
    def before(self) -> float | None:
        """Only what is older is wanted."""
        return min((f.when for f in self.asked if f.name == "before" and f.when is not None), default=None)

    @property
    def plain(self) -> str:
        """What was typed without the prefixes that ask for something."""
        kept, place = [], 0
        for entry in self.asked:
            kept.append(self.text[place : entry.start])
            place = entry.end
        return " ".join("".join((*kept, self.text[place:])).split())

    def without(self, entry: Filter) -> str:
        """What is typed once the prefix is taken away."""
        return f"{self.text[: entry.start].rstrip()} {self.text[entry.end :].lstrip()}".strip()

    def ranges(self, text: str) -> tuple[tuple[int, int], ...]:
        """Where the wanted words stand in ``text``, in order; what stands side by side is one range."""
        folded = Folded(text)
        return joined(text, sorted(span for term in self.wanted for span in spans(term, folded)))

    def accepts(self, text: str, beside: str = "") -> bool:
        """Whether a message that says ``text``, and has files called ``beside``, has all words that are wanted and none
        that is not. The prefixes are not looked at."""
        said, names = Folded(text), Folded(beside)

        def there(term: Term) -> bool:
            return any(next(spans(term, folded), None) is not None for folded in (said, names))

        return all(map(there, self.wanted)) and not any(map(there, self.unwanted))


def parse(text: str, *, today: dt.date | None = None) -> Query:
    """Understand what is typed. Never fails."""
    terms: list[Term] = []
    filters: list[Filter] = []
    day = today or dt.date.today()
    for found in _PIECES.finditer(text[:LONGEST]):
        if found.end() == found.start():
            continue
        name = (found["name"] or "").lower()
        value = found["bare"] if found["quoted"] is None else found["quoted"]
        if name in PREFIXES and not found["minus"]:
            filters.append(_filter(name, value.strip(), found.start(), found.end(), day))
            continue
        # A quote inside a word ("don"t) ends it; a prefix that nobody knows is a word.
        said = f"{found['name']} {value}" if name else value
        words = words_of(said)
        if words and len(terms) < MOST_TERMS:
            phrase = found["quoted"] is not None and not name
            # A word of one letter would be the beginning of half of all words.
            short = len(words[-1]) == 1
            prefix = not short and not (phrase and found["closed"])
            terms.append(Term(words, prefix, phrase, found["minus"] is not None, found.start(), found.end()))
    return Query(text, tuple(terms), tuple(filters))


def _filter(name: str, value: str, start: int, end: int, today: dt.date) -> Filter:
    if name == "has":
        return Filter(name, value.lower(), start, end, value.lower() in HAS)
    if name in ("before", "after"):
        when = _when(value.lower(), today)
        return Filter(name, value, start, end, when is not None, when)
    return Filter(name, value, start, end, bool(words_of(value)))


def _when(value: str, today: dt.date) -> float | None:
    day: dt.date | None = {"today": today, "yesterday": today - dt.timedelta(days=1)}.get(value)
    found = _DATE.match(value)
    try:
        if found is not None:
            day = dt.date(int(found[1]), int(found[2] or 1), int(found[3] or 1))
        return None if day is None else dt.datetime.combine(day, dt.time()).timestamp()  # here, as the user's day is
    except (ValueError, OverflowError, OSError):  # no such day, or one that the system cannot count
        return None


# Where words stand ---------------------------------------------------------------------------------------------------


def spans(term: Term, folded: Folded) -> Iterator[tuple[int, int]]:
    """Where a term stands in a text, in order."""
    pattern = _pattern(term.words, term.prefix, not term.phrase)
    place = 0
    while (place := folded.text.find(term.words[0], place)) >= 0:  # some ten times as fast as the pattern alone
        found = pattern.match(folded.text, place)
        if found is not None:
            start, end = folded.span(found.start(), found.end())
            if found.lastindex is None or part_at(folded.original, start).startswith(term.words[0]):
                yield start, end
                place = found.end()
                continue  # else in the middle of a word, where no part of it begins
        place += 1


@lru_cache(maxsize=256)
def _pattern(words: tuple[str, ...], prefix: bool, parts: bool) -> re.Pattern[str]:
    """What finds words that follow each other. With ``parts`` also the beginning of one in the middle of a word, and
    has a group then."""
    pieces = []
    for number, word in enumerate(words):
        piece = re.escape(word)
        if not is_own(word):
            exact = number < len(words) - 1 or not prefix
            piece = f"(?<!{LETTER}){piece}" + (f"(?!{LETTER})" if exact else "")
        pieces.append(piece)
    if parts and prefix and len(words) == 1 and not is_own(words[0]):
        pieces.append(f"|({re.escape(words[0])})")
        return re.compile("".join(pieces))
    return re.compile(" *".join(pieces))


def joined(text: str, found: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Ranges in order, those that meet or have one space between them as one."""
    result: list[tuple[int, int]] = []
    for start, end in found:
        if result and start <= result[-1][1] + (text[result[-1][1] : start].isspace() and start - result[-1][1] == 1):
            result[-1] = (result[-1][0], max(result[-1][1], end))
        else:
            result.append((start, end))
    return tuple(result)


# What is found -------------------------------------------------------------------------------------------------------


class Hit(Struct, frozen=True):
    """One place where something was found. ``message_id`` is "" where it is the conversation's title. ``marks`` are
    ranges in ``snippet``; ``attachment`` names the file in which it stands, "" for the message's own words.

    ``created`` is the message's time, of a title the conversation's last change; the higher the ``score``, the better.
    """

    conversation: Conversation
    message_id: str
    role: Role | None
    title: str
    snippet: str
    marks: tuple[tuple[int, int], ...]
    created: float
    attachment: str = ""
    score: float = 0.0


class Found(Struct, frozen=True):
    """The best hits, and how many ``messages`` in how many ``conversations`` there are in all. ``more``: so many were
    found that not all were counted. ``preparing``: older messages are still being read, and may be missing."""

    hits: tuple[Hit, ...] = ()
    messages: int = 0
    conversations: int = 0
    more: bool = False
    preparing: bool = False
