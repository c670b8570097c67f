"""Assistants as a file, ``name.qwen-assistant.json``: what one gives away. Pure.

``{"format": "qwen-desktop-assistants", "version": 1, "assistants": [...]}``, each as ``core.assistants.Assistant``
without its id. Fields that are not known are passed over, so that a later version may add some.

Of an adapter it has the file's name and SHA-256, never its path: where it lies on one computer says nothing on another,
and a stranger's file leads to none here. Who imports it chooses the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import msgspec
from msgspec import structs

from qwen_desktop.core.assistants import Assistant, checked
from qwen_desktop.core.chat import adapters_of_a_file
from qwen_desktop.core.errors import Failure, UserFacing
from qwen_desktop.core.own_files import OwnForm, entries_of, written
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, shown

FORMAT, VERSION, SUFFIX = "qwen-desktop-assistants", 1, ".qwen-assistant.json"
#: Bytes of a file, and assistants in it.
LARGEST, MOST = 8_000_000, 500

# fmt: off
_not_ours = Failure(
    UserFacing, "assistants.not_ours", "file",
    QT_TRANSLATE_NOOP("assistants", "{file} holds no assistants."),
    QT_TRANSLATE_NOOP("assistants", "Choose a file that was exported on the page Assistants."),
)
_damaged = Failure(
    UserFacing, "assistants.damaged", "file n what",
    QT_TRANSLATE_NOOP("assistants", "{file} is damaged: {what} of assistant {n} cannot be read."),
    QT_TRANSLATE_NOOP("assistants", "Nothing was imported. Ask whoever made the file for another copy."),
)
_newer = Failure(
    UserFacing, "assistants.newer", "file",
    QT_TRANSLATE_NOOP("assistants", "{file} was made by a newer version of Qwen Desktop."),
    QT_TRANSLATE_NOOP("assistants", "Update the app, then import it again."),
)
_too_large = Failure(
    UserFacing, "assistants.large", "file",
    QT_TRANSLATE_NOOP("assistants", "{file} is too large for a file of assistants."),
    QT_TRANSLATE_NOOP("assistants", "Choose a file that was exported on the page Assistants."),
)
_empty = Failure(
    UserFacing, "assistants.empty", "file", QT_TRANSLATE_NOOP("assistants", "There is no assistant in {file}."),
    QT_TRANSLATE_NOOP("assistants", "Choose another file."),
)
# fmt: on
_FORM = OwnForm(FORMAT, VERSION, "assistants", LARGEST, _not_ours, _newer, _too_large)


def as_file(assistants: Iterable[Assistant]) -> bytes:
    """The file of these."""
    plain = [msgspec.to_builtins(_portable(assistant), enc_hook=str) for assistant in assistants]
    for entry in plain:
        entry.pop("id", None)
    return written(_FORM, plain)


def read(data: bytes, file: str) -> tuple[Assistant, ...]:
    """The assistants of the file ``file``, without ids, in its order. Raises ``UserFacing`` with a sentence for
    anything else: all of them can be used, or none."""
    entries = entries_of(_FORM, data, file)
    if not entries:
        raise _empty(file)
    if len(entries) > MOST:
        raise _too_large(file)
    return tuple(_one(entry, number, file) for number, entry in enumerate(entries, 1))


def _one(entry: object, number: int, file: str) -> Assistant:
    if not isinstance(entry, dict):
        raise _damaged(file, number, "{}")
    try:
        return checked(_portable(msgspec.convert({**entry, "id": ""}, Assistant)))
    except msgspec.ValidationError as error:
        place = re.search(r"`\$\.?([^`]*)`", str(error))
        missing = re.search(r"field `(\w+)`", str(error))
        what = (place[1] if place else "") or (missing[1] if missing else "") or "{}"
        raise _damaged(file, number, shown(what)) from error
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise _damaged(file, number, "{}") from error


def _portable(assistant: Assistant) -> Assistant:
    named = (structs.replace(each, path=re.split(r"[\\/]", each.path)[-1]) for each in assistant.adapters)
    return structs.replace(assistant, adapters=adapters_of_a_file(named))


def file_name(assistants: Sequence[Assistant], several: str) -> str:
    """What the file of these is called first: by the name of one, ``several`` for more."""
    name = assistants[0].name if len(assistants) == 1 else several
    plain = re.sub(r'[\x00-\x1f<>:"/\\|?*]+', " ", name).strip(" .")
    return (plain[:60].rstrip(" .") or several) + SUFFIX
