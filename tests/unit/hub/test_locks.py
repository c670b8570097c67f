"""The lock that processes share."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from filelock import FileLock

from qwen_desktop.hub import locks


class EnoughError(Exception):
    """Who waits has lost patience."""


def test_one_waits_as_long_as_another_holds_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "x.lock"
    other = FileLock(tmp_path / "x.lock", thread_local=False)
    asked: list[int] = []

    def waiting() -> None:
        asked.append(1)
        if len(asked) == 3:
            other.release()

    other.acquire()
    with locks.held(tmp_path / "x.lock", waiting, 0.001), pytest.raises(EnoughError):
        assert len(asked) == 3

        def impatient() -> None:
            raise EnoughError

        with locks.held(tmp_path / "x.lock", impatient, 0.001):
            pytest.fail("two have it")
    with locks.held(path, waiting, 0.001):
        assert path.parent.is_dir() and len(asked) == 3


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, None])
def test_a_file_system_without_locks_stops_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int | None
) -> None:
    def refuse(_lock: FileLock) -> None:
        raise NotImplementedError if number is None else OSError(number, "none")

    monkeypatch.setattr(locks.FileLock, "acquire", refuse)
    with locks.held(tmp_path / "x.lock", lambda: pytest.fail("waits"), 0.001):
        pass


def test_what_else_is_wrong_is_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_lock: FileLock) -> None:
        raise PermissionError(errno.EACCES, "denied")

    monkeypatch.setattr(locks.FileLock, "acquire", refuse)
    with pytest.raises(PermissionError), locks.held(tmp_path / "x.lock", lambda: None, 0.001):
        pytest.fail("entered")
