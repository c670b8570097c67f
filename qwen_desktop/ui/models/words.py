"""What the Models page says: verdicts as sentences, sizes, times and the facts of this computer."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Literal, TypeAlias

from PySide6.QtCore import QCoreApplication

from qwen_desktop.core.fit import Fit
from qwen_desktop.core.hardware import Gpu, Machine
from qwen_desktop.core.models import CatalogModel, Download, DownloadStatus, Origin, Purpose, Quant
from qwen_desktop.services import fit_words
from qwen_desktop.ui import texts

Tone: TypeAlias = Literal["good", "warn", "bad", "accent", ""]

#: Sizes in which memory is sold, in GiB: a total just below one of them is that one.
_SOLD = (1, 2, 3, 4, 6, 8, 12, 16, 18, 20, 24, 32, 36, 40, 48, 64, 80, 96, 128, 192, 256, 384, 512, 768, 1024)
_NOISE = re.compile(
    r"\((?:R|TM|r|tm)\)|®|™|\bCPU\b|@.*$|\bw/.*$|\bwith Radeon.*$|\b\d+-Core\b|\bProcessor\b|\b(?:AMD|Intel|Genuine)\b",
)
#: Instruction sets worth a word, the best first.
_FEATURES = ("AMX", "AVX-512", "AVX2", "NEON")
_SIZE_IN_NAME = re.compile(r"(?<![A-Za-z0-9.])(\d+(?:\.\d+)?)[Bb](?![A-Za-z0-9])")


def tr(text: str) -> str:
    """Translate a text of this page."""
    return QCoreApplication.translate("models page", text)


def put(text: str, /, **places: str) -> str:
    """Translate ``text`` and fill its ``{places}``."""
    text = tr(text)
    for name, value in places.items():
        text = text.replace("{" + name + "}", value)
    return text


def line(*parts: str) -> str:
    """What there is of ``parts``, in one line."""
    return ", ".join(filter(None, parts))


# Numbers ----------------------------------------------------------------------------------------------------------


def size(count: float | None, *, unit: bool = True) -> str:
    """Bytes as people compare them: "640 MB", "2.5 GB", "118 GB"; empty for unknown."""
    if count is None:
        return ""
    shown = texts.size(count)
    return shown if unit else shown.rpartition(" ")[0]


def whole(count: float) -> str:
    """Bytes in whole GB, in tenths below ten: "21 GB", "3.4 GB"."""
    return texts.whole(count)


def exact(count: float) -> str:
    """Bytes for a table: "4.93 GB", "312.0 MB"."""
    return texts.exact(round(count))


def memory(total: int) -> str:
    """A computer's memory as it is sold: 33.5e9 bytes are "32 GB"."""
    sold = _sold(total)
    return f"{sold} GB" if sold else whole(total)


def _sold(total: int) -> int:
    """The size in which so much memory is sold, 0 for one that is not."""
    gib = total / 2**30
    sold = next((step for step in _SOLD if step >= gib), 0)
    return sold if sold - gib <= max(1.0, sold * 0.12) else 0


def context(tokens: int) -> str:
    """Tokens of context: "8k", "128k", "1M"."""
    return texts.context(tokens)


def parameters(count: int) -> str:
    """Parameters: "596M", "1.7B", "30.5B"."""
    if count < 950_000_000:
        return f"{texts.number(count / 1e6)}M"
    return f"{texts.number(count / 1e9, 1 if count < 99.95e9 else 0)}B"


def size_word(model: CatalogModel) -> str:
    """The size by which people call a model: the one in its name, "8B", else its parameters."""
    found = _SIZE_IN_NAME.search(model.name)
    return f"{found.group(1)}B" if found else parameters(model.parameters)


def speed(tokens_per_s: float | None) -> str:
    """Predicted speed: "about 18 tok/s"; empty while unknown."""
    if not tokens_per_s:
        return ""
    return put("about {n} tok/s", n=texts.number(tokens_per_s, 0 if tokens_per_s >= 9.5 else 1))


def left(seconds: float) -> str:
    """Time left, rounded as far as it can be trusted: "24 s left", "3 min left", "2 h 10 min left"."""
    if seconds < 100:
        return put("{time} left", time=f"{texts.number(max(1, seconds))} s")
    minutes = round(seconds / 60)
    if minutes < 100:
        return put("{time} left", time=f"{texts.number(minutes)} min")
    hours, minutes = divmod(minutes, 60)
    return put("{time} left", time=f"{texts.number(hours)} h {texts.number(minutes // 10 * 10)} min")


def ago(when: float, now: float | None = None) -> str:
    """How long ago a time was, in days."""
    days = int(((time.time() if now is None else now) - when) // 86400)
    if days <= 0:
        return tr("today")
    if days == 1:
        return tr("yesterday")
    if days < 60:
        return put("{n} days ago", n=texts.number(days))
    return put("{n} months ago", n=texts.number(days // 30))


# Models -----------------------------------------------------------------------------------------------------------


def month(day: str) -> str:
    """A date of the catalogue as people write it: "2025-04" is "April 2025"; another text stays as it is."""
    found = re.match(r"^(\d{4})-(\d\d)", day)
    if found is None or not 1 <= int(found.group(2)) <= 12:
        return day
    return f"{texts.locale().standaloneMonthName(int(found.group(2)))} {found.group(1)}"


def unverified(fields: tuple[str, ...]) -> list[str]:
    """The facts of a catalogue entry that were inferred, as people call them; those that no one sees are left out."""
    names = {
        "licence": tr("licence"),
        "languages": tr("languages"),
        "context_train": tr("context"),
        "context_extended": tr("context"),
        "released": tr("release"),
        "sampling": tr("sampling values"),
        "parameters": tr("size"),
    }
    shape = tr("memory figures")
    names |= dict.fromkeys(("layers", "attention_layers", "heads", "kv_heads", "key_length", "value_length"), shape)
    names |= dict.fromkeys(("hidden", "feed_forward", "vocab", "state_bytes"), shape)
    return list(dict.fromkeys(names[name] for name in fields if name in names))


def purpose(value: Purpose) -> str:
    """A purpose as a button names it."""
    return {
        Purpose.EVERYDAY: tr("Everyday"),
        Purpose.REASONING: tr("Reasoning"),
        Purpose.CODE: tr("Code"),
        Purpose.MATHS: tr("Maths"),
        Purpose.PICTURES: tr("Pictures"),
        Purpose.LANGUAGES: tr("Many languages"),
    }[value]


def purpose_chip(value: Purpose) -> str:
    """A purpose as the chip beside a name."""
    if value is Purpose.EVERYDAY:
        return tr("general")
    return {
        Purpose.REASONING: tr("reasoning"),
        Purpose.CODE: tr("code"),
        Purpose.MATHS: tr("maths"),
        Purpose.PICTURES: tr("pictures"),
        Purpose.LANGUAGES: tr("languages"),
    }[value]


def step(quant: Quant) -> str:
    """The word for a quant's size."""
    return {"small": tr("Small"), "balanced": tr("Balanced"), "large": tr("Large")}.get(quant.step, quant.name)


def step_note(quant: Quant) -> str:
    """What to expect of a quant."""
    return {
        "small": tr("Less memory, a little less exact."),
        "balanced": tr("The usual choice: nearly as exact as the original."),
        "large": tr("As exact as it gets here, and slower."),
    }.get(quant.step, "")


def origin(value: Origin) -> str:
    """Where an installed model comes from, "" where that is no news."""
    return {
        "lm_studio": "LM Studio",
        "ollama": "Ollama",
        "jan": "Jan",
        "gpt4all": "GPT4All",
        "huggingface_cache": tr("Hugging Face cache"),
    }.get(value, "")


def verdict(fit: Fit | None) -> tuple[str, Tone]:
    """The verdict in a few words and its tone; empty while the computer is unknown."""
    return ("", "") if fit is None else (texts.text(fit_words.word(fit)), fit_words.tone(fit))


def fit_sentence(fit: Fit) -> str:
    """The verdict in a whole sentence, for details."""
    return texts.text(fit_words.sentence(fit))


def used(fit: Fit) -> str:
    """Memory used of what is free: "4.9 GB of 21 GB"."""
    return put("{used} of {free}", used=size(fit.memory.total_bytes), free=whole(fit.free_bytes))


# This computer ----------------------------------------------------------------------------------------------------


def processor(machine: Machine) -> str:
    """The processor's name without what its maker repeats in every name."""
    return re.sub(r"\s+", " ", _NOISE.sub(" ", machine.cpu.model)).strip(" ,-")


def cores(machine: Machine) -> str:
    """Cores: "8 cores", "1 core", empty when unknown."""
    count = machine.cpu.physical or machine.cpu.logical
    if not count:
        return ""
    return tr("1 core") if count == 1 else put("{n} cores", n=texts.number(count))


def feature(machine: Machine) -> str:
    """The best instruction set that matters here."""
    return next((name for name in _FEATURES if name in machine.cpu.features), "")


def graphics(gpu: Gpu) -> str:
    """A graphics card: "Radeon 780M (Vulkan), shared memory", "RTX 4070 (CUDA), 12 GB, 11 free"."""
    name = re.sub(r"\s+", " ", re.sub(r"\((?:R|TM)\)|\b(?:AMD|NVIDIA|Intel|GeForce)\b", " ", gpu.name)).strip()
    shown = f"{name} ({gpu.backend})" if gpu.backend else name
    if gpu.unified:
        return put("{card}, shared memory", card=shown)
    if gpu.total_bytes is None:
        return shown
    if gpu.free_bytes is None:
        return f"{shown}, {memory(gpu.total_bytes)}"
    return put(
        "{card}, {total}, {free} free",
        card=shown,
        total=memory(gpu.total_bytes),
        free=texts.number(gpu.free_bytes / 1e9, 1 if gpu.free_bytes < 9.95e9 else 0),
    )


def machine_line(machine: Machine) -> str:
    """This computer in one line."""
    parts = [", ".join(filter(None, (processor(machine), cores(machine), feature(machine))))]
    total, free = machine.memory.total_bytes, machine.memory.free_bytes
    if total is not None and free is not None:
        shown = whole(total) if machine.memory.limited else memory(total)
        if not machine.memory.limited and (sold := _sold(total)):
            free = min(free, sold * 10**9)  # no more than there is, by the words for it
        parts.append(put("{total} memory, {free} free", total=shown, free=whole(free).removesuffix(" GB")))
    elif total is not None:
        parts.append(put("{total} memory", total=memory(total)))
    parts += [graphics(gpu) for gpu in machine.gpus]
    if machine.disk is not None and machine.disk.free_bytes is not None:
        parts.append(put("{size} disk free", size=size(machine.disk.free_bytes)))
    return " · ".join(filter(None, parts))


# Downloads --------------------------------------------------------------------------------------------------------


def title(download: Download) -> str:
    """What is fetched, for people."""
    return download.request.title or download.request.repo.rpartition("/")[2]


def arrived(download: Download) -> str:
    """How much is there: "1.61 of 2.50 GB"."""
    total = download.total_bytes
    if not total:
        return exact(download.done_bytes) if download.done_bytes else ""
    big = total >= 1e9
    done = texts.number(download.done_bytes / (1e9 if big else 1e6), 2 if big else 0)
    return put("{done} of {total}", done=done, total=texts.exact(total) if big else size(total))


def rate(bytes_per_s: float) -> str:
    """Bytes per second: "38 MB/s", "640 kB/s"."""
    if bytes_per_s >= 1e6:
        return f"{texts.number(bytes_per_s / 1e6, 0 if bytes_per_s >= 9.95e6 else 1)} MB/s"
    return f"{texts.number(bytes_per_s / 1e3)} kB/s"


def progress(download: Download, ahead: int = 0) -> str:
    """Where a download is, in one line. ``ahead`` is how many others come first."""
    status = download.status
    if status is DownloadStatus.FAILED or (status is DownloadStatus.DONE and download.problem is not None):
        return texts.problem(download.problem) if download.problem is not None else tr("The download stopped.")
    total = texts.exact(download.total_bytes)
    say: dict[DownloadStatus, Callable[[Download], list[str]]] = {
        DownloadStatus.RUNNING: _running,
        DownloadStatus.WAITING: lambda item: _waiting(item, ahead),
        DownloadStatus.PAUSED: lambda item: [tr("Paused"), arrived(item)],
        DownloadStatus.CHECKING: lambda _item: [put("All {size} are here and are being checked", size=total)],
        DownloadStatus.DONE: lambda _item: [put("{size}, checked and ready", size=total)],
    }
    return " · ".join(filter(None, say[status](download))) or tr("Starting")


def _running(download: Download) -> list[str]:
    source = put("from {source}, checked as it arrives", source=download.source) if download.source else ""
    speed_ = rate(download.speed) if download.speed > 0 else ""
    time_ = left(download.seconds_left) if download.seconds_left is not None else ""
    return [arrived(download), speed_, time_, source]


def _waiting(download: Download, ahead: int) -> list[str]:
    if download.note is not None:
        return [texts.text(download.note), arrived(download) if download.done_bytes else ""]
    if not ahead:
        return [tr("Starting"), arrived(download) if download.done_bytes else ""]
    waits = tr("Waits for another download") if ahead == 1 else put("Waits for {n} downloads", n=str(ahead))
    return [waits, size(download.total_bytes) if download.total_bytes else ""]


def percent(download: Download) -> str:
    """How far a download is: "64 %"."""
    return f"{texts.number(int(download.fraction * 100))} %"
