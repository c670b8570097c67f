"""Finding the sources of a model: every candidate is asked at the same time, and asked again while it does not answer.

A download begins with the first that is good; later ones join it.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable

from qwen_desktop.core.errors import AppError
from qwen_desktop.core.models import DownloadRequest
from qwen_desktop.hub import failures
from qwen_desktop.hub.download_board import best_error, worth_trying
from qwen_desktop.hub.journal import Identity
from qwen_desktop.hub.sources import Candidate, Source, agree, matches

#: Once one source is there the others get so many seconds more before the choice is made without them.
OTHERS_S = 1.0
#: The preferred one gets so long when only a less preferred one has answered, and it says something else.
PREFERRED_S = 4.0
_LONGEST_REST_S = 20.0
#: A hub that answers but only with trouble is given up after so many tries.
_TRIES = 5


class Seeker:
    """Asks the candidates in threads until each has answered for good."""

    def __init__(self, found: list[Candidate]) -> None:
        self._candidates = found
        self._answers: dict[int, Source | AppError] = {}
        self._trouble: dict[int, AppError] = {}
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._news = threading.Event()
        self._taken: set[int] = set()
        for number, candidate in enumerate(found):
            threading.Thread(target=self._ask, args=(number, candidate), name=f"seek-{number}", daemon=True).start()

    def _ask(self, number: int, candidate: Candidate) -> None:
        rest = 0.5
        tries = 0
        while not self._stopped.is_set():
            try:
                answer: Source | AppError = candidate.look()
            except AppError as error:
                answer = error
                tries += not isinstance(error, failures.Unreachable)
            except Exception as error:  # a mistake of ours must not look like a network that is away
                answer = failures.strange(candidate.name, details=type(error).__name__)
                tries = _TRIES
            if isinstance(answer, Source) or not worth_trying(answer) or tries >= _TRIES:
                with self._lock:
                    self._answers[number] = answer
                self._news.set()
                return
            with self._lock:
                self._trouble[number] = answer
            self._news.set()
            asked = answer.retry_after if isinstance(answer, failures.Busy) else 0.0
            self._stopped.wait(max(rest * random.uniform(0.8, 1.2), min(asked, 120.0)))  # noqa: S311 - spreads retries
            rest = min(_LONGEST_REST_S, rest * 2)

    def stop(self) -> None:
        """Ask no more."""
        self._stopped.set()

    def sources(self) -> list[Source]:
        """Those that are there so far, preferred first."""
        with self._lock:
            found = [self._answers.get(n) for n in range(len(self._candidates))]
        return [answer for answer in found if isinstance(answer, Source)]

    def late(self) -> list[Source]:
        """Those that have come since the last call."""
        with self._lock:
            new = [(n, a) for n, a in sorted(self._answers.items()) if isinstance(a, Source) and n not in self._taken]
            self._taken.update(n for n, _ in new)
        return [source for _, source in new]

    @property
    def all_answered(self) -> bool:
        """Whether nobody is asked any more."""
        with self._lock:
            return len(self._answers) == len(self._candidates)

    @property
    def preferred_asked(self) -> bool:
        """Whether the first candidate has not answered and has not had trouble yet either."""
        with self._lock:
            return 0 not in self._answers and 0 not in self._trouble

    @property
    def error(self) -> AppError | None:
        """Why there is no source: the helpful one of the final failures, else of the passing ones."""
        with self._lock:
            final = [a for a in self._answers.values() if isinstance(a, AppError)]
            passing = list(self._trouble.values())
        if len(final) == len(self._candidates):
            return best_error(final)
        return best_error(passing) if passing else None

    def wait(self, request: DownloadRequest, known: dict[str, Identity], tick: Callable[[], None]) -> list[Source]:
        """The sources to begin with: one at least, all of one mind. ``tick`` is called while it waits.

        ``known`` are the files that were begun before. Raises ``AppError`` when no candidate has the model.
        """
        first_at = 0.0
        while True:
            self._news.wait(0.1)
            self._news.clear()
            there = self.sources()
            now = time.monotonic()
            if there:
                first_at = first_at or now
                good = next((s for s in there if _fits(s, request, known)), None)
                if good is not None:
                    enough = now - first_at >= OTHERS_S
                else:  # what was begun is thrown away only when everybody has said that it is no more
                    enough = not known and not self.preferred_asked and now - first_at >= PREFERRED_S
                if self.all_answered or enough:
                    chosen = good or there[0]
                    self.late()
                    return [chosen, *(s for s in there if s is not chosen and agree(chosen, s))]
            elif self.all_answered and (error := self.error) is not None:
                raise error
            tick()


def _fits(source: Source, request: DownloadRequest, known: dict[str, Identity]) -> bool:
    """Whether the source has what was begun, or else what the catalogue promised."""
    if known:
        return all(known[path].same_bytes(identity(source, path)) for path in known if path in source.files)
    wanted = any(f.sha256 for f in (*request.files, *request.mmproj))
    return matches(source, request) if wanted else source.kind == "huggingface"


def identity(source: Source, path: str) -> Identity:
    """What the source says that the file is."""
    file = source.files[path]
    return Identity(source.repo, path, file.size_bytes, file.sha256, source.commit)
