"""Prompt templates: texts with ``{{fields}}`` that somebody fills in. Pure.

A field is ``{{name}}``; ``{{name=value}}`` begins with a value, ``{{name:long}}`` takes some lines, and
``{{name:one|two|three}}`` is one of these, the first by itself. What looks otherwise is text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Source

#: Longest name and longest text, in characters; a text has to have room in the message box.
LONGEST_NAME, LONGEST_TEXT = 80, 10_000
#: Fields of one template, and choices of one field, at most: what comes after them is text.
MOST_FIELDS, MOST_CHOICES = 40, 20

_FIELD = re.compile(r"\{\{[ \t]*([^\s{}|:=][^{}|:=\n]{0,59}?)[ \t]*(?::([^{}=\n]*))?(?:=([^{}\n]*))?\}\}")


class PromptTemplate(Struct, frozen=True):
    """One template. Those that come with the app are ``shipped`` and cannot be changed, only copied."""

    id: str
    name: str
    text: str
    shipped: bool = False


class Field(Struct, frozen=True):
    """A field of a template: its place there, and what may stand in it. ``choices`` are those of a "choice"."""

    name: str
    kind: Literal["text", "long", "choice"]
    default: str
    choices: tuple[str, ...]
    start: int
    end: int


class Stop(Struct, frozen=True):
    """A field in a text that is being filled in, from ``start`` to ``end``. ``filled``: what stands there is meant;
    else it only says what is to stand there."""

    field: Field
    start: int
    end: int
    filled: bool


class Opened(Struct, frozen=True):
    """A template ready to be filled in."""

    text: str
    stops: tuple[Stop, ...]


def fields(text: str) -> tuple[Field, ...]:
    """The fields of a template's text, in order; a name may come more than once."""
    return tuple(map(_field, list(_FIELD.finditer(text))[:MOST_FIELDS]))


def opened(text: str, given: str = "") -> Opened:
    """The text with its fields as they begin. ``given`` is what somebody had written or selected: it goes into the
    first field of some lines, else into the first one that is no choice, else behind the text."""
    found = fields(text)
    takes = _takes(found) if given else None
    pieces: list[str] = []
    stops: list[Stop] = []
    at = length = 0
    for field in found:
        before = text[at : field.start]
        filled = field is takes or bool(field.default)
        shown = given if field is takes else field.default or placeholder(field)
        pieces += [before, shown]
        start = length + len(before)
        length = start + len(shown)
        stops.append(Stop(field, start, length, filled))
        at = field.end
    pieces.append(text[at:])
    whole = "".join(pieces)
    if given and takes is None:
        whole = f"{whole.rstrip()}\n\n{given}" if whole.strip() else given
    return Opened(whole, tuple(stops))


def placeholder(field: Field) -> str:
    """What stands in a field while nothing does."""
    return f"[{field.name}]"


def matches(name: str, typed: str) -> bool:
    """Whether every word of ``typed`` begins a word of ``name``."""
    words = re.findall(r"\w+", name.casefold())
    return all(any(word.startswith(part) for word in words) for part in typed.casefold().split())


def slash_word(text: str, cursor: int) -> str | None:
    """What was typed behind a slash at the very beginning of a message, up to the cursor; None where the slash means
    something else: a path, code, or a word that goes on behind the cursor."""
    typed, behind = text[:cursor], text[cursor : cursor + 1]
    if not typed.startswith("/") or "\n" in typed or len(typed) > LONGEST_NAME or (behind and not behind.isspace()):
        return None
    word = typed[1:]
    return word if re.fullmatch(r"[\w -]*", word) and not word.startswith(" ") else None


def _field(found: re.Match[str]) -> Field:
    name, kind, default = found[1], found[2], (found[3] or "").strip()
    choices: tuple[str, ...] = ()
    if kind is not None and "|" in kind:
        choices = tuple(dict.fromkeys(filter(None, (part.strip() for part in kind.split("|")))))[:MOST_CHOICES]
    what: Literal["text", "long", "choice"] = "text"
    if choices:
        what, default = "choice", default if default in choices else choices[0]
    elif (kind or "").strip().casefold() == "long":
        what = "long"
    return Field(name, what, default, choices, found.start(), found.end())


def _takes(found: Sequence[Field]) -> Field | None:
    long = (field for field in found if field.kind == "long" and not field.default)
    text = (field for field in found if field.kind != "choice")
    return next(long, None) or next(text, None)


class Shipped(Struct, frozen=True):
    """A template that comes with the app, to be translated."""

    id: str
    name: Source
    text: Source


# fmt: off
SHIPPED: tuple[Shipped, ...] = (
    Shipped("shipped.translate", QT_TRANSLATE_NOOP("templates", "Translate"), QT_TRANSLATE_NOOP(
        "templates",
        "Translate the text below into {{language=English}}. Keep its tone ({{tone:as it is|formal|friendly}}), names, "
        "numbers and formatting. Give the translation alone.\n\n{{text:long}}",
    )),
    Shipped("shipped.summarize", QT_TRANSLATE_NOOP("templates", "Summarize"), QT_TRANSLATE_NOOP(
        "templates",
        "Summarize the text below in {{length:five sentences|one paragraph|ten bullet points}}. Then list what it "
        "leaves open. Add nothing that is not in it.\n\n{{text:long}}",
    )),
    Shipped("shipped.explain", QT_TRANSLATE_NOOP("templates", "Explain"), QT_TRANSLATE_NOOP(
        "templates",
        "Explain {{topic}} to {{reader:somebody new to it|a student|an expert of another field}}. Begin with the idea "
        "in one sentence, go on with an example, and end with a common mistake.",
    )),
    Shipped("shipped.rewrite", QT_TRANSLATE_NOOP("templates", "Rewrite"), QT_TRANSLATE_NOOP(
        "templates",
        "Rewrite the text below so that it is {{style:clearer|shorter|more formal|friendlier}}. Keep what it says and "
        "its language.\n\n{{text:long}}",
    )),
    Shipped("shipped.proofread", QT_TRANSLATE_NOOP("templates", "Proofread"), QT_TRANSLATE_NOOP(
        "templates",
        "Correct spelling, grammar and punctuation in the text below, and nothing else. Give the corrected text, then "
        "a list of the changes with the reason for each.\n\n{{text:long}}",
    )),
    Shipped("shipped.reply", QT_TRANSLATE_NOOP("templates", "Answer a letter"), QT_TRANSLATE_NOOP(
        "templates",
        "Write a {{tone:polite|friendly|firm}} answer to the letter below. It should say: {{what to say}}.\n\n"
        "{{letter:long}}",
    )),
    Shipped("shipped.table", QT_TRANSLATE_NOOP("templates", "Extract as a table"), QT_TRANSLATE_NOOP(
        "templates",
        "Make a table of the text below with the columns {{columns=name, date, amount}}, one row for each item. Leave "
        "a cell empty where the text does not say it.\n\n{{text:long}}",
    )),
    Shipped("shipped.compare", QT_TRANSLATE_NOOP("templates", "Compare"), QT_TRANSLATE_NOOP(
        "templates",
        "Compare {{first}} with {{second}} for {{purpose}}. Give a table of what matters for that, then say which one "
        "you would choose and what would change your mind.",
    )),
    Shipped("shipped.review", QT_TRANSLATE_NOOP("templates", "Review code"), QT_TRANSLATE_NOOP(
        "templates",
        "Review the code below. Look at {{focus:mistakes|security|speed|readability}} first. For each finding name the "
        "place, what goes wrong with an input that shows it, and the change that mends it.\n\n```\n{{code:long}}\n```",
    )),
    Shipped("shipped.tests", QT_TRANSLATE_NOOP("templates", "Write tests"), QT_TRANSLATE_NOOP(
        "templates",
        "Write tests with {{framework=pytest}} for the code below: the usual case, the edges, and input that is wrong. "
        "Each test checks what a caller would notice.\n\n```\n{{code:long}}\n```",
    )),
    Shipped("shipped.code", QT_TRANSLATE_NOOP("templates", "Explain code"), QT_TRANSLATE_NOOP(
        "templates",
        "Explain what the code below does, step by step, and name what would surprise somebody who changes it.\n\n"
        "```\n{{code:long}}\n```",
    )),
    Shipped("shipped.plan", QT_TRANSLATE_NOOP("templates", "Make a plan"), QT_TRANSLATE_NOOP(
        "templates",
        "Make a plan for {{goal}}. I have {{time=two weeks}}. Give the steps in order, how long each takes, and what "
        "could go wrong. Ask me first about what you would have to guess.",
    )),
)
# fmt: on
