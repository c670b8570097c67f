"""Models made smaller for real: what comes out loads and answers, and whatever stops a run leaves nothing."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

from qwen_desktop.core.errors import AppError
from qwen_desktop.core.gguf import read_header
from qwen_desktop.core.model_ref import LoadOptions
from qwen_desktop.core.paths import find_paths
from qwen_desktop.core.quantizing import Planned, Quantization, QuantizeRequest, QuantizeStage
from qwen_desktop.engine import quality
from qwen_desktop.jobs.quantizing import check_target
from qwen_desktop.process.spawn import PREFIX
from qwen_desktop.services.events import QuantizationChanged
from qwen_desktop.services.quantize import Quantizing
from tests import gguf_files
from tests.app import run
from tests.integration.engine.conftest import loaded
from tests.integration.engine.talk import ask
from tests.integration.library.rig import Rig, running

CHILD = Path(__file__).with_name("quantize_child.py")
SMALL: dict[str, Any] = {"vocab": 600, "width": 256, "hidden": 512, "layers": 3, "quant": "f16"}
#: Long enough to be stopped in the middle of it.
LARGE: dict[str, Any] = {"vocab": 4000, "width": 512, "hidden": 2048, "layers": 10, "heads": 8, "quant": "f16"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sources")


def source(folder: Path, name: str, **how: Any) -> str:
    path = folder / f"{name}.gguf"
    if not path.exists():
        gguf_files.write(path, **{**SMALL, **how})
    return str(path)


@contextlib.asynccontextmanager
async def making(user: Path) -> AsyncIterator[tuple[Quantizing, Rig]]:
    async with running(user) as rig:
        rig.paths.data.mkdir(parents=True, exist_ok=True)
        service = Quantizing(rig.library, rig.jobs, rig.bus, rig.paths)
        try:
            yield service, rig
        finally:
            await service.aclose()


def in_app(user: Path, work: Callable[[Quantizing, Rig], Coroutine[Any, Any, None]]) -> None:
    async def whole() -> None:
        async with making(user) as (service, rig):
            await work(service, rig)

    run(whole())


def expect_nothing_left(*folders: Path) -> None:
    """No part anywhere, and no note of one."""
    for folder in (*folders, find_paths().data):
        assert [path.name for path in folder.rglob("*") if path.suffix == ".part"] == []
    assert not (find_paths().data / "quantizing.json").exists()


def folder_of(path: Path) -> list[Path]:
    """What lies in a folder."""
    return list(path.iterdir())


def said(result: Quantization) -> str:
    return result.problem.sentence() if result.problem is not None else ""


@pytest.mark.parametrize(
    ("name", "types", "how"),
    [
        ("qwen2-BF16", ("Q6_K",), {"architecture": "qwen2", "quant": "bf16", "tied": False}),
        ("llama-F32", ("Q5_K_S",), {"architecture": "llama", "quant": "f32", "head": 64}),
        ("qwen3-Q8_0", ("Q2_K",), {"quant": "q8_0"}),
    ],
)
def test_what_is_made_has_the_size_that_was_told_and_answers(
    user: Path, tmp_path: Path, folder: Path, *, name: str, types: tuple[str, ...], how: dict[str, Any]
) -> None:
    path = source(folder, name, **how)

    async def work(service: Quantizing, rig: Rig) -> None:
        told: list[Planned] = []
        found = await service.plan(path, types, told.append)
        assert found.good and found.size_bytes == read_header(path).size_bytes
        for kind, planned in zip(types, told, strict=True):
            result = await service.start(QuantizeRequest(path, kind, str(tmp_path), name=name))
            assert result.stage is QuantizeStage.DONE, said(result)
            made = Path(result.path)
            assert made == tmp_path / f"{name.rpartition('-')[0]}-{kind}.gguf"
            before, after = read_header(path), read_header(made)
            assert after.size_bytes == planned.size_bytes < found.size_bytes
            assert (after.quant, after.name, after.parameters) == (kind, before.name, before.parameters)
            kept = before.metadata.keys() - {"general.file_type"}
            assert {key: after.metadata[key] for key in kept} == {key: before.metadata[key] for key in kept}
            assert after.metadata["general.quantization_version"] == 2
            listed = rig.library.find(str(made))
            assert listed is not None and (listed.quant, listed.problem) == (kind, None)
            assert listed.made_from.startswith(name)
        async with loaded(result.path, context=512, threads=1) as engine:
            assert (await engine.answer(ask("hello", max_tokens=4))).stats.completion_tokens > 0
        scanned = await rig.library.scan()  # what is known of it stays
        assert [m.made_from for m in scanned] == [m.made_from for m in rig.library.models()] != [""]

    in_app(user, work)
    expect_nothing_left(tmp_path)


def test_quality_is_what_numpy_makes_of_the_full_logits(
    user: Path, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, text = source(folder, "quality-F16"), "The quick brown fox jumps over the lazy dog. 你好。 x = 1\n" * 6
    target, results = tmp_path / "smaller.gguf", list[Quantization]()

    async def work(service: Quantizing, rig: Rig) -> None:
        results.append(
            await service.start(QuantizeRequest(path, "Q2_K", str(target), quality=True, text=text, name="Fox"))
        )
        listed = rig.library.find(str(target))
        assert listed is not None and listed.quality == results[0].quality

    in_app(user, work)
    found = results[0].quality
    assert found is not None, said(results[0])
    monkeypatch.setattr(quality.memory_limit, "limit", lambda _bytes: True)
    library = quality._Plain(lambda _line: None)
    rows = []
    for model in (path, str(target)):
        with quality._Reader(library, model) as reader:
            tokens = reader.tokens(text)
            rows.append(np.array([list(row) for row in reader.rows(tokens)], dtype=np.float64))
    one, two = (logits - np.log(np.exp(logits).sum(axis=1, keepdims=True)) for logits in rows)
    apart = (np.exp(one) * (one - two)).sum(axis=1)
    assert found.places == len(apart) == quality.places_in(len(tokens)) and found.text == "own"
    assert found.mean_kl == pytest.approx(apart.mean(), rel=1e-3) and found.mean_kl > 0
    assert found.high_kl == pytest.approx(np.sort(apart)[int(np.ceil(0.99 * len(apart))) - 1], rel=1e-3)
    assert found.same_top == pytest.approx((one.argmax(axis=1) == two.argmax(axis=1)).mean())


def test_a_text_that_is_too_short_leaves_the_model(user: Path, tmp_path: Path, folder: Path) -> None:
    path = source(folder, "qwen3-F16")

    async def work(service: Quantizing, _rig: Rig) -> None:
        result = await service.start(QuantizeRequest(path, "Q4_K_S", str(tmp_path), quality=True, text="short"))
        assert result.stage is QuantizeStage.DONE and result.made and "too short" in said(result)
        assert read_header(result.path).quant == "Q4_K_S"

    in_app(user, work)


class Aligned(gguf.GGUFWriter):
    def __init__(self, *how: Any, **more: Any) -> None:
        super().__init__(*how, **more)
        self.add_custom_alignment(128)


class InParts(gguf.GGUFWriter):
    def __init__(self, *how: Any, **more: Any) -> None:
        super().__init__(*how, **more, split_max_tensors=9)


@pytest.mark.parametrize("form", (Aligned, InParts))
def test_odd_forms_of_a_source(
    user: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: type[gguf.GGUFWriter]
) -> None:
    """One laid out otherwise (of which llama.cpp alone would make a file that nobody can read), and one in parts."""
    monkeypatch.setattr(gguf, "GGUFWriter", form)
    gguf_files.write(tmp_path / "odd-F16.gguf", **SMALL)
    path = str(next(iter(sorted(tmp_path.glob("odd-F16*.gguf")))))

    async def work(service: Quantizing, rig: Rig) -> None:
        result = await service.start(QuantizeRequest(path, "Q4_K_M", str(tmp_path)))
        assert result.stage is QuantizeStage.DONE, said(result)
        assert result.path == str(tmp_path / "odd-Q4_K_M.gguf")
        async with loaded(result.path, context=512, threads=1) as engine:
            assert (await engine.answer(ask("hello", max_tokens=2))).stats.completion_tokens > 0

    in_app(user, work)


@pytest.mark.parametrize("ours", [False, True], ids=["linked", "ours"])
def test_one_that_takes_the_place_of_another_is_listed_as_what_it_is(
    user: Path, tmp_path: Path, folder: Path, *, ours: bool
) -> None:
    """Neither what was noted of the file before, nor what is in memory of it, is taken for the new one."""
    path = source(folder, "qwen3-F16")

    async def work(service: Quantizing, rig: Rig) -> None:
        place = rig.library.folder / "somebody" / "things" if ours else tmp_path
        place.mkdir(parents=True, exist_ok=True)
        target, freed = str(place / "mine.gguf"), list[str]()

        async def free(path: str) -> None:
            freed.append(path)

        rig.library.before_delete(free)
        assert (await service.start(QuantizeRequest(path, "Q4_K_M", target))).made
        assert freed == []
        first = rig.library.find(target)
        assert first is not None and (first.quant, first.owned) == ("Q4_K_M", ours)
        await rig.library.verify(first.id)
        await rig.library.set_options(first.id, LoadOptions(threads=1), alias="mine")
        again = await service.start(QuantizeRequest(path, "Q8_0", target, replace=True, name="Other"))
        assert again.made and freed == [target], said(again)
        for models in (rig.library.models(), await rig.library.scan()):
            (model,) = models
            assert (model.quant, model.problem, model.sha256, model.verified_at) == ("Q8_0", None, "", 0.0)
            assert model.size_bytes == read_header(target).size_bytes > first.size_bytes
            assert (model.made_from, model.alias, model.options.threads) == ("Other F16", "mine", 1)

    in_app(user, work)


def test_a_part_of_the_source_is_no_target(user: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gguf, "GGUFWriter", InParts)
    gguf_files.write(tmp_path / "odd-F16.gguf", **SMALL)
    first, *_, last = sorted(tmp_path.glob("odd-F16*.gguf"))
    before = last.read_bytes()
    (link := tmp_path / "link.gguf").symlink_to(last)

    async def work(service: Quantizing, _rig: Rig) -> None:
        result = await service.start(QuantizeRequest(str(first), "Q4_K_M", str(link), replace=True))
        assert result.stage is QuantizeStage.FAILED and "is the model itself" in said(result)

    in_app(user, work)
    assert last.read_bytes() == before


def test_widths_that_do_not_fit_are_told(user: Path, folder: Path) -> None:
    path = source(folder, "narrow-F16", width=192, hidden=384)

    async def work(service: Quantizing, _rig: Rig) -> None:
        told: list[Planned] = []
        await service.plan(path, ["Q4_K_M", "Q8_0"], told.append)
        assert told[0].fallbacks > 0 and told[1].fallbacks == 0

    in_app(user, work)


def test_what_cannot_be_made_is_one_sentence(user: Path, tmp_path: Path, folder: Path) -> None:
    good, there = source(folder, "qwen3-F16"), tmp_path / "there.gguf"
    there.write_bytes(b"mine")
    link, hard = tmp_path / "link.gguf", folder / "hard.gguf"
    link.symlink_to(good)
    hard.unlink(missing_ok=True)
    os.link(good, hard)
    embedding = source(folder, "embedding-F16", extra={"qwen3.pooling_type": 3})
    adapter = source(folder, "adapter-F16", extra={"general.type": "adapter"})
    mmproj = source(folder, "mmproj-F16", extra={"general.type": "mmproj"})
    pipe, text = tmp_path / "pipe.gguf", tmp_path / "text.gguf"
    os.mkfifo(pipe)
    text.write_text("no model")
    nan = tmp_path / "nan-F16.gguf"
    shutil.copyfile(good, nan)
    with nan.open("r+b") as file:
        file.seek(-4096, os.SEEK_END)
        file.write(b"\xff\xff" * 2048)
    target = str(tmp_path / "new.gguf")
    cases = [
        (embedding, target, {}, "embedding model"),
        (adapter, target, {}, "adapter"),
        (mmproj, target, {}, "mmproj"),
        (str(text), target, {}, "text"),
        (str(pipe), target, {}, "pipe"),
        (str(nan), target, {}, "are damaged"),
        (str(tmp_path / "none.gguf"), target, {}, "does not exist"),
        (good, good, {"replace": True}, "is the model itself"),
        (good, str(link), {"replace": True}, "is the model itself"),
        (good, str(hard), {"replace": True}, "is the model itself"),
        (good, str(there), {}, "exists already"),
        (good, str(pipe), {"replace": True}, "no file"),
        (good, str(tmp_path / "nowhere" / "new.gguf"), {}, "does not exist"),
        (good, str(tmp_path / "new.bin"), {}, "cannot be called"),
        (good, str(tmp_path / "new-00001-of-00002.gguf"), {}, "cannot be called"),
        (good, str(tmp_path / ("n" * 250 + ".gguf")), {}, "cannot be called"),
    ]

    async def work(service: Quantizing, rig: Rig) -> None:
        for path, to, how, words in cases:
            result = await service.start(QuantizeRequest(path, "Q4_K_M", to, **how))
            assert result.stage is QuantizeStage.FAILED and words in said(result), (path, to, said(result))
        smaller = await service.start(QuantizeRequest(good, "Q4_K_M", target))
        again = await service.start(QuantizeRequest(target, "Q8_0", str(tmp_path / "up.gguf")))
        assert "quantized already" in said(again)
        again = await service.start(QuantizeRequest(target, "Q8_0", str(tmp_path / "up.gguf"), requantize=True))
        assert "would not get smaller" in said(again)
        again = await service.start(QuantizeRequest(target, "Q2_K", str(there), requantize=True, replace=True))
        assert again.stage is smaller.stage is QuantizeStage.DONE and there.read_bytes()[:4] == b"GGUF"

    in_app(user, work)
    assert Path(good).stat().st_size > 4096 and not (tmp_path / "up.gguf").exists()
    expect_nothing_left(tmp_path, folder)


def test_a_target_that_is_in_use_is_refused_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = tmp_path / "there.gguf"
    there.write_bytes(b"x")
    assert check_target([], str(there), replace=True) == str(there)

    def refuse(place: Path, _target: Path) -> Path:
        raise PermissionError(13, "in use", str(place))

    monkeypatch.setattr(Path, "rename", refuse)  # as Windows does where a program has it open
    with pytest.raises(PermissionError):
        check_target([], str(there), replace=True)
    assert there.read_bytes() == b"x"


def test_one_at_a_time_in_all_processes(user: Path, tmp_path: Path, folder: Path) -> None:
    path = source(folder, "large-F16", **LARGE)

    async def work(service: Quantizing, rig: Rig) -> None:
        task = service.start(QuantizeRequest(path, "Q4_K_M", str(tmp_path)))
        await until(rig, service, QuantizeStage.WRITING)
        with pytest.raises(AppError, match="made smaller already"):
            service.start(QuantizeRequest(path, "Q8_0", str(tmp_path)))
        other = Quantizing(rig.library, rig.jobs, rig.bus, rig.paths)
        assert "made smaller already" in said(await other.start(QuantizeRequest(path, "Q8_0", str(tmp_path))))
        await other.clean()  # another start of the app takes nothing away from one that runs
        assert [path for path in folder_of(tmp_path) if path.suffix == ".part"]
        begun = time.monotonic()
        await service.cancel()
        assert time.monotonic() - begun < 1.0
        assert (await task).stage is QuantizeStage.CANCELLED and said(await task) == ""
        service.dismiss()
        assert service.current is None

    in_app(user, work)
    expect_nothing_left(tmp_path)
    assert not list(tmp_path.glob("*.gguf"))


async def until(rig: Rig, service: Quantizing, stage: QuantizeStage, done: int = 1) -> None:
    """Wait until it has come so far."""
    reached = asyncio.Event()

    def look(_event: object = None) -> None:
        now = service.current
        if now is not None and (now.stage.over or (now.stage is stage and now.done >= done)):
            reached.set()

    forget = rig.bus.subscribe(QuantizationChanged, look)
    look()
    await reached.wait()
    forget()


def test_a_killed_child_leaves_nothing(user: Path, tmp_path: Path, folder: Path) -> None:
    path, dice = source(folder, "large-F16", **LARGE), random.Random(5)

    async def work(service: Quantizing, rig: Rig) -> None:
        for _ in range(2):
            task = service.start(QuantizeRequest(path, "Q4_K_M", str(tmp_path)))
            await until(rig, service, QuantizeStage.WRITING, dice.randrange(1, 20_000_000))
            for client in tuple(service._clients):
                os.kill(client.pid or 0, signal.SIGKILL)
            result = await task
            assert result.stage is QuantizeStage.FAILED and "ended unexpectedly" in said(result), said(result)
            expect_nothing_left(tmp_path)

    in_app(user, work)
    assert not list(tmp_path.glob("*.gguf"))


def test_a_killed_app_leaves_nothing_under_the_final_name(user: Path, tmp_path: Path, folder: Path) -> None:
    path, dice = source(folder, "large-F16", **LARGE), random.Random(11)
    find_paths().data.mkdir(parents=True, exist_ok=True)
    target = tmp_path / "new.gguf"
    for number in range(2):
        child = subprocess.Popen([sys.executable, str(CHILD), path, "Q8_0", str(target)], stdout=subprocess.PIPE)
        assert child.stdout is not None
        for line in child.stdout:
            if line.startswith(b"writing"):
                break
        if number:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(dice.random() * 0.6)
        child.kill()
        child.communicate()
        if target.exists():
            assert read_header(target).quant == "Q8_0"
            target.unlink()

    async def work(service: Quantizing, _rig: Rig) -> None:
        await service.clean()

    in_app(user, work)
    expect_nothing_left(tmp_path)


def test_a_full_disk_is_a_sentence(user: Path, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writing fails in the middle: by a limit on the size of files, whose signal would end other programs."""
    path = source(folder, "qwen3-F16")

    async def work(service: Quantizing, rig: Rig) -> None:
        await rig.jobs.start()
        monkeypatch.setenv(PREFIX, "sh -c 'ulimit -f 400; exec \"$@\"' sh")
        result = await service.start(QuantizeRequest(path, "Q4_K_M", str(tmp_path)))
        assert result.stage is QuantizeStage.FAILED and "could not be written" in said(result), said(result)
        monkeypatch.delenv(PREFIX)

    in_app(user, work)
    expect_nothing_left(tmp_path)
    assert not list(tmp_path.glob("*.gguf"))


def test_mutated_sources_end_in_a_model_or_a_sentence(user: Path, tmp_path: Path, folder: Path) -> None:
    whole, dice = Path(source(folder, "tiny-F16", width=64, hidden=128, layers=1)).read_bytes(), random.Random(3)
    table = read_header(folder / "tiny-F16.gguf").data_offset
    path = tmp_path / "mutated.gguf"

    async def work(service: Quantizing, _rig: Rig) -> None:
        for _ in range(4):
            data = bytearray(whole)
            for _ in range(dice.choice((1, 2, 40))):
                data[dice.randrange(dice.choice((300, table, len(data))))] = dice.randrange(256)
            path.write_bytes(data[: dice.choice((len(data), len(data), dice.randrange(len(data))))])
            result = await service.start(QuantizeRequest(str(path), "Q8_0", str(tmp_path / "out.gguf")))
            made = tmp_path / "out.gguf"
            if result.stage is QuantizeStage.DONE:
                assert read_header(made).quant == "Q8_0"
                made.unlink()
            else:
                assert result.stage is QuantizeStage.FAILED and said(result) and not made.exists()
            expect_nothing_left(tmp_path)

    in_app(user, work)
