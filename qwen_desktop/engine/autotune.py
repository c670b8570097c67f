"""What "automatic" means: how much context a model gets, and how many threads, with a watch over the speed."""

from __future__ import annotations

from collections import deque

from qwen_desktop.core import memory
from qwen_desktop.core.shape import Shape
from qwen_desktop.core.speed import usual_threads
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text

#: What "automatic" gives where memory allows: long enough for a long talk, short enough to stay quick on processors.
USUAL_CONTEXT = 8192
SMALLEST_CONTEXT = 512


def context_bytes(shape: Shape, size: int, *, kv_type: str, flash: bool, chunk: int, gpu_layers: int = 0) -> int:
    """Main memory that a context of ``size`` tokens takes beside the weights, with a margin (``core.memory``).

    ``gpu_layers``, the output and the last ones before it, are on graphics cards with their part of the context; there
    llama.cpp finds out by itself whether it fits.
    """
    staying = min(shape.layers, max(0, shape.layers + 1 - gpu_layers))
    if not staying:
        return 0
    kept = (memory.kv_bytes(shape, size, kv_type) + shape.state_bytes) * staying // shape.layers
    buffers = memory.compute_bytes(shape, size, batch=chunk, flash=flash)
    work = memory.work_bytes(shape, size, batch=chunk, flash=flash)
    return kept + buffers + work + memory.MARGIN


def ladder(asked: int | None, train: int) -> tuple[int, ...]:
    """The sizes to try, largest first: what was asked (at most what the model was trained for), then halves.

    Automatic begins at ``USUAL_CONTEXT``.
    """
    limit = train if train > 0 else asked or USUAL_CONTEXT
    size = min(asked or USUAL_CONTEXT, limit)
    sizes = [size]
    while sizes[-1] // 2 >= min(SMALLEST_CONTEXT, size):
        sizes.append(sizes[-1] // 2)
    return tuple(sizes)


def notice(asked: int | None, given: int, train: int) -> Text | None:
    """The sentence for a context that is not what was asked for, None when there is nothing to say."""
    wanted = asked if asked is not None else min(USUAL_CONTEXT, train or USUAL_CONTEXT)
    if given >= wanted:
        return None
    if asked is not None and given == train:
        code, source = (
            "context.train",
            QT_TRANSLATE_NOOP(
                "engine", "The context is %n token(s) instead of {asked}: this model was not trained for more."
            ),
        )
    else:
        code, source = (
            "context.memory",
            QT_TRANSLATE_NOOP(
                "engine", "The context is %n token(s) instead of {asked}: there is not enough free memory for more."
            ),
        )
    return Text(code, source, {"asked": wanted, "n": given})


class ThreadWatch:
    """Finds and keeps the number of threads that is fastest on a machine with other programs on it.

    Fed with each piece of work (``tokens`` in ``seconds``) it answers how many threads to use next, ``most`` at most.
    A speed under half of the usual means a crowded machine: one thread less, and if that is not better, back. Now and
    then it tries one thread more for a piece and keeps it if that is a tenth faster. Measures nothing itself.
    """

    _SOON_S, _LATER_S, _LATEST_S = 0.4, 20.0, 160.0

    def __init__(self, most: int, start: int) -> None:
        self.most = most
        self.threads = min(start, most)
        self._speeds: deque[float] = deque(maxlen=9)
        self._since = 0.0
        self._wait = self._SOON_S
        self._trying = False
        self._slow = 0.0

    def done(self, tokens: int, seconds: float) -> int:
        """Take note of a piece of work and return the number of threads for the next one."""
        if self.most <= 1 or seconds <= 0 or tokens <= 0:
            return self.threads
        speed = tokens / seconds
        usual = sorted(self._speeds)[len(self._speeds) // 2] if self._speeds else 0.0
        self._since += seconds
        if self._trying:  # this piece ran with one thread more
            self._trying = False
            if speed > usual * 1.1:
                self._use(self.threads)
                self._wait = self._SOON_S if self.threads < self.most else self._LATER_S
            else:
                self.threads -= 1
                self._since = 0.0
                self._wait = min(self._LATEST_S, max(self._LATER_S, self._wait * 2))
        elif self._slow:  # this piece ran with one thread less
            slow, self._slow = self._slow, 0.0
            if speed <= slow * 1.1:
                self._use(self.threads + 1)
        elif len(self._speeds) >= 3 and speed < usual / 2 and self.threads > 1:
            self._use(self.threads - 1)
            self._slow = speed
            self._wait = self._LATER_S
        else:
            self._speeds.append(speed)
            if self.threads < self.most and self._since >= self._wait and len(self._speeds) >= 2:
                self.threads += 1
                self._trying = True
        return self.threads

    def _use(self, threads: int) -> None:
        self.threads = threads
        self._speeds.clear()
        self._since = 0.0


class Pace:
    """The watches over writing and reading, which collapse differently. On two cores an answer begins with one thread
    and takes the other one while that is faster."""

    def __init__(self, cores: int, *, most_write: int | None = None, most_read: int | None = None) -> None:
        most = usual_threads(cores)
        start = most if cores > 2 else 1
        self.write = ThreadWatch(most_write or most, most_write or start if cores > 2 else 1)
        self.read = ThreadWatch(most_read or most, most_read or start if cores > 2 else 1)
