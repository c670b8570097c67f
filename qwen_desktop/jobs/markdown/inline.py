"""Emphasis in running text, and where a long paragraph may be cut. No blocks and no looks in here.

CommonMark lets a mark begin or end emphasis by the characters beside it and counts punctuation against it, which suits
scripts with spaces between words: 是**“重要”**的 stays as it is typed. Beside a Chinese, Japanese or Korean character
only white space counts against a mark, which is what writers of these scripts (and models) expect.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterator

from markdown_it import MarkdownIt
from markdown_it.common.utils import isMdAsciiPunct, isPunctChar, isWhiteSpace
from markdown_it.parser_inline import ParserInline
from markdown_it.rules_inline.state_inline import Scanned, StateInline
from markdown_it.token import Token
from markdown_it.utils import EnvType

#: Inline text longer than this is parsed in pieces, so that a growing paragraph costs only its last piece.
PIECE = 1500
#: A piece is never longer: a mark that is still open after so many characters was none.
LONGEST = 4 * PIECE

_CJK_FIRST, _CJK_LAST = 0x2E80, 0x1F000


class InlineParser(ParserInline):
    """markdown-it's inline parser with our rule for what may begin and end emphasis."""

    def parse(self, src: str, md: MarkdownIt, env: EnvType, tokens: list[Token]) -> list[Token]:
        """Append the tokens of ``src`` to ``tokens`` and return them."""
        state = _State(src, md, env, tokens)
        self.tokenize(state)
        for rule in self.ruler2.getRules(""):
            rule(state)
        return state.tokens


class _State(StateInline):
    def scanDelims(self, start: int, canSplitWord: bool) -> Scanned:  # noqa: N803 - the library's names
        end, most = start, self.posMax
        while end < most and self.src[end] == self.src[start]:
            end += 1
        before = self.src[start - 1] if start else " "
        after = self.src[end] if end < most else " "
        opens, closes = flanks(before, after, in_words=canSplitWord)
        return Scanned(opens, closes, end - start)


def flanks(before: str, after: str, *, in_words: bool) -> tuple[bool, bool]:
    """Whether marks between these two characters may begin and end emphasis; ``in_words`` also inside a word."""
    space_before, space_after = isWhiteSpace(ord(before)), isWhiteSpace(ord(after))
    if in_words and (_is_cjk(before) or _is_cjk(after)):
        return not space_after, not space_before
    mark_before, mark_after = _is_punctuation(before), _is_punctuation(after)
    left = not space_after and (not mark_after or space_before or mark_before)
    right = not space_before and (not mark_before or space_after or mark_after)
    if in_words:
        return left, right
    return left and (not right or mark_before), right and (not left or mark_after)


def _is_punctuation(character: str) -> bool:
    return isMdAsciiPunct(ord(character)) or isPunctChar(character)


@functools.lru_cache(maxsize=4096)
def _is_cjk(character: str) -> bool:
    """Whether a character belongs to Chinese, Japanese or Korean writing, their punctuation included, emoji not."""
    if unicodedata.east_asian_width(character) not in ("W", "F", "H"):
        return False
    return unicodedata.category(character) not in ("So", "Sk") or _CJK_FIRST <= ord(character) < _CJK_LAST


# Cutting -------------------------------------------------------------------------------------------------------------

_MARKS = re.compile(r"\\[(\[]|\\.|`+|\*+|_+|~~+|\$\$?|!?\[|\](?:\([^()\n]*(?:\([^()\n]*\)[^()\n]*)*\))?", re.DOTALL)
#: A place behind white space, or between a CJK stop and what is neither a mark nor white space.
_BORDER = re.compile(r"(?:(?<=[ \n\u3000])(?<!<br )(?=\S))|(?<=[。！？；，、：])(?=[^\s\\`*_~$!\[\]])")


def pieces(text: str) -> Iterator[str]:
    """Cut long inline text where nothing is open, so that the pieces mean what the whole means."""
    start = cut = 0
    while len(text) - start > PIECE:
        for size in (2 * PIECE, LONGEST):  # what is cut in the small window is remembered while the text grows
            whole = start + size >= len(text)
            cut = _cut(text[start : start + size], whole=whole, last=whole or size == LONGEST)
            if cut or whole:
                break
        if not cut:
            break
        yield text[start : start + cut]
        start += cut
    if start < len(text):
        yield text[start:]


@functools.lru_cache(maxsize=64)
def _cut(text: str, *, whole: bool, last: bool) -> int:
    """Where to cut ``text``: at the last good place before ``PIECE``, else at the first one behind it. 0: nowhere.

    ``whole``: nothing comes after it that could close what is open. ``last``: no larger part of it will be tried, so
    a place far before ``PIECE`` is good enough, and if it must be, one where something is open.
    """
    early = []
    before = 0
    for start, end in _free(text, whole=whole):
        if end < PIECE // 2:
            early.append((start, end))
            continue
        if start <= PIECE:
            before = _last_border(text, start, min(end, PIECE)) or before
        if end > PIECE:
            if before >= PIECE // 2:
                return before
            border = _BORDER.search(text, max(start, PIECE + 1), end + 1)
            if border is not None and border.start() <= end:
                return border.start()
    if not before:
        before = next(filter(None, (_last_border(text, start, end) for start, end in reversed(early))), 0)
    if not last and before < PIECE // 2:
        return 0
    if before or whole:
        return before
    return _last_border(text, 0, len(text) - 1) or len(text)


def _last_border(text: str, start: int, end: int) -> int:
    """The last good place to cut between two places, 0 where there is none."""
    first = end
    while first > start:
        first = max(start, first - 64)
        found = 0
        for border in _BORDER.finditer(text, first, end + 1):
            if border.start() <= end:
                found = border.start()
        if found:
            return found
    return 0


def _free(text: str, *, whole: bool) -> Iterator[tuple[int, int]]:
    """The stretches of ``text`` inside which it may be cut: no emphasis, link, code or formula is open there."""
    emphasis = _Emphasis()
    brackets = place = start = 0
    while (mark := _MARKS.search(text, place)) is not None:
        written, first, place = mark[0], mark.start(), mark.end()
        if not brackets and not emphasis.open:
            yield start, first
        if written[0] in "`$" or written in ("\\(", "\\["):
            end = _end_of(text, mark)
            if end < 0 and not whole:
                return  # it may end in what is not seen
            place = end if end > 0 else first + 1 if written == "$$" else place
        elif written[0] in "*_~":
            emphasis.add(written, text[first - 1] if first else " ", text[place] if place < len(text) else " ")
        elif written.endswith("["):
            brackets += 1
        elif written[0] == "]":
            brackets = max(0, brackets - 1)
        start = place
    if not brackets and not emphasis.open:
        yield start, len(text)


def open_formula(text: str) -> tuple[int, str]:
    """Where in a text a formula begins that does not end, and by what mark; "" where all end."""
    place = 0
    while (mark := _MARKS.search(text, place)) is not None:
        written, place = mark[0], mark.end()
        if written[0] not in "`$" and written not in ("\\(", "\\["):
            continue
        end = _end_of(text, mark)
        if end < 0:
            return (0, "") if written[0] == "`" else (mark.start(), written)
        place = end or (mark.start() + 1 if written == "$$" else place)
    return 0, ""


def _end_of(text: str, mark: re.Match[str]) -> int:
    """Where the code or formula that begins with ``mark`` ends; 0 when it is none, -1 when its end does not come."""
    written, behind = mark[0], mark.end()
    if written[0] == "\\":
        end = text.find("\\)" if written == "\\(" else "\\]", behind)
        return end + 2 if end >= 0 else -1
    if written[0] == "`":
        return _code_end(text, written, behind)
    return _formula_end(text, mark.start())


def _code_end(text: str, marks: str, behind: int) -> int:
    """Where the code ends that begins with ``marks`` before ``behind``; -1 where it does not."""
    closing = re.compile(f"(?<!`){marks}(?!`)").search(text, behind)
    return closing.end() if closing is not None else -1


def _code_begins(text: str, begin: int, end: int) -> bool:
    """Whether some code begins between two places."""
    marks = re.compile("`+").finditer(text, begin, end)
    return any(_code_end(text, found[0], found.end()) > 0 for found in marks)


def _formula_end(text: str, start: int) -> int:
    """The same for a formula in dollars. Amounts of money are none: no blank stands inside the marks, no digit before
    the first or behind the last, and ($M) and ($/year) are units. Nor are variables of shells and templates, joined by
    a sign, ends of regular expressions, or what reaches into code: `$HOME` closes nothing."""
    mark = "$$" if text.startswith("$$", start) else "$"
    begin = start + len(mark)
    if text[max(0, start - 1) : start].isdigit() or (mark == "$" and not text[begin : begin + 1].strip()):
        return 0
    if mark == "$" and _ANCHOR.match(text, max(0, start - 1)) is not None:
        return 0
    end = text.find(mark, begin)
    while end > 0 and _escaped(text, end):
        end = text.find(mark, end + 1)
    if end < 0:
        return -1
    if "`" in text[begin:end] and _code_begins(text, begin, end):
        return 0
    behind = end + len(mark)
    none = mark == "$" and (text[end - 1] == "(" or text[end - 1].isspace() or _JOINED.match(text, end - 2) is not None)
    return 0 if end == begin or none or text[behind : behind + 1].isdigit() else behind


#: The end of what two variables have between them, with the dollar of the second: ``$HOME/bin:$PATH``, ``${a}-${b}``.
_JOINED = re.compile(r"[^\\^_][:/@\-=+&]\$(?=[A-Za-z_{])|..\$(?=\{)", re.DOTALL)

#: The end of a regular expression in running text: ``^a$|^b$``, ``s/a$/b/``.
_ANCHOR = re.compile(r"[A-Za-z+*)\]]\$[|/)'\"]")


def _escaped(text: str, place: int) -> bool:
    first = place
    while first and text[first - 1] == "\\":
        first -= 1
    return (place - first) % 2 == 1


def formula_rule(state: StateInline, silent: bool) -> bool:
    """The inline rule "math_inline"."""
    if state.src[state.pos] != "$":
        return False
    end = _formula_end(state.src, state.pos)
    if not 0 < end <= state.posMax:
        return False
    if not silent:
        mark = "$$" if state.src.startswith("$$", state.pos) else "$"
        token = state.push("math_inline", "math", 0)
        token.markup = mark
        token.content = state.src[state.pos + len(mark) : end - len(mark)]
    state.pos = end
    return True


class _Emphasis:
    """Which marks of emphasis still wait for their other half."""

    def __init__(self) -> None:
        self._waiting: list[tuple[str, int, int, bool]] = []  # mark, how many are left of how many, may it end too

    @property
    def open(self) -> bool:
        """Whether any does."""
        return bool(self._waiting)

    def add(self, marks: str, before: str, after: str) -> None:
        """Go on with a run of equal ``marks`` between two characters."""
        kind, total = marks[0], len(marks)
        opens, closes = flanks(before, after, in_words=kind != "_")
        left, at = total, len(self._waiting) - 1
        while closes and left and at >= 0:
            other, waiting, length, both = self._waiting[at]
            odd = (both or opens) and (length + total) % 3 == 0 and (length % 3 or total % 3)
            if other != kind or (odd and kind != "~"):
                at -= 1
                continue
            used = 2 if waiting > 1 and left > 1 else 1
            left -= used
            del self._waiting[at:]
            if waiting > used:
                self._waiting.append((other, waiting - used, length, both))
            else:
                at -= 1
        if opens and left:
            self._waiting.append((kind, left, total, closes))
