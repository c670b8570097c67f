"""A worker that answers once and ends: for questions that crash or hang on some machines (drivers, Qt).

The caller waits in a thread of its own. Neither a child that the system cannot end (a driver stuck in the kernel) nor
one that leaves its pipe to somebody else holds it longer than it was willing to wait.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from qwen_desktop.process.spawn import ChildProcess

#: No question has more answers: what goes on talking is broken.
_MOST_FRAMES = 64
#: A child that was killed is gone by then, in seconds, or the system cannot end it.
_GONE_S = 1.0
#: How often it is asked whether somebody still waits, in seconds.
_CHECK_S = 0.1


class Answers(NamedTuple):
    """What a child said before it ended: ``how`` says whether it came to its end, in time and without an error.
    ``tail`` are the last lines it printed."""

    payloads: tuple[bytes, ...]
    how: Literal["done", "crashed", "late", "not started"]
    code: int | None = None
    tail: str = ""


def ask(
    command: Sequence[str], seconds: float, check: Callable[[], object] | None = None, /, **variables: str
) -> Answers:
    """Start ``command``, read the frames it sends, ``seconds`` long at most, and see that it ends. Never raises, but
    what ``check`` does: it is called all the while, and where it raises the child is ended. ``variables`` join its
    environment."""
    payloads: list[bytes] = []
    codes: list[int] = []
    over = threading.Event()

    def take(payload: bytes) -> None:
        payloads.append(payload)
        if len(payloads) > _MOST_FRAMES:
            child.kill()

    def end(code: int) -> None:
        codes.append(code)
        over.set()

    child = ChildProcess(command, take, end, variables)
    try:
        child.launch()
    except (OSError, ValueError):
        return Answers((), "not started")
    late = not _wait(over, seconds, check, child)
    if late:
        child.kill()
        over.wait(_GONE_S)
    code = codes[0] if codes else None
    return Answers(tuple(payloads), "late" if late else "crashed" if code else "done", code, child.stderr_tail)


def _wait(over: threading.Event, seconds: float, check: Callable[[], object] | None, child: ChildProcess) -> bool:
    if check is None:
        return over.wait(seconds)
    until = time.monotonic() + seconds
    while not over.wait(_CHECK_S):
        if time.monotonic() > until:
            return False
        try:
            check()
        except BaseException:
            child.kill()
            over.wait(_GONE_S)
            raise
    return True
