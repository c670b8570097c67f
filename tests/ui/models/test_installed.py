"""Models on this computer: rows, their menu, verifying, deleting, repairing; and the import of others."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from msgspec import structs
from PySide6.QtWidgets import QDialog

from qwen_desktop.core.errors import Problem
from qwen_desktop.core.model_ref import LoadOptions
from qwen_desktop.core.text import Text
from tests.ui.models import scripted
from tests.ui.models.helpers import button, click_part, dialog, no_dialog, opened, says, services, spoken

if TYPE_CHECKING:
    from qwen_desktop.ui.models.page import ModelsPage
    from tests.ui.conftest import Make, Ui


def entries(page: ModelsPage, row: int) -> dict[str, bool]:
    """The … menu of a row: name and whether it can be chosen."""
    page.installed.menu_for(page.installed.list.rows[row])
    return {a.text(): a.isEnabled() for a in page.installed.menu.actions() if not a.isSeparator()}


def choose(page: ModelsPage, row: int, name: str) -> None:
    page.installed.menu_for(page.installed.list.rows[row])
    next(a for a in page.installed.menu.actions() if a.text() == name).trigger()


async def shown(make: Make) -> tuple[Ui, ModelsPage]:
    ui = await make()
    services(ui).library.items = scripted.installed()
    page = await opened(ui)
    page._show_installed()
    await ui.rest()  # a simulated pointer runs Qt's events inside the test, which no other task may be waiting for
    return ui, page


async def test_rows_tell_size_context_use_and_what_is_wrong(make: Make) -> None:
    ui, page = await shown(make)
    view = page.installed.list
    assert [spoken(view, row) for row in range(4)] == [
        "Qwen2.5 Coder 7B, Q4_K_M, 4.7 GB · 32k context · used yesterday",
        "Qwen3 1.7B, Q8_0, 1.8 GB · 40k context · used 9 days ago · Ollama",
        "Qwen3 32B, Q4_K_M, 19.8 GB · 40k context · used 2 months ago, cannot be used",
        "Qwen2.5 3B Instruct, Q5_K_M, 2.2 GB · 32k context · not used yet · LM Studio, chat template has a fault",
    ]
    assert entries(page, 0) == {"Use": True, "Details": True, "Verify": True, "Show in folder": True, "Delete": True}
    assert not entries(page, 2)["Use"]
    assert "Repair the chat template" in entries(page, 3)
    click_part(view, 1, "use")
    await ui.rest()
    assert ui.app.models.state.path.endswith("sha256-7f4030143c1c")
    page = await opened(ui)
    assert spoken(page.installed.list, 1).endswith("In use")


async def test_an_alias_and_own_load_options_are_told(make: Make) -> None:
    ui, page = await shown(make)
    library = services(ui).library
    library.items[0] = structs.replace(library.items[0], alias="coder", options=LoadOptions(context=4096))
    library.changed()
    await ui.rest()
    assert spoken(page.installed.list, 0) == (
        "Qwen2.5 Coder 7B, Q4_K_M, alias coder · 4.7 GB · 32k context · used yesterday · own load options"
    )
    assert "own load options" not in spoken(page.installed.list, 1)


async def test_a_model_that_cannot_be_used_says_why(make: Make) -> None:
    ui, page = await shown(make)
    click_part(page.installed.list, 2, "use")
    assert ui.toasts() == ["The file /mnt/usb/qwen3-32b.gguf is gone. Connect the drive, or delete the entry."]
    click_part(page.installed.list, 2, "")
    await asyncio.sleep(0.01)
    assert "The file /mnt/usb/qwen3-32b.gguf is gone." in says(dialog(ui))


async def test_a_model_for_embeddings_is_told_apart_and_does_not_answer(make: Make) -> None:
    ui, page = await shown(make)
    library = services(ui).library
    library.items[0] = structs.replace(library.items[0], kind="embedding")
    library.changed()
    await ui.rest()
    assert "for embeddings" in spoken(page.installed.list, 0)
    assert not entries(page, 0)["Use"]
    before = ui.app.models.state.path
    click_part(page.installed.list, 0, "use")
    assert "is an embedding model" in ui.toasts()[-1] and "qwen-desktop embed" in ui.toasts()[-1]
    assert ui.app.models.state.path == before
    click_part(page.installed.list, 0, "")
    await asyncio.sleep(0.01)
    assert "is an embedding model" in says(dialog(ui)) and "Use it" not in says(dialog(ui))


async def test_verify_shows_progress_and_its_finding(make: Make) -> None:
    ui, page = await shown(make)
    library = services(ui).library
    library.gate.clear()
    choose(page, 0, "Verify")
    await asyncio.sleep(0.01)
    assert page.installed.busy == {"coder": 0.5}
    assert not entries(page, 0)["Verify"]
    assert not entries(page, 0)["Delete"]
    library.gate.set()
    await ui.rest()
    assert page.installed.busy == {}
    assert ui.toasts() == ["Qwen2.5 Coder 7B is as it should be."]
    library.verdicts["coder"] = False
    choose(page, 0, "Verify")
    await ui.rest()
    assert ui.toasts()[-1] == ("Qwen2.5 Coder 7B differs from what its hash says. Delete it and download it again.")


async def test_deleting_asks_and_says_what_goes(make: Make) -> None:
    ui, page = await shown(make)
    choose(page, 0, "Delete")
    await asyncio.sleep(0.01)
    assert "Its files, 4.7 GB, go to the bin." in says(dialog(ui))
    button(dialog(ui), "Cancel").click()
    await asyncio.sleep(0.01)
    choose(page, 1, "Delete")
    await asyncio.sleep(0.01)
    assert "Only the entry in this list goes. The file itself stays in Ollama." in says(dialog(ui))
    button(dialog(ui), "Delete").click()
    await ui.rest()
    assert services(ui).library.calls == [("delete", "tiny", False)]
    assert ui.toasts() == ["Qwen3 1.7B is deleted."]
    assert [row.id for row in page.installed.list.rows] == ["coder", "usb", "old"]


async def test_a_drive_without_a_bin_is_asked_about(make: Make) -> None:
    ui, page = await shown(make)
    library = services(ui).library
    no_bin = Text("library.no_bin", "This drive has no bin.")
    library.fails = Problem("environment", no_bin, action="delete_permanently")
    choose(page, 0, "Delete")
    await asyncio.sleep(0.01)
    button(dialog(ui), "Delete").click()
    await asyncio.sleep(0.02)
    assert "This drive has no bin." in says(dialog(ui))
    button(dialog(ui), "Delete for good").click()
    await ui.rest()
    assert library.calls[-1] == ("delete", "coder", True)
    assert "coder" not in [row.id for row in page.installed.list.rows]


async def test_what_is_deleted_for_good_is_said_before(make: Make) -> None:
    ui, page = await shown(make)
    library = services(ui).library
    library.no_bin = Text("library.no_bin.network", "A network drive has no bin.")
    choose(page, 0, "Delete")
    await asyncio.sleep(0.01)
    assert "A network drive has no bin. Its files, 4.7 GB, are deleted for good." in says(dialog(ui))
    button(dialog(ui), "Delete for good").click()
    await ui.rest()
    assert library.calls == [("delete", "coder", True)]


async def test_a_second_wish_to_delete_takes_the_place_of_one_that_is_still_being_looked_into(make: Make) -> None:
    ui, page = await shown(make)
    for row in (0, 0, 1):
        choose(page, row, "Delete")
    await ui.rest()
    asked = [each for each in ui.window.findChildren(QDialog) if each.isVisible()]
    assert [each.windowTitle() for each in asked] == ["Delete Qwen3 1.7B?"]
    asked[0].reject()


async def test_a_template_is_repaired_and_unrepaired(make: Make) -> None:
    ui, page = await shown(make)
    click_part(page.installed.list, 3, "")
    await asyncio.sleep(0.01)
    details = dialog(ui)
    assert "does not write tool results the way Qwen2.5 expects them" in says(details)
    assert "The file stays as it is." in says(details)
    button(details, "Repair the chat template").click()
    await ui.rest()
    assert spoken(page.installed.list, 3).endswith("chat template repaired")
    choose(page, 3, "Undo the template's repair")
    await ui.rest()
    assert spoken(page.installed.list, 3).endswith("chat template has a fault")


async def test_many_models_are_folded(make: Make) -> None:
    ui = await make()
    one = scripted.installed()[0]
    services(ui).library.items = [structs.replace(one, id=str(n), name=f"Model {n}", last_used=n) for n in range(9)]
    page = await opened(ui)
    page._show_installed()
    assert [row.name for row in page.installed.list.rows] == ["Model 8", "Model 7", "Model 6", "Model 5"]
    button(page.installed, "Show all 9").click()
    assert len(page.installed.list.rows) == 9


async def test_import_links_what_other_programs_hold(make: Make) -> None:
    ui = await make()
    library = services(ui).library
    library.candidates = scripted.candidates()
    page = await opened(ui)
    assert not page.installed.isVisible()
    library.gate.clear()
    page.import_button.click()
    await asyncio.sleep(0.01)
    asked = dialog(ui)
    assert asked.rows == []
    library.gate.set()
    await ui.rest()
    text = says(asked)
    for program in ("LM Studio", "Ollama", "Hugging Face cache"):
        assert program in text
    assert [(row.tick.text(), row.tick.isChecked(), row.tick.isEnabled()) for row in asked.rows] == [
        ("Qwen3 8B", True, True),
        ("Qwen2.5 3B Instruct", False, False),
        ("qwen3:4b", True, True),
        ("qwen2.5-coder:14b", False, False),
        ("Qwen3 0.6B", True, True),
    ]
    assert "The file ends too early. Download it again." in text
    asked.rows[0].tick.click()
    assert asked.go.text() == "Import 2 models"
    asked.go.click()
    await ui.rest()
    ((what, paths, copy),) = library.calls
    assert what == "import"
    assert len(paths) == 2
    assert copy is False
    assert no_dialog(ui)
    assert ui.toasts() == ["2 models are in the list."]
    assert page.installed.isVisible()


async def test_import_copies_chosen_files_and_tells_a_failure(make: Make) -> None:
    ui = await make()
    library = services(ui).library
    page = await opened(ui)
    page.import_button.click()
    await ui.rest()
    asked = dialog(ui)
    assert "No models of LM Studio, Ollama, Jan, GPT4All or the Hugging Face cache were found here." in says(asked)
    assert not asked.go.isEnabled()
    asked.add_files([ui.app.model_file("mine.gguf")])
    button(asked, "Copy into the models folder").click()
    library.fails = Problem("environment", Text("disk.full", "The disk is full."), Text("h", "Free some space."))
    asked.go.click()
    await ui.rest()
    assert asked.problem.text() == "The disk is full. Free some space."
    assert asked.go.isEnabled()
    library.fails = None
    library.gate.clear()
    asked.go.click()
    await asyncio.sleep(0.01)
    assert asked.meter.isVisible()
    assert asked.meter.value() / 1000 == 0.25
    library.gate.set()
    await ui.rest()
    assert library.calls[-1][2] is True
    assert ui.toasts() == ["mine is in the list."]
    ui.window.notify.toasts.shown[0].act()
    await ui.rest()
    assert ui.app.models.state.path.endswith("mine.gguf")
