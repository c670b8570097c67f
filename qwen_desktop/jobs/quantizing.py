"""The files of a model that is made smaller: where it goes, what is checked before it gets its name, and what a run
that was killed leaves.

The result is written beside its place under the name of a part, and one file of the data folder says where. Whoever
runs holds a lock; who gets that lock next removes the part of a run that is gone.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path

from qwen_desktop.core.errors import Environment, Failure, UserFacing, not_a_file
from qwen_desktop.core.files import flush_folder, linked_to, read_file, write_atomic
from qwen_desktop.core.gguf import part_names, read_header, split_of
from qwen_desktop.core.packed import from_json, to_json
from qwen_desktop.core.quantizing import file_name, find_type
from qwen_desktop.core.text import QT_TRANSLATE_NOOP
from qwen_desktop.hub.locks import held
from qwen_desktop.hub.manifest import forget_in_manifests
from qwen_desktop.hub.names import is_usable

#: How the names of parts end. Whatever else is in the file that names one, nothing else is ever removed.
_PART = re.compile(r"\.[0-9a-f]{8}\.quantizing\.part$")
_LONGEST, _MOST_PARTS = 1 << 16, 1000

# fmt: off
#: One runs already.
busy = Failure(
    UserFacing, "quantize.busy", "",
    QT_TRANSLATE_NOOP("quantize", "A model is being made smaller already."),
    QT_TRANSLATE_NOOP("quantize", "Wait until it is done, or stop it; one at a time is made."),
)
_exists = Failure(
    UserFacing, "quantize.exists", "path",
    QT_TRANSLATE_NOOP("quantize", "{path} exists already."),
    QT_TRANSLATE_NOOP("quantize", "Choose another name, or replace it (--force)."), "quantize.replace",
)
_itself = Failure(
    UserFacing, "quantize.itself", "path",
    QT_TRANSLATE_NOOP("quantize", "{path} is the model itself, which cannot be replaced by a smaller one."),
    QT_TRANSLATE_NOOP("quantize", "Choose another name."),
)
_name = Failure(
    UserFacing, "quantize.name", "name",
    QT_TRANSLATE_NOOP("quantize", "A model cannot be called {name}."),
    QT_TRANSLATE_NOOP("quantize", "Its name must end in .gguf, hold no characters such as : or ?, and not that of a"
                                  " part (00001-of-00003)."),
)
_wrong = Failure(
    Environment, "quantize.wrong", "file",
    QT_TRANSLATE_NOOP("quantize", "What was written for {file} is not what it should be."),
    QT_TRANSLATE_NOOP("quantize", "Check the disk, then try again."),
)
# fmt: on


@contextlib.contextmanager
def alone(data: Path) -> Iterator[None]:
    """Be the only run, of all processes that share the folder ``data``; what an earlier one left is removed. Raises
    ``UserFacing`` while another runs, and ``OSError``."""

    def waiting() -> None:
        raise busy()

    with held(data / "quantizing.lock", waiting, 0):
        sweep(data)
        yield


def sweep(data: Path) -> None:
    """Remove the part of a run that was killed. Only for who holds the lock."""
    note = data / "quantizing.json"
    with contextlib.suppress(OSError, ValueError):
        part = Path(from_json(read_file(note, _LONGEST), dict[str, str])["part"])
        if _PART.search(part.name) and part.is_file() and not part.is_symlink():
            part.unlink()
        note.unlink()


def sweep_unless_busy(data: Path) -> None:
    """The same at the start of the app, unless another process makes one just now."""
    with contextlib.suppress(UserFacing, OSError):
        if (data / "quantizing.json").exists():
            with alone(data):
                pass


def target_for(source: str, type_name: str, target: str, usual: str, name: str) -> str:
    """Where the result goes: ``target``, or the usual name where that is a folder, or, where it is "", the usual name
    in the folder ``usual``, which is made. ``name`` is what people call the source."""
    source_name = Path(source).name
    part = split_of(source_name)
    stem = part[0] if part else Path(source_name).stem if source_name.lower().endswith(".gguf") else name or source_name
    wanted = file_name(re.sub(r'[\x00-\x1f<>:"/\\|?*]+', "-", stem).strip(" .") or "model", find_type(type_name))
    if not target:
        Path(usual).mkdir(parents=True, exist_ok=True)
        return str(Path(usual, wanted))
    if os.path.isdir(target):  # noqa: PTH112 - never raises
        return str(Path(target, wanted))
    return target


def parts_of(source: str) -> list[str]:
    """The files of a model, by one of them."""
    place = Path(source)
    part = split_of(place.name)
    names = part_names(part[0], part[2]) if part and part[2] < _MOST_PARTS else []
    return [source, *(str(place.with_name(name)) for name in names)]


def check_target(source_files: list[str], target: str, *, replace: bool) -> str:
    """Where the result is to be put, links followed. Raises ``UserFacing`` and ``OSError`` for a place that cannot be
    it."""
    place = Path(target)
    if not place.name.lower().endswith(".gguf") or split_of(place.name) or not is_usable(place.name):
        raise _name(place.name or target)
    if not place.parent.is_dir():
        raise FileNotFoundError(2, os.strerror(2), str(place.parent))
    place = linked_to(place)
    if not os.path.lexists(place):
        return str(place)
    if place.is_dir():
        raise IsADirectoryError(21, os.strerror(21), str(place))
    if not place.is_file():
        raise not_a_file(str(place))
    if any(os.path.exists(file) and os.path.samefile(file, place) for file in source_files):  # noqa: PTH110, PTH121
        raise _itself(str(place))
    if not replace:
        raise _exists(str(place))
    place.rename(place)  # Windows refuses that for a model that is in use: before the work, and not after it
    return str(place)


def begin(data: Path, target: str) -> str:
    """The part that a run for ``target`` writes: a plain name, which every system can open, in the same folder. From
    now on it is removed by whoever runs next. Raises ``OSError``."""
    place = Path(target)
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", place.name)[:80]
    part = place.with_name(f"{plain}.{secrets.token_hex(4)}.quantizing.part")
    write_atomic(data / "quantizing.json", to_json({"part": str(part)}))
    part.open("xb").close()  # a folder that cannot be written says so now
    return str(part)


def drop(data: Path, part: str) -> None:
    """The run is over: its part goes, where there is still one."""
    with contextlib.suppress(OSError):
        Path(part).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        (data / "quantizing.json").unlink(missing_ok=True)


def finish(part: str, target: str, *, size_bytes: int, tensors: int, quant: str, replace: bool) -> None:
    """The job ``quantize.finish``: hold what was written against what it should be, then give it its name. Raises
    ``AppError`` and ``OSError``; then nothing has changed."""
    place, written = Path(target), Path(part)
    header = read_header(written, partial=True)  # by its name it is unfinished
    good = written.stat().st_size == size_bytes and header.size_bytes == size_bytes
    if not good or len(header.tensors) != tensors or header.quant != quant:
        raise _wrong(place.name)
    if replace:
        written.replace(place)
        forget_in_manifests(place)  # what they say is true of the file before
    else:
        _take_name(written, place)
    flush_folder(place.parent)


def _take_name(written: Path, place: Path) -> None:
    """Rename, unless the name has been taken meanwhile."""
    try:
        os.link(written, place)
    except FileExistsError as error:
        raise _exists(str(place)) from error
    except OSError:  # no links on this disk
        if os.path.lexists(place):
            raise _exists(str(place)) from None
        written.rename(place)
    else:
        written.unlink()
