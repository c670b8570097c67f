"""The settings as a commented TOML file that people may edit.

Reading reports what is wrong and takes defaults for it; writing reads the file again and changes only what was set, so
comments, order, unknown keys and even bad lines of other settings stay as the user left them. What is written is read
back and compared before it replaces anything. A file with a syntax error is copied aside before the first write. The
file may be a link and stays one. Everything here blocks: writes go to a thread.
"""

from __future__ import annotations

import codecs
import contextlib
import logging
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from qwen_desktop.core.errors import Failure, Problem, UserFacing, os_problem
from qwen_desktop.core.files import linked_to, read_file, set_aside, write_atomic
from qwen_desktop.core.paths import path_of_text, text_of_path
from qwen_desktop.core.setting import Setting
from qwen_desktop.core.settings import Settings, declared, replaced, setting
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text, clean
from qwen_desktop.store import settings_text

log = logging.getLogger(__name__)


_DEFAULTS = QT_TRANSLATE_NOOP("settings", "The defaults are used.")
_DEFAULTS_AND_COPY = QT_TRANSLATE_NOOP(
    "settings", "The defaults are used; the file is copied aside before the app changes it."
)
_DEFAULT = Text("settings.default", QT_TRANSLATE_NOOP("settings", "The default is used."))
# fmt: off
_not_toml = Failure(
    UserFacing, "settings.not_toml", "path",
    QT_TRANSLATE_NOOP("settings", "The settings file {path} is not a TOML text in UTF-8."), _DEFAULTS_AND_COPY,
)
_syntax_error = Failure(
    UserFacing, "settings.syntax", "path line",
    QT_TRANSLATE_NOOP("settings", "The settings file {path} has an error in line {line}."), _DEFAULTS_AND_COPY,
)
_unreadable = Failure(
    UserFacing, "settings.unreadable", "path",
    QT_TRANSLATE_NOOP("settings", "The settings file {path} cannot be read."), _DEFAULTS,
)
_dangling_link = Failure(
    UserFacing, "settings.dangling", "path target",
    QT_TRANSLATE_NOOP("settings", "The settings file {path} is a link to {target}, which does not exist."), _DEFAULTS,
)
_no_section = Failure(
    UserFacing, "settings.section", "section",
    QT_TRANSLATE_NOOP("settings", "{section} must be a section, written [{section}]."), _DEFAULTS,
)
_by_hand = Failure(
    UserFacing, "settings.by_hand", "path line section",
    QT_TRANSLATE_NOOP(
        "settings", "The settings file {path} cannot be changed without harm to what else stands in it."
    ),
    QT_TRANSLATE_NOOP("settings", "Write {line} below [{section}] yourself, or move the file away."),
)
# fmt: on


class Loaded(Struct, frozen=True):
    """What a file said: the settings to use, and each thing that is wrong with it."""

    settings: Settings
    problems: tuple[Problem, ...] = ()


class SettingsFile:
    """The file at ``path``; it need not exist."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self) -> Loaded:
        """Read the file. Never raises: what cannot be read is a problem and its default is used."""
        try:
            tree = _parse(read_file(self.path))
        except FileNotFoundError:
            return Loaded(Settings(), (_dangling(self.path).problem,) if self.path.is_symlink() else ())
        except OSError as error:
            log.warning("settings.unreadable code=%s", os_problem(error).what.code)
            return Loaded(Settings(), (_unreadable(str(self.path)).problem,))
        except ValueError as error:
            return Loaded(Settings(), (_syntax(self.path, error).problem,))
        return _checked(tree)

    def write(self, changes: Mapping[str, Any]) -> Path | None:
        """Set the given ``section.name`` keys; None means automatic. Values must have been checked.

        What is written is read back first: every other key must say what it said. Returns where a file with a syntax
        error was copied to, if it was. Raises ``OSError``, and ``UserFacing`` when the file cannot be changed so.
        """
        kept: Path | None = None
        text, mark = "", b""
        try:
            raw = read_file(self.path)
        except FileNotFoundError:
            raw = b""
        if raw:
            try:
                _parse(raw)
                text = raw.decode("utf-8-sig")
                mark = codecs.BOM_UTF8 if raw.startswith(codecs.BOM_UTF8) else b""
            except ValueError:
                kept = set_aside(self.path, raw, "broken")
                log.warning("settings.broken")
        text = text or settings_text.fresh_file()
        for key, value in changes.items():
            text = _with_value(text, setting(key), _stored(setting(key), value), self.path)
        data = mark + text.encode()
        if data != raw:
            write_atomic(self.path, data)
        return kept


def kept_as(path: Path) -> Text:
    """Where a file with a syntax error was copied to."""
    return Text(
        "settings.kept",
        QT_TRANSLATE_NOOP("settings", "The settings file with the error is kept as {path}."),
        {"path": str(path)},
    )


def _parse(raw: bytes) -> dict[str, Any]:
    """Raises ``ValueError`` for what is not TOML (wrong encodings too)."""
    try:
        return tomllib.loads(raw.decode("utf-8-sig"))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _checked(tree: dict[str, Any]) -> Loaded:
    settings = Settings()
    problems: list[Problem] = []
    not_sections: set[str] = set()
    for entry in declared():
        group = tree.get(entry.section, {})
        if not isinstance(group, dict):
            if entry.section not in not_sections:
                not_sections.add(entry.section)
                problems.append(_no_section(entry.section).problem)
            continue
        if entry.name not in group:
            continue
        found = _read(entry, group[entry.name])
        try:
            settings = replaced(settings, entry.key, found)
        except (msgspec.ValidationError, ValueError, TypeError, OverflowError):
            problems.append(Problem("user", settings_text.complaint(entry, found), _DEFAULT))
    return Loaded(settings, tuple(problems))


def _read(entry: Setting, value: Any) -> Any:
    """A value as the app uses it. Lone surrogates cannot stand in TOML; NULs go."""
    if isinstance(value, str):
        return path_of_text(clean(value)) if entry.info.path else clean(value)
    return [_read(entry, found) for found in value] if isinstance(value, list) else value


def _stored(entry: Setting, value: Any) -> Any:
    """A value as the file has it: the names of files may be no text."""
    if not entry.info.path:
        return value
    if isinstance(value, tuple | list):
        return tuple(_stored(entry, found) for found in value)
    return text_of_path(value) if isinstance(value, str) else value


def _syntax(path: Path, error: ValueError) -> UserFacing:
    where = re.search(r"line (\d+)", str(error))
    return _not_toml(str(path)) if where is None else _syntax_error(str(path), where.group(1))


def _dangling(path: Path) -> UserFacing:
    target = path
    with contextlib.suppress(OSError):
        target = linked_to(path)
    return _dangling_link(str(path), str(target))


# Changing one value of a text ----------------------------------------------------------------------------------------


def _with_value(text: str, entry: Setting, value: Any, path: Path) -> str:
    """The file's text with one setting changed, everything else as it was. Raises ``UserFacing``."""
    from qwen_desktop.store import settings_edit  # noqa: PLC0415 - only writes need it, and the first paint reads

    before = tomllib.loads(text)
    try:
        changed = settings_edit.with_value(text, entry, value)
        if same(_without_empty(tomllib.loads(changed)), _without_empty(_expected(before, entry, value))):
            return changed
    except (ValueError, LookupError, RecursionError) as error:
        log.warning("settings.edit key=%s kind=%s", entry.key, type(error).__name__)
    raise _by_hand(str(path), settings_text.line(entry, value), entry.section)


def _expected(before: dict[str, Any], entry: Setting, value: Any) -> dict[str, Any]:
    """What ``before`` says with just this one value changed."""
    group = before.get(entry.section)
    if value is None:
        kept = {k: v for k, v in group.items() if k != entry.name} if isinstance(group, dict) else group
        return {**before, entry.section: kept} if entry.section in before else before
    kept = group if isinstance(group, dict) else {}
    return {**before, entry.section: {**kept, entry.name: list(value) if isinstance(value, tuple) else value}}


def _without_empty(tree: dict[str, Any]) -> dict[str, Any]:
    """A section without anything in it says as much as none."""
    ours = {entry.section for entry in declared()}
    return {key: found for key, found in tree.items() if found != {} or key not in ours}


def same(one: Any, other: Any) -> bool:
    """Whether two trees of values say the same: 1 is neither 1.0 nor true, "not a number" is itself."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return repr(one) == repr(other) if isinstance(one, float) else bool(one == other)
