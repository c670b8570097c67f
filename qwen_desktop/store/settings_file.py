"""The settings as a commented TOML file that people may edit.

Reading reports what is wrong and takes defaults for it; writing reads the file again and changes only what was set, so
comments, order, unknown keys and even bad lines of other settings stay as the user left them. A file with a syntax
error is copied aside before the first write. Everything here blocks: writes go to a thread.
"""

from __future__ import annotations

import contextlib
import logging
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from qwen_desktop.core.errors import os_problem
from qwen_desktop.core.files import write_atomic
from qwen_desktop.core.setting import Setting
from qwen_desktop.core.settings import Settings, declared, replaced, setting
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text, clean
from qwen_desktop.store import settings_text

log = logging.getLogger(__name__)


class Loaded(Struct, frozen=True):
    """What a file said: the settings to use, and a sentence for each thing that is wrong with it."""

    settings: Settings
    problems: tuple[Text, ...] = ()


class SettingsFile:
    """The file at ``path``; it need not exist."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self) -> Loaded:
        """Read the file. Never raises: what cannot be read is a problem and its default is used."""
        try:
            tree = _parse(self.path.read_bytes())
        except FileNotFoundError:
            return Loaded(Settings())
        except OSError as error:
            log.warning("settings.unreadable code=%s", os_problem(error).what.code)
            return Loaded(Settings(), (_unreadable(self.path),))
        except ValueError as error:
            return Loaded(Settings(), (_syntax(self.path, error),))
        return _checked(tree)

    def write(self, changes: Mapping[str, Any]) -> Path | None:
        """Set the given ``section.name`` keys; None means automatic. Values must have been checked.

        Returns where a file with a syntax error was copied to, if it was. Raises ``OSError``.
        """
        kept: Path | None = None
        text = ""
        try:
            raw = self.path.read_bytes()
        except FileNotFoundError:
            raw = b""
        if raw:
            try:
                _parse(raw)
                text = raw.decode("utf-8-sig")
            except ValueError:
                kept = self._keep_aside(raw)
        text = text or settings_text.fresh_file()
        for key, value in changes.items():
            text = _with_value(text, setting(key), value)
        write_atomic(self.path, text.encode())
        return kept

    def _keep_aside(self, raw: bytes) -> Path:
        number = 1
        while (kept := self.path.with_name(f"{self.path.name}.broken-{number}")).exists():
            number += 1
        write_atomic(kept, raw)
        log.warning("settings.broken number=%d", number)
        return kept


def _parse(raw: bytes) -> dict[str, Any]:
    """Raises ``ValueError`` for what is not TOML (wrong encodings too)."""
    try:
        return tomllib.loads(raw.decode("utf-8-sig"))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _checked(tree: dict[str, Any]) -> Loaded:
    settings = Settings()
    problems: list[Text] = []
    not_sections: set[str] = set()
    for entry in declared():
        group = tree.get(entry.section, {})
        if not isinstance(group, dict):
            if entry.section not in not_sections:
                not_sections.add(entry.section)
                problems.append(
                    Text(
                        "settings.section",
                        QT_TRANSLATE_NOOP(
                            "settings", "{section} must be a section, written [{section}]. The defaults are used."
                        ),
                        {"section": entry.section},
                    )
                )
            continue
        if entry.name not in group:
            continue
        found = _cleaned(group[entry.name])
        try:
            settings = replaced(settings, entry.key, found)
        except (msgspec.ValidationError, ValueError, TypeError, OverflowError):
            problems.append(settings_text.complaint(entry, found, in_file=True))
    return Loaded(settings, tuple(problems))


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    return [_cleaned(entry) for entry in value] if isinstance(value, list) else value


def _syntax(path: Path, error: ValueError) -> Text:
    where = re.search(r"line (\d+)", str(error))
    if where is None:
        return Text(
            "settings.not_toml",
            QT_TRANSLATE_NOOP(
                "settings",
                "The settings file {path} is not a TOML text in UTF-8. The defaults are used; the file is copied aside "
                "before the app changes it.",
            ),
            {"path": clean(str(path))},
        )
    params: dict[str, str | int | float] = {"path": clean(str(path)), "line": where.group(1)}
    return Text(
        "settings.syntax",
        QT_TRANSLATE_NOOP(
            "settings",
            "The settings file {path} has an error in line {line}. The defaults are used; the file is copied aside "
            "before the app changes it.",
        ),
        params,
    )


def _unreadable(path: Path) -> Text:
    return Text(
        "settings.unreadable",
        QT_TRANSLATE_NOOP("settings", "The settings file {path} cannot be read. The defaults are used."),
        {"path": clean(str(path))},
    )


# Changing one value of a text ----------------------------------------------------------------------------------------


def _with_value(text: str, entry: Setting, value: Any) -> str:
    """The file's text with one setting changed, everything else as it was."""
    before = tomllib.loads(text)
    group = before.get(entry.section)
    if group is not None and not isinstance(group, dict):
        text = _document(text, entry, None, drop_section=True)  # "engine = 3": it must go for [engine] to come
        group = None
    present = isinstance(group, dict) and entry.name in group
    if value is None and not present:
        return text
    if present != (value is not None):
        # Between "# name =" and "name = value" the line is exchanged, so that it stays below its explanation.
        changed = _exchange_line(text, entry, value)
        if changed is not None and _holds(changed, before, entry, value):
            return changed
    return _document(text, entry, value)


def _exchange_line(text: str, entry: Setting, value: Any) -> str | None:
    wanted = re.compile(rf"^\s*(#\s*)?{re.escape(entry.name)}\s*=")
    section = ""
    lines = text.splitlines(keepends=True)
    for number, found in enumerate(lines):
        head = re.match(r"^\s*\[\s*([A-Za-z_]+)\s*\]", found)
        if head:
            section = head.group(1)
        match = wanted.match(found)
        if section == entry.section and match and bool(match.group(1)) == (value is not None):
            ending = "\r\n" if found.endswith("\r\n") else "\n"
            lines[number] = settings_text.line(entry, value) + ending
            return "".join(lines)
    return None


def _holds(text: str, before: dict[str, Any], entry: Setting, value: Any) -> bool:
    """Whether ``text`` says what ``before`` said, with just this one value changed."""
    expected = {name: dict(group) if isinstance(group, dict) else group for name, group in before.items()}
    group = expected.setdefault(entry.section, {})
    if value is None:
        group.pop(entry.name, None)
    else:
        group[entry.name] = list(value) if isinstance(value, tuple) else value
    with contextlib.suppress(ValueError):
        return tomllib.loads(text) == expected
    return False


def _document(text: str, entry: Setting, value: Any, *, drop_section: bool = False) -> str:
    import tomlkit  # noqa: PLC0415 - 40 ms that only a change of settings needs

    document = tomlkit.parse(text)
    if drop_section:
        document.remove(entry.section)
        return tomlkit.dumps(document)
    if entry.section not in document:
        document.append(entry.section, tomlkit.table())
    group = document[entry.section]
    if value is None:
        group.remove(entry.name)
    elif entry.name in group:
        group[entry.name] = _plain(value)
    else:
        for words in settings_text.comment(entry).splitlines():
            group.add(tomlkit.comment(words.removeprefix("# ")))
        group.add(entry.name, _plain(value))
    return tomlkit.dumps(document)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
