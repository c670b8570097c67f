"""The job ``document.passages``: which parts of a long text answer a question, within a budget of characters.

The text is cut at its sections and paragraphs into passages of some thousand characters, each scored by how many of
the question's words it has, how rare they are in this text, and how long it is (BM25). What is chosen comes back in
the order of the text, with what touches joined. The same text and question give the same passages.
"""

from __future__ import annotations

import bisect
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from qwen_desktop.core.documents import Passage

#: Characters of a passage: paragraphs are joined up to the first, and cut where they are longer than the second.
_JOINED, _LONGEST = 800, 1_600
#: BM25's two numbers, as usual: how soon more of the same word counts less, and how much a long passage is held back.
_K1, _B = 1.2, 0.75
#: A word of a section's title counts as so many in its passages.
_TITLE = 2
#: A passage that has less than this share of the best one's score is left out, even where there is room.
_LEAST = 0.08
_MOST_TERMS = 64
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+|[\w']+", re.UNICODE)
_CJK = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_REST = re.compile(r"\w*")
_BREAK = re.compile(r"\n[ \t]*\n\s*")
_SOFT = re.compile(r"\n|(?<=[.!?…])\s|(?<=[。！？；])|[ \t]")
#: Words that say nothing about what is asked, in the languages of the interface and some more.
_EMPTY_WORDS = (
    "a about an and are as at be by can do does for from give how i in is it its me my of on or please say so tell "
    "that the there this to was what when where which who why will with you your der die das und ist im in von zu den "
    "was wie wer wo le la les des un une et est de du que qui el los las y en del por и в не на что как это с по о к"
)
_EMPTY = frozenset(_EMPTY_WORDS.split())


def pick(text: str, sections: Sequence[Sequence[Any]], query: str, characters: int) -> dict[str, Any]:
    """``{"ranges": [[start, end, score], ...]}`` of ``text``, together ``characters`` long at most.

    ``sections`` are those of a ``Document``. Without a question, or where nothing of it is found: the beginning, and
    of the other sections how each begins.
    """
    spans = [(str(title), int(start), int(end)) for title, start, end in sections]
    if characters <= 0 or not text:
        chosen: list[Passage] = []
    elif len(text) <= characters:
        chosen = [Passage(0, len(text), 0.0)]
    else:
        chosen = _answering(text, spans, query, characters) or _beginnings(text, spans, characters)
    return {"ranges": [[passage.start, passage.end, passage.score] for passage in chosen]}


def _answering(text: str, spans: list[tuple[str, int, int]], query: str, characters: int) -> list[Passage]:
    terms = _terms(query)
    if not terms:
        return []
    passages = list(_passages(text, spans))
    scores = _scored(text, passages, terms)
    order = sorted((n for n in range(len(passages)) if scores[n] > 0), key=lambda n: (-scores[n], n))
    chosen: list[Passage] = []
    room = characters
    for number in order:
        start, end, _ = passages[number]
        if scores[number] < scores[order[0]] * _LEAST:
            break
        if end - start > room:
            if chosen:
                continue
            end = start + room  # the best one counts, even if only its beginning fits
        chosen.append(Passage(start, end, round(scores[number], 4)))
        room -= end - start
    return _joined(text, chosen, room)


def _terms(query: str) -> dict[str, float]:
    """The words of a question and how much each counts; of Chinese and Japanese each pair of characters."""
    words = Counter(map(_singular, _words(query)))
    telling = {word: float(count) for word, count in words.items() if word not in _EMPTY} or dict(words)
    return dict(list(telling.items())[:_MOST_TERMS])


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 4 and word.isascii() and word.endswith("s") and word[-2] not in "su" else word


def _words(text: str) -> Iterable[str]:
    for word in _WORD.findall(folded(text)):
        if _CJK.match(word):
            yield from (word[n : n + 2] for n in range(len(word) - 1)) if len(word) > 1 else word
        else:
            yield word.strip("'_") or word


def folded(text: str) -> str:
    """``text`` without the differences that nobody means who asks: case, accents, widths. As long as it was."""
    if text.isascii():
        return text.lower()
    return text.translate({ord(sign): _plain(sign) for sign in set(text)})


def _plain(sign: str) -> str:
    base = unicodedata.normalize("NFKD", sign)[:1].lower()
    return base if len(base) == 1 else sign


def _passages(text: str, spans: list[tuple[str, int, int]]) -> Iterable[tuple[int, int, str]]:
    """(start, end, title of its section): they cover the text."""
    for title, start, end in spans or [("", 0, len(text))]:
        begin = start
        for piece_end in _pieces(text, start, end):
            if piece_end - begin >= _JOINED or piece_end == end:
                yield begin, piece_end, title
                begin = piece_end


def _pieces(text: str, start: int, end: int) -> Iterable[int]:
    """Where pieces of text[start:end] end: after paragraphs, and inside those that are too long."""
    begin = start
    for found in _BREAK.finditer(text, start, end):
        yield from _cuts(text, begin, found.end())
        begin = found.end()
    if begin < end:
        yield from _cuts(text, begin, end)


def _cuts(text: str, start: int, end: int) -> Iterable[int]:
    while end - start > _LONGEST:
        place = start + _JOINED
        found = _SOFT.search(text, place, start + _LONGEST)
        start = found.end() if found else start + _LONGEST
        yield start
    yield end


def _scored(text: str, passages: list[tuple[int, int, str]], terms: dict[str, float]) -> list[float]:
    """The score of each passage. Words count from their beginning ("walk" finds "walking", for less)."""
    plain = folded(text)
    counts: list[Counter[str]] = [Counter() for _ in passages]
    starts = [start for start, _, _ in passages]
    for term in terms:
        _count(plain, term, starts, counts)
    average = sum(end - start for start, end, _ in passages) / max(1, len(passages))
    titles: dict[str, set[str]] = {}
    for number, (_, _, title) in enumerate(passages):
        if title:
            words = titles.get(title)
            if words is None:
                words = titles[title] = set(map(_singular, _words(title)))
            for term in terms:
                if term in words:
                    counts[number][term] += _TITLE
    rarity = {
        term: math.log(1 + (len(passages) - found + 0.5) / (found + 0.5))
        for term in terms
        for found in [sum(1 for count in counts if count[term])]
    }
    scores = []
    for (start, end, _), count in zip(passages, counts, strict=True):
        held = _K1 * (1 - _B + _B * (end - start) / average)
        scores.append(
            sum(
                terms[term] * rarity[term] * found * (_K1 + 1) / (found + held)
                for term, found in count.items()
                if found
            )
        )
    return scores


def _count(plain: str, term: str, starts: list[int], counts: list[Counter[str]]) -> None:
    """Add how often ``term`` stands in each passage: a whole word as one, the beginning of a longer one as half."""
    whole = _CJK.match(term) is not None
    number, place = 0, plain.find(term)
    while place >= 0:
        end = place + len(term)
        rest = 0
        if not whole:
            rest = -1 if place and _is_word(plain[place - 1]) else _rest(plain, end)
        if rest == 0 or (0 < rest <= len(term) and len(term) > 3):  # short ones begin too many others
            number = bisect.bisect_right(starts, place, number) - 1
            counts[number][term] += 1 if rest == 0 else 0.5  # type: ignore[assignment]
        place = plain.find(term, end)


def _rest(plain: str, end: int) -> int:
    """How many characters of a word come after ``end``."""
    found = _REST.match(plain, end)
    return len(found[0]) if found else 0


def _is_word(sign: str) -> bool:
    return sign.isalnum() or sign == "_"


def _beginnings(text: str, spans: list[tuple[str, int, int]], characters: int) -> list[Passage]:
    """The beginning of the text, half of what may be; then of each section its first lines."""
    first = _rounded(text, 0, characters if len(spans) < 3 else characters // 2)
    chosen = [Passage(0, first, 0.0)]
    rest = [(start, end) for _, start, end in spans if start >= first]
    room = characters - first
    if rest:
        each = max(80, room // len(rest))
        step = max(1, -(-len(rest) * each // max(1, room)))  # more sections than room: only some of them
        for start, end in rest[::step]:
            piece = _rounded(text, start, min(end, start + each, start + room))
            chosen.append(Passage(start, piece, 0.0))
            room -= piece - start
            if room < 80:
                break
    return _joined(text, chosen, 0)


def _rounded(text: str, start: int, end: int) -> int:
    """Back from ``end`` to where a line or word ends, if there is one not far before it."""
    if end >= len(text):
        return len(text)
    for sign in ("\n", " "):
        place = text.rfind(sign, start + (end - start) * 3 // 4, end)
        if place > start:
            return place + 1
    return end


def _joined(text: str, chosen: list[Passage], room: int) -> list[Passage]:
    """In the order of the text, neighbours as one, with the better score; small gaps are closed as far as there is
    ``room``."""
    found: list[Passage] = []
    for passage in sorted(chosen, key=lambda one: one.start):
        gap = passage.start - found[-1].end if found else -1
        if found and (gap <= 0 or (gap <= min(room, 200))):
            room -= max(0, gap)
            before = found.pop()
            passage = Passage(before.start, max(before.end, passage.end), max(before.score, passage.score))  # noqa: PLW2901
        found.append(passage)
    return found
