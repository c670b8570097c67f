"""The assistants: their page, one of the user's own, what is said of files, and how they stand in chats."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt

from qwen_desktop.core.assistants import Assistant, AssistantField, FieldKind
from qwen_desktop.core.engine import Sampling, ThinkingMode
from qwen_desktop.core.shipped_assistants import ASSISTANTS
from tests.shots.chat_states import ask, finished
from tests.shots.table import state

if TYPE_CHECKING:
    from tests.shots.stage import Stage

_SHIPPED = {assistant.id.removeprefix("shipped."): assistant.id for assistant in ASSISTANTS}

OWN = Assistant(
    "", "Recipe finder", "Suggests a dish for what is in the kitchen, with the steps and what to buy.",
    "utensils", "amber",
    "You suggest one dish for what the user has in the kitchen.\nDiet: {{diet}}\nNever use: {{never}}\n"
    "Write the ingredients as a list, then numbered steps of one sentence each.",
    Sampling(temperature=0.9), ThinkingMode.DIRECT, None, 8192, "Qwen3 4B",
    (
        AssistantField("diet", "Diet", FieldKind.CHOICE, ("anything", "vegetarian", "vegan"), ("vegetarian",)),
        AssistantField("never", "Never use"),
    ),
)  # fmt: skip
LONG = Assistant(
    "", "Zusammenfassungsschreibassistent für Besprechungsprotokolle",
    "Fasst Besprechungsprotokolle zusammen, ordnet die Beschlüsse nach Zuständigkeit, nennt alle offenen Punkte und "
    "schlägt für jeden einen nächsten Schritt mit einem Termin vor.",
    "briefcase", "slate", "Fasse zusammen.",
)  # fmt: skip


async def page(stage: Stage, *own: Assistant) -> Any:
    """Open the page, with these of the user's own."""
    await stage.open()
    for assistant in own:
        await stage.services.assistants.save(assistant)
    stage.command("view.assistants")
    shown = stage.window.pages.currentWidget()
    await stage.rest()
    return shown


def choose(shown: Any, name: str) -> None:
    """Press the card of this name."""
    cards = {**shown.grid.cards, **shown.own.cards}
    next(card for card in cards.values() if card.assistant.name == name).click()


@state("assistants-page")
async def whole_page(stage: Stage) -> None:
    await page(stage)


@state("assistants-shipped")
async def shipped(stage: Stage) -> None:
    choose(await page(stage, OWN), "Translator")


@state("assistants-own")
async def own_one(stage: Stage) -> None:
    choose(await page(stage, OWN, LONG), OWN.name)


@state("assistants-own-end")
async def own_end(stage: Stage) -> None:
    shown = await page(stage, OWN, LONG)
    choose(shown, OWN.name)
    await stage.still()
    shown.editor.content._fold()
    await stage.still()
    shown.editor.area.verticalScrollBar().setValue(shown.editor.area.verticalScrollBar().maximum())


@state("assistants-long")
async def long_one(stage: Stage) -> None:
    choose(await page(stage, OWN, LONG), LONG.name)


@state("assistants-new")
async def new_one(stage: Stage) -> None:
    shown = await page(stage)
    shown.new()
    await stage.rest()


@state("assistants-no-name")
async def no_name(stage: Stage) -> None:
    shown = await page(stage, OWN)
    choose(shown, OWN.name)
    shown.editor.content.name.clear()
    shown.editor.keep()
    await stage.rest()


@state("assistants-look")
async def look(stage: Stage) -> None:
    shown = await page(stage, OWN)
    choose(shown, OWN.name)
    shown.editor.content.look.click()
    await stage.dialog()


@state("assistants-hidden")
async def hidden(stage: Stage) -> None:
    shown = await page(stage, OWN)
    for name in ("maths", "summarizer"):
        shown.delete(_SHIPPED[name])
        await stage.rest()


@state("assistants-menu")
async def menu(stage: Stage) -> None:
    shown = await page(stage, OWN)
    next(iter(shown.own.cards.values())).more.click()


@state("assistants-import-wrong")
async def wrong_file(stage: Stage) -> None:
    shown = await page(stage)
    with TemporaryDirectory() as folder:
        shown.import_files(_wrong_files(Path(folder)))
        await stage.rest()


def _wrong_files(folder: Path) -> list[str]:
    file, other = folder / "holiday.qwen-assistant.json", folder / "notes.json"
    file.write_bytes(b'{"format": "qwen-desktop-assistants", "version": 9, "assistants": []}')
    other.write_bytes(b"[1, 2")
    return [str(file), str(other)]


@state("assistants-chat-row")
async def chat_row(stage: Stage) -> None:
    await stage.open(prepare=None)
    await stage.services.assistants.save(OWN)


async def _with(stage: Stage, name: str) -> Any:
    await stage.open()
    stage.window.chat.pane.setup.assist(_SHIPPED[name])
    return stage.window.chat.pane


@state("assistants-chat-chosen")
async def chat_chosen(stage: Stage) -> None:
    await _with(stage, "translator")


@state("assistants-chat-missing")
async def chat_missing(stage: Stage) -> None:
    await _with(stage, "coder")


@state("assistants-chat-languages")
async def chat_languages(stage: Stage) -> None:
    pane = await _with(stage, "multilingual")
    await stage.still()
    pane.fields.chips["languages"].click()


@state("assistants-chat-words")
async def chat_words(stage: Stage) -> None:
    pane = await _with(stage, "coder")
    await stage.still()
    pane.fields.chips["constraints"].click()
    pane.fields.chips["constraints"].popup.edit.setPlainText("No dependencies.\nPython 3.11 or newer.")


@state("assistants-chat-header")
async def chat_header(stage: Stage) -> None:
    await _with(stage, "multilingual")
    await ask(stage)
    await finished(stage)


@state("assistants-chat-menu")
async def chat_menu(stage: Stage) -> None:
    await _with(stage, "editor")
    await ask(stage)
    await finished(stage)
    stage.window.chat.header.assistant.click()


@state("assistants-keyboard")
async def keyboard(stage: Stage) -> None:
    shown = await page(stage, OWN)
    card = next(iter(shown.grid.cards.values()))
    card.setFocus(Qt.FocusReason.TabFocusReason)
    stage.key(card, Qt.Key.Key_Right)
