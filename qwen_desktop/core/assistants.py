"""Assistants: what a conversation is begun with, saved under a name. Plain data, and what follows from it.

The instructions may have places, ``{{language}}``, each a field that is filled before or while one chats. ``render``
fills them, and ``values_of`` finds in instructions what they were filled with: a conversation keeps its instructions
as they are sent, and nothing beside them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import TypeAlias

from msgspec import Struct, structs

from qwen_desktop.core.chat import MOST_ADAPTERS, NO_BUDGET, STRONGEST, Conversation
from qwen_desktop.core.engine import Adapter, Sampling, ThinkingMode
from qwen_desktop.core.errors import Failure, UserFacing
from qwen_desktop.core.model_ref import ModelRef
from qwen_desktop.core.settings import setting
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text, clean, shown

#: The ids of those that come with the app begin so.
SHIPPED = "shipped."
#: What an assistant can look like: icons of ``resources/icons``, and colours, of which the themes have a tint each.
ICONS = (
    "bot", "sparkles", "brain", "code", "terminal", "sigma", "calculator", "languages", "globe", "list-checks",
    "pen-line", "feather", "newspaper", "book-open", "graduation-cap", "flask-conical", "lightbulb", "search",
    "message-square", "mail", "briefcase", "scale", "compass", "map", "palette", "music", "utensils", "heart", "wrench",
)  # fmt: skip
COLOURS = ("indigo", "blue", "teal", "green", "amber", "rose", "violet", "slate")

#: Characters: of a name, of a description, of instructions, of what a field is filled with, of a name of a field.
LONGEST_NAME, LONGEST_DESCRIPTION, LONGEST_INSTRUCTIONS, LONGEST_VALUE = 80, 300, 100_000, 20_000
MOST_FIELDS, MOST_CHOICES = 20, 200
#: Tokens.
LEAST_CONTEXT, MOST_CONTEXT = 512, 1_048_576

_PLACE = re.compile(r"\{\{[ \t]*([^\W\d][\w-]{0,39})[ \t]*\}\}")
_FIELD_NAME = re.compile(r"[^\W\d][\w-]{0,39}")
#: A heading or an item of a list that has nothing but a place in it.
_ITEM = re.compile(r"[ \t]*(?:#{1,6}|[-*+]|\d+[.)])[ \t]+")
_BETWEEN = ", "

#: What fields are filled with, by their names: one value, several for one of several choices, none for an empty one.
Values: TypeAlias = Mapping[str, tuple[str, ...]]


class FieldKind(StrEnum):
    """How a field is filled: with words, with one of its choices, or with some of them."""

    TEXT = "text"
    CHOICE = "choice"
    CHOICES = "choices"


class AssistantField(Struct, frozen=True, omit_defaults=True):
    """A place in the instructions. ``default`` is what it is filled with at first, as in ``Values``."""

    name: str
    label: str = ""
    kind: FieldKind = FieldKind.TEXT
    choices: tuple[str, ...] = ()
    default: tuple[str, ...] = ()


class Assistant(Struct, frozen=True, omit_defaults=True):
    """``thinking`` None, and what is None in ``sampling``, are as the settings say. ``thinking_budget`` and ``context``
    count tokens, as in ``Conversation``. ``model`` is the name of a model of the catalogue or of an installed one, ""
    for whatever is chosen. Of ``adapters`` that came with a file of assistants the path is a mere name, until somebody
    has chosen the file."""

    id: str
    name: str
    description: str = ""
    icon: str = "bot"
    colour: str = "indigo"
    system_prompt: str = ""
    sampling: Sampling = Sampling()
    thinking: ThinkingMode | None = None
    thinking_budget: int | None = None
    context: int | None = None
    model: str = ""
    fields: tuple[AssistantField, ...] = ()
    adapters: tuple[Adapter, ...] = ()

    @property
    def shipped(self) -> bool:
        """Whether it comes with the app: it can be hidden and duplicated, not changed."""
        return self.id.startswith(SHIPPED)

    @property
    def asked(self) -> tuple[AssistantField, ...]:
        """The fields that stand in the instructions, in their order; one that nobody has described is filled with
        words."""
        known = {field.name: field for field in self.fields}
        names = dict.fromkeys(found[1] for found in _PLACE.finditer(self.system_prompt))
        return tuple(known.get(name) or AssistantField(name, _said(name)) for name in names)[:MOST_FIELDS]

    @property
    def defaults(self) -> dict[str, tuple[str, ...]]:
        """What its fields are filled with at first."""
        return {field.name: field.default for field in self.asked}


class Begun(Struct, frozen=True):
    """What a conversation is begun with: fields of ``Conversation``. ``missing`` is the model that the assistant would
    like and that is not installed, "" where there is none."""

    assistant_id: str = ""
    system_prompt: str = ""
    sampling: Sampling | None = None
    thinking: ThinkingMode | None = None
    thinking_budget: int | None = None
    context: int | None = None
    model: ModelRef | None = None
    adapters: tuple[Adapter, ...] = ()
    missing: str = ""


def _said(name: str) -> str:
    """What a field is called that nobody has described: "Due date" for "due_date"."""
    said = name.replace("_", " ").strip() or name
    return said[:1].upper() + said[1:]


def begun_of(conversation: Conversation) -> Begun:
    """What a conversation would be begun with again, as it is now."""
    return Begun(**{name: getattr(conversation, name) for name in Begun.__struct_fields__ if name != "missing"})


# Filling fields -------------------------------------------------------------------------------------------------------


class _Line(Struct, frozen=True):
    """A line of instructions: what stands around its places (one more than those), and the places' names. ``each``: it
    is written once for each value."""

    around: tuple[str, ...]
    names: tuple[str, ...] = ()
    each: bool = False


def render(assistant: Assistant, values: Values) -> str:
    """The instructions with their places filled: what a value brings along is no place again, and ``{{…}}`` that is no
    field stays as it is written.

    A line whose places are all empty is left out. A heading or an item of a list that holds only a field of several
    choices is written once for each of them; elsewhere several values stand in one line.
    """
    written: list[str] = []
    for line in _lines(assistant):
        found = [_value(values, name) for name in line.names]
        if not line.names:
            written.append(line.around[0])
        elif line.each:
            written.extend(f"{line.around[0]}{value}{line.around[1]}" for value in found[0])
        elif any(found):
            rest = (_BETWEEN.join(value) + after for value, after in zip(found, line.around[1:], strict=True))
            written.append(line.around[0] + "".join(rest))
    return "\n".join(written).strip()


def values_of(assistant: Assistant, prompt: str) -> dict[str, tuple[str, ...]] | None:
    """What the places were filled with where ``prompt`` is the assistant's instructions, None where it is not, or not
    for sure: then somebody has changed them. As many steps as there are characters."""
    asked = {field.name: field for field in assistant.asked}
    found: dict[str, str] = {}
    lines, text, at = tuple(_lines(assistant)), prompt.strip() + "\n", 0
    while lines and not lines[0].names and not lines[0].around[0].strip():
        lines = lines[1:]  # ``render`` strips them, too
    for number, line in enumerate(lines):
        if not line.names:
            if text.startswith(line.around[0] + "\n", at):
                at += len(line.around[0]) + 1
            elif text[at:].strip():
                return None
            continue
        following = lines[number:] if line.each else lines[number + 1 :]
        for _ in range(MOST_CHOICES if line.each else 1):
            read = _read(line, following, text, at)
            if read is None:
                break
            values, at = read
            for name, value in values:
                if line.each and name in found and value not in found[name].split(_BETWEEN):
                    found[name] += _BETWEEN + value
                else:
                    found.setdefault(name, value)
    parted = {name: _parted(field, found.get(name, "")) for name, field in asked.items()}
    known = {name: value for name, value in parted.items() if value is not None}
    return known if len(known) == len(asked) and render(assistant, known) == prompt.strip() else None


def _read(line: _Line, following: Sequence[_Line], text: str, at: int) -> tuple[list[tuple[str, str]], int] | None:
    """What the places of ``line`` hold where it stands at ``at`` in the text, and where the next line begins; None
    where it was left out."""
    if not text.startswith(line.around[0], at):
        return None
    place, values = at + len(line.around[0]), []
    for number, (name, after) in enumerate(zip(line.names, line.around[1:], strict=True), 1):
        last = number == len(line.names)
        stops = _stops(after, following) if last else (after,)
        ends = [end for stop in stops if stop and (end := text.find(stop, place)) >= 0]
        whole = len(text) - len(after) - 1
        if not ends and last and text.endswith(after + "\n") and whole >= place:
            ends = [whole]
        if not ends:
            return None
        values.append((name, text[place : min(ends)]))
        place = min(ends) + len(after)
    return (values, place + 1) if any(value for _, value in values) else None


def _stops(after: str, following: Sequence[_Line]) -> tuple[str, ...]:
    """What may stand behind the last place of a line, unless that is the end: ``after``, and the beginnings of the
    lines that follow, as far as they may be left out."""
    stops = []
    for line in following:
        if not line.names:
            stops.append(f"{after}\n{line.around[0]}\n")
            break
        stops.append(f"{after}\n{line.around[0]}")
    return tuple(stops)


def _parted(field: AssistantField, text: str) -> tuple[str, ...] | None:
    """A text that was written for a field as its values; None where it cannot be."""
    if not text:
        return ()
    if field.kind is FieldKind.TEXT:
        return (text,)
    if field.kind is FieldKind.CHOICE:
        return (text,) if text in field.choices else None
    chosen: list[str] = []
    while text:
        fitting = (c for c in field.choices if text == c or text.startswith(c + _BETWEEN))
        choice = max(fitting, key=len, default=None)
        if choice is None:
            return None
        chosen.append(choice)
        text = text[len(choice) + len(_BETWEEN) :]
    return tuple(chosen)


def _lines(assistant: Assistant) -> Iterator[_Line]:
    asked = {field.name: field for field in assistant.asked}
    for text in assistant.system_prompt.split("\n"):
        pieces = _PLACE.split(text)  # what stands around, and names, in turn
        around, names = [pieces[0]], []
        for name, after, written in zip(pieces[1::2], pieces[2::2], _PLACE.finditer(text), strict=True):
            if name in asked:
                names.append(name)
                around.append(after)
            else:
                around[-1] += written[0] + after
        alone = len(names) == 1 and not around[1].strip() and _ITEM.fullmatch(around[0]) is not None
        each = alone and asked[names[0]].kind is FieldKind.CHOICES
        yield _Line(tuple(around), tuple(names), each)


def _value(values: Values, name: str) -> tuple[str, ...]:
    return tuple(value for value in values.get(name, ()) if value.strip())


def filled(assistant: Assistant, values: Values) -> dict[str, tuple[str, ...]]:
    """``values`` as far as its fields allow them, the defaults in the place of what is missing. Raises ``UserFacing``
    for a field that there is not, and for a value that is none of the choices or too long."""
    asked = {field.name: field for field in assistant.asked}
    for name, value in values.items():
        field = asked.get(name)
        if field is None:
            names = ", ".join(asked)
            raise _no_field(assistant.name, name, names) if names else _no_fields(assistant.name, name)
        wrong = next((v for v in value if field.kind is not FieldKind.TEXT and v not in field.choices), None)
        if wrong is not None:
            raise _no_choice(wrong, field.label or name, ", ".join(field.choices))
        if len(value) > 1 and field.kind is not FieldKind.CHOICES:
            raise _one_value(field.label or name)
        if any(len(v) > LONGEST_VALUE for v in value):
            raise _long_value(field.label or name, LONGEST_VALUE)
    return {name: tuple(values.get(name, field.default)) for name, field in asked.items()}


# Checking -------------------------------------------------------------------------------------------------------------

# fmt: off
_no_name = Failure(
    UserFacing, "assistant.no_name", "", QT_TRANSLATE_NOOP("assistants", "An assistant needs a name."),
    QT_TRANSLATE_NOOP("assistants", "Type at least one letter."),
)
_too_long = Failure(
    UserFacing, "assistant.long", "what n", QT_TRANSLATE_NOOP("assistants", "{what} may have %n character(s) at most."),
    QT_TRANSLATE_NOOP("assistants", "Shorten it."),
)
_out_of_range = Failure(
    UserFacing, "assistant.range", "what value low high",
    QT_TRANSLATE_NOOP("assistants", "{what} cannot be {value}."),
    QT_TRANSLATE_NOOP("assistants", "Enter a number from {low} to {high}."),
)
_bad_field = Failure(
    UserFacing, "assistant.field", "name", QT_TRANSLATE_NOOP("assistants", "A field cannot be called “{name}”."),
    QT_TRANSLATE_NOOP("assistants", "Use letters, digits, - and _, with a letter first, and each name once."),
)
_many = Failure(
    UserFacing, "assistant.many", "name n", QT_TRANSLATE_NOOP("assistants", "{name} has more than %n entries."),
    QT_TRANSLATE_NOOP("assistants", "Take some of them out."),
)
_no_field = Failure(
    UserFacing, "assistant.no_field", "assistant name fields",
    QT_TRANSLATE_NOOP("assistants", "{assistant} has no field “{name}”."),
    QT_TRANSLATE_NOOP("assistants", "Its fields are: {fields}."),
)
_no_fields = Failure(
    UserFacing, "assistant.no_fields", "assistant name",
    QT_TRANSLATE_NOOP("assistants", "{assistant} has no field “{name}”."),
    QT_TRANSLATE_NOOP("assistants", "There is nothing to fill in."),
)
_no_choice = Failure(
    UserFacing, "assistant.no_choice", "value field choices",
    QT_TRANSLATE_NOOP("assistants", "“{value}” is none of the choices of {field}."),
    QT_TRANSLATE_NOOP("assistants", "Choose from: {choices}."),
)
_one_value = Failure(
    UserFacing, "assistant.one_value", "field", QT_TRANSLATE_NOOP("assistants", "{field} takes one value."),
    QT_TRANSLATE_NOOP("assistants", "Name it once."),
)
_long_value = Failure(
    UserFacing, "assistant.long_value", "field n",
    QT_TRANSLATE_NOOP("assistants", "What was entered for {field} has more than %n character(s)."),
    QT_TRANSLATE_NOOP("assistants", "Shorten it, or write it into the message."),
)
_NAME = QT_TRANSLATE_NOOP("assistants", "The name")
_DESCRIPTION = QT_TRANSLATE_NOOP("assistants", "The description")
_INSTRUCTIONS = QT_TRANSLATE_NOOP("assistants", "The instructions")
_CONTEXT = QT_TRANSLATE_NOOP("assistants", "The context")
_BUDGET = QT_TRANSLATE_NOOP("assistants", "The thinking budget")
_STRENGTH = QT_TRANSLATE_NOOP("assistants", "The strength of an adapter")
# fmt: on


def checked(assistant: Assistant) -> Assistant:
    """``assistant`` tidy, with all its fields described. Raises ``UserFacing`` for what cannot be kept. A look that is
    not known here becomes the usual one."""
    tidy = structs.replace(
        assistant,
        name=" ".join(clean(assistant.name).split()),
        description=" ".join(clean(assistant.description).split()),
        icon=assistant.icon if assistant.icon in ICONS else "bot",
        colour=assistant.colour if assistant.colour in COLOURS else "indigo",
        system_prompt=clean(assistant.system_prompt).replace("\r\n", "\n").replace("\r", "\n"),
        model=shown(assistant.model.strip()),
    )
    if not tidy.name:
        raise _no_name()
    for code, source, text, longest in (
        ("name", _NAME, tidy.name, LONGEST_NAME),
        ("description", _DESCRIPTION, tidy.description, LONGEST_DESCRIPTION),
        ("instructions", _INSTRUCTIONS, tidy.system_prompt, LONGEST_INSTRUCTIONS),
    ):
        if len(text) > longest:
            raise _too_long(Text(code, source), longest)
    _check_number(Text("context", _CONTEXT), tidy.context, LEAST_CONTEXT, MOST_CONTEXT)
    if tidy.thinking_budget != NO_BUDGET:
        _check_number(Text("budget", _BUDGET), tidy.thinking_budget, 0, MOST_CONTEXT)
    for name in Sampling.__struct_fields__:
        entry = setting(f"sampling.{name}")
        title = Text(name, entry.info.title)
        _check_number(title, getattr(tidy.sampling, name), entry.minimum or 0, entry.maximum or 0)
    if len(tidy.adapters) > MOST_ADAPTERS:
        raise _many(tidy.name, MOST_ADAPTERS)
    for adapter in tidy.adapters:
        _check_number(Text("strength", _STRENGTH), adapter.scale, 0, STRONGEST)
    described = tuple(_checked_field(field) for field in tidy.fields)
    names = [field.name for field in described]
    if len(described) > MOST_FIELDS:
        raise _many(tidy.name, MOST_FIELDS)
    if len(set(names)) < len(names):
        raise _bad_field(next(name for name in names if names.count(name) > 1))
    more = (field for field in tidy.asked if field.name not in names)
    return structs.replace(tidy, fields=(*described, *more)[:MOST_FIELDS])


def _check_number(what: Text, value: float | None, low: float, high: float) -> None:
    if value is not None and not low <= value <= high:
        raise _out_of_range(what, *(int(n) if abs(n) < 1e9 and n == int(n) else f"{n:g}" for n in (value, low, high)))


def _checked_field(field: AssistantField) -> AssistantField:
    if _FIELD_NAME.fullmatch(field.name) is None:
        raise _bad_field(shown(field.name) or "")
    label = " ".join(clean(field.label).split()) or field.name
    choices = tuple(dict.fromkeys(" ".join(clean(choice).split()) for choice in field.choices if choice.strip()))
    if len(choices) > MOST_CHOICES:
        raise _many(shown(label), MOST_CHOICES)
    text = field.kind is FieldKind.TEXT
    default = tuple(str(clean(value)) for value in field.default if value.strip() and (text or value in choices))
    if any(len(value) > LONGEST_VALUE for value in (label, *choices, *default)):
        raise _long_value(shown(label), LONGEST_VALUE)
    default = default if field.kind is FieldKind.CHOICES else default[:1]
    return AssistantField(field.name, label[:LONGEST_NAME], field.kind, () if text else choices, default)
