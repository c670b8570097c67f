"""Verdicts about files and addresses through the real job worker, and what loads teach across restarts."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from msgspec import structs

from qwen_desktop.cli import models_fit
from qwen_desktop.cli.console import Console
from qwen_desktop.cli.one_run import CommandRun
from qwen_desktop.core.chat import Message, Provenance
from qwen_desktop.core.engine import (
    Capabilities,
    LoadRequest,
    LocalInfo,
    ModelInfo,
    Recipe,
    Sampling,
    Stats,
    ThinkingMode,
)
from qwen_desktop.core.errors import AppError
from qwen_desktop.core.fit import Verdict
from qwen_desktop.core.gguf import read_header
from qwen_desktop.core.hardware import Cpu, Machine, Memory
from qwen_desktop.core.memory import DRAFT_CHUNK, DRAFT_CONTEXT, Use, estimate, kv_bytes, needed
from qwen_desktop.core.model_ref import FileRef, LoadOptions
from qwen_desktop.core.models import CatalogModel, InstalledModel, Quant, RemoteFile
from qwen_desktop.core.parts import Role
from qwen_desktop.core.paths import Paths, find_paths
from qwen_desktop.core.shape import Shape, shape_of
from qwen_desktop.core.speed import decode
from qwen_desktop.jobs.client import JobWorker
from qwen_desktop.process.spawn import worker_command
from qwen_desktop.services.draft_models import DraftModels
from qwen_desktop.services.events import (
    EngineChanged,
    EngineState,
    EventBus,
    FitsChanged,
    LibraryChanged,
    MessageChanged,
    ModelStatus,
)
from qwen_desktop.services.fits import Fits
from qwen_desktop.services.machines import Machines
from qwen_desktop.services.preferences import Preferences
from qwen_desktop.store.settings_file import SettingsFile
from tests import gguf_files, gguf_shapes
from tests.fake_hub import FakeHub

GB = 1_000_000_000
REPO, NAME = "Qwen/Test-GGUF", "test-q8_0.gguf"
HERE = Machine(
    system="Linux",
    cpu=Cpu("A Processor", physical=8, usable=16, features=("AVX2",)),
    memory=Memory(16 * GB, 8 * GB),
    bandwidth_bytes_per_s=40e9,
)


class FixedMachines:
    """A machine that is always the same."""

    def __init__(self, machine: Machine | None = HERE) -> None:
        self.known = machine

    async def machine(self, *, refresh: bool = False) -> Machine:
        return self.known or HERE


class OneModel:
    """A catalogue that knows one model."""

    def __init__(self, shape: Shape, hub: FakeHub) -> None:
        self._shape = shape
        self._hub = hub

    async def lookup(self, reference: str, /) -> CatalogModel:
        assert reference.startswith(REPO)
        quant = Quant("Q8_0", (RemoteFile(NAME),), recommended=True)
        return CatalogModel(
            "test", "Test Model", "Qwen3", REPO, "main", (quant,), self._shape, "apache-2.0",
            modelscope=REPO, mmproj=(RemoteFile("mmproj.gguf", 123_456),),
        )  # fmt: skip


class Joined:
    """The services that ``models fit`` needs."""

    def __init__(
        self,
        paths: Paths,
        machine: Machine | None = HERE,
        catalogue: OneModel | None = None,
        installed: tuple[InstalledModel, ...] = (),
    ) -> None:
        self.installed = installed
        self.bus = EventBus()
        self.preferences = Preferences(SettingsFile(paths.settings_file), self.bus)
        self.jobs = JobWorker(worker_command("jobs"))
        machines = cast("Machines", FixedMachines(machine))
        self.fits = Fits(
            machines,
            self.jobs,
            self.jobs,
            paths,
            self.bus,
            catalogue=catalogue,
            preferences=self.preferences,
            installed=lambda: self.installed,
            options=lambda path: next((item.options for item in self.installed if item.path == path), LoadOptions()),
        )

    async def __aenter__(self) -> Joined:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.fits.aclose()
        await self.jobs.aclose()


@pytest.fixture
def paths(home: Path) -> Paths:
    return find_paths()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fits") / NAME
    return gguf_shapes.write(path, gguf_shapes.PLANS["Qwen3-4B"], vocab=2000)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    with FakeHub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        monkeypatch.setenv("MODELSCOPE_DOMAIN", hub.modelscope)
        monkeypatch.delenv("HF_TOKEN", raising=False)
        yield hub


def run(work: Callable[[], Awaitable[None]]) -> None:
    async def whole() -> None:
        await work()

    asyncio.run(whole())


def test_a_local_file_whole_and_in_part(paths: Paths, model: Path, tmp_path: Path) -> None:
    exact, size = shape_of(read_header(model)), model.stat().st_size
    part = tmp_path / "part.gguf"
    part.write_bytes(model.open("rb").read(read_header(model).data_offset + 1))

    async def work() -> None:
        async with Joined(paths) as services:
            for path in (model, part):
                found = await services.fits.of_reference(str(path), context=8192)
                assert found.shape == exact and found.size_bytes == size
                assert (found.fit.verdict, found.fetched_bytes) == (Verdict.FITS, 0)
                assert found.asked == found.fit.memory == estimate(exact, Use(8192))
            small = await services.fits.of_reference(str(model), context=8192, memory_bytes=5_500_000_000)
            assert small.fit.verdict is Verdict.SMALLER_CONTEXT and small.fit.free_bytes == 5_500_000_000
            assert small.asked == estimate(exact, Use(8192))  # what was asked for, though it does not fit
            assert small.fit.memory.kv_bytes == small.asked.kv_bytes * small.fit.context // 8192

    run(work)


def test_addresses_and_repositories(
    paths: Paths, hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = gguf_files.write(tmp_path / NAME, vocab=3000)
    hub.add(REPO, {NAME: file.read_bytes()})
    shape = shape_of(read_header(file))

    async def work() -> None:
        async with Joined(paths, catalogue=OneModel(shape, hub)) as services:
            direct = await services.fits.of_reference(f"{hub.endpoint}/{REPO}/blob/main/{NAME}")
            assert direct.shape == shape and direct.fetched_bytes == hub.sent(NAME) > 0
            found = await services.fits.of_reference(f"{REPO}:Q8_0", context=1024)
            assert found.shape == shape and (found.name, found.quant) == ("Test Model", "Q8_0")
            assert found.asked.mmproj_bytes == 123_456
            sent = hub.sent(NAME)
            again = await services.fits.of_reference(f"{REPO}:Q8_0")
            assert (again.shape, again.fetched_bytes, hub.sent(NAME)) == (shape, 0, sent)  # a header is read once
            hub.unplug("huggingface")
        async with Joined(paths, catalogue=OneModel(shape, hub)) as services:
            with pytest.raises(AppError):  # nobody is asked in the place of a mirror
                await services.fits.of_reference(REPO)
            monkeypatch.delenv("HF_ENDPOINT")
            monkeypatch.setattr("qwen_desktop.hub.access.HUGGING_FACE", hub.endpoint)
            other = await services.fits.of_reference(REPO)
            assert other.shape == shape  # from ModelScope

    run(work)


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("missing.gguf", "does not exist"),
        ("/nowhere/at all/missing.gguf", "does not exist"),
        ("http://localhost:9/a/b/resolve/main/x.gguf", "cannot be reached"),
        ("owner/name", "neither a GGUF file nor the address of one"),
        ("", "neither a GGUF file nor the address of one"),
    ],
)
def test_what_cannot_be_judged_is_told(paths: Paths, reference: str, words: str) -> None:
    async def work() -> None:
        async with Joined(paths) as services:
            with pytest.raises(AppError, match=words):
                await services.fits.of_reference(reference)

    run(work)


# Lists and learning --------------------------------------------------------------------------------------------------


def entry(shape: Shape) -> tuple[CatalogModel, Quant]:
    """A model of the catalogue with that shape."""
    quant = Quant("Q8_0", (RemoteFile(NAME),), shape.weights_bytes, recommended=True)
    return CatalogModel("test", "Test Model", "Qwen3", REPO, "main", (quant,), shape, "apache-2.0"), quant


def test_lists_wait_for_the_machine(paths: Paths, model: Path) -> None:
    shape = shape_of(read_header(model))
    listed, quant = entry(shape)

    async def work() -> None:
        async with Joined(paths, None) as services:
            assert services.fits.of(listed, quant) is None
        stale = structs.replace(HERE, memory=Memory(16 * GB, None))
        async with Joined(paths, stale) as services:
            assert services.fits.of(listed, quant) is None  # from an earlier run: what is free now is not known
            assert services.fits.usual(listed, quant) is not None
        async with Joined(paths) as services:
            half_size = structs.replace(quant, name="Q4_0", size_bytes=shape.weights_bytes // 2)
            whole, half = services.fits.of(listed, quant), services.fits.of(listed, half_size)
            assert whole is not None and half is not None
            assert half.memory.weights_bytes == shape.weights_bytes // 2
            assert (half.decode_tokens_per_s or 0) > 1.5 * (whole.decode_tokens_per_s or 0)
            assert services.fits.of(listed, structs.replace(quant, name="F16", size_bytes=None)) is None

    run(work)


RECIPE = Recipe("", "", "", "", "", False, "f16", 0, 0, 1.0, Sampling())


def info_of(path: Path, **other: Any) -> ModelInfo:
    figures: dict[str, Any] = {
        "path": str(path), "architecture": "qwen3", "quant": "Q8_0", "size_bytes": 1, "parameters": 1,
        "context_train": 32768, "threads": 1, "gpu_layers": 0, "flash_attention": False,
        "kv_type": "f16", "sha256": read_header(path).fingerprint, "template_sha256": "", "template_source": "file",
        "guide": False, "load_s": 1.0, "memory_bytes": 1, "batch": 64, **other,
    }  # fmt: skip
    return ModelInfo("x", 8192, Capabilities(), "", local=LocalInfo(**figures))


def answered(services: Joined, info: ModelInfo, stats: Stats, *, alone: bool | None = True) -> None:
    """What is published when a model got ready and has answered, by itself or beside others (None: not known)."""
    assert info.local is not None
    services.bus.publish(EngineChanged(FileRef(info.local.path), EngineState(ModelStatus.READY, info=info)))
    recipe = None if alone is None else structs.replace(RECIPE, alone=alone)
    provenance = Provenance(
        info.local.path, "x", info.local.sha256, "", Sampling(), 0, ThinkingMode.AUTO, "", {}, recipe=recipe
    )
    message = Message("m", "c", None, Role.ASSISTANT, (), 0.0, provenance=provenance, stats=stats)
    services.bus.publish(MessageChanged(message))


def test_what_a_load_needs_is_what_the_verdict_says_and_the_header_is_read_once(
    paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = gguf_shapes.write(tmp_path / NAME, gguf_shapes.PLANS["Qwen3-4B"], vocab=2000)

    async def work() -> None:
        async with Joined(paths) as services:
            known = await services.fits.of_reference(str(path), context=4096)
            assert await services.fits.needs(LoadRequest(str(path), context=4096)) == needed(known.asked)
            call, asked = services.jobs.call, []

            def counted(*given: Any, **more: Any) -> Any:
                asked.append(given)
                return call(*given, **more)

            monkeypatch.setattr(services.jobs, "call", counted)
            assert await services.fits.needs(LoadRequest(str(path), context=16384)) > needed(known.asked)
            assert not asked
            path.write_bytes(b"no model any more")
            assert await services.fits.needs(LoadRequest(str(path))) == 0  # the load will say what is wrong
            assert asked

    run(work)


def test_models_in_memory_do_not_stand_in_the_way_of_another_one(paths: Paths, model: Path) -> None:
    shape = shape_of(read_header(model))
    listed, quant = entry(shape)

    async def verdict(free: int, *, loaded: bool) -> Verdict:
        here = structs.replace(HERE, memory=Memory(16 * GB, free), taken_at=time.time() + 1)
        async with Joined(paths, here) as services:
            if loaded:
                info = info_of(model, resident_bytes=6 * GB, mapped_bytes=1 * GB)
                services.bus.publish(EngineChanged(FileRef("/other.gguf"), EngineState(ModelStatus.READY, info=info)))
            found = services.fits.of(listed, quant)
            assert found is not None
            assert (await services.fits.of_reference(str(model))).fit.verdict is found.verdict
            return found.verdict

    async def work() -> None:
        assert await verdict(4 * GB, loaded=False) is Verdict.TOO_LARGE
        assert await verdict(4 * GB, loaded=True) is await verdict(9 * GB, loaded=False) is Verdict.FITS

    run(work)


def test_a_load_corrects_later_estimates_after_a_restart_too(paths: Paths, model: Path) -> None:
    shape = shape_of(read_header(model))
    info = info_of(model)
    use = Use(8192, batch=64)
    more = 150_000_000
    short = Stats(
        prompt_tokens=500, completion_tokens=40, context_used=540, context_most=540, decode_tokens_per_s=2.0,
        resident_bytes=estimate(shape, use, filled=540).total_bytes + more,
    )  # fmt: skip

    listed, quant = entry(shape)
    mine = InstalledModel("x", str(model), "Test", "Q8_0", 1, (str(model),), repo=REPO)

    async def first() -> None:
        async with Joined(paths, installed=(mine,)) as services:
            told: list[FitsChanged] = []
            services.bus.subscribe(FitsChanged, told.append)
            for _ in range(12):  # one slow answer says nothing about the speed
                answered(services, info, short)
                await services.fits.settled()
            assert told

    async def later() -> None:
        async with Joined(paths) as services:
            same = await services.fits.of_reference(str(model))
            in_list = services.fits.of(listed, quant)  # known there by its name, though no header was read
            assert in_list is not None
            for found in (same.fit, in_list):
                assert found.measured
                assert found.memory.total_bytes == estimate(shape, use).total_bytes + more
                assert (found.decode_tokens_per_s or 0) == pytest.approx(2.0, rel=0.05)
            stranger = structs.replace(listed, repo="other/GGUF")
            unknown = services.fits.of(stranger, quant)
            assert unknown is not None and unknown.measured
            beside = estimate(shape, use).total_bytes - shape.weights_bytes
            assert 0 < unknown.memory.total_bytes - estimate(shape, use).total_bytes < 0.2 * beside
        elsewhere = structs.replace(HERE, cpu=Cpu("Another", physical=8, usable=16))
        async with Joined(paths, elsewhere) as services:
            found = services.fits.of(listed, quant)
            assert found is not None and not found.measured

    run(first)
    run(later)


def test_short_words_and_the_guide_teach_nothing(paths: Paths, model: Path) -> None:
    stats = Stats(prompt_tokens=10, completion_tokens=3, context_used=13, context_most=13, resident_bytes=9 * GB)

    async def work() -> None:
        async with Joined(paths) as services:
            answered(services, info_of(model, guide=True), stats)
            answered(services, info_of(model, gpu_layers=10), stats)

    run(work)
    assert not (paths.data / "measurements.json").exists()


@pytest.mark.parametrize("content", [b"", b"{", b"[1, 2]", b"[" * 10_000, b'[{"key": 5}]', bytes(2_000_000)])
def test_a_damaged_file_is_begun_anew(paths: Paths, model: Path, content: bytes) -> None:
    file = paths.data / "measurements.json"
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    stats = Stats(prompt_tokens=100, completion_tokens=100, context_used=200, context_most=200, resident_bytes=5 * GB)

    async def work() -> None:
        async with Joined(paths) as services:
            answered(services, info_of(model), structs.replace(stats, decode_tokens_per_s=5.0))

    run(work)
    (kept,) = json.loads(file.read_text())
    shape = shape_of(read_header(model))
    assert kept["held_bytes"] == 5 * GB and kept["decode"] == 5.0
    assert kept["predicted_decode"] == pytest.approx(decode(shape, HERE, depth=150))


def test_an_answer_that_was_written_ahead_does_not_teach_how_fast_answers_are(paths: Paths, model: Path) -> None:
    stats = Stats(
        prompt_tokens=500, completion_tokens=100, context_used=600, context_most=600, resident_bytes=5 * GB,
        decode_tokens_per_s=5.0, prompt_tokens_per_s=50.0, drafted_tokens=30, accepted_tokens=20,
    )  # fmt: skip

    async def work() -> None:
        async with Joined(paths) as services:
            answered(services, info_of(model), stats)

    run(work)
    (kept,) = json.loads((paths.data / "measurements.json").read_text())
    assert kept["held_bytes"] == 5 * GB and not any(kept.get(name) for name in ("decode", "speeds"))


@pytest.mark.parametrize("alone", [False, None])
def test_an_answer_beside_others_teaches_the_memory_and_not_the_speed(
    paths: Paths, model: Path, alone: bool | None
) -> None:
    stats = Stats(
        prompt_tokens=500, completion_tokens=100, context_used=600, context_most=600, resident_bytes=5 * GB,
        decode_tokens_per_s=5.0, prompt_tokens_per_s=50.0,
    )  # fmt: skip

    async def work() -> None:
        async with Joined(paths) as services:
            answered(services, info_of(model), stats, alone=alone)

    run(work)
    (kept,) = json.loads((paths.data / "measurements.json").read_text())
    assert kept["held_bytes"] == 5 * GB
    assert not any(kept.get(name) for name in ("decode", "prompt", "speeds", "prompts"))


def test_every_option_of_a_load_goes_into_the_verdict_as_it_goes_into_the_load(paths: Paths) -> None:
    values: dict[str, Any] = {
        "context": 4096, "threads": 2, "gpu_layers": 7, "flash_attention": "off", "kv_type": "q8_0", "streams": 3,
        "experts_on_cpu": 5, "draft_model": "auto",
    }  # fmt: skip
    assert set(values) == set(LoadOptions.__struct_fields__)

    async def work() -> None:
        async with Joined(paths) as services:
            for name, value in values.items():
                told: list[FitsChanged] = []
                leave = services.bus.subscribe(FitsChanged, told.append)
                await services.preferences.set(f"engine.{name}", value)
                leave()
                assert told and getattr(services.fits.use(), name) == value

    run(work)


def test_an_installed_file_is_judged_as_it_is_loaded_itself(paths: Paths, model: Path) -> None:
    shape = shape_of(read_header(model))
    listed, quant = entry(shape)
    mine = InstalledModel("x", str(model), "Test", "Q8_0", 1, (str(model),), repo=REPO)
    own = structs.replace(mine, options=LoadOptions(context=2048, kv_type="q8_0"))

    async def work() -> None:
        async with Joined(paths, installed=(mine,)) as services:
            fits, bus = services.fits, services.bus
            await services.preferences.set("engine.context", 16384)
            await fits.of_reference(str(model))
            usual = fits.usual(listed, quant)
            told: list[FitsChanged] = []
            bus.subscribe(FitsChanged, told.append)
            bus.publish(LibraryChanged())  # it was used, say
            assert not told
            for installed, context, kv in ((own, 2048, "q8_0"), (mine, 16384, "f16")):
                services.installed = (installed,)
                told.clear()
                bus.publish(LibraryChanged())
                assert told
                in_list = fits.of(listed, quant)
                assert in_list is not None and in_list.asked == context
                assert in_list.memory.kv_bytes == kv_bytes(shape, context, kv)
                for reference in (str(model), f"{REPO}:Q8_0"):
                    found = await fits.of_reference(reference)
                    assert (found.fit, found.use.kv_type) == (in_list, kv)
                given = await fits.of_reference(str(model), context=4096, kv_type="f16")  # for this question only
                assert (given.context, given.use.kv_type) == (4096, "f16")
                assert fits.usual(listed, quant) == usual  # what to get does not follow from one file's options
            assert fits.of(structs.replace(listed, repo="other/GGUF"), quant) is not None

    run(work)


# The command ---------------------------------------------------------------------------------------------------------


def command(
    paths: Paths, reference: str, capsys: pytest.CaptureFixture[str], *, as_json: bool = False, **options: Any
) -> str:
    def build(given: Paths, *, history: bool, settings_file: SettingsFile) -> Joined:
        return Joined(given)

    work = models_fit.fit(CommandRun(paths, cast("Any", build), Console(quiet=True), as_json), reference, **options)
    assert asyncio.run(work) == 0
    return capsys.readouterr().out


def test_the_command_prints_one_object(paths: Paths, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = json.loads(command(paths, str(model), capsys, context=4096, memory=32.0, as_json=True))
    shape = shape_of(read_header(model))
    exact = estimate(shape, Use(4096))
    wanted = {
        "architecture": "qwen3",
        "parameters": shape.parameters,
        "active_parameters": shape.active_parameters,
        "weights_bytes": exact.weights_bytes,
        "kv_bytes": exact.kv_bytes,
        "state_bytes": 0,
        "compute_bytes": exact.compute_bytes,
        "total_bytes": exact.total_bytes,
        "max_context": 32768,
        "verdict": "fits",
        "fetched_bytes": 0,
        "inferred": [],
    }
    assert {key: shown[key] for key in wanted} == wanted
    assert shown["decode_tokens_per_s"] > 4
    assert json.loads(command(paths, str(model), capsys, memory=3.0, as_json=True))["verdict"] == "too_large"


def test_the_command_says_it_in_words(paths: Paths, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = command(paths, str(model), capsys, context=8192, memory=5.5)
    assert "qwen3" in told and "It fits with 4,096 tokens of context: it uses" in told
    with pytest.raises(AppError, match="no type of the KV cache"):
        command(paths, str(model), capsys, kv_type="f13")


def test_a_small_model_that_guesses_is_counted_into_the_memory(paths: Paths, tmp_path: Path) -> None:
    """Once somebody has looked at it, in what a file needs and in what it would take; of another file's it is none."""
    small, model = (gguf_files.write(tmp_path / f"{layers}.gguf", layers=layers) for layers in (1, 3))
    shape = shape_of(read_header(small))
    takes = estimate(shape, Use(context=DRAFT_CONTEXT, batch=DRAFT_CHUNK)).total_bytes
    mine = InstalledModel(
        "x", str(model), "Test", "Q8_0", 1, (str(model),), options=LoadOptions(draft_model=str(small))
    )

    async def work() -> None:
        async with Joined(paths, installed=(mine,)) as services:
            drafts = DraftModels(services.jobs, lambda: (mine,))
            services.fits._draft_models = drafts
            judged = await services.fits.of_reference(str(model))
            before = estimate(judged.shape, structs.replace(judged.use, context=judged.context, draft_bytes=0))
            assert judged.asked.draft_bytes == takes and judged.asked.total_bytes == before.total_bytes + takes
            (found, _), request = await services.fits.loaded(str(model)), LoadRequest(str(model), context=8192)
            assert found.fit.memory.draft_bytes == takes
            without = await services.fits.needs(request)
            assert await services.fits.needs(structs.replace(request, draft_model=str(small))) >= without + takes
            assert services.fits.use().draft_bytes == 0

    run(work)
