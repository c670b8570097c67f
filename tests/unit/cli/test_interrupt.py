"""Ends from outside: exit codes, keys, and Ctrl+C before a command has begun (the program is still being read)."""

from __future__ import annotations

import pytest

from qwen_desktop import __main__, bootstrap
from qwen_desktop.cli import app
from qwen_desktop.cli.interrupt import exit_code


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
