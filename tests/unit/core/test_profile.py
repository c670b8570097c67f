"""Little memory: which computers it is for, what it sets, and that what is set by hand wins."""

from __future__ import annotations

import pytest

from qwen_desktop.core.hardware import Gpu, Machine, Memory
from qwen_desktop.core.model_ref import LoadOptions, merged
from qwen_desktop.core.profile import USUAL, Choice, profile_of, profiled
from qwen_desktop.core.settings import EngineSettings

GIB = 1 << 30
CARD = Gpu("Card", total_bytes=8 * GIB)


def computer(total: float | None, *gpus: Gpu) -> Machine:
    return Machine(memory=Memory(None if total is None else int(total * GIB)), gpus=gpus)


@pytest.mark.parametrize(
    ("machine", "choice", "context"),
    [
        (computer(3.8), "auto", 2048),
        (computer(4.0), "auto", 2048),
        (computer(5.6), "auto", 4096),
        (computer(7.7), "auto", 4096),
        (computer(8.0), "auto", 4096),
        (computer(11.6), "auto", None),
        (computer(31), "auto", None),
        (computer(None), "auto", None),
        (computer(7.7, CARD), "auto", None),  # the model lies in the card's own memory
        (computer(7.7, Gpu("Inside", "igpu", total_bytes=7 * GIB, unified=True)), "auto", 4096),
        (computer(3.8), "usual", None),
        (computer(31), "low_memory", 4096),
        (computer(3.8, CARD), "low_memory", 2048),
        (computer(None), "low_memory", 4096),
    ],
)
def test_the_probe_chooses_unless_somebody_has(machine: Machine, choice: Choice, context: int | None) -> None:
    found = profile_of(machine, choice)
    assert found.context == context
    assert found.low_memory is (context is not None)
    assert (found.streams, found.kv_type) == ((1, "k_q8_0") if context else (None, None))
    assert (found.unload_minutes is None) is (context is None)


def test_a_container_limit_counts_as_the_memory() -> None:
    assert profile_of(Machine(memory=Memory(4 * GIB, 3 * GIB, limited=True))).context == 2048


def test_what_is_set_by_hand_wins() -> None:
    low = profile_of(computer(3.8))
    assert profiled(merged(EngineSettings()), low)["context"] == 2048
    assert profiled(merged(EngineSettings(context=8192)), low)["context"] == 8192
    assert profiled(merged(EngineSettings(), LoadOptions(context=1024)), low)["context"] == 1024
    assert profiled({"kv_type": "auto"}, low)["kv_type"] == "k_q8_0"
    assert profiled({"kv_type": "f16"}, low)["kv_type"] == "f16"
    assert profiled(merged(EngineSettings(threads=3)), USUAL) == merged(EngineSettings(threads=3))
