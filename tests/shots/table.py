"""The table of states. A new one is a function in one of the modules ``*_states``: it brings the window to what is to
be seen, and gives nothing back.

    @state("chat-empty")
    async def empty(stage: Stage) -> None:
        await stage.open()
"""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from tests.shots.stage import Stage

State: TypeAlias = Callable[["Stage"], Awaitable[None]]

_STATES: dict[str, State] = {}


def state(name: str) -> Callable[[State], State]:
    """Add a state; ``name`` is "page-state" and the name of its picture. Raises ``ValueError`` for a second one."""

    def add(draw: State) -> State:
        if name in _STATES:
            raise ValueError(f"there are two states {name}")
        _STATES[name] = draw
        return draw

    return add


def states(only: str = "") -> dict[str, State]:
    """The states whose names match one of the patterns, which have commas between them; all without any."""
    for path in sorted(Path(__file__).parent.glob("*_states.py")):
        importlib.import_module(f"tests.shots.{path.stem}")
    patterns = (only or "*").split(",")
    return {name: draw for name, draw in _STATES.items() if any(fnmatchcase(name, each) for each in patterns)}
