"""The thinking control: the budget beside the switch, its menu and its question, and the soft switches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from qwen_desktop.core.engine import Capabilities, ThinkingMode
from tests.shots import seeds
from tests.shots.chat_states import read
from tests.shots.parts import composer, named
from tests.shots.seeds import Chat, assistant, user
from tests.shots.table import state

if TYPE_CHECKING:
    from tests.shots.stage import Stage


async def _talk(stage: Stage) -> None:
    """A chat with a model that thinks."""
    await read(stage, seeds.SHORT)


@state("chat-budget-menu")
async def budget_menu(stage: Stage) -> None:
    await _talk(stage)
    await stage.services.history.set_thinking_budget(stage.window.chat.current, 512)
    named(stage.window, "BudgetButton").open_menu()


@state("chat-budget-own")
async def budget_own(stage: Stage) -> None:
    await _talk(stage)
    await stage.services.history.set_thinking_budget(stage.window.chat.current, 48_000)
    button = named(stage.window, "BudgetButton")
    button._ask()
    dialog = named(stage.window, "BudgetDialog")
    dialog.field.setText("many")
    dialog._use()


@state("chat-budget-direct")
async def direct(stage: Stage) -> None:
    await _talk(stage)
    named(stage.window, "ThinkingControl").switch.set_value("direct")
    named(stage.window, "ThinkingControl")._show()


_SWITCHED = Chat(
    "switched",
    "Why is the sky blue?",
    said=(user("Why is the sky blue? /no_think"), assistant("Because air scatters blue light most.")),
)


@state("chat-soft-switch")
async def soft_switch(stage: Stage) -> None:
    stage.scene.can = Capabilities(thinking=tuple(ThinkingMode), soft_switches=True)
    await read(stage, _SWITCHED)
    composer(stage).setPlainText("And in the evening? /think")


@state("chat-soft-switch-offered")
async def soft_switch_offered(stage: Stage) -> None:
    stage.scene.can = Capabilities(thinking=tuple(ThinkingMode), soft_switches=True)
    await read(stage, _SWITCHED)
    QTest.keyClicks(composer(stage), "And in the evening? /")
    QTest.keyClick(composer(stage), Qt.Key.Key_Down)
