"""A lock that processes share: a file that one of them holds."""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

log = logging.getLogger(__name__)

#: What file systems without locks say, some of them on networks.
_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL)


@contextmanager
def held(path: Path, waiting: Callable[[], object], pause_s: float) -> Iterator[None]:
    """Hold the lock ``path``, whose folder is made. While another process does, ``waiting`` is called every ``pause_s``
    seconds, and may raise. Where there are no locks nobody waits. Raises ``OSError``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path, timeout=0, thread_local=False)
    while not _acquired(lock):
        waiting()
        time.sleep(pause_s)
    try:
        yield
    finally:
        lock.release()


def _acquired(lock: FileLock) -> bool:
    try:
        lock.acquire()
    except Timeout:
        return False
    except (OSError, NotImplementedError) as error:
        if isinstance(error, OSError) and error.errno not in _NO_LOCKS:
            raise
        log.info("locks.none")  # what is written is written atomically
    return True
