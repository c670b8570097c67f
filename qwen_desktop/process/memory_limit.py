"""A limit on what a worker may take of memory, so that a mistake there ends in a sentence and not in a full machine.

Linux and macOS limit the address space (macOS only where its own map of libraries leaves room for that), Windows the
memory of a job object. Past it Python raises ``MemoryError``, and the worker goes on. Children are not held to it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from typing import Any

#: What a worker may take beside what it holds when it starts, in bytes. Measured after downloads, lookups and
#: templates: 0.5 GB of address space, most of it never touched; threads of a large machine may reserve two more.
ALLOWANCE = 3 << 30
#: What was allowed before, for this process's children.
_BEFORE = "QWEN_DESKTOP_MEMORY_BEFORE"


def limit(allowance: int = ALLOWANCE) -> bool:
    """Let this process take ``allowance`` bytes more than it has now; False where the system does not do that."""
    try:
        return _limit(_held() + allowance)
    except (OSError, ValueError, AttributeError):
        return False


def in_force() -> bool:
    """Whether ``limit`` has limited the address space of this process."""
    return _BEFORE in os.environ


def lift() -> None:
    """In a child of a limited process: what was allowed before that."""
    before = os.environ.pop(_BEFORE, "")
    if before:
        with contextlib.suppress(OSError, ValueError):
            _set(int(before))


if sys.platform == "win32":

    def _limit(size: int) -> bool:
        return limit_windows(ctypes.windll.kernel32, size)

    def _set(size: int) -> None:
        """The children of a job object's process are outside of it."""

else:
    import resource

    def _limit(size: int) -> bool:
        before = resource.getrlimit(resource.RLIMIT_AS)[0]
        if before == resource.RLIM_INFINITY or before > size:  # else somebody was stricter
            _set(size)
            os.environ[_BEFORE] = str(before)
        return True

    def _set(size: int) -> None:
        resource.setrlimit(resource.RLIMIT_AS, (size, resource.getrlimit(resource.RLIMIT_AS)[1]))


def _held() -> int:
    """Bytes of address space (Windows: of memory that was promised) that this process has now."""
    import psutil  # noqa: PLC0415 - only here, in a worker

    return int(psutil.Process().memory_info().vms)


# Windows -------------------------------------------------------------------------------------------------------------

_EXTENDED_LIMITS = 9  # JobObjectExtendedLimitInformation
_PROCESS_MEMORY = 0x100  # JOB_OBJECT_LIMIT_PROCESS_MEMORY
_CHILDREN_LEAVE = 0x1000  # JOB_OBJECT_LIMIT_SILENT_BREAKAWAY_OK


class _BasicLimits(ctypes.Structure):
    _fields_ = (
        ("PerProcessUserTimeLimit", ctypes.c_int64),
        ("PerJobUserTimeLimit", ctypes.c_int64),
        ("LimitFlags", ctypes.c_uint32),
        ("MinimumWorkingSetSize", ctypes.c_size_t),
        ("MaximumWorkingSetSize", ctypes.c_size_t),
        ("ActiveProcessLimit", ctypes.c_uint32),
        ("Affinity", ctypes.c_size_t),
        ("PriorityClass", ctypes.c_uint32),
        ("SchedulingClass", ctypes.c_uint32),
    )


class JobLimits(ctypes.Structure):
    """JOBOBJECT_EXTENDED_LIMIT_INFORMATION."""

    _fields_ = (
        ("BasicLimitInformation", _BasicLimits),
        ("IoInfo", ctypes.c_uint64 * 6),
        ("ProcessMemoryLimit", ctypes.c_size_t),
        ("JobMemoryLimit", ctypes.c_size_t),
        ("PeakProcessMemoryUsed", ctypes.c_size_t),
        ("PeakJobMemoryUsed", ctypes.c_size_t),
    )


def limit_windows(kernel32: Any, size: int) -> bool:
    """Put this process into a job object of its own that may hold ``size`` bytes. The handle stays open as long as
    the process; the children that it starts are outside of it."""
    kernel32.CreateJobObjectW.restype = ctypes.c_void_p
    kernel32.CreateJobObjectW.argtypes = [ctypes.c_void_p, ctypes.c_wchar_p]
    kernel32.SetInformationJobObject.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_uint32]
    kernel32.GetCurrentProcess.restype = ctypes.c_void_p
    kernel32.AssignProcessToJobObject.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
    job = kernel32.CreateJobObjectW(None, None)
    if not job:
        return False
    wanted = JobLimits()
    wanted.BasicLimitInformation.LimitFlags = _PROCESS_MEMORY | _CHILDREN_LEAVE
    wanted.ProcessMemoryLimit = size
    if not kernel32.SetInformationJobObject(job, _EXTENDED_LIMITS, ctypes.byref(wanted), ctypes.sizeof(wanted)):
        return False
    return bool(kernel32.AssignProcessToJobObject(job, kernel32.GetCurrentProcess()))
