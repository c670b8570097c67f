"""The sentences about a file that cannot be used as a model, each with what to do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from qwen_desktop.core.errors import Problem, UserFacing, os_problem
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text

_CHOOSE = Text("gguf.choose", QT_TRANSLATE_NOOP("gguf", "Choose another file."))
_AGAIN = Text("gguf.again", QT_TRANSLATE_NOOP("gguf", "Download it again."))


def _name(path: Path) -> str:
    return path.name or str(path)


def _error(what: Text, hint: Text, details: str = "") -> UserFacing:
    return UserFacing(what, hint, details=details, action="model.open")


def not_gguf(path: Path) -> UserFacing:
    """Another kind of file."""
    return _error(
        Text("gguf.other", QT_TRANSLATE_NOOP("gguf", "{file} is not a GGUF model file."), {"file": _name(path)}),
        Text("gguf.other.hint", QT_TRANSLATE_NOOP("gguf", "Choose a file whose name ends in .gguf.")),
    )


def empty(path: Path) -> UserFacing:
    """Nothing in it."""
    return _error(Text("gguf.empty", QT_TRANSLATE_NOOP("gguf", "{file} is empty."), {"file": _name(path)}), _AGAIN)


def folder(path: Path) -> UserFacing:
    """A directory."""
    return _error(
        Text("gguf.folder", QT_TRANSLATE_NOOP("gguf", "{file} is a folder, not a file."), {"file": _name(path)}),
        Text("gguf.folder.hint", QT_TRANSLATE_NOOP("gguf", "Choose a .gguf file inside it.")),
    )


def unreadable(path: Path, error: Exception) -> UserFacing:
    """Missing, forbidden, or a failing disk: the general sentence for that failure."""
    if not isinstance(error, OSError):
        return _error(
            Text("gguf.name", QT_TRANSLATE_NOOP("gguf", "{file} is not a file name."), {"file": _name(path)}), _CHOOSE
        )
    if not error.filename:
        error.filename = str(path)
    problem: Problem = os_problem(error)
    return _error(problem.what, problem.hint or _CHOOSE)


def truncated(path: Path, size: int, needed: int) -> UserFacing:
    """The weights are cut off."""
    return _error(
        Text(
            "gguf.truncated",
            QT_TRANSLATE_NOOP("gguf", "{file} ends after {size} of {needed} bytes: the download is not complete."),
            {"file": _name(path), "size": f"{size:,}", "needed": f"{needed:,}"},
        ),
        _AGAIN,
    )


def ends_in_header(path: Path) -> UserFacing:
    """Even the header is cut off (or lies about its lengths)."""
    return _error(
        Text(
            "gguf.short",
            QT_TRANSLATE_NOOP("gguf", "{file} ends inside its header: the download is not complete."),
            {"file": _name(path)},
        ),
        _AGAIN,
    )


def damaged(path: Path, reason: Exception) -> UserFacing:
    """The header contradicts itself."""
    return _error(
        Text("gguf.damaged", QT_TRANSLATE_NOOP("gguf", "{file} is damaged: {reason}."), _because(path, reason)), _AGAIN
    )


def _because(path: Path, reason: Exception) -> dict[str, str | int | float]:
    return {"file": _name(path), "reason": str(reason)}


def version(path: Path, number: int) -> UserFacing:
    """An edition of the format that nobody here reads."""
    return _error(
        Text(
            "gguf.version",
            QT_TRANSLATE_NOOP("gguf", "{file} uses version {version} of the GGUF format, which is not supported."),
            {"file": _name(path), "version": number},
        ),
        Text("gguf.version.hint", QT_TRANSLATE_NOOP("gguf", "Choose a file in version 2 or 3, or update the app.")),
    )


def big_endian(path: Path) -> UserFacing:
    """Made for another kind of processor."""
    return _error(
        Text(
            "gguf.big_endian",
            QT_TRANSLATE_NOOP("gguf", "{file} was made for big-endian computers, and this one is not."),
            {"file": _name(path)},
        ),
        Text("gguf.big_endian.hint", QT_TRANSLATE_NOOP("gguf", "Choose the ordinary (little-endian) file.")),
    )


def not_a_model(path: Path, kind: str) -> UserFacing:
    """An adapter, a projector, an importance matrix."""
    return _error(
        Text(
            "gguf.companion",
            QT_TRANSLATE_NOOP("gguf", "{file} is not a model by itself: it holds a part of kind {kind}."),
            {"file": _name(path), "kind": kind},
        ),
        Text("gguf.companion.hint", QT_TRANSLATE_NOOP("gguf", "Choose the model's main file.")),
    )


def no_weights(path: Path) -> UserFacing:
    """A vocabulary only."""
    return _error(
        Text("gguf.no_weights", QT_TRANSLATE_NOOP("gguf", "{file} holds no weights."), {"file": _name(path)}), _CHOOSE
    )


def not_first_part(path: Path, first: str) -> UserFacing:
    """A later part of a split model."""
    return _error(
        Text(
            "gguf.part",
            QT_TRANSLATE_NOOP("gguf", "{file} is one part of a model that is split into several files."),
            {"file": _name(path)},
        ),
        Text("gguf.part.hint", QT_TRANSLATE_NOOP("gguf", "Open the first part, {first}."), {"first": first}),
    )


def missing_parts(path: Path, missing: Sequence[str]) -> UserFacing:
    """Not all parts are there."""
    some = ", ".join(missing[:3]) + (f" (+{len(missing) - 3})" if len(missing) > 3 else "")
    return _error(
        Text(
            "gguf.parts",
            QT_TRANSLATE_NOOP("gguf", "Parts of {file} are missing: {missing}."),
            {"file": _name(path), "missing": some},
        ),
        Text("gguf.parts.hint", QT_TRANSLATE_NOOP("gguf", "Put all parts into the same folder.")),
    )


def renamed_part(path: Path, count: int) -> UserFacing:
    """A part whose name no longer says which."""
    return _error(
        Text(
            "gguf.renamed",
            QT_TRANSLATE_NOOP("gguf", "{file} is one of {count} parts, but its name no longer says which."),
            {"file": _name(path), "count": count},
        ),
        Text("gguf.renamed.hint", QT_TRANSLATE_NOOP("gguf", "Give the parts their original names again.")),
    )
