"""The sentences about models that cannot be used, moved, copied or deleted, each with what to do."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from qwen_desktop.core.errors import AppError, Environment, Failure, Problem, UserFacing, os_problem
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text

#: So many models a sentence names.
_MOST_NAMES = 8

# fmt: off
_drive = Failure(
    Environment, "library.drive", "file", QT_TRANSLATE_NOOP("library", "The drive with {file} is not connected."),
    QT_TRANSLATE_NOOP("library", "Connect the drive again, or remove the model from the list."),
)
_gone = Failure(
    UserFacing, "library.gone", "file path", QT_TRANSLATE_NOOP("library", "{file} is not in {path} any more."),
    QT_TRANSLATE_NOOP("library", "Put it back, or remove the model from the list and add it again."),
)
#: The models folder itself is not there.
folder_away = Failure(
    Environment, "library.folder_away", "path", QT_TRANSLATE_NOOP("library", "The models folder {path} is not there."),
    QT_TRANSLATE_NOOP("library", "Connect the drive it is on, or choose another folder in Settings."), "view.settings",
)
_GET_AGAIN = QT_TRANSLATE_NOOP("library", "Delete the model, then get it again.")
#: A file of ours has another size than when it was fetched.
changed = Failure(
    UserFacing, "library.changed", "file",
    QT_TRANSLATE_NOOP("library", "{file} has changed since it was installed."), _GET_AGAIN,
)
_DAMAGED = QT_TRANSLATE_NOOP("library", "{file} is damaged.")
_damaged_own = Failure(UserFacing, "library.damaged", "file", _DAMAGED, _GET_AGAIN)
_damaged_linked = Failure(
    UserFacing, "library.damaged", "file", _DAMAGED,
    QT_TRANSLATE_NOOP("library", "Get it again in the program it belongs to."),
)
#: No such model in the library.
unknown_model = Failure(
    UserFacing, "library.unknown", "name", QT_TRANSLATE_NOOP("library", "There is no model {name} here."),
    QT_TRANSLATE_NOOP("library", "Look at the list of installed models."),
)
_unknown_name = Failure(
    UserFacing, "library.unknown", "name models", unknown_model.what,
    QT_TRANSLATE_NOOP("library", "These are installed: {models}."),
)
_several = Failure(
    UserFacing, "library.several", "name n models",
    QT_TRANSLATE_NOOP("library", "{name} is the name of %n model(s) here."),
    QT_TRANSLATE_NOOP("library", "Name one of them: {models}."),
)
_no_bin = Failure(
    Environment, "library.no_bin", "file", QT_TRANSLATE_NOOP("library", "{file} cannot go to the bin."),
    QT_TRANSLATE_NOOP("library", "It can only be deleted for good."), "delete_permanently",
)
#: The model is loaded, or another program reads it.
in_use = Failure(
    UserFacing, "library.in_use", "file", QT_TRANSLATE_NOOP("library", "{file} is in use."),
    QT_TRANSLATE_NOOP("library", "Choose another model first, then try again."),
)
_no_space = Failure(
    Environment, "library.no_space", "path needed free",
    QT_TRANSLATE_NOOP("library", "{path} needs {needed} GB of free space and has {free} GB."),
    QT_TRANSLATE_NOOP("library", "Free some space there, or choose another folder."),
)
#: What was written is not what was read.
copy_differs = Failure(
    Environment, "library.copy_differs", "file",
    QT_TRANSLATE_NOOP("library", "The copy of {file} is not the same as the original."),
    QT_TRANSLATE_NOOP("library", "Check the drive, then try again."),
)
#: One folder inside the other.
bad_target = Failure(
    UserFacing, "library.target", "source target",
    QT_TRANSLATE_NOOP("library", "The models cannot be moved from {source} to {target}."),
    QT_TRANSLATE_NOOP("library", "Choose a folder outside the present one."),
)
#: Another file of that name lies in the target.
target_taken = Failure(
    UserFacing, "library.taken", "file",
    QT_TRANSLATE_NOOP("library", "There is another file called {file} in the chosen folder."),
    QT_TRANSLATE_NOOP("library", "Choose an empty folder."),
)
#: Another window or an earlier move is at work.
moving_already = Failure(
    UserFacing, "library.moving", "", QT_TRANSLATE_NOOP("library", "The models folder is being moved."),
    QT_TRANSLATE_NOOP("library", "Wait until that has ended, then try again."),
)
#: All is copied but the settings cannot be saved: nothing was deleted.
not_switched = Failure(
    Environment, "library.not_switched", "path",
    QT_TRANSLATE_NOOP("library", "The models were copied to {path}, but that cannot be saved in the settings."),
    QT_TRANSLATE_NOOP("library", "Nothing was deleted. Mend the settings file, then start the app again."),
)
# fmt: on


def gone(path: Path, error: OSError) -> Problem:
    """A model's file is not there: it alone, its folder, or the whole drive."""
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        if not error.filename:
            error.filename = str(path)
        return os_problem(error)
    return (_drive(path.name) if drive_missing(path) else _gone(path.name, str(path.parent))).problem


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


def damaged(file: str, *, owned: bool) -> AppError:
    """The hash is wrong."""
    return (_damaged_own if owned else _damaged_linked)(Path(file).name)


def unknown_name(name: str, known: Sequence[str]) -> AppError:
    """Nothing is called so, but these are there."""
    more = ["…"] if len(known) > _MOST_NAMES else []
    return _unknown_name(name, ", ".join([*known[:_MOST_NAMES], *more])) if known else unknown_model(name)


def several(name: str, found: Sequence[str]) -> AppError:
    """A name that more than one model has."""
    return _several(name, len(found), ", ".join(found[:5]))


def no_bin(file: str, why: Text | None = None, *, details: str = "") -> AppError:
    """There is no bin for it, so only deleting for good is possible; ``action`` says so to faces."""
    error = _no_bin(file, details=details)
    return error if why is None else Environment(why, error.problem.hint, action=error.problem.action)


def no_space(needed: int, free: int, path: str) -> AppError:
    """Too little room for a copy or a move."""
    return _no_space(path, needed / 1e9, free / 1e9)


def notes_kept(path: str) -> Text:
    """The list of models was damaged and begins anew."""
    return Text(
        "library.kept",
        QT_TRANSLATE_NOOP(
            "library", "The list of models was damaged. It is kept as {path}; what is missing can be imported again."
        ),
        {"path": path},
    )
