"""The sentences about models that cannot be used, moved, copied or deleted, each with what to do."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from qwen_desktop.core.errors import Environment, Problem, UserFacing, os_problem
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Param, Text, clean

_PLUG_IN = Text(
    "library.drive.hint", QT_TRANSLATE_NOOP("library", "Connect the drive again, or remove the model from the list.")
)


def gone(path: Path, error: OSError) -> Problem:
    """A model's file is not there: it alone, its folder, or the whole drive."""
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        if not error.filename:
            error.filename = str(path)
        return os_problem(error)
    shown: dict[str, Param] = {"file": clean(path.name), "path": clean(str(path.parent))}
    if drive_missing(path):
        return Problem(
            "environment",
            Text("library.drive", QT_TRANSLATE_NOOP("library", "The drive with {file} is not connected."), shown),
            _PLUG_IN,
        )
    return Problem(
        "user",
        Text("library.gone", QT_TRANSLATE_NOOP("library", "{file} is not in {path} any more."), shown),
        Text(
            "library.gone.hint",
            QT_TRANSLATE_NOOP("library", "Put it back, or remove the model from the list and add it again."),
        ),
    )


def drive_missing(path: Path) -> bool:
    """Whether the place where drives appear has none for ``path``: a drive letter, /media/name, /Volumes/Name."""
    anchor = Path(path.anchor)
    if path.anchor and not os.path.isdir(anchor):  # noqa: PTH112 - never raises
        return True
    parts = path.parts[1:]
    for place, depth in ((("run", "media"), 4), (("media",), 3), (("mnt",), 2), (("Volumes",), 2)):
        if parts[: len(place)] == place and len(parts) > depth:
            for levels in range(len(place) + 1, depth + 1):
                if not os.path.isdir(Path(path.anchor, *parts[:levels])):  # noqa: PTH112
                    return True
            return False
    return False


def folder_away(folder: str) -> Problem:
    """The models folder itself is not there."""
    return Problem(
        "environment",
        Text(
            "library.folder_away",
            QT_TRANSLATE_NOOP("library", "The models folder {path} is not there."),
            {"path": clean(folder)},
        ),
        Text(
            "library.folder_away.hint",
            QT_TRANSLATE_NOOP("library", "Connect the drive it is on, or choose another folder in Settings."),
        ),
        action="view.settings",
    )


def changed(file: str) -> Problem:
    """A file of ours has another size than when it was fetched."""
    return Problem(
        "user",
        Text(
            "library.changed",
            QT_TRANSLATE_NOOP("library", "{file} has changed since it was installed."),
            {"file": clean(file)},
        ),
        Text("library.changed.hint", QT_TRANSLATE_NOOP("library", "Delete the model, then get it again.")),
    )


def damaged(file: str, *, owned: bool) -> Problem:
    """The hash is wrong."""
    return Problem(
        "user",
        Text("library.damaged", QT_TRANSLATE_NOOP("library", "{file} is damaged."), {"file": clean(Path(file).name)}),
        Text("library.damaged.hint", QT_TRANSLATE_NOOP("library", "Delete the model, then get it again."))
        if owned
        else Text("library.damaged.linked", QT_TRANSLATE_NOOP("library", "Get it again in the program it belongs to.")),
    )


def unknown_model(name: str) -> UserFacing:
    """No such model in the library."""
    return UserFacing(
        Text("library.unknown", QT_TRANSLATE_NOOP("library", "There is no model {name} here."), {"name": clean(name)}),
        Text("library.unknown.hint", QT_TRANSLATE_NOOP("library", "Look at the list of installed models.")),
    )


def several(name: str, found: Sequence[str]) -> UserFacing:
    """A name that more than one model has."""
    return UserFacing(
        Text(
            "library.several",
            QT_TRANSLATE_NOOP("library", "{name} is the name of {count} models here."),
            {"name": clean(name), "count": len(found)},
        ),
        Text(
            "library.several.hint",
            QT_TRANSLATE_NOOP("library", "Name one of them: {models}."),
            {"models": clean(", ".join(found[:5]))},
        ),
    )


def no_bin(file: str, why: Text | None = None, *, details: str = "") -> Environment:
    """There is no bin for it, so only deleting for good is possible; ``action`` says so to faces."""
    return Environment(
        why
        or Text("library.no_bin", QT_TRANSLATE_NOOP("library", "{file} cannot go to the bin."), {"file": clean(file)}),
        Text("library.no_bin.hint", QT_TRANSLATE_NOOP("library", "It can only be deleted for good.")),
        details=details,
        action="delete_permanently",
    )


def in_use(file: str) -> UserFacing:
    """The model is loaded, or another program reads it."""
    return UserFacing(
        Text("library.in_use", QT_TRANSLATE_NOOP("library", "{file} is in use."), {"file": clean(file)}),
        Text("library.in_use.hint", QT_TRANSLATE_NOOP("library", "Choose another model first, then try again.")),
    )


def no_space(needed: int, free: int, path: str) -> Environment:
    """Too little room for a copy or a move."""
    gb = 1_000_000_000
    return Environment(
        Text(
            "library.no_space",
            QT_TRANSLATE_NOOP("library", "{path} needs {needed} GB of free space and has {free} GB."),
            {"path": clean(path), "needed": f"{needed / gb:.1f}", "free": f"{free / gb:.1f}"},
        ),
        Text("library.no_space.hint", QT_TRANSLATE_NOOP("library", "Free some space there, or choose another folder.")),
    )


def copy_differs(file: str) -> Environment:
    """What was written is not what was read."""
    return Environment(
        Text(
            "library.copy_differs",
            QT_TRANSLATE_NOOP("library", "The copy of {file} is not the same as the original."),
            {"file": clean(file)},
        ),
        Text("library.copy_differs.hint", QT_TRANSLATE_NOOP("library", "Check the drive, then try again.")),
    )


def bad_target(source: str, target: str) -> UserFacing:
    """One folder inside the other."""
    return UserFacing(
        Text(
            "library.target",
            QT_TRANSLATE_NOOP("library", "The models cannot be moved from {source} to {target}."),
            {"source": clean(source), "target": clean(target)},
        ),
        Text("library.target.hint", QT_TRANSLATE_NOOP("library", "Choose a folder outside the present one.")),
    )


def target_taken(file: str) -> UserFacing:
    """Another file of that name lies in the target."""
    return UserFacing(
        Text(
            "library.taken",
            QT_TRANSLATE_NOOP("library", "There is another file called {file} in the chosen folder."),
            {"file": clean(file)},
        ),
        Text("library.taken.hint", QT_TRANSLATE_NOOP("library", "Choose an empty folder.")),
    )


def moving_already() -> UserFacing:
    """Another window or an earlier move is at work."""
    return UserFacing(
        Text("library.moving", QT_TRANSLATE_NOOP("library", "The models folder is being moved.")),
        Text("library.moving.hint", QT_TRANSLATE_NOOP("library", "Wait until that has ended, then try again.")),
    )


def not_switched(path: str) -> Environment:
    """All is copied but the settings cannot be saved: nothing was deleted."""
    return Environment(
        Text(
            "library.not_switched",
            QT_TRANSLATE_NOOP("library", "The models were copied to {path}, but that cannot be saved in the settings."),
            {"path": clean(path)},
        ),
        Text(
            "library.not_switched.hint",
            QT_TRANSLATE_NOOP("library", "Nothing was deleted. Mend the settings file, then start the app again."),
        ),
    )


def notes_kept(path: str) -> Text:
    """The list of models was damaged and begins anew."""
    return Text(
        "library.kept",
        QT_TRANSLATE_NOOP(
            "library",
            "The list of models was damaged. It is kept as {path}; what is missing can be imported again.",
        ),
        {"path": path},
    )
