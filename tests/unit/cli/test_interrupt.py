"""Ctrl+C before a command has begun: the program is still being read."""

from __future__ import annotations

import pytest

from qwen_desktop import __main__, bootstrap


def test_ctrl_c_while_starting_is_130_without_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_arguments: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(bootstrap, "main", interrupted)
    assert __main__.main(["chat", "x"]) == 130
