"""The words of the settings file: the comment above each setting, its line, and sentences about bad values."""

from __future__ import annotations

import json
from typing import Any

from qwen_desktop.core.setting import Setting
from qwen_desktop.core.settings import SECTION_TITLES, declared
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Param, Text, clean

HEADER = (
    "# Settings of Qwen Desktop. The app reads this file when it starts, and changes only those lines whose\n"
    '# settings you change in its window. "# name =" is automatic: take away the "#" and write a value to set it.\n'
)


def fresh_file() -> str:
    """A whole file with every setting at its default, explained."""
    lines = [HEADER]
    section = ""
    for entry in declared():
        if entry.section != section:
            section = entry.section
            lines.append(f"\n# {SECTION_TITLES.get(section, section.title())}\n[{section}]")
        lines += ["\n", comment(entry), line(entry, entry.default), "\n"]
    return "".join(lines)


def comment(entry: Setting) -> str:
    """The comment lines above a setting: title, help, what is allowed, default."""
    words = [f"# {entry.info.title}." + (f" {entry.info.help}" if entry.info.help else "")]
    allowed = _allowed(entry)
    default = "automatic" if entry.default is None else toml_value(entry.default)
    words.append(f"# {allowed[0].upper()}{allowed[1:]}. Default: {default}.")
    return "\n".join(words) + "\n"


def line(entry: Setting, value: Any) -> str:
    """``name = value``, commented out for None (automatic)."""
    return f"# {entry.name} =" if value is None else f"{entry.name} = {toml_value(value)}"


def toml_value(value: Any) -> str:
    """A value as TOML. Strings are written like JSON, which TOML's basic strings understand but for one escape."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(clean(value), ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, tuple | list):
        return "[" + ", ".join(toml_value(entry) for entry in value) + "]"
    return repr(value)


def _allowed(entry: Setting) -> str:
    if entry.kind == "choice":
        return f"one of {_words(entry)}"
    if entry.kind == "bool":
        return "true or false"
    if entry.kind == "list":
        return "a list of texts in quotes"
    if entry.kind == "text":
        return "text in quotes" + (f", at most {entry.max_length:,} characters" if entry.max_length else "")
    kind = "a whole number" if entry.kind == "int" else "a number"
    if entry.minimum is None or entry.maximum is None:
        return kind
    low, high = _number(entry.minimum), _number(entry.maximum)
    return f"{kind} above {low} and up to {high}" if entry.above else f"{kind} from {low} to {high}"


def _number(value: float) -> str:
    return f"{int(value):,}" if float(value).is_integer() else str(value)


# fmt: off
_COMPLAINTS = {
    "choice": QT_TRANSLATE_NOOP("settings", "{key} is {value}; it must be one of {choices}."),
    "bool": QT_TRANSLATE_NOOP("settings", "{key} is {value}; it must be true or false."),
    "list": QT_TRANSLATE_NOOP("settings", "{key} is {value}; it must be a list of texts in quotes."),
    "long": QT_TRANSLATE_NOOP("settings", "{key} is too long; it may have %n character(s)."),
    "text": QT_TRANSLATE_NOOP("settings", "{key} is {value}; it must be text in quotes."),
    "int": QT_TRANSLATE_NOOP("settings", "{key} is {value}; it must be a whole number from {low} to {high}."),
    "above": QT_TRANSLATE_NOOP("settings", "{key} is {value}; it must be a number above {low} and up to {high}."),
    "float": QT_TRANSLATE_NOOP("settings", "{key} is {value}; it must be a number from {low} to {high}."),
}
# fmt: on


def complaint(entry: Setting, value: Any) -> Text:
    """One sentence about a value that is not allowed."""
    kind: str = entry.kind
    if kind == "text" and entry.max_length and isinstance(value, str):
        kind = "long"
    elif kind == "float" and entry.above:
        kind = "above"
    params: dict[str, Param] = {
        "key": entry.key,
        "low": "" if entry.minimum is None else _number(entry.minimum),
        "high": "" if entry.maximum is None else _number(entry.maximum),
        "n": entry.max_length or 0,
        "choices": _words(entry),
        "value": _shown(value),
    }
    return Text(f"settings.{kind}", _COMPLAINTS[kind], params)


def _words(entry: Setting) -> str:
    return ", ".join(f'"{word}"' for word, _ in entry.choices)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:59] + "…"
