"""Failures as sentences for people."""

from __future__ import annotations

import errno

import msgspec
import pytest

from qwen_desktop.core.errors import (
    AppError,
    Bug,
    Cancelled,
    Environment,
    Problem,
    UserFacing,
    error_of,
    os_problem,
    problem_of,
)
from qwen_desktop.core.text import Text


@pytest.mark.parametrize("kind", [UserFacing, Environment, Bug, Cancelled])
def test_an_error_survives_the_way_through_a_frame_and_the_database(kind: type[AppError]) -> None:
    error = kind(Text("a", "What {x}.", {"x": 1}), Text("b", "Hint."), details="d", action="retry")
    problem = msgspec.json.decode(msgspec.json.encode(error.problem), type=Problem)
    again = error_of(problem)
    assert type(again) is kind and again.problem == error.problem and str(again) == "What 1."
    assert problem.sentence() == "What 1. Hint."


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.ENOSPC, "The disk is full. Free some space, then try again."),
        (errno.EACCES, "There is no permission to use /x. Change its permissions or choose another place."),
        (
            errno.EROFS,
            "/x is on a disk that cannot be written. "
            "Choose another place; where the app keeps its own files is set by QWEN_DESKTOP_HOME.",
        ),
        (errno.ENOENT, "/x does not exist. Check the name, or choose another file."),
        (errno.EISDIR, "/x is a folder, not a file. Choose a file inside it."),
        (errno.EIO, "Reading or writing /x failed: bad luck. Check the disk, then try again."),
    ],
)
def test_the_file_system_speaks_in_sentences(number: int, sentence: str) -> None:
    problem = os_problem(OSError(number, "bad luck", "/x"))
    assert problem.kind == "environment" and problem.sentence() == sentence


def test_an_unknown_exception_is_our_bug_and_tells_nothing_private() -> None:
    problem = problem_of(ValueError("the user's secret text"))
    assert problem.kind == "bug" and problem.details == "ValueError"
    assert "secret" not in repr(problem)
    assert problem_of(OSError(errno.ENOSPC, "x")).what.code == "disk.full"
