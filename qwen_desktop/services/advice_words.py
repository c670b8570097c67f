"""The advisor's sentences. Pure; each is one sentence with its figures."""

from __future__ import annotations

from qwen_desktop.core.models import Purpose
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Param, Text

_BEST: dict[Purpose, str] = {
    Purpose.EVERYDAY: QT_TRANSLATE_NOOP(
        "advice", "The best answers that still come faster than you read: about {speed} tokens per second."
    ),
    Purpose.REASONING: QT_TRANSLATE_NOOP(
        "advice", "The best at thinking things through here, at about {speed} tokens per second."
    ),
    Purpose.CODE: QT_TRANSLATE_NOOP(
        "advice", "The best at code that runs well here, at about {speed} tokens per second."
    ),
    Purpose.MATHS: QT_TRANSLATE_NOOP(
        "advice", "The best at mathematics that runs well here, at about {speed} tokens per second."
    ),
    Purpose.PICTURES: QT_TRANSLATE_NOOP(
        "advice", "The best at pictures that runs well here, at about {speed} tokens per second."
    ),
    Purpose.LANGUAGES: QT_TRANSLATE_NOOP(
        "advice", "The best in many languages that runs well here, at about {speed} tokens per second."
    ),
}
_BEST_UNMEASURED: dict[Purpose, str] = {
    Purpose.EVERYDAY: QT_TRANSLATE_NOOP("advice", "The best answers that should run well on this computer."),
    Purpose.REASONING: QT_TRANSLATE_NOOP("advice", "The best at thinking things through that should run well here."),
    Purpose.CODE: QT_TRANSLATE_NOOP("advice", "The best at code that should run well on this computer."),
    Purpose.MATHS: QT_TRANSLATE_NOOP("advice", "The best at mathematics that should run well on this computer."),
    Purpose.PICTURES: QT_TRANSLATE_NOOP("advice", "The best at pictures that should run well on this computer."),
    Purpose.LANGUAGES: QT_TRANSLATE_NOOP("advice", "The best in many languages that should run well here."),
}


def best(purpose: Purpose, speed: float | None) -> Text:
    """Why the best one is it; ``speed`` in tokens per second, None where it is not known."""
    if speed is None:
        return Text(f"advice.best.{purpose}", _BEST_UNMEASURED[purpose])
    return Text(f"advice.best.{purpose}.speed", _BEST[purpose], {"speed": round(speed)})


def slow(speed: float) -> Text:
    """Nothing is comfortable: the quickest."""
    return Text(
        "advice.slow",
        QT_TRANSLATE_NOOP("advice", "The quickest on this computer: about {speed} tokens per second."),
        {"speed": round(speed, 1)},
    )


def tight() -> Text:
    """Nothing fits with room to spare: the one that needs least."""
    return Text(
        "advice.tight",
        QT_TRANSLATE_NOOP("advice", "The smallest of its kind: it takes most of this computer's memory."),
    )


def not_now(model: str, missing_bytes: int) -> Text:
    """The best one for the computer does not fit what is free at the moment."""
    return Text(
        "advice.not_now",
        QT_TRANSLATE_NOOP(
            "advice",
            "{model} suits this computer, but {missing} GB more must be free to use it: other programs hold a lot of "
            "memory now.",
        ),
        {"model": model, "missing": gigabytes(max(missing_bytes, 100_000_000), up=True)},
    )


def lighter_now() -> Text:
    """The best one that fits at the moment, beside one that does not."""
    return Text("advice.lighter.now", QT_TRANSLATE_NOOP("advice", "Fits beside the programs that run now."))


def lighter(room_bytes: int, *, quicker: bool, on_battery: bool) -> Text:
    """Why one might take the lighter one; ``room_bytes`` is the memory it leaves beside the best one."""
    params: dict[str, Param] = {"room": gigabytes(room_bytes)}
    if not quicker:
        return Text(
            "advice.lighter.smaller",
            QT_TRANSLATE_NOOP("advice", "Smaller: leaves {room} GB more to other programs."),
            params,
        )
    if on_battery:
        return Text(
            "advice.lighter.battery",
            QT_TRANSLATE_NOOP("advice", "Quicker, easy on the battery, and leaves {room} GB more to others."),
            params,
        )
    return Text(
        "advice.lighter",
        QT_TRANSLATE_NOOP("advice", "Quicker, and leaves {room} GB more to other programs."),
        params,
    )


def stronger(speed: float, *, slower: bool) -> Text:
    """Better, but below what is comfortable."""
    params: dict[str, Param] = {"speed": round(speed)}
    if slower:
        return Text(
            "advice.stronger.speed",
            QT_TRANSLATE_NOOP("advice", "Better answers, but slower: about {speed} tokens per second."),
            params,
        )
    return Text(
        "advice.stronger.thinking",
        QT_TRANSLATE_NOOP(
            "advice", "Better answers, but it thinks for a while first, at about {speed} tokens per second."
        ),
        params,
    )


def stronger_memory() -> Text:
    """Better, but it fits only just on a usual day, or with less context. How it fits now stands beside it."""
    return Text(
        "advice.stronger.memory",
        QT_TRANSLATE_NOOP("advice", "Better answers, but large for the memory of this computer."),
    )


def stronger_unmeasured() -> Text:
    """Better, on a machine whose speed is not known."""
    return Text("advice.stronger", QT_TRANSLATE_NOOP("advice", "Better answers, but larger and slower."))


def disk(model: str, size_bytes: int, free_bytes: int) -> Text:
    """A better one has no room on the disk."""
    return Text(
        "advice.disk",
        QT_TRANSLATE_NOOP(
            "advice", "{model} would be better, but needs {size} GB on the disk, where {free} GB are free."
        ),
        {"model": model, "size": gigabytes(size_bytes), "free": gigabytes(free_bytes)},
    )


def no_memory(model: str, missing_bytes: int) -> Text:
    """Not even the smallest fits."""
    return Text(
        "advice.memory",
        QT_TRANSLATE_NOOP(
            "advice",
            "Even the smallest model, {model}, needs {missing} GB more of free memory. Close other programs, then look "
            "again.",
        ),
        {"model": model, "missing": gigabytes(missing_bytes, up=True)},
    )


def no_room(model: str, size_bytes: int) -> Text:
    """The disk is full."""
    return Text(
        "advice.disk.full",
        QT_TRANSLATE_NOOP(
            "advice", "The disk has no room for a model: the smallest, {model}, needs {size} GB and some to spare."
        ),
        {"model": model, "size": gigabytes(size_bytes, up=True)},
    )


def unknown_memory() -> Text:
    """The smallest, because nothing is known."""
    return Text(
        "advice.unknown",
        QT_TRANSLATE_NOOP("advice", "The smallest of its kind, since the memory of this computer could not be read."),
    )


def pictures(model: str) -> Text:
    """Pictures come with a later version; ``model`` will be the one for them, "" where none will do."""
    if not model:
        return Text("advice.pictures", QT_TRANSLATE_NOOP("advice", "This version cannot look at pictures yet."))
    return Text(
        "advice.pictures.model",
        QT_TRANSLATE_NOOP(
            "advice", "This version cannot look at pictures yet. When it can, {model} will suit this computer."
        ),
        {"model": model},
    )


def no_model() -> Text:
    """The list is empty."""
    return Text("advice.none", QT_TRANSLATE_NOOP("advice", "The list has no model for this."))


def gigabytes(count: int, *, up: bool = False) -> str:
    """Gigabytes with one decimal; rounded up where less would be a false promise."""
    count = max(0, count)
    return f"{-(-count // 100_000_000) / 10 if up else count / 1e9:.1f}"
