"""The models page with its lists, downloads and dialogs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from msgspec import structs

from qwen_desktop.core.errors import Problem
from qwen_desktop.core.fit import Verdict
from qwen_desktop.core.model_ref import LoadOptions
from qwen_desktop.core.models import DownloadStatus
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text
from qwen_desktop.services import network
from tests.shots.parts import models
from tests.shots.still import NOW
from tests.shots.table import state
from tests.ui.models import scripted

if TYPE_CHECKING:
    from tests.shots.stage import Stage

_OFFLINE = Problem(
    "environment",
    Text("hub.offline", QT_TRANSLATE_NOOP("tests", "The hub cannot be reached.")),
    Text("hub.offline.hint", QT_TRANSLATE_NOOP("tests", "Check the network.")),
)


async def page(
    stage: Stage, *, installed: bool = False, prepare: Callable[[Any], object] | None = None, **settings: Any
) -> Any:
    """Open the page and wait until the catalogue is judged."""

    def ready(app: Any) -> None:
        app.catalogue.updated_at = NOW - 3 * scripted.DAY - 60
        if installed:
            app.library.items = scripted.installed(NOW)
        if prepare is not None:
            prepare(app)

    await stage.open(prepare=ready, **settings)
    stage.command("view.models")
    shown = models(stage)
    await stage.until(lambda: shown.state.rows is not None)
    await stage.rest()
    return shown


def _to(shown: Any, widget: Any) -> None:
    """Scroll the page so that ``widget`` begins at its top."""
    bar = shown.verticalScrollBar()
    bar.setValue(widget.mapTo(shown.widget(), widget.rect().topLeft()).y() - 16)


@state("models-recommended")
async def recommended(stage: Stage) -> None:
    await page(stage)


@state("models-skeleton")
async def skeleton(stage: Stage) -> None:
    await stage.open(prepare=lambda app: app.machines.gate.clear())
    stage.command("view.models")


@state("models-code")
async def code(stage: Stage) -> None:
    choice = (await page(stage)).purposes.select  # it stands for the buttons where they have no room
    choice.setCurrentIndex(choice.findData("code"))
    choice.activated.emit(choice.currentIndex())


@state("models-small-computer")
async def small(stage: Stage) -> None:
    await page(stage, prepare=lambda app: setattr(app.machines, "found", scripted.SMALL))


@state("models-installed")
async def installed(stage: Stage) -> None:
    shown = await page(stage, installed=True)
    await stage.still()
    _to(shown, shown.installed_title)


@state("models-installed-menu")
async def installed_menu(stage: Stage) -> None:
    shown = await page(stage, installed=True)
    await stage.still()
    _to(shown, shown.installed_title)
    shown.installed.list.row(3).more.click()


@state("models-installed-verifying")
async def verifying(stage: Stage) -> None:
    shown = await page(stage, installed=True)
    await stage.still()
    _to(shown, shown.installed_title)
    stage.services.library.gate.clear()
    shown.verify(stage.services.library.items[0])


@state("models-downloads")
async def downloads(stage: Stage) -> None:
    shown = await page(stage, prepare=lambda app: app.downloads.add(*scripted.every_state()))
    await stage.still()
    _to(shown, shown.downloads)


@state("models-downloads-elsewhere")
async def downloads_elsewhere(stage: Stage) -> None:
    await page(stage)
    stage.command("view.chat")
    stage.services.downloads.add(*scripted.every_state()[:3])


@state("models-catalogue")
async def catalogue(stage: Stage) -> None:
    shown = await page(stage)
    await stage.still()
    _to(shown, shown.catalogue)


@state("models-catalogue-all")
async def catalogue_all(stage: Stage) -> None:
    shown = await page(stage)
    shown.catalogue.filters.fits.click()
    await stage.still()
    bar = shown.verticalScrollBar()
    bar.setValue(bar.maximum())


@state("models-filtered")
async def filtered(stage: Stage) -> None:
    shown = await page(stage)
    filters = shown.catalogue.filters
    filters.family.set_value("Qwen2.5 Coder")
    filters.size_.set_value("tiny")
    filters.changed.emit()
    await stage.still()
    _to(shown, shown.catalogue)


@state("models-filter-menu")
async def filter_menu(stage: Stage) -> None:
    shown = await page(stage)
    await stage.still()
    _to(shown, shown.catalogue)
    shown.catalogue.filters.family.click()


@state("models-filtered-nothing")
async def filtered_nothing(stage: Stage) -> None:
    shown = await page(stage)
    filters = shown.catalogue.filters
    filters.family.set_value("Qwen2.5 Coder")
    filters.purpose.set_value("maths")
    filters.changed.emit()
    await stage.still()
    _to(shown, shown.catalogue)


async def _search(stage: Stage, shown: Any, words: str) -> None:
    shown.search.setText(words)
    await stage.until(lambda: not shown.machine.isVisible())


@state("models-search")
async def search(stage: Stage) -> None:
    await _search(stage, await page(stage, installed=True), "coder")


@state("models-search-nothing")
async def search_nothing(stage: Stage) -> None:
    await _search(stage, await page(stage), "zebra")


@state("models-search-repository")
async def search_repository(stage: Stage) -> None:
    await _search(stage, await page(stage), "https://huggingface.co/other/thing-GGUF")


@state("models-unreachable")
async def unreachable(stage: Stage) -> None:
    shown = await page(stage, prepare=lambda app: setattr(app.catalogue, "fails", _OFFLINE))
    shown.catalogue.refresh.click()
    await stage.rest()
    await stage.still()
    _to(shown, shown.catalogue)


@state("models-offline")
async def offline(stage: Stage) -> None:
    await page(stage, downloads__offline=True)


# Dialogs -------------------------------------------------------------------------------------------------------------


def _model(stage: Stage, model_id: str) -> Any:
    found = stage.services.catalogue.find(model_id)
    assert found is not None
    return found


@state("models-details")
async def details(stage: Stage) -> None:
    (await page(stage)).details(_model(stage, "qwen3-4b"))


@state("models-details-more")
async def details_more(stage: Stage) -> None:
    dialog = (await page(stage)).details(_model(stage, "qwen3-4b"))
    dialog.more.click()
    dialog.names.click()
    await stage.still()
    dialog.show_memory()


@state("models-details-problem")
async def details_problem(stage: Stage) -> None:
    dialog = (await page(stage)).details(_model(stage, "qwen2.5-math-72b"))
    dialog.memory.check.click()
    await stage.rest()
    dialog.show_memory()


@state("models-details-unserved")
async def details_unserved(stage: Stage) -> None:
    shown = await page(stage)
    shown.details(structs.replace(_model(stage, "qwen2.5-vl-7b"), served=False, quants=()))


@state("models-installed-details")
async def installed_details(stage: Stage) -> None:
    shown = await page(stage, installed=True)
    own = structs.replace(stage.services.library.items[0], alias="coder", options=LoadOptions(context=4096))
    shown.installed_details(own)


@state("models-installed-details-fault")
async def installed_fault(stage: Stage) -> None:
    (await page(stage, installed=True)).installed_details(stage.services.library.items[2])


@state("models-installed-details-gone")
async def installed_gone(stage: Stage) -> None:
    (await page(stage, installed=True)).installed_details(stage.services.library.items[3])


@state("models-computer")
async def computer(stage: Stage) -> None:
    (await page(stage)).show_machine()


@state("models-computer-small")
async def computer_small(stage: Stage) -> None:
    (await page(stage, prepare=lambda app: setattr(app.machines, "found", scripted.SMALL))).show_machine()


@state("models-import")
async def import_(stage: Stage) -> None:
    shown = await page(stage, prepare=lambda app: setattr(app.library, "candidates", scripted.candidates()))
    shown.import_models()
    await stage.rest()


@state("models-import-looking")
async def import_looking(stage: Stage) -> None:
    (await page(stage, prepare=lambda app: app.library.gate.clear())).import_models()


@state("models-import-nothing")
async def import_nothing(stage: Stage) -> None:
    (await page(stage)).import_models()
    await stage.rest()


@state("models-import-working")
async def import_working(stage: Stage) -> None:
    shown = await page(stage, prepare=lambda app: setattr(app.library, "candidates", scripted.candidates()))
    shown.import_models()
    dialog = await stage.dialog()
    await stage.rest()
    stage.services.library.gate.clear()
    stage.default(dialog).click()


@state("models-licence")
async def licence(stage: Stage) -> None:
    await _get(stage, _not_open)


@state("models-gated")
async def gated(stage: Stage) -> None:
    await _get(stage, lambda s: structs.replace(_model(s, "qwen3-4b"), gated=True))


def _not_open(stage: Stage) -> Any:
    return _model(stage, "qwen2.5-3b")


async def _get(stage: Stage, which: Callable[[Stage], Any]) -> None:
    shown = await page(stage)
    model = which(stage)
    shown._starter.get(model, model.recommended_quant)
    await stage.dialog()


@state("models-metered")
async def metered(stage: Stage) -> None:
    async def yes() -> bool:
        return True

    kept, network.metered = network.metered, yes
    try:
        await _get(stage, lambda s: _model(s, "qwen3-4b"))
    finally:
        network.metered = kept


@state("models-does-not-fit")
async def does_not_fit(stage: Stage) -> None:
    shown = await page(stage)
    model = _model(stage, "qwen3-4b")
    fit = shown.state.fit(model, model.recommended_quant)
    stage.services.fits.truth[f"{model.repo}:{model.recommended_quant.name}"] = structs.replace(
        fit, verdict=Verdict.TOO_LARGE, missing_bytes=3_000_000_000
    )
    shown._starter.get(model, model.recommended_quant)
    await stage.dialog()


@state("models-delete")
async def delete(stage: Stage) -> None:
    (await page(stage, installed=True)).delete(stage.services.library.items[0])
    await stage.dialog()


@state("models-delete-linked")
async def delete_linked(stage: Stage) -> None:
    (await page(stage, installed=True)).delete(stage.services.library.items[1])
    await stage.dialog()


@state("models-delete-for-good")
async def delete_for_good(stage: Stage) -> None:
    no_bin = Text("library.no_bin", QT_TRANSLATE_NOOP("tests", "A network drive has no bin."))
    shown = await page(stage, installed=True)
    stage.services.library.no_bin = no_bin
    shown.delete(stage.services.library.items[0])
    await stage.dialog()


@state("models-cancel-download")
async def cancel_download(stage: Stage) -> None:
    shown = await page(stage, prepare=lambda app: app.downloads.add(*scripted.every_state()))
    shown._starter.cancel(stage.services.downloads.items()[0])
    await stage.dialog()


@state("models-toast-here")
async def toast_here(stage: Stage) -> None:
    item = scripted.download("Qwen3 4B", DownloadStatus.RUNNING, 0.9)
    await page(stage)
    stage.services.downloads.add(item)
    stage.services.downloads.finish(item.id)
