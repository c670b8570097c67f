"""The sentences of the page: verdicts, sizes, times, what is a reference."""

from __future__ import annotations

import pytest
from msgspec import structs

from qwen_desktop.core.fit import Fit, Verdict
from qwen_desktop.core.memory import MemoryNeed
from qwen_desktop.core.models import DownloadStatus
from qwen_desktop.ui.models import model_texts
from qwen_desktop.ui.models.state import reference
from tests.ui.models import scripted

MEMORY = MemoryNeed(1, 1, 0, 1, 0, 0, 4_900_000_000)
FIT = Fit(Verdict.FITS, MEMORY, 8192, 32768, asked=16384, free_bytes=21_000_000_000, decode_tokens_per_s=18.2)


@pytest.mark.parametrize(
    ("fit", "said"),
    [
        (FIT, ("fits well", "good")),
        (structs.replace(FIT, verdict=Verdict.TIGHT), ("leaves little memory", "warn")),
        (structs.replace(FIT, verdict=Verdict.SMALLER_CONTEXT), ("fits with 8k context", "warn")),
        (structs.replace(FIT, verdict=Verdict.SLOW, context=16384), ("slow", "warn")),
        (structs.replace(FIT, verdict=Verdict.SLOW), ("fits with 8k context, slow", "warn")),
        (structs.replace(FIT, verdict=Verdict.TOO_LARGE, missing_bytes=27_300_000_000), ("needs 27 GB more", "bad")),
        (None, ("", "")),
    ],
)
def test_a_verdict_is_a_sentence(fit: Fit | None, said: tuple[str, str]) -> None:
    assert model_texts.verdict(fit) == said


def test_numbers_are_written_as_people_compare_them() -> None:
    assert model_texts.size(2_497_280_256) == "2.5 GB"
    assert model_texts.size(639_446_688) == "639 MB"
    assert model_texts.size(118_400_000_000) == "118 GB"
    assert model_texts.memory(33_400_000_000) == "32 GB"
    assert model_texts.memory(16_600_000_000) == "16 GB"
    assert model_texts.used(FIT) == "4.9 GB of 21 GB"


def test_this_computer_in_one_line() -> None:
    assert model_texts.machine_line(scripted.LAPTOP) == (
        "Ryzen 7 7840U, 8 cores, AVX-512 · 32 GB memory, 21 free · Radeon 780M (Vulkan), shared memory · "
        "214 GB disk free"
    )
    assert model_texts.machine_line(structs.replace(scripted.LAPTOP, gpus=(), disk=None)).endswith("21 free")
    idle = structs.replace(scripted.LAPTOP.memory, total_bytes=25_276_514_304, free_bytes=24_662_827_008)
    assert "24 GB memory, 24 free" in model_texts.machine_line(structs.replace(scripted.LAPTOP, memory=idle))
    assert model_texts.machine_line(type(scripted.LAPTOP)()) == ""


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (DownloadStatus.RUNNING, "1.56 of 2.42 GB · 38 MB/s · 24 s left · from ModelScope, checked as it arrives"),
        (DownloadStatus.CHECKING, "All 4.60 GB are here and are being checked"),
        (DownloadStatus.PAUSED, "Paused · 1.43 of 4.60 GB"),
        (
            DownloadStatus.FAILED,
            "The connection to huggingface.co was lost. Check the network; what has arrived is kept.",
        ),
        (DownloadStatus.WAITING, "Waits for 2 downloads · 18.5 GB"),
        (DownloadStatus.DONE, "637.5 MB, checked and ready"),
    ],
)
def test_each_state_of_a_download_has_its_line(status: DownloadStatus, said: str) -> None:
    download = next(item for item in scripted.every_state() if item.status is status)
    assert model_texts.progress(download, ahead=2) == said


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("unsloth/Qwen3-4B-GGUF", "unsloth/Qwen3-4B-GGUF"),
        ("unsloth/Qwen3-4B-GGUF:Q8_0", "unsloth/Qwen3-4B-GGUF:Q8_0"),
        ("https://huggingface.co/Qwen/Qwen3-8B-GGUF/tree/main", "Qwen/Qwen3-8B-GGUF"),
        ("hf.co/Qwen/Qwen3-8B-GGUF", "Qwen/Qwen3-8B-GGUF"),
        ("https://modelscope.cn/models/Qwen/Qwen3-8B-GGUF/files", "Qwen/Qwen3-8B-GGUF"),
        ("https://example.org/files/qwen3.gguf?download=1", "qwen3.gguf"),
        ("qwen coder", ""),
        ("https://huggingface.co/Qwen", ""),
        ("https://example.org/about", ""),
    ],
)
def test_what_can_be_looked_up_is_seen(text: str, name: str) -> None:
    assert reference(text) == name
