"""Prompt lookup: a text that copies what stands before it most likely goes on as that did. Pure.

An index finds where the last few tokens stood before; of the latest places the one is taken before which most is the
same. What it gives depends on the tokens alone, so that an answer which was written with it can be made again.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence

#: So many tokens behind each other find where they stood before.
ORDER = 3
#: Of so many places the best is taken, the latest ones, by how much before them is the same, up to so many tokens.
_PLACES, _LONGEST = 8, 24
#: So many tokens are in the index, the last ones: some 100 bytes each.
_MOST = 65_536
#: Of a token's number in a key.
_BITS = 21


class Lookup:
    """An index over ``tokens``, which only grow; what is added to them is indexed by ``index``."""

    def __init__(self, tokens: Sequence[int]) -> None:
        self._tokens = tokens
        self._from = max(0, len(tokens) - _MOST)
        #: of each position (from ``_from`` on) behind ``ORDER`` tokens the position before it behind the same ones
        self._before = array("i")
        self._latest: dict[int, int] = {}

    @property
    def ready(self) -> bool:
        """Whether all places behind which something stands are in the index."""
        return self._from + ORDER + len(self._before) >= len(self._tokens)

    def index(self, most: int) -> None:
        """Take up to ``most`` further positions into the index (a microsecond each)."""
        tokens, before, latest = self._tokens, self._before, self._latest
        at = self._from + ORDER + len(before)
        for here in range(at, min(at + most, len(tokens))):
            key = (tokens[here - 3] << 2 * _BITS) | (tokens[here - 2] << _BITS) | tokens[here - 1]
            before.append(latest.get(key, -1))
            latest[key] = here

    def find(self) -> int:
        """Where what the text goes on like stands, -1 where it goes on like nothing. The index must be ready."""
        tokens = self._tokens
        end = len(tokens)
        if end - self._from <= ORDER:
            return -1
        key = (tokens[end - 3] << 2 * _BITS) | (tokens[end - 2] << _BITS) | tokens[end - 1]
        place = self._latest.get(key, -1)
        best, longest = -1, 0
        for _ in range(_PLACES):
            if place < 0:
                break
            same = ORDER
            while same < _LONGEST and same < place and tokens[place - 1 - same] == tokens[end - 1 - same]:
                same += 1
            if same > longest:
                best, longest = place, same
            place = self._before[place - self._from - ORDER]
        return best

    def draft(self, most: int) -> list[int]:
        """What followed there, ``most`` tokens; where the text repeats itself up to here, round after round. Empty
        where the text goes on like nothing."""
        at = self.find()
        if at < 0:
            return []
        tokens, end = self._tokens, len(self._tokens)
        draft = list(tokens[at : at + most])
        round_ = end - at
        while len(draft) < most:
            draft.append(draft[len(draft) - round_])
        return draft
