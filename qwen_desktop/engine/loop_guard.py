"""Notices that a text has come to repeat itself, token by token. Pure.

The guard follows the text with a pointer into its own past: where the last tokens stood before, the next one is
expected to be what stood behind them then. While what comes is what was expected, the text copies itself.

Two things are a loop. An exact one: so many tokens in a row as expected, and more than one whole round of what is being
repeated, so that code which is shown a second time, or a refrain, is none. A near one: the same line again and again
with something small that changes (the numbers of a list, a drift from "is" to "was"): there words that come as
expected count for a loop, and each one that does not counts against it several times. Marks and digits do not count
when they come as expected, which tells such a loop from tables, dates, records and lists of numbers.

The values were set by two thirds of the recorded texts (``tests/unit/engine/recorded``); the last third says whether
they are good.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable

#: How many tokens in a row an exact loop has, and how much longer than its round it is.
_EXACT = 250
_BEYOND = 12
#: What a near loop reaches: an expected word counts one, a word that was not expected costs, and so does anything else.
_NEAR = 100
_WORD_COSTS, _MARK_COSTS = 6, 1
#: So many tokens behind each other find where they stood before.
_ORDER = 4
#: So many tokens are remembered at least, and twice as many at most.
_MEMORY = 4096
#: Of a token's number in a key.
_BITS = 20
_MASK = (1 << _BITS * _ORDER) - 1

#: Of a question so many characters are looked at, the last ones.
_LOOKED_AT = 20_000
_MOST_TIMES = 1000
#: What a wish to repeat without a number is taken for.
_REPEATS = 50
#: Words for numbers before a word for "times", in the languages of the app's guide and some near ones.
_TIMES_WORDS: dict[str, int] = {
    word: number
    for number, words in {
        10: "ten zehn dix diez dez dieci десять 十",
        12: "twelve dozen zwölf douze doce двенадцать 十二",
        15: "fifteen fünfzehn quinze quince пятнадцать 十五",
        20: "twenty zwanzig vingt veinte vinte venti двадцать 二十",
        25: "twenty-five fünfundzwanzig vingt-cinq veinticinco 二十五",
        30: "thirty dreißig dreissig trente treinta trinta trenta тридцать 三十",
        40: "forty vierzig quarante cuarenta quarenta quaranta сорок 四十",
        50: "fifty fünfzig cinquante cincuenta cinquenta cinquanta пятьдесят 五十",
        60: "sixty sechzig soixante sesenta шестьдесят 六十",
        70: "seventy siebzig setenta семьдесят 七十",
        80: "eighty achtzig ochenta восемьдесят 八十",
        90: "ninety neunzig noventa девяносто 九十",
        100: "hundred hundert cent cien cem cento сто 一百 百",
        200: "двести 二百 两百",
        500: "пятьсот 五百",
        1000: "thousand tausend mille mil тысячу тысяча 一千 千",
    }.items()
    for word in words.split()
}
_NUMBER = "|".join(sorted(map(re.escape, _TIMES_WORDS), key=len, reverse=True))
_TIMES = re.compile(rf"(\d{{1,6}}|{_NUMBER})[\s-]*(?:times|mal|fois|veces|vezes|volte|раза?|遍|次|回|[x×](?!\s*\d))")
_REPEAT = re.compile(
    r"\brepeat|again and again|over and over|\bwiederhol|immer wieder|\bповтор|重复|反复|\brépèt|\brepit"
)


class LoopGuard:
    """One text's. ``piece`` gives a token's bytes; ``times`` is how often the user wants to have something said
    (``wished_times``): so many rounds and one more are no loop yet."""

    def __init__(self, piece: Callable[[int], bytes], times: int = 0) -> None:
        self._piece = piece
        self._rounds = times + 1
        self._words: dict[int, bool] = {}
        #: the remembered tokens, and how many came before them
        self._tokens = array("q")
        self._before = 0
        #: what stands behind each run of ``_ORDER`` tokens, by their key; those of the latter half of what is
        #: remembered, and of the former
        self._behind: dict[int, int] = {}
        self._behind_then: dict[int, int] = {}
        self._key = 0
        self._at = -1  # where the next token is expected to have stood already, -1 for nowhere
        self._run = self._score = self._began = 0

    def add(self, token: int) -> bool:
        """One token more: whether the text has come to repeat itself."""
        now = self._before + len(self._tokens)
        at = self._at
        expected = at >= self._before and self._tokens[at - self._before] == token
        if expected:
            self._run += 1
            if self._is_word(token):
                self._score = min(_NEAR, self._score + 1)
        else:
            self._run = 0
            self._score = max(0, self._score - (_WORD_COSTS if self._is_word(token) else _MARK_COSTS))
        if not self._score:
            self._began = now
        self._tokens.append(token)
        self._key = key = (self._key << _BITS | token) & _MASK
        known = self._behind.get(key)
        if known is None:
            known = self._behind_then.get(key, -1)
        self._behind[key] = now + 1
        if len(self._tokens) == 2 * _MEMORY:
            self._forget()
        if not expected and known >= 0:
            at = known - 1
        self._at = at + 1 if at >= 0 else -1
        if self._run < _EXACT and self._score < _NEAR:
            return False
        round_ = now - at  # the length of what is repeated
        if self._run >= max(_EXACT, self._rounds * round_ + _BEYOND):
            return True
        return self._score >= _NEAR and now - self._began >= self._rounds * round_ + _BEYOND

    def _forget(self) -> None:
        """Keep the latter half, so that memory stays bounded however long the text."""
        del self._tokens[:_MEMORY]
        self._before += _MEMORY
        self._behind_then, self._behind = self._behind, {}

    def _is_word(self, token: int) -> bool:
        known = self._words.get(token)
        if known is None:
            text = self._piece(token).decode("utf-8", "replace")
            known = self._words[token] = any(map(str.isalpha, text))
        return known


def wished_times(question: str) -> int:
    """How often the user asks to have something said ("write it fifty times"); 0 where nothing says so.

    A number, in digits or a common word for it, before a word for "times"; a wish to repeat without one counts as
    fifty. Taken for a wish by mistake ("three times a day") it only makes the guard a little slower.
    """
    text = question[-_LOOKED_AT:].casefold()
    found = [_TIMES_WORDS.get(number) or int(number) for number in _TIMES.findall(text)]
    if not found and _REPEAT.search(text):
        found = [_REPEATS]
    return min(max(found, default=0), _MOST_TIMES)
