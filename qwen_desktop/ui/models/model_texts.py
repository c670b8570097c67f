"""What the Models page says: verdicts as sentences, sizes, times and the facts of this computer."""

from __future__ import annotations

import re
from typing import Literal, TypeAlias

from qwen_desktop.core.fit import Fit
from qwen_desktop.core.hardware import Gpu, Machine
from qwen_desktop.core.models import CatalogModel, Download, DownloadStatus, Origin, Purpose, Quant
from qwen_desktop.services import fit_words
from qwen_desktop.ui import texts
from qwen_desktop.ui.texts import translate

Tone: TypeAlias = Literal["good", "warn", "bad", "accent", ""]

#: Sizes in which memory is sold, in GiB: a total just below one of them is that one.
_SOLD = (1, 2, 3, 4, 6, 8, 12, 16, 18, 20, 24, 32, 36, 40, 48, 64, 80, 96, 128, 192, 256, 384, 512, 768, 1024)
_NOISE = re.compile(
    r"\((?:R|TM|r|tm)\)|®|™|\bCPU\b|@.*$|\bw/.*$|\bwith Radeon.*$|\b\d+-Core\b|\bProcessor\b|\b(?:AMD|Intel|Genuine)\b",
)
#: States of a download that goes on by itself.
ACTIVE = (DownloadStatus.RUNNING, DownloadStatus.WAITING, DownloadStatus.CHECKING)
#: Instruction sets worth a word, the best first.
_FEATURES = ("AMX", "AVX-512", "AVX2", "NEON")
_SIZE_IN_NAME = re.compile(r"(?<![A-Za-z0-9.])(\d+(?:\.\d+)?)[Bb](?![A-Za-z0-9])")


def line(*parts: str) -> str:
    """What there is of ``parts``, in one line, each in its own direction."""
    return ", ".join(texts.isolated(part) for part in parts if part)


def joined(*parts: str) -> str:
    """What there is of several facts, in one line."""
    return " · ".join(filter(None, parts))


def size(count: float | None) -> str:
    """Bytes as people compare them: "640 MB", "2.5 GB"; empty for unknown."""
    return "" if count is None else texts.size(count)


def memory(total: int) -> str:
    """A computer's memory as it is sold: 33.5e9 bytes are "32 GB"."""
    sold = _sold(total)
    return texts.fill(translate("ModelTexts", "{n} GB"), n=sold) if sold else texts.whole(total)


def _sold(total: int) -> int:
    """The size in which so much memory is sold, 0 for one that is not."""
    gib = total / 2**30
    sold = next((step for step in _SOLD if step >= gib), 0)
    return sold if sold - gib <= max(1.0, sold * 0.12) else 0


def size_word(model: CatalogModel) -> str:
    """The size by which people call a model: the one in its name, "8B", else its parameters."""
    found = _SIZE_IN_NAME.search(model.name)
    return f"{found.group(1)}B" if found else texts.parameters(model.parameters)


# Models -----------------------------------------------------------------------------------------------------------


def month(day: str) -> str:
    """A date of the catalogue as people write it: "2025-04" is "April 2025"; another text stays as it is."""
    found = re.match(r"^(\d{4})-(\d\d)", day)
    if found is None or not 1 <= int(found.group(2)) <= 12:
        return day
    return texts.month(int(found.group(1)), int(found.group(2)))


def unverified(fields: tuple[str, ...]) -> list[str]:
    """The facts of a catalogue entry that were inferred, as people call them; those that no one sees are left out."""
    names = {
        "licence": translate("ModelTexts", "licence"),
        "languages": translate("ModelTexts", "languages"),
        "context_train": translate("ModelTexts", "context"),
        "context_extended": translate("ModelTexts", "context"),
        "released": translate("ModelTexts", "release"),
        "sampling": translate("ModelTexts", "sampling values"),
        "parameters": translate("ModelTexts", "size"),
    }
    shape = "layers attention_layers heads kv_heads key_length value_length hidden feed_forward vocab state_bytes"
    names |= dict.fromkeys(shape.split(), translate("ModelTexts", "memory figures"))
    return list(dict.fromkeys(names[name] for name in fields if name in names))


def purpose(value: Purpose) -> str:
    """A purpose as a button names it."""
    return _purpose(value)[0]


def purpose_chip(value: Purpose) -> str:
    """A purpose as the chip beside a name."""
    return _purpose(value)[1]


def _purpose(value: Purpose) -> tuple[str, str]:
    return {
        Purpose.EVERYDAY: (translate("ModelTexts", "Everyday"), translate("ModelTexts", "general")),
        Purpose.REASONING: (translate("ModelTexts", "Reasoning"), translate("ModelTexts", "reasoning")),
        Purpose.CODE: (translate("ModelTexts", "Code"), translate("ModelTexts", "code")),
        Purpose.MATHS: (translate("ModelTexts", "Maths"), translate("ModelTexts", "maths")),
        Purpose.PICTURES: (translate("ModelTexts", "Pictures"), translate("ModelTexts", "pictures")),
        Purpose.LANGUAGES: (translate("ModelTexts", "Many languages"), translate("ModelTexts", "languages")),
    }[value]


def step(quant: Quant) -> str:
    """The word for a quant's size."""
    return {
        "small": translate("ModelTexts", "Small"),
        "balanced": translate("ModelTexts", "Balanced"),
        "large": translate("ModelTexts", "Large"),
    }.get(quant.step, quant.name)


def step_note(quant: Quant) -> str:
    """What to expect of a quant."""
    return {
        "small": translate("ModelTexts", "Less memory, a little less exact."),
        "balanced": translate("ModelTexts", "The usual choice: nearly as exact as the original."),
        "large": translate("ModelTexts", "As exact as it gets here, and slower."),
    }.get(quant.step, "")


def origin(value: Origin) -> str:
    """Where an installed model comes from, "" where that is no news."""
    return {
        "lm_studio": "LM Studio",
        "ollama": "Ollama",
        "jan": "Jan",
        "gpt4all": "GPT4All",
        "huggingface_cache": translate("ModelTexts", "Hugging Face cache"),
    }.get(value, "")


def verdict(fit: Fit | None) -> tuple[str, Tone]:
    """The verdict in a few words and its tone; empty while the computer is unknown."""
    return ("", "") if fit is None else (texts.text(fit_words.word(fit)), fit_words.tone(fit))


def fit_sentence(fit: Fit) -> str:
    """The verdict in a whole sentence, for details."""
    return texts.text(fit_words.sentence(fit))


def used(fit: Fit) -> str:
    """Memory used of what is free: "4.9 GB of 21 GB"."""
    sentence = translate("ModelTexts", "{used} of {free}")
    return texts.fill(sentence, used=texts.size(fit.memory.total_bytes), free=texts.whole(fit.free_bytes))


# This computer ----------------------------------------------------------------------------------------------------


def processor(machine: Machine) -> str:
    """The processor's name without what its maker repeats in every name."""
    return re.sub(r"\s+", " ", _NOISE.sub(" ", machine.cpu.model)).strip(" ,-")


def cores(machine: Machine) -> str:
    """Cores: "8 cores", "1 core", empty when unknown."""
    count = machine.cpu.physical or machine.cpu.logical
    return translate("ModelTexts", "%n core(s)", "", count) if count else ""


def card(gpu: Gpu) -> str:
    """A graphics card's name without what its maker repeats in every name."""
    return re.sub(r"\s+", " ", re.sub(r"\((?:R|TM)\)|\b(?:AMD|NVIDIA|Intel|GeForce)\b", " ", gpu.name)).strip()


def graphics(gpu: Gpu) -> str:
    """A graphics card: "Radeon 780M (Vulkan), shared memory", "RTX 4070 (CUDA), 12 GB, 11 free"."""
    shown = f"{card(gpu)} ({gpu.backend})" if gpu.backend else card(gpu)
    if gpu.unified:
        return texts.fill(translate("ModelTexts", "{card}, shared memory"), card=shown)
    if gpu.total_bytes is None:
        return texts.isolated(shown)
    if gpu.free_bytes is None:
        return line(shown, memory(gpu.total_bytes))
    sentence = translate("ModelTexts", "{card}, {total}, {free} free")
    return texts.fill(sentence, card=shown, total=memory(gpu.total_bytes), free=_gigabytes(gpu.free_bytes))


def _gigabytes(count: float) -> str:
    """The number of GB without their name, which stands before it."""
    return texts.number(count / 1e9, 1 if count < 9.95e9 else 0)


def machine_line(machine: Machine) -> str:
    """This computer in one line."""
    feature = next((name for name in _FEATURES if name in machine.cpu.features), "")
    parts = [line(processor(machine), cores(machine), feature)]
    total, free = machine.memory.total_bytes, machine.memory.free_bytes
    if total is not None and free is not None:
        shown = texts.whole(total) if machine.memory.limited else memory(total)
        if not machine.memory.limited and (sold := _sold(total)):
            free = min(free, sold * 10**9)  # no more than there is, by the words for it
        sentence = translate("ModelTexts", "{total} memory, {free} free")
        parts.append(texts.fill(sentence, total=shown, free=_gigabytes(free)))
    elif total is not None:
        parts.append(texts.fill(translate("ModelTexts", "{total} memory"), total=memory(total)))
    parts += [graphics(gpu) for gpu in machine.gpus]
    if machine.disk is not None and machine.disk.free_bytes is not None:
        disk = texts.size(machine.disk.free_bytes)
        parts.append(texts.fill(translate("ModelTexts", "{size} disk free"), size=disk))
    return joined(*parts)


# Downloads --------------------------------------------------------------------------------------------------------


def title(download: Download) -> str:
    """What is fetched, for people."""
    return download.request.title or download.request.repo.rpartition("/")[2]


def arrived(download: Download) -> str:
    """How much is there: "1.61 of 2.50 GB"."""
    if download.total_bytes:
        return texts.of_size(download.done_bytes, download.total_bytes)
    return texts.exact(download.done_bytes) if download.done_bytes else ""


def progress(download: Download, ahead: int = 0) -> str:
    """Where a download is, in one line. ``ahead`` is how many others come first."""
    total = texts.exact(download.total_bytes)
    match download.status:
        case DownloadStatus.RUNNING:
            return _running(download)
        case DownloadStatus.WAITING:
            return _waiting(download, ahead)
        case DownloadStatus.PAUSED:
            return joined(translate("ModelTexts", "Paused"), arrived(download))
        case DownloadStatus.CHECKING:
            return texts.fill(translate("ModelTexts", "All {size} are here and are being checked"), size=total)
        case DownloadStatus.DONE if download.problem is None:
            return texts.fill(translate("ModelTexts", "{size}, checked and ready"), size=total)
    stopped = translate("ModelTexts", "The download stopped.")
    return stopped if download.problem is None else texts.problem(download.problem)


def _running(download: Download) -> str:
    source = texts.fill(translate("ModelTexts", "from {source}, checked as it arrives"), source=download.source)
    speed = texts.rate(download.speed) if download.speed > 0 else ""
    left = texts.left(download.seconds_left) if download.seconds_left is not None else ""
    said = joined(arrived(download), speed, left, source if download.source else "")
    return said or translate("ModelTexts", "Starting")


def _waiting(download: Download, ahead: int) -> str:
    there = arrived(download) if download.done_bytes else ""
    if download.note is not None:
        return joined(texts.text(download.note), there)
    if not ahead:
        return joined(translate("ModelTexts", "Starting"), there)
    waits = translate("ModelTexts", "Waits for (another download|%n downloads)", "", ahead)
    return joined(waits, texts.size(download.total_bytes) if download.total_bytes else "")
