"""How endings are told apart, and what is said of each."""

from __future__ import annotations

from pathlib import Path

import pytest

from qwen_desktop.process.endings import End, classify, oom_kills, problem, signal_name


@pytest.mark.parametrize(
    ("code", "asked", "oom", "tail", "end", "words"),
    [
        (0, True, 0, "", End.ASKED, ""),
        (-9, True, 3, "", End.ASKED, ""),
        (-9, False, 0, "", End.KILLED, "SIGKILL"),
        (-9, False, 1, "", End.OUT_OF_MEMORY, "ran out of memory"),
        (-15, False, 1, "", End.KILLED, "SIGTERM"),
        (-11, False, 0, "", End.CRASHED, "crashed (SIGSEGV)"),
        (-7, False, 0, "", End.CRASHED, "SIGBUS"),
        (-6, False, 0, "terminate called: std::bad_alloc", End.OUT_OF_MEMORY, "ran out of memory"),
        (-6, False, 0, "GGML_ASSERT failed", End.CRASHED, "SIGABRT"),
        (-4, False, 0, "", End.UNSUPPORTED, "another kind of processor"),
        (3, False, 0, "", End.FAILED, "code 3"),
        (0, False, 0, "", End.FAILED, "ended unexpectedly"),
        (0xC0000005, False, 0, "", End.CRASHED, "SIGSEGV"),
        (-1073741795, False, 0, "", End.UNSUPPORTED, "SIGILL"),
    ],
)
def test_endings(*, code: int, asked: bool, oom: int, tail: str, end: End, words: str) -> None:
    found = classify(code, asked=asked, oom_before=0, oom_after=oom, tail=tail)
    assert found.end is end
    if words:
        told = problem(found, model=True)
        assert words in str(told.what)
        assert told.hint is not None and told.action == "retry"
        assert "!" not in told.sentence()
        other = problem(found, model=False)
        assert "model" not in other.sentence() and "background process" in str(other.what)
        assert other.hint is not None and other.action == "retry"


def test_unknown_signals_have_a_name() -> None:
    assert signal_name(-40).startswith(("signal", "SIG"))
    assert signal_name(1) == ""


def test_kills_are_counted_where_the_kernel_tells(tmp_path: Path) -> None:
    (tmp_path / "vmstat").write_text("pgfault 12\noom_kill 2\n")
    (tmp_path / "control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n")
    names = ("vmstat", "control", "missing")
    assert oom_kills(tuple((tmp_path / name, "oom_kill") for name in names)) == 5
