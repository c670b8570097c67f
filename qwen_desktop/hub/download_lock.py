"""Two windows, or a window and a command, must not fetch the same file at the same time: the second one waits."""

from __future__ import annotations

import contextlib
import errno
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from qwen_desktop.hub.download_disk import of_disk

log = logging.getLogger(__name__)

_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL)
_LOOK_S = 0.25


def lock_path(target: Path) -> Path:
    """The lock of the file that becomes ``target``."""
    return target.with_name(target.name + ".lock")


@contextmanager
def locked(targets: Sequence[Path], waiting: Callable[[], None]) -> Iterator[None]:
    """Have ``targets`` to oneself. ``waiting`` is called four times a second while another process has one of them,
    and may raise. Raises ``AppError`` for a folder that cannot be written."""
    with ExitStack() as stack:
        for target in sorted(targets):  # in one order, so that two never wait for each other
            stack.enter_context(_one(target, waiting))
        yield


@contextmanager
def _one(target: Path, waiting: Callable[[], None]) -> Iterator[None]:
    path = lock_path(target)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise of_disk(error, path) from error
    lock = FileLock(path, timeout=0, thread_local=False)
    while True:
        try:
            lock.acquire()
        except Timeout:
            waiting()
            time.sleep(_LOOK_S)
        except (OSError, NotImplementedError) as error:
            if isinstance(error, OSError) and error.errno not in _NO_LOCKS:
                raise of_disk(error, path) from error
            log.info("download.no_locks")  # some network disks have none; two at a time are unlikely there
            break
        else:
            break
    try:
        yield
    finally:
        lock.release()


def remove_lock(target: Path) -> None:
    """Remove the lock's file while it is held, when nobody will need it again."""
    with contextlib.suppress(OSError):
        lock_path(target).unlink(missing_ok=True)
