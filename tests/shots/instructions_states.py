"""How a chat is answered and begun: the panel of instructions, prompt templates, temporary chats."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from qwen_desktop.core.engine import Capabilities, Sampling, ThinkingMode
from qwen_desktop.core.prompt_templates import PromptTemplate
from qwen_desktop.ui.chat.template_dialog import TemplatesDialog
from tests.shots import seeds
from tests.shots.chat_states import ask, finished, read
from tests.shots.parts import composer
from tests.shots.table import state

if TYPE_CHECKING:
    from tests.shots.stage import Stage

_LETTER = PromptTemplate(
    "own-1",
    "Letter to the landlord",
    "Write to {{name=Ms Weber}} about {{topic}} in a {{tone:polite|firm}} tone.\n\n{{notes:long}}",
)
_LONG = PromptTemplate("own-2", "A template with a name that is far too long for the row it stands in", "Say {{x}}.")


async def _panel(stage: Stage) -> Any:
    await read(stage, seeds.SHORT)
    history, where = stage.services.history, stage.window.chat.current
    words = "You are a careful assistant. Answer in the language of the question. Say plainly when you do not know."
    await history.set_system_prompt(where, words)
    await history.set_sampling(where, Sampling(temperature=0.4, seed=7))
    stage.command("chat.instructions")
    await stage.rest()
    return stage.window.chat.pane.instructions


@state("instructions-panel")
async def panel(stage: Stage) -> None:
    await _panel(stage)


@state("instructions-panel-end")
async def panel_end(stage: Stage) -> None:
    shown = await _panel(stage)
    shown.rows["context"].control.field.setFocus()


@state("instructions-panel-refused")
async def refused(stage: Stage) -> None:
    shown = await _panel(stage)
    edit = shown.rows["temperature"].control._edit
    edit.setFocus()
    edit.selectAll()
    QTest.keyClicks(edit, "9")
    QTest.keyClick(edit, Qt.Key.Key_Return)


@state("instructions-new-chat")
async def new_chat(stage: Stage) -> None:
    await stage.open()
    stage.command("chat.instructions")


async def _templates(stage: Stage) -> None:
    await read(stage, seeds.SHORT)
    for template in (_LETTER, _LONG):
        await stage.services.prompt_templates.save(template)
    composer(stage).setFocus()


@state("templates-menu")
async def menu(stage: Stage) -> None:
    await _templates(stage)
    QTest.keyClicks(composer(stage), "/")


@state("templates-menu-filtered")
async def menu_filtered(stage: Stage) -> None:
    await _templates(stage)
    QTest.keyClicks(composer(stage), "/wr")


@state("templates-menu-button")
async def menu_button(stage: Stage) -> None:
    await _templates(stage)
    composer(stage).setPlainText("The heating in the kitchen does not work.")
    stage.window.chat.pane.composer.slash.click()


@state("templates-menu-none")
async def menu_none(stage: Stage) -> None:
    await _templates(stage)
    stage.window.chat.pane.composer.slash.click()
    await stage.rest()
    QTest.keyClicks(stage.window.chat.pane.templates.search, "xyz")


@state("templates-fields")
async def fields(stage: Stage) -> None:
    await _templates(stage)
    QTest.keyClicks(composer(stage), "/letter to")
    await stage.rest()
    QTest.keyClick(composer(stage), Qt.Key.Key_Return)
    QTest.keyClick(composer(stage), Qt.Key.Key_Tab)
    QTest.keyClicks(composer(stage), "the heating")
    QTest.keyClick(composer(stage), Qt.Key.Key_Tab)


async def _dialog(stage: Stage) -> Any:
    await _templates(stage)
    stage.command("prompts.manage")
    await stage.rest()
    return stage.window.findChild(TemplatesDialog)


@state("templates-dialog")
async def dialog(stage: Stage) -> None:
    shown = await _dialog(stage)
    shown.list.setCurrentRow(1)


@state("templates-dialog-shipped")
async def dialog_shipped(stage: Stage) -> None:
    shown = await _dialog(stage)
    shown.list.setCurrentRow(4)


@state("templates-dialog-refused")
async def dialog_refused(stage: Stage) -> None:
    shown = await _dialog(stage)
    shown.list.setCurrentRow(1)
    shown.name.setFocus()
    shown.name.selectAll()
    QTest.keyClicks(shown.name, " ")
    shown.store()


async def _temporary(stage: Stage, *, model: bool = True) -> None:
    stage.scene.can = Capabilities(thinking=tuple(ThinkingMode))
    await stage.open(_usual(), model=model)
    stage.command("chat.temporary")
    await stage.rest()


def _usual() -> seeds.Chat:
    """A usual chat beside it, pinned."""
    return seeds.SHORT._replace(pinned=True)


@state("temporary-empty")
async def temporary_empty(stage: Stage) -> None:
    await _temporary(stage)


@state("temporary-guide")
async def temporary_guide(stage: Stage) -> None:
    await _temporary(stage, model=False)


@state("temporary-chat")
async def temporary_chat(stage: Stage) -> None:
    await _temporary(stage)
    await ask(stage, "Which present would surprise Ada?")
    await finished(stage)
