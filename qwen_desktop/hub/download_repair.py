"""Mending a file whose hash is wrong though every byte is there: which bytes are in doubt, and whose to take.

First each piece is fetched again from another source than it came from, and exchanged where it differs. Where both
sources have served, that exchanges good bytes for damaged ones too. So when the hash is still wrong, the places where
sources disagree are taken from one source alone, then from the next.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from qwen_desktop.hub.download_worker import Run
from qwen_desktop.hub.ranges import Piece, Ranges


class Repair:
    """The state of mending; its owner holds the lock."""

    def __init__(self) -> None:
        #: The only source that may serve now; None: any other than the piece came from.
        self.only: int | None = None
        self._doubt = Ranges()
        self._disputed = Ranges()
        self._untried: list[int] | None = None
        self._different = 0
        self._hashed = 0

    def begin(self, pieces: Iterable[Piece]) -> None:
        """All ``pieces`` are in doubt."""
        self._doubt = Ranges(pieces)

    def arrived(self, start: int, end: int, different: int) -> None:
        """These bytes were fetched again; ``different`` of them were exchanged."""
        self._doubt.remove(start, end)
        self._different += different
        if different:
            self._disputed.add(start, end)

    def next(self, runs: Sequence[Run]) -> Piece | None:
        """The first piece in doubt that nobody fetches yet."""
        doubt = Ranges(self._doubt)
        for run in runs:
            doubt.remove(run.position, run.end)
        return next(iter(doubt), None)

    def must_hash(self, runs: Sequence[Run]) -> bool:
        """Whether bytes were exchanged since this last said so, and none are being exchanged right now."""
        if self._different == self._hashed or any(run.repair and run.changed for run in runs):
            return False
        self._hashed = self._different
        return True

    def over(self, runs: Sequence[Run], left: Sequence[int]) -> bool:
        """Whether everything in doubt was looked at and hashed; ``left`` are the sources that may still serve."""
        if self.only is not None and self.only not in left:
            self._doubt = Ranges()
        return not self._doubt.total and not runs and self._different == self._hashed

    def settle(self, pieces: Iterable[Piece], left: Sequence[int]) -> bool:
        """Put those disputed ``pieces`` in doubt that are not from the next source to be believed; False when each had
        its turn."""
        if self._untried is None:
            self._untried = list(left)
        there = Ranges(pieces)
        while self._untried:
            self.only = self._untried.pop(0)
            others = Ranges(
                (max(start, first), min(end, last), source)
                for start, end, source in there
                if source != self.only
                for first, last, _ in self._disputed
                if first < end and start < last
            )
            if others.total:
                self._doubt = others
                return True
        return False
