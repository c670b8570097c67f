"""How a worker ended, said so that a person understands it.

Out of memory is claimed only with evidence: a kernel counter of killed processes that rose while the worker ran, or
the allocator's own message. Where no counter can be read, a killed process is just that.
"""

from __future__ import annotations

import signal
from enum import StrEnum
from pathlib import Path

from msgspec import Struct

from qwen_desktop.core.errors import Environment, Failure, Problem
from qwen_desktop.core.text import QT_TRANSLATE_NOOP

_OOM_COUNTERS = (
    (Path("/proc/vmstat"), "oom_kill"),
    (Path("/sys/fs/cgroup/memory.events"), "oom_kill"),
    (Path("/sys/fs/cgroup/memory/memory.oom_control"), "oom_kill"),
)
_OOM_WORDS = ("std::bad_alloc", "MemoryError", "failed to allocate buffer", "unable to allocate", "out of memory")
_WINDOWS_FAULTS = {0xC0000005: "SIGSEGV", 0xC000001D: "SIGILL", 0xC0000409: "SIGABRT", 0xC00000FD: "SIGSEGV"}
_FAULTS = ("SIGSEGV", "SIGBUS", "SIGABRT", "SIGFPE", "SIGTRAP", "SIGSYS")


class End(StrEnum):
    """Kinds of endings. ``FAILED`` left by itself with an error; ``KILLED`` was ended by another program."""

    ASKED = "asked"
    CRASHED = "crashed"
    KILLED = "killed"
    FAILED = "failed"
    OUT_OF_MEMORY = "out_of_memory"
    UNSUPPORTED = "unsupported"


class Ending(Struct, frozen=True):
    """How a process ended: ``signal`` is its name or empty, ``code`` the exit code, ``tail`` its last output."""

    end: End
    code: int
    signal: str = ""
    tail: str = ""


def oom_kills(counters: tuple[tuple[Path, str], ...] = _OOM_COUNTERS) -> int:
    """Processes that the kernel has ended for want of memory so far, as far as it tells; 0 when it does not."""
    total = 0
    for path, name in counters:
        try:
            for line in path.read_text("ascii", "replace").splitlines():
                key, _, number = line.partition(" ")
                if key == name:
                    total += int(number)
        except (OSError, ValueError):
            continue
    return total


def signal_name(code: int) -> str:
    """The signal's name in an exit code, empty for none. Windows' fault codes get the name of the same fault."""
    fault = _WINDOWS_FAULTS.get(code & 0xFFFFFFFF, "")
    if fault or code >= 0:
        return fault
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def classify(code: int, *, asked: bool, oom_before: int, oom_after: int, tail: str) -> Ending:
    """Decide what an exit code means."""
    name = signal_name(code)
    if asked:
        end = End.ASKED
    elif name == "SIGKILL":
        end = End.OUT_OF_MEMORY if oom_after > oom_before else End.KILLED
    elif name == "SIGILL":
        end = End.UNSUPPORTED
    elif name in _FAULTS or (code != 0 and not name):
        words = any(word in tail for word in _OOM_WORDS)
        end = End.OUT_OF_MEMORY if words else (End.CRASHED if name else End.FAILED)
    elif name:
        end = End.KILLED
    else:
        end = End.FAILED
    return Ending(end, code, name, tail)


# fmt: off
_AGAIN = QT_TRANSLATE_NOOP("process", "Send again: it starts anew by itself.")
_memory = Failure(
    Environment, "worker.memory", "",
    QT_TRANSLATE_NOOP("process", "The computer ran out of memory and ended the model."),
    QT_TRANSLATE_NOOP("process", "Close other programs, choose a smaller context, or a smaller model."), "retry",
)
_processor = Failure(
    Environment, "worker.processor", "cause",
    QT_TRANSLATE_NOOP("process", "The model engine was built for another kind of processor ({cause})."),
    QT_TRANSLATE_NOOP("process", "Install the app again on this computer."), "retry",
)
_killed = Failure(
    Environment, "worker.killed", "cause",
    QT_TRANSLATE_NOOP("process", "The process that runs the model was ended from outside ({cause})."), _AGAIN, "retry",
)
_crashed = Failure(
    Environment, "worker.crashed", "cause",
    QT_TRANSLATE_NOOP("process", "The process that runs the model crashed ({cause})."),
    QT_TRANSLATE_NOOP("process", "Send again: it starts anew by itself. If it happens again, try another file."),
    "retry",
)
_ended = Failure(
    Environment, "worker.ended", "cause",
    QT_TRANSLATE_NOOP("process", "A background process ended unexpectedly ({cause})."),
    QT_TRANSLATE_NOOP("process", "Try again: it starts anew by itself."), "retry",
)
_short = Failure(
    Environment, "worker.short", "",
    QT_TRANSLATE_NOOP("process", "The computer ran out of memory and ended a background process."),
    QT_TRANSLATE_NOOP("process", "Close other programs, then try again."), "retry",
)
# fmt: on


def problem(ending: Ending, *, model: bool) -> Problem:
    """The one sentence for an ending that nobody asked for. ``model``: it was the process that runs one."""
    details = f"{ending.end} code={ending.code} {ending.signal}".strip()
    if ending.tail:
        details += "\n" + ending.tail[-4000:]
    if ending.end is End.OUT_OF_MEMORY:
        return (_memory if model else _short)(details=details).problem
    rows = {End.UNSUPPORTED: _processor, End.KILLED: _killed, End.CRASHED: _crashed} if model else {}
    return rows.get(ending.end, _ended)(ending.signal or f"code {ending.code}", details=details).problem
