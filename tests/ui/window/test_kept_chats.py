"""Chats kept ready, in the settings: how much they take, cleared, switched off, and gone with their chats."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from qwen_desktop.engine.prompt_cache.files import DISK_RESERVE, Folder
from qwen_desktop.ui.settings.prompt_cache import PromptCacheCard
from tests.prompt_cache_files import stands_in, write

if TYPE_CHECKING:
    from tests.ui.conftest import Make, Ui


async def page_of(ui: Ui) -> Any:
    ui.window.show_page("view.settings")
    page = ui.window.pages.built("view.settings")
    page.show_section("storage")
    await ui.rest()
    return page


def filled(ui: Ui, *ids: str) -> bytes:
    folder = ui.app.paths.prompt_cache
    folder.mkdir(parents=True, exist_ok=True)
    return [write(folder, identity, rows=20_000) for identity in ids][-1]


async def test_the_card_says_how_much_is_kept_and_clears_it(make: Make) -> None:
    ui = await make()
    ui.app.prompt_cache._free = lambda _path: DISK_RESERVE + 40_000_000_000
    row = filled(ui, "one", "two")
    page = await page_of(ui)
    card = page.sections["storage"].findChild(PromptCacheCard)
    assert card.figures.text() == "2 chats, 2.7 MB of 4.00 GB"
    assert card.meter.isVisible() and card.meter.accessibleName() and card.clear.isEnabled()
    assert card.matches("prompt cache") and page.row("storage.prompt_cache_gb").matches("prompt cache")
    QTest.mouseClick(card.clear, Qt.MouseButton.LeftButton)
    await ui.until(lambda: "Nothing is kept yet" in card.figures.text())
    assert not stands_in(ui.app.paths.prompt_cache, row) and not card.clear.isEnabled()
    assert any("Nothing is kept any more" in text for text in ui.toasts())


async def test_switched_off_on_the_page_it_is_removed_and_the_card_says_so(make: Make) -> None:
    ui = await make()
    row = filled(ui, "one")
    page = await page_of(ui)
    card = page.sections["storage"].findChild(PromptCacheCard)
    await ui.until(lambda: card.figures.text().startswith("1 chat, "))
    page._change("storage.prompt_cache_gb", 0)
    await ui.until(lambda: card.figures.text().startswith("Nothing is kept: "))
    assert not stands_in(ui.app.paths.prompt_cache, row) and not card.meter.isVisible()
    page._change("storage.prompt_cache_gb", 8)
    await ui.until(lambda: "at most" in card.figures.text())
    assert page.row("storage.prompt_cache_gb").control.words(8) == "8 GB"


async def test_deleting_a_chat_is_seen_on_the_card(make: Make) -> None:
    ui = await make()
    await ui.say("What is water?")
    (chat,) = await ui.app.history.list()
    filled(ui, chat.id)
    page = await page_of(ui)
    card = page.sections["storage"].findChild(PromptCacheCard)
    await ui.until(lambda: card.figures.text().startswith("1 chat, "))
    await ui.app.history.delete(chat.id)
    await ui.until(lambda: "Nothing is kept yet" in card.figures.text())
    assert Folder(ui.app.paths.prompt_cache).size() == (0, 0)


async def test_it_is_found_and_a_full_disk_and_a_wrong_folder_are_said(make: Make) -> None:
    ui = await make()
    ui.app.prompt_cache._free = lambda _path: 5_000
    page = await page_of(ui)
    card = page.sections["storage"].findChild(PromptCacheCard)
    assert "disk is nearly full" in card.figures.text()
    ui.app.paths.prompt_cache.parent.mkdir(parents=True, exist_ok=True)
    ui.app.paths.prompt_cache.write_text("in the way")
    page.show_section("chat")
    page.search.setText("kept ready clear")
    await ui.until(lambda: "cannot be written" in card.figures.text())
    assert card.isVisible()
