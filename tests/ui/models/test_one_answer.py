"""One question, one answer: cards, list, details, the button's own check and the commands, on random computers."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from qwen_desktop.core.fit import Fit, Verdict
from qwen_desktop.core.models import CatalogModel, Purpose, Quant
from qwen_desktop.services import fit_words
from qwen_desktop.ui.welcome.recommended import RecommendedCard
from tests import faces
from tests.ui.models.helpers import opened, says, services

if TYPE_CHECKING:
    from qwen_desktop.ui.models.page import ModelsPage
    from tests.ui.conftest import Make, Ui


class Look:
    """The window and the commands over one set of real verdicts."""

    def __init__(self, ui: Ui, chance: random.Random) -> None:
        app = services(ui)
        self.ui = ui
        self.case = faces.Case(
            chance, app.paths, app.bus, app.preferences, machines=app.machines, models=app.catalogue.models
        )
        app.fits = self.case.fits
        app.catalogue.lookup = self.case.lookup
        app.machines.set(faces.machine(chance, "/models"))

    def now(self, model: CatalogModel, quant: Quant | None) -> tuple[Fit, str, str]:
        """The verdict, its word and its tone."""
        fit = self.case.fits.of(model, quant)
        assert fit is not None
        return fit, str(fit_words.word(fit)), fit_words.tone(fit)

    def list_and_cards(self, page: ModelsPage, welcome: RecommendedCard) -> None:
        """What stands on the page is the verdict of now."""
        assert page.state.rows
        assert page.catalogue.list.rows == page.state.rows
        for place, row in enumerate(page.state.rows):
            fit, word, tone = self.now(row.model, row.quant)
            face = page.catalogue.list.row(place).face
            assert (row.fit, face.chip, face.tone) == (fit, word, tone)
        cards = [*page.advice.cards, *([welcome] if welcome.advice is not None else [])]
        for card in cards:
            assert card.advice is not None
            _fit, word, tone = self.now(card.advice.model, card.advice.quant)
            assert (card.verdict.text(), card.verdict.kind) == (word, tone)
            assert not hasattr(card, "meter") or card.meter.property("role") == tone

    def details(self, page: ModelsPage, model: CatalogModel) -> None:
        """Every size of a model, and the numbers of the chosen one."""
        shown = page.details(model)
        if hasattr(shown, "more") and not shown.more.value:
            shown.more.click()
        for quant in model.quants:
            chip = shown.options[quant.name].chip
            assert (chip.text(), chip.kind) == self.now(model, quant)[1:]
        fit, _word, tone = self.now(model, shown.quant)
        assert fit.asked == shown.memory.context.currentData()
        assert str(fit_words.sentence(fit)) in says(shown.memory)
        assert shown.memory.meter.property("role") == tone
        shown.close()

    async def click(self, page: ModelsPage, model: CatalogModel, quant: Quant) -> None:
        """Asking for a download reads the header; it asks back just where that contradicts what was promised."""
        asked: list[str] = []

        async def answer(_title: str, text: str, *_rest: Any) -> bool:
            asked.append(text)
            return False

        starter: Any = page._starter
        starter._asked, before = answer, self.now(model, quant)[0]
        await starter._ask_fit(model, quant)
        after = self.now(model, quant)[0]
        surprise = before.verdict is not Verdict.TOO_LARGE and after.verdict is Verdict.TOO_LARGE
        assert asked == ([str(fit_words.sentence(after))] if surprise else [])
        assert after.exact or before.verdict is Verdict.TOO_LARGE

    async def commands(self, model: CatalogModel, quant: Quant) -> None:
        """The commands say what the window says."""
        verdict, sentence = await self.case.said_by_fit(model, quant)
        fit = self.now(model, quant)[0]
        assert (verdict, sentence) == (str(fit.verdict), str(fit_words.sentence(fit)))
        shown, lines = await self.case.said_by_recommend(Purpose.EVERYDAY)
        best = shown["best"]
        if best is not None:
            found = next(m for m in self.case.models() if m.repo == best["repo"])
            fit, word, _tone = self.now(found, next(q for q in found.quants if q.name == best["quant"]))
            assert best["verdict"] == str(fit.verdict) and f", {word}\n" in lines


@pytest.mark.parametrize("seed", [20261130])
async def test_every_face_gives_one_answer(make: Make, seed: int) -> None:
    ui = await make()
    chance = random.Random(seed)
    look = Look(ui, chance)
    page = await opened(ui)
    page.catalogue.filters.fits.set_value("")
    welcome = RecommendedCard(page._ui, page.state, page._starter)
    for _ in range(6):
        await look.case.step()
        await ui.rest()
        look.list_and_cards(page, welcome)
        model = chance.choice(look.case.models())
        quant = chance.choice(model.quants)
        for file in quant.files[:1]:
            look.case.headers.shapes.setdefault(file.path, faces.true_shape(chance, model, quant))
        look.details(page, model)
        await look.click(page, model, quant)
        await look.commands(model, quant)
        await ui.rest()
        look.list_and_cards(page, welcome)
    welcome.deleteLater()
    await look.case.fits.aclose()
