"""The advisor's table: forty computers, every purpose, and what must hold on all of them."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import structs

from qwen_desktop.core.fit import Fit, Verdict, fit, usual_day
from qwen_desktop.core.hardware import Battery, Disk, Gpu, Machine, Memory
from qwen_desktop.core.memory import UNCORRECTED, Correction, Use
from qwen_desktop.core.models import Advice, Catalog, CatalogModel, Purpose, Quant, Recommendation
from qwen_desktop.core.shape import for_quant
from qwen_desktop.core.text import Text
from qwen_desktop.services import advisor
from qwen_desktop.services.advisor import COMFORTABLE
from tests.unit.services import machines_table as table

ROOT = Path(__file__).resolve().parents[3]
CATALOG: Catalog = msgspec.json.decode((ROOT / "resources" / "catalog.json").read_bytes(), type=Catalog)
MODELS = CATALOG.models
SERVED = [p for p in Purpose if p is not Purpose.PICTURES]
ROWS = {row.name: row for row in table.TABLE}
GIB = 1 << 30
CONTEXT = Use().context


class Verdicts:
    """What a machine's verdicts are without any settings."""

    def __init__(self, machine: Machine, correction: Correction = UNCORRECTED, have: tuple[str, ...] = ()) -> None:
        self.machine = machine
        self.correction = correction
        self.have = have

    def usual(self, model: CatalogModel, quant: Quant, /) -> Fit | None:
        return self._fit(model, quant, usual_day(self.machine))

    def of(self, model: CatalogModel, quant: Quant, /) -> Fit | None:
        known = self.machine.memory.free_bytes is not None
        return self._fit(model, quant, self.machine) if known else None

    def has(self, model: CatalogModel, quant: Quant, /) -> bool:
        return model.id in self.have

    def _fit(self, model: CatalogModel, quant: Quant, machine: Machine) -> Fit:
        return fit(for_quant(model.shape, quant.size_bytes or 0), Use(), machine, self.correction)


def recommend(models: Iterable[CatalogModel], machine: Machine, purpose: Purpose, **given: Any) -> Recommendation:
    return advisor.recommend(models, machine, purpose, Verdicts(machine, **given))


def best_of(found: Recommendation) -> Advice:
    assert found.best is not None, found.reason
    return found.best


def bytes_of(advice: Advice) -> int:
    assert advice.quant.size_bytes
    return advice.quant.size_bytes


def points_of(advice: Advice, purpose: Purpose) -> int:
    """The catalogue's points; a small quant loses some."""
    small = advice.quant.step == "small" and not advice.quant.recommended
    return advice.model.qualities[purpose] - (6 if small else 0)


def test_the_table_has_forty_computers() -> None:
    assert len(ROWS) == len(table.TABLE) == 40


@pytest.mark.parametrize("name", ROWS)
def test_the_size_is_sensible(name: str) -> None:
    row = ROWS[name]
    best = best_of(recommend(MODELS, row.machine, Purpose.EVERYDAY))
    assert row.least * 1e9 <= best.model.parameters <= row.most * 1e9, best.model.id


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("purpose", SERVED)
def test_what_is_recommended_runs_well_here(name: str, purpose: Purpose) -> None:
    found = recommend(MODELS, ROWS[name].machine, purpose)
    machine = usual_day(ROWS[name].machine)
    best = best_of(found)
    assert purpose in best.model.purposes
    assert best.model.served
    assert best.model.supported
    told = fit(for_quant(best.model.shape, bytes_of(best)), Use(context=CONTEXT), machine)
    assert told.verdict is not Verdict.TOO_LARGE
    slow = best.reason.code in ("advice.slow", "advice.tight")
    assert slow or (told.decode_tokens_per_s or 0) >= COMFORTABLE
    if not slow:
        assert told.context == min(CONTEXT, best.model.shape.context_train)
        left = told.free_bytes - told.memory.total_bytes
        assert left >= min(700 << 20, told.free_bytes // 5), "other programs need some memory, too"
    if found.lighter is not None:
        lighter = fit(for_quant(found.lighter.model.shape, bytes_of(found.lighter)), Use(context=CONTEXT), machine)
        assert lighter.memory.total_bytes < 0.8 * told.memory.total_bytes
        assert found.lighter.model.id != best.model.id
        if "Quicker" in str(found.lighter.reason):
            assert (lighter.decode_tokens_per_s or 0) > (told.decode_tokens_per_s or 0)
    if found.stronger is not None:
        stronger = fit(for_quant(found.stronger.model.shape, bytes_of(found.stronger)), Use(context=CONTEXT), machine)
        assert stronger.verdict in (Verdict.FITS, Verdict.TIGHT, Verdict.SMALLER_CONTEXT)
        assert points_of(found.stronger, purpose) > points_of(best, purpose)
        if "slower" in str(found.stronger.reason):
            assert (stronger.decode_tokens_per_s or 0) < (told.decode_tokens_per_s or 0)


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("purpose", list(Purpose))
def test_every_reason_is_a_sentence_with_its_figures(name: str, purpose: Purpose) -> None:
    found = recommend(MODELS, ROWS[name].machine, purpose)
    texts = [a.reason for a in (found.best, found.lighter, found.stronger) if a] + [found.reason] * bool(found.reason)
    assert texts
    for text in texts:
        assert isinstance(text, Text)
        said = str(text)
        assert said.endswith(".")
        assert "{" not in said
        assert "!" not in said
        assert " 0 tokens" not in said
        assert " 0.0 GB" not in said


@pytest.mark.parametrize("name", ROWS)
def test_pictures_are_not_promised(name: str) -> None:
    found = recommend(MODELS, ROWS[name].machine, Purpose.PICTURES)
    assert found.best is found.lighter is found.stronger is None
    assert str(found.reason).startswith("This version cannot look at pictures yet.")


# The selection guide -------------------------------------------------------------------------------------------------


def ids(models: list[str]) -> tuple[CatalogModel, ...]:
    """The catalogue with these models only."""
    found = tuple(m for m in MODELS if m.id in models)
    assert len(found) == len(models)
    return found


@pytest.mark.parametrize(
    ("purpose", "wanted", "others"),
    [
        (Purpose.EVERYDAY, "qwen2.5-7b-instruct", ["qwen1.5-7b-chat", "qwen2-7b-instruct"]),
        (Purpose.EVERYDAY, "qwen3.5-9b", ["qwen3-8b", "qwen2.5-7b-instruct"]),
        (Purpose.REASONING, "qwen3-8b", ["qwen2.5-7b-instruct", "qwen3-4b"]),
        (Purpose.CODE, "qwen2.5-coder-7b-instruct", ["qwen3-8b", "codeqwen1.5-7b-chat"]),
        (Purpose.CODE, "qwen3.5-9b", ["qwen2.5-coder-7b-instruct", "qwen3-8b"]),
        (Purpose.MATHS, "qwen2.5-math-7b-instruct", ["qwen3-8b"]),
        (Purpose.MATHS, "qwen3.5-9b", ["qwen2.5-math-7b-instruct", "qwen3-8b"]),
        (Purpose.LANGUAGES, "qwen3-8b", ["qwen2.5-7b-instruct"]),
    ],
)
def test_the_guide_is_followed_and_newer_series_are_preferred(purpose: Purpose, wanted: str, others: list[str]) -> None:
    machine = ROWS["Mac, 16 GB"].machine
    found = best_of(recommend(ids([wanted, *others]), machine, purpose))
    assert found.model.id == wanted


@pytest.mark.parametrize("name", ["4 GB laptop", "4 GB netbook", "4 GB board"])
def test_the_smallest_computers_get_the_smallest_models(name: str) -> None:
    for purpose in SERVED:
        assert 4e8 < best_of(recommend(MODELS, ROWS[name].machine, purpose)).model.parameters <= 1.8e9


def test_code_is_a_matter_of_coders_where_they_are_best() -> None:
    assert "coder" in best_of(recommend(MODELS, ROWS["64 GB desktop, DDR5"].machine, Purpose.CODE)).model.id
    assert "coder" in best_of(recommend(MODELS, ROWS["16 GB laptop, DDR5"].machine, Purpose.CODE)).model.id


def test_thinking_that_would_take_minutes_is_not_the_first_choice() -> None:
    """Maths at ten tokens a second: a model that answers at once."""
    found = recommend(MODELS, ROWS["16 GB laptop, DDR5"].machine, Purpose.MATHS)
    assert best_of(found).model.thinking == "none"
    assert found.stronger is not None
    assert found.stronger.model.thinking != "none"


# More memory ---------------------------------------------------------------------------------------------------------

SIZES = (2, 3, 4, 6, 8, 10, 12, 14, 16, 20, 24, 32, 40, 48, 64, 80, 96, 128, 192, 256, 384)


@pytest.mark.parametrize("purpose", SERVED)
@pytest.mark.parametrize("unified", [False, True])
def test_more_memory_never_gives_a_smaller_best(purpose: Purpose, unified: bool) -> None:
    for bandwidth in (6, 20, 45, 90, 300):
        chosen = []
        for total in SIZES:
            gpus = (table.shared("Apple", total),) if unified else ()
            found = recommend(MODELS, table.computer(total, total * 0.7, bandwidth, *gpus), purpose)
            chosen.append(bytes_of(found.best) if found.best else 0)
        assert chosen == sorted(chosen), (bandwidth, chosen)
        assert bandwidth < 45 or chosen[-1] > chosen[SIZES.index(4)]


@pytest.mark.parametrize("purpose", SERVED)
def test_a_larger_card_never_gives_a_worse_best(purpose: Purpose) -> None:
    """A dense model that becomes quick on the card may take the place of a larger mixture of experts."""
    points = []
    for total in (0, 2, 4, 6, 8, 10, 12, 16, 20, 24, 32, 48, 80):
        gpus = (table.card("card", total),) if total else ()
        points.append(points_of(best_of(recommend(MODELS, table.computer(32, 20, 40, *gpus), purpose)), purpose))
    assert points == sorted(points)


@pytest.mark.parametrize("purpose", SERVED)
def test_a_faster_memory_never_gives_a_worse_best(purpose: Purpose) -> None:
    points = []
    for bandwidth in (5, 10, 20, 30, 40, 60, 80, 120, 200, 400):
        best = best_of(recommend(MODELS, table.computer(32, 24, bandwidth), purpose))
        if best.reason.code != "advice.slow":
            points.append(points_of(best, purpose))
    assert points == sorted(points)


# What is not known, and what is missing ------------------------------------------------------------------------------


def test_unknown_memory_gives_the_smallest_and_says_so() -> None:
    found = recommend(MODELS, Machine(), Purpose.EVERYDAY)
    best = best_of(found)
    assert best.model.parameters < 6.5e8
    assert "could not be read" in str(best.reason)


def test_the_advice_is_there_before_free_memory_was_looked_at() -> None:
    known = table.computer(16, 0, 60)
    machine = structs.replace(known, memory=Memory(16 * GIB, None))
    found = recommend(MODELS, machine, Purpose.EVERYDAY)
    assert found.best == recommend(MODELS, table.computer(16, 16, 60), Purpose.EVERYDAY).best
    assert found.reason is None  # nothing is said of what is free now


def test_without_a_measured_speed_no_speed_is_told() -> None:
    found = recommend(MODELS, table.computer(16, 11, None), Purpose.EVERYDAY)
    for advice in (found.best, found.lighter, found.stronger):
        assert advice is None or "tokens per second" not in str(advice.reason)
    assert best_of(found).model.parameters < 5e9


def test_nothing_fits_and_it_is_said_what_is_missing() -> None:
    found = recommend(MODELS, table.computer(0.7, 0.6, 10), Purpose.EVERYDAY)
    assert found.best is None
    assert "GB more of free memory" in str(found.reason)


def test_a_full_disk_is_noticed() -> None:
    machine = table.computer(32, 25, 65, disk=6)
    found = recommend(MODELS, machine, Purpose.REASONING)
    assert bytes_of(best_of(found)) < 4 * GIB
    assert "on the disk" in str(found.reason)
    assert best_of(recommend(MODELS, table.computer(32, 25, 65), Purpose.REASONING)).model.name in str(found.reason)
    full = structs.replace(machine, disk=Disk("/models", 1 << 20))
    assert "The disk has no room" in str(recommend(MODELS, full, Purpose.REASONING).reason)


def test_an_unknown_disk_is_no_obstacle() -> None:
    machine = structs.replace(table.computer(32, 25, 65), disk=None)
    assert (
        recommend(MODELS, machine, Purpose.CODE).best
        == recommend(MODELS, table.computer(32, 25, 65), Purpose.CODE).best
    )


def test_on_battery_the_lighter_one_says_so() -> None:
    machine = structs.replace(table.computer(16, 11, 60), battery=Battery(50.0, plugged=False))
    found = recommend(MODELS, machine, Purpose.EVERYDAY)
    assert found.lighter is not None
    assert "battery" in str(found.lighter.reason)
    plugged = structs.replace(machine, battery=Battery(50.0, plugged=True))
    lighter = recommend(MODELS, plugged, Purpose.EVERYDAY).lighter
    assert lighter is not None
    assert "battery" not in str(lighter.reason)


def test_what_was_measured_counts() -> None:
    machine = table.computer(16, 11, 60)
    slower = recommend(MODELS, machine, Purpose.EVERYDAY, correction=Correction(speed_factor=0.4, loads=3))
    assert bytes_of(best_of(slower)) < bytes_of(best_of(recommend(MODELS, machine, Purpose.EVERYDAY)))


def test_models_that_cannot_be_loaded_are_not_recommended() -> None:
    best = best_of(recommend(MODELS, ROWS["Mac, 16 GB"].machine, Purpose.EVERYDAY)).model
    without = tuple(structs.replace(m, supported=m.id != best.id) for m in MODELS)
    assert best_of(recommend(without, ROWS["Mac, 16 GB"].machine, Purpose.EVERYDAY)).model.id != best.id


def test_a_licence_with_conditions_comes_after_an_open_one() -> None:
    machine = ROWS["16 GB laptop, DDR4"].machine
    coder = next(m for m in MODELS if m.id == "qwen2.5-coder-3b-instruct")
    free = structs.replace(coder, id="free", open_licence=True, licence="Apache-2.0")
    assert best_of(recommend((coder, free), machine, Purpose.CODE)).model.id == "free"


def test_an_empty_list_has_nothing_to_recommend() -> None:
    found = recommend((), ROWS["Mac, 16 GB"].machine, Purpose.EVERYDAY)
    assert found.best is None
    assert found.reason is not None


def test_the_same_question_has_the_same_answer() -> None:
    for first, second in itertools.pairwise(
        recommend(models, ROWS["32 GB desktop, DDR5"].machine, Purpose.EVERYDAY)
        for models in (MODELS, tuple(reversed(MODELS)))
    ):
        assert first == second


def test_an_unread_card_is_used() -> None:
    """A graphics card whose free memory is unknown."""
    gpu = Gpu("card", "gpu", "Vulkan", 8 * GIB, None)
    assert recommend(MODELS, table.computer(16, 11, 40, gpu), Purpose.EVERYDAY).best is not None


# What runs at the moment ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ROWS)
def test_what_runs_at_the_moment_changes_no_recommendation(name: str) -> None:
    """Free memory of the machine and of its cards, and the battery, are other ones at each look."""
    chance, machine = random.Random(name), ROWS[name].machine
    seen = set()
    for share in (0.02, chance.uniform(0.2, 0.8), 0.98):
        now = structs.replace(
            machine,
            memory=structs.replace(machine.memory, free_bytes=int((machine.memory.total_bytes or 0) * share)),
            gpus=tuple(
                structs.replace(g, free_bytes=int((g.total_bytes or 0) * chance.random())) for g in machine.gpus
            ),
            battery=Battery(chance.uniform(3, 100), plugged=chance.random() < 0.5),
        )
        best = best_of(recommend(MODELS, now, Purpose.EVERYDAY))
        seen.add((best.model.id, best.quant.name))
    assert len(seen) == 1


def test_a_machine_that_really_changed_gets_another_recommendation() -> None:
    before = best_of(recommend(MODELS, table.computer(8, 4, 40), Purpose.EVERYDAY))
    for changed in (table.computer(32, 4, 40), table.computer(8, 4, 8), table.computer(8, 4, 40, table.card("x", 12))):
        after = best_of(recommend(MODELS, changed, Purpose.EVERYDAY))
        assert (after.model.id, after.quant.name) != (before.model.id, before.quant.name)


def test_a_best_one_that_does_not_fit_now_is_named_with_what_does() -> None:
    machine = table.computer(16, 3, 55)
    found = recommend(MODELS, machine, Purpose.EVERYDAY)
    best, verdicts = best_of(found), Verdicts(machine)
    now = verdicts.of(best.model, best.quant)
    assert now is not None and now.verdict is Verdict.TOO_LARGE
    assert str(found.reason).startswith(f"{best.model.name} suits this computer, but ")
    assert found.lighter is not None and str(found.lighter.reason) == "Fits beside the programs that run now."
    lighter = verdicts.of(found.lighter.model, found.lighter.quant)
    assert lighter is not None and lighter.verdict is not Verdict.TOO_LARGE


def test_what_is_installed_needs_no_room_on_the_disk_again() -> None:
    machine = table.computer(32, 25, 65)
    best = best_of(recommend(MODELS, machine, Purpose.EVERYDAY))
    full = structs.replace(machine, disk=Disk("/models", 1 << 30))
    assert recommend(MODELS, full, Purpose.EVERYDAY).best is None
    assert best_of(recommend(MODELS, full, Purpose.EVERYDAY, have=(best.model.id,))).model.id == best.model.id


@pytest.mark.parametrize("name", ROWS)
def test_no_reason_contradicts_the_verdict_beside_it(name: str) -> None:
    """Reasons speak of quality, speed and the computer; how much memory is left now is the verdict's to say."""
    for purpose in SERVED:
        found = recommend(MODELS, ROWS[name].machine, purpose)
        for advice in (found.best, found.lighter, found.stronger):
            said = str(advice.reason) if advice is not None else ""
            assert "little memory" not in said and "free memory" not in said and "context" not in said
