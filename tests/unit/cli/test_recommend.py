"""``qwen-desktop models recommend``: what it prints for people and for programs."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from qwen_desktop.cli.console import Console
from qwen_desktop.cli.models_recommend import recommend
from qwen_desktop.cli.one_run import CommandRun
from qwen_desktop.core.hardware import Cpu, Disk, Machine, Memory
from qwen_desktop.core.models import Purpose
from qwen_desktop.core.paths import find_paths
from qwen_desktop.services.catalogue import Catalogue
from qwen_desktop.services.events import EventBus
from qwen_desktop.services.fits import Fits
from qwen_desktop.services.preferences import Preferences
from qwen_desktop.store.settings_file import SettingsFile

GIB = 1 << 30
LAPTOP = Machine(
    cpu=Cpu(physical=8, usable=8, features=("AVX2",)),
    memory=Memory(16 * GIB, 10 * GIB),
    disk=Disk("/models", 100 * GIB),
    bandwidth_bytes_per_s=55e9,
)


def run(
    capsys: pytest.CaptureFixture[str], machine: Machine, *, as_json: bool = False, **options: Any
) -> tuple[int, str]:
    paths = find_paths()

    class Machines:
        def __init__(self) -> None:
            self.known = machine

        async def machine(self, *, refresh: bool = False) -> Machine:
            return machine

    @contextlib.asynccontextmanager
    async def build(*_: Any, history: bool, settings_file: SettingsFile) -> AsyncIterator[Any]:
        assert not history
        bus = EventBus()
        no_worker: Any = None
        preferences = Preferences(settings_file, bus)
        catalogue = Catalogue(paths, no_worker, preferences, bus)
        machines: Any = Machines()
        fits = Fits(machines, no_worker, no_worker, paths, bus, preferences=preferences)
        yield SimpleNamespace(machines=machines, catalogue=catalogue, fits=fits, preferences=preferences)

    whole: Any = build
    code = asyncio.run(recommend(CommandRun(paths, whole, Console(quiet=True), as_json), **options))
    return code, capsys.readouterr().out


def test_people_read_three_models_with_their_reasons(capsys: pytest.CaptureFixture[str]) -> None:
    code, out = run(capsys, LAPTOP)
    assert code == 0
    lines = out.splitlines()
    assert lines[0].startswith("Best for this computer: Qwen3.5 9B Q4_K_M, 5.7 GB on the disk, ")
    assert lines[1].strip().startswith("The best answers that still come faster than you read")
    assert lines[2].strip() == "qwen-desktop models pull unsloth/Qwen3.5-9B-GGUF:Q4_K_M"
    assert any(line.startswith("Lighter: ") for line in lines)


def test_programs_read_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    code, out = run(capsys, LAPTOP, purpose=Purpose.CODE, as_json=True)
    found = json.loads(out)
    assert code == 0
    assert found["purpose"] == "code"
    best = found["best"]
    assert best["download"] == f"{best['repo']}:{best['quant']}"
    assert "coder" in best["id"]
    assert best["verdict"] == "fits"
    assert best["total_bytes"] > best["size_bytes"] > 0
    assert best["decode_tokens_per_s"] > 8
    assert best["licence"] == "Apache-2.0"
    assert best["reason"].endswith(".")
    assert found["lighter"]["size_bytes"] < best["size_bytes"]


def test_pictures_are_answered_honestly(capsys: pytest.CaptureFixture[str]) -> None:
    code, out = run(capsys, LAPTOP, purpose=Purpose.PICTURES, as_json=True)
    found = json.loads(out)
    assert code == 0
    assert found["best"] is None
    assert found["reason"].startswith("This version cannot look at pictures yet.")
    code, out = run(capsys, LAPTOP, purpose=Purpose.PICTURES)
    assert out.strip() == found["reason"]


def test_an_unknown_machine_gets_the_smallest_once(capsys: pytest.CaptureFixture[str]) -> None:
    code, out = run(capsys, Machine())
    assert code == 0
    assert out.count("could not be read") == 1
