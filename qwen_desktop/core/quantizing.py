"""Making a model smaller: the types that can be made, what is asked for, how it went, and how good the result is.

Plain data and the words that every face uses for it. Pure.
"""

from __future__ import annotations

import re
from enum import StrEnum

from msgspec import Struct

from qwen_desktop.core.errors import Failure, Problem, UserFacing
from qwen_desktop.core.quality import Quality
from qwen_desktop.core.quants import BITS
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Source, Text, fill, shown

# fmt: off
_unknown_type = Failure(
    UserFacing, "quantize.type", "name types",
    QT_TRANSLATE_NOOP("quantize", "{name} is no type that a model can be made into here."),
    QT_TRANSLATE_NOOP("quantize", "Choose one of these: {types}."),
)
# fmt: on


class QuantType(Struct, frozen=True):
    """A type that weights can be made into. ``name`` is what people call it, ``file_type`` llama.cpp's number for a
    file of that mixture (``llama_ftype``), ``words`` say what to expect of it."""

    name: str
    file_type: int
    words: Text


def _type(name: str, file_type: int, words: Source) -> QuantType:
    return QuantType(name, file_type, Text(f"quantize.words.{name.lower()}", words))


# fmt: off
_NEARLY = QT_TRANSLATE_NOOP("quantize", "Hardly to be told from the original.")
_GOOD = QT_TRANSLATE_NOOP("quantize", "Very close to the original.")
_USUAL = QT_TRANSLATE_NOOP("quantize", "Close to the original, a good deal smaller.")
_LESS = QT_TRANSLATE_NOOP("quantize", "A little smaller than Q4_K_M, and a little less exact.")
_SMALL = QT_TRANSLATE_NOOP("quantize", "For little memory: answers get noticeably weaker.")
_LEAST = QT_TRANSLATE_NOOP("quantize", "The smallest: answers are clearly weaker. Only where nothing else fits.")
#: From the largest to the smallest. Those that want an importance matrix (IQ1 to IQ3, Q2_K_S) are not among them.
TYPES: tuple[QuantType, ...] = (
    _type("Q8_0", 7, QT_TRANSLATE_NOOP("quantize", "The same as the original, as far as anybody can tell.")),
    _type("Q6_K", 18, _NEARLY),
    _type("Q5_K_M", 17, _GOOD),
    _type("Q5_K_S", 16, _GOOD),
    _type("Q4_K_M", 15, _USUAL),
    _type("Q4_K_S", 14, _LESS),
    _type("Q3_K_L", 13, _SMALL),
    _type("Q3_K_M", 12, _SMALL),
    _type("Q3_K_S", 11, _SMALL),
    _type("Q2_K", 10, _LEAST),
)
# fmt: on
_BY_NAME = {kind.name: kind for kind in TYPES}
#: A quant at the end of a file's name, with what stands before it.
_TAIL = re.compile(
    rf"[-._ ]+(?:UD-)?(?:{'|'.join(sorted(map(re.escape, BITS), key=len, reverse=True))}|FP16|FP32)$", re.I
)


def find_type(text: str) -> QuantType:
    """The type that ``text`` names, however it is spelled: "q4_k_m", "Q4-K-M", "q8", "Q4_K". Raises ``UserFacing``."""
    wanted = re.sub(r"[-. ]", "_", text.strip().upper())
    wanted = {"Q8": "Q8_0", "Q6": "Q6_K", **{f"Q{n}_K": f"Q{n}_K_M" for n in (3, 4, 5)}}.get(wanted, wanted)
    if wanted not in _BY_NAME:
        raise _unknown_type(shown(text, 40), ", ".join(_BY_NAME))
    return _BY_NAME[wanted]


def file_name(stem: str, kind: QuantType) -> str:
    """The name of a file of this type, made of another's without its ending: "Qwen3-8B-F16" gives
    "Qwen3-8B-Q4_K_M.gguf"."""
    return f"{_TAIL.sub('', stem) or stem}-{kind.name}.gguf"


# A run ---------------------------------------------------------------------------------------------------------------


class Planned(Struct, frozen=True):
    """What a type would come to: the result's ``size_bytes``, exactly, and how many of its ``matrices`` get another
    type because their rows are no multiple of what the type wants (``fallbacks``)."""

    type: str
    size_bytes: int
    matrices: int = 0
    fallbacks: int = 0


class SourceFile(Struct, frozen=True):
    """What a file says of itself: ``quant`` as its name says it, ``good`` that its weights were not rounded so
    far that doing it again harms."""

    path: str
    name: str
    quant: str
    size_bytes: int
    good: bool
    parts: int = 1
    parameters: int = 0


class QuantizeRequest(Struct, frozen=True):
    """What is to be made. ``source`` and ``target`` are paths (``target`` may be a folder, or "" for the usual place),
    ``type`` is a name of ``TYPES``. ``requantize``: also from a source that is no good one. ``replace``: a file that
    lies at the target may go. ``quality``: measure it afterwards, on ``text`` or, where that is None, on ours.
    ``name`` is what people call the source."""

    source: str
    type: str
    target: str = ""
    requantize: bool = False
    replace: bool = False
    quality: bool = False
    text: str | None = None
    name: str = ""


class QuantizeStage(StrEnum):
    """Where a run is."""

    STARTING = "starting"
    WRITING = "writing"
    MEASURING = "measuring"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def over(self) -> bool:
        """Whether nothing more happens."""
        return self in {QuantizeStage.DONE, QuantizeStage.FAILED, QuantizeStage.CANCELLED}


class Quantization(Struct, frozen=True):
    """One run as faces show it. ``done`` of ``total`` are bytes while it writes, places while it measures.

    ``path`` is that of the result: where it will be, and once it is ``made``, where it is. ``problem`` says why it
    failed, or, where it is done, why its quality could not be measured. ``seconds`` is what the writing took.
    """

    id: str
    request: QuantizeRequest
    stage: QuantizeStage = QuantizeStage.STARTING
    source_bytes: int = 0
    path: str = ""
    made: bool = False
    done: int = 0
    total: int = 0
    seconds_left: float | None = None
    seconds: float = 0.0
    planned: Planned | None = None
    quality: Quality | None = None
    problem: Problem | None = None

    @property
    def fraction(self) -> float:
        """0..1 of the stage it is in."""
        return min(1.0, self.done / self.total) if self.total else 0.0


def fallback_note(planned: Planned) -> Text | None:
    """That some matrices could not get the type, where that is so."""
    if not planned.fallbacks:
        return None
    return Text(
        "quantize.fallbacks",
        QT_TRANSLATE_NOOP(
            "quantize",
            "%n part(s) of this model cannot have this type: another one is used there, which takes more room.",
        ),
        {"n": planned.fallbacks},
    )


def made_from(name: str, quant: str) -> str:
    """What a result was made from, for people."""
    return fill("{name} {quant}", {"name": name, "quant": quant}).strip()
