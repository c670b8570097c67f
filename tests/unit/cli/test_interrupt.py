"""Ends from outside: exit codes, keys, and Ctrl+C before a command has begun (the program is still being read)."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import Any

import pytest

from qwen_desktop import __main__, bootstrap
from qwen_desktop.cli import app, interrupt
from qwen_desktop.cli.interrupt import Interrupt, asked, exit_code
from qwen_desktop.process.last_resort import LastResort


def test_ctrl_c_while_starting_is_130_without_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_arguments: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(bootstrap, "main", interrupted)
    assert __main__.main(["chat", "x"]) == 130


def test_each_system_ends_standard_input_by_its_own_key() -> None:
    assert "Ctrl+Z and Enter" in app.how_to_end("win32")
    for platform in ("linux", "darwin"):
        assert "Ctrl+D" in app.how_to_end(platform)


def test_exit_codes_are_those_of_shells(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [exit_code(number) for number in (1, 2, 15)] == [129, 130, 143]
    monkeypatch.setattr("sys.platform", "win32")
    assert exit_code(21) == 130


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize("before", [True, False])
def test_a_signal_just_before_or_at_the_sight_of_a_question_ends_it(
    *, before: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal:
        def isatty(self) -> bool:
            return True

        def readline(self) -> str:
            raise AssertionError("nobody is there to answer any more")

    class Console:
        def warn(self, _text: str) -> None:
            signal.raise_signal(signal.SIGTERM)

    class Patient(LastResort):
        def arm(self, seconds: float, code: int = 1) -> None:
            self._until = seconds + code

    async def main() -> None:
        console: Any = Console()
        with Interrupt() as interrupted:
            if before:
                signal.raise_signal(signal.SIGTERM)
            with pytest.raises(asyncio.CancelledError):
                asked("Delete it?", console)
        assert interrupted.code == 128 + signal.SIGTERM

    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr(interrupt, "last_resort", Patient())
    asyncio.run(main())
