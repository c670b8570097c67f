"""The log: a disk that is full costs lines of it, nothing else."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from qwen_desktop.core import log


@pytest.fixture
def restored() -> Iterator[None]:
    root = logging.getLogger()
    before = list(root.handlers), root.level, logging.raiseExceptions
    yield
    for handler in set(root.handlers) - set(before[0]):
        root.removeHandler(handler)
        with contextlib.suppress(OSError):  # what it still holds does not fit on the full disk
            handler.close()
    root.setLevel(before[1])
    logging.raiseExceptions = before[2]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a file that is always full")
@pytest.mark.usefixtures("restored")
def test_a_full_disk_prints_no_traceback(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "window.log").symlink_to("/dev/full")
    log.to_file(tmp_path, "window.log")
    logging.getLogger("tests.log").warning("some.code")
    assert capfd.readouterr().err == ""


@pytest.mark.usefixtures("restored")
def test_the_words_of_an_exception_are_not_written(tmp_path: Path) -> None:
    log.to_file(tmp_path, "window.log")
    try:
        try:
            int("what the user said")
        except ValueError as error:
            raise KeyError("my diary.txt") from error
    except KeyError:
        logging.getLogger("tests.log").warning("some.code", exc_info=True)
    written = (tmp_path / "window.log").read_text()
    assert "some.code" in written and "KeyError" in written and "ValueError" in written
    assert "test_log.py:" in written
    assert "user said" not in written and "diary" not in written
