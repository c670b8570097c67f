"""Commands in this process, which starts no interpreter for each: real services, real workers."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import NamedTuple

import pytest

from qwen_desktop.cli import interrupt
from qwen_desktop.cli.app import main
from qwen_desktop.services.services import for_command


class Ending(NamedTuple):
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str


Here = Callable[..., Ending]


@pytest.fixture
def here(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Here:
    """Run ``qwen-desktop`` with these arguments. Everything but the process is as a shell starts it: its workers begin
    and end with each."""
    unarmed = SimpleNamespace(arm=lambda *_when: None, armed=False)  # this process lives on after the command
    monkeypatch.setattr(interrupt, "last_resort", unarmed)

    def run(*arguments: str) -> Ending:
        code = main(arguments, for_command)
        printed = capsys.readouterr()
        return Ending(code, printed.out, printed.err)

    return run
