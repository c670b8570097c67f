"""How many threads compute: as many as the machine has free, and what the speed says where that is doubtful."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from qwen_desktop.hardware.cpu import Places
from qwen_desktop.hardware.cpu_use import Watch

#: An answer begins with what was free so long, in seconds.
_BEFORE_S = 1.0
#: Others that take more or less for so long are believed, in seconds: losing a core hurts at once.
_LESS_S, _MORE_S = 0.4, 1.0
#: A core is taken when others want half of it, and free again when they want less than a third.
_HALF, _THIRD = 0.5, 0.35
_SHARED = 0.5
#: Who uses so much of a core wants all of it.
_SURELY = 0.75
#: After a step up that was taken back so soon, the next one waits so long, in seconds of work.
_QUICK_S, _AGAIN_S = 2.0, 4.0
#: No step is ended so soon after another one, in seconds: there must be progress.
_UNDISTURBED_S = 5.0


class Room(NamedTuple):
    """How many threads have room, and whether one more might as well: nobody uses all of the core it would take."""

    threads: int
    doubtful: bool = False


def room_for(places: Places, most: int, taken: float, share: float = _HALF) -> Room:
    """The room where others take ``taken`` processors: for at least 1 thread, and ``most`` at most.

    A core counts as free while others want less than ``share`` of it. Two programs on one core's two processors get
    about half of it each, so threads go there only where they are twice as many.
    """
    whole = max(1, math.floor(places.physical - taken + share))
    halves = min(most, math.floor(places.logical - taken + share))
    limit = min(most, places.usable)
    threads = max(1, min(limit, halves if halves * _SHARED > whole else whole))
    return Room(threads, threads < limit and places.logical - taken + _SURELY >= threads + 1)


class ThreadWatch:
    """The number of threads for one kind of work. It follows how many have room; how fast the work is has a word too.

    Fed with each piece of work (``tokens`` in ``seconds``) it answers how many threads to use next, ``most`` at most.
    Where one more might have room it tries that now and then (if it is one that ``tries``), and keeps it if it is a
    tenth faster. A speed under half of the usual means that something is in the way which nobody measured: one thread
    less then, and if that is not better, back. What was found holds whenever the same number has room. Measures nothing
    itself: ``look`` is called after each piece, and says by ``follow`` when there is other room.
    """

    _SOON_S, _LATER_S, _LATEST_S = 2.0, 8.0, 160.0

    def __init__(self, most: int, look: Callable[[], None] = lambda: None, *, tries: bool = True) -> None:
        self.most = self.threads = max(1, most)
        self.room = Room(self.most)
        self._look = look
        self._tries = tries
        self._speeds: deque[float] = deque(maxlen=9)
        self._since = 0.0
        self._before: int | None = None
        #: By the number that has room: what proved better, and how long the next trial waits.
        self._better: dict[int, int] = {}
        self._waits: dict[int, float] = {}

    def follow(self, room: Room) -> None:
        """There is other room now."""
        before, self.room = self.room, room
        if room.threads != before.threads:
            better = self._better.get(room.threads, room.threads)
            self._use(better if room.doubtful else min(better, room.threads))
        elif not room.doubtful and self.threads > room.threads:
            self._use(room.threads)

    def done(self, tokens: int, seconds: float) -> int:
        """Take note of a piece of work and return the number of threads for the next one."""
        if self.most <= 1 or seconds <= 0 or tokens <= 0:
            return self.threads
        threads, free = self.threads, self.room.threads
        self._look()
        if (self.threads, self.room.threads) != (threads, free):  # the piece belongs to neither
            return self.threads
        speed = tokens / seconds
        self._since += seconds
        usual = sorted(self._speeds)[len(self._speeds) // 2] if self._speeds else 0.0
        if self._before is not None:
            self._judge(speed, usual, self._before)
        elif len(self._speeds) >= 3 and speed < usual / 2 and threads > 1:
            self._speeds = deque((speed,), maxlen=9)
            self._before, self.threads = threads, threads - 1
        else:
            self._speeds.append(speed)
            other = self._other()
            wait = self._waits.get(free, self._SOON_S)
            if other != threads and self._since >= wait and len(self._speeds) >= 3:
                self._before, self.threads = threads, other
        return self.threads

    def _other(self) -> int:
        """The number that a trial would use."""
        if self.threads != self.room.threads:
            return self.room.threads
        return self.threads + 1 if self.room.doubtful and self._tries else self.threads

    def _judge(self, speed: float, usual: float, before: int) -> None:
        """The last piece ran with a number on trial; ``before`` it there was another one, and the ``usual`` speed."""
        # at the same speed fewer are better, but not fewer than have room
        free = self.room.threads
        if speed > usual * (0.95 if before > self.threads >= free else 1.1):
            self._better[free] = self.threads
            self._waits[free] = self._LATER_S
            self._use(self.threads)
        else:
            wait = self._waits.get(free, self._SOON_S)
            self._waits[free] = min(self._LATEST_S, max(self._LATER_S, wait * 2))
            self._before, self.threads = None, before
            self._since = 0.0

    def _use(self, threads: int) -> None:
        self._before, self.threads = None, threads
        self._speeds.clear()
        self._since = 0.0


class Pace:
    """The watches over writing and reading, which feel others differently, and one look at what the machine has free.

    ``most_write`` and ``most_read`` are the best numbers on a quiet machine, the usual one where nobody measured them.
    ``use`` tells what others take.
    """

    def __init__(
        self, places: Places, *, most_write: int | None = None, most_read: int | None = None, use: Watch | None = None
    ) -> None:
        self._places = places
        self._use = use or Watch()
        self.write = ThreadWatch(most_write or places.usual, self.look)
        # a part of a prompt is long, and where the thread more has no room it takes ten times as long
        self.read = ThreadWatch(most_read or places.usual, self.look, tries=False)
        #: Ends the step that is computed now, to be repeated. Called on another thread.
        self.interrupt: Callable[[], None] | None = None
        self._computing = 0
        self._interrupted = -math.inf
        self._use.on_look = self._glance
        self._lost = self._won = -math.inf
        self._hold = 0.0

    def begin(self) -> None:
        """An answer starts from rest: with as many threads as have room beside what others used last."""
        self._use.look()
        taken = self._use.taken(_BEFORE_S)
        for side in (self.write, self.read):
            side.follow(Room(side.most) if taken is None else room_for(self._places, side.most, taken))

    def computes(self, threads: int) -> None:
        """A step with so many threads begins now; 0: it has ended."""
        self._computing = threads
        self._use.wants(threads)

    def look(self) -> None:
        """Look while work goes on, and have both watches follow."""
        self._use.look()
        at = self._use.at
        less, more = self._use.taken(_LESS_S), self._use.taken(_MORE_S)
        if less is None or more is None:
            return
        for side in (self.write, self.read):
            now, soon = (
                room_for(self._places, side.most, less),
                room_for(self._places, side.most, max(less, more), _THIRD),
            )
            if now.threads < side.room.threads:
                if at - self._won < _QUICK_S:
                    self._hold = _AGAIN_S
                self._lost = at
                side.follow(now)
            elif soon.threads > side.room.threads and at - self._lost >= self._hold:
                self._won = at
                self._hold = 0.0
                side.follow(soon)
            else:
                side.follow(Room(side.room.threads, now.doubtful or now.threads > side.room.threads))

    def _glance(self) -> None:
        """A step may take many seconds, ten times as many when others take a core: end one that began with more room
        than there is now. On a thread of its own, which changes nothing else."""
        less, at, began_with = self._use.taken(_LESS_S), self._use.at, self._computing
        if self.interrupt is None or less is None or at - self._interrupted < _UNDISTURBED_S:
            return
        for side in (self.write, self.read):
            now = room_for(self._places, side.most, less).threads
            if now < side.room.threads and now < began_with:
                self._interrupted = at
                self.interrupt()
                return
