"""An operation's owner may be gone before its end: then nothing of it is called, and work goes on or ends as said."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any, Literal

import pytest
import shiboken6
from PySide6.QtCore import QObject
from PySide6.QtWidgets import QPushButton, QWidget

from qwen_desktop.core.errors import UserFacing
from qwen_desktop.core.text import Text
from qwen_desktop.ui.operation import Orphaned, while_alive

if TYPE_CHECKING:
    from tests.ui.conftest import Make, Ui

End = Literal["done", "failed", "cancelled"]


class Rig:
    """An operation of a dialog's, and what was called when it ended."""

    def __init__(self, ui: Ui, orphaned: Orphaned) -> None:
        self.owner = QWidget(ui.window)
        button = QPushButton(self.owner)
        self.button = button
        self.called: list[str] = []
        self.steps: list[int] = []
        self.gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        progress = while_alive(self.owner, self._step)

        async def work() -> str:
            progress(1)
            try:
                await self.gate
            finally:
                progress(2)
            return "result"

        self.task = ui.window.operations.run(
            work(),
            owner=self.owner,
            orphaned=orphaned,
            busy=button,
            on_done=lambda result: self._called(f"{result}"),
            on_error=lambda error: self._called(type(error).__name__),
            on_end=lambda: self._called("end"),
        )

    def _step(self, step: int) -> None:
        self.owner.setToolTip(str(step))  # fails without the C++ half
        self.steps.append(step)

    def _called(self, what: str) -> None:
        self.owner.setToolTip(what)
        self.called.append(what)

    async def end(self, how: End) -> None:
        if how == "done":
            self.gate.set_result(None)
        elif how == "failed":
            self.gate.set_exception(UserFacing(Text("x", "The disk is full.")))
        else:
            self.task.cancel()
        await asyncio.sleep(0.01)


@pytest.fixture
def errors(loop: Any) -> list[dict[str, Any]]:
    """What the loop's handler was told."""
    told: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _loop, context: told.append(context))
    return told


async def test_an_owner_that_is_there_is_told_the_end(make: Make, errors: list[Any]) -> None:
    ui = await make()
    wanted: dict[End, list[str]] = {"done": ["result", "end"], "failed": ["UserFacing", "end"], "cancelled": ["end"]}
    for end, called in wanted.items():
        rig = Rig(ui, "told")
        await asyncio.sleep(0)
        assert not rig.button.isEnabled()
        await rig.end(end)
        assert (rig.called, rig.steps, errors) == (called, [1, 2], [])
        assert rig.button.isEnabled()
    assert ui.toasts() == ["The disk is full."]  # on_error said that it showed nothing


@pytest.mark.parametrize("orphaned", ["told", "quiet", "cancelled"])
async def test_an_owner_that_is_gone_is_told_nothing(make: Make, errors: list[Any], orphaned: Orphaned) -> None:
    ui = await make()
    ends: tuple[End, ...] = ("done", "failed", "cancelled")
    for end, at_once in itertools.product(ends, (True, False)):
        rig = Rig(ui, orphaned)
        await asyncio.sleep(0)
        if at_once:
            shiboken6.delete(rig.owner)
        else:
            rig.owner.deleteLater()
        await asyncio.sleep(0.01)
        assert rig.task.cancelled() == (orphaned == "cancelled")
        if not rig.task.done():
            await rig.end(end)
        assert rig.task.done()
        assert (rig.called, rig.steps, errors) == ([], [1], [])
    assert ui.toasts() == (["The disk is full."] if orphaned == "told" else [])


async def test_an_owner_that_lives_long_keeps_nothing_of_what_has_ended(make: Make) -> None:
    ui = await make()
    owner = QObject(ui.window)
    kept = []
    for _ in range(20):
        await ui.window.operations.run(asyncio.sleep(0), owner=owner, orphaned="cancelled")
        kept.append(owner.receivers("2destroyed(QObject*)"))
    assert len(set(kept)) == 1
