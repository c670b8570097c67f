"""``qwen-desktop assistants``, and the assistant that ``chat`` asks.

The JSON object of ``list --json`` has ``assistants``, each with ``id``, ``name``, ``description``, ``shipped``,
``hidden``, ``model`` ("" for any), ``thinking`` (null as the settings say), ``thinking_budget``, ``context`` (tokens or
null) and ``fields``: ``name``, ``label``, ``kind`` (text, choice, choices), ``choices``, ``default``.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import structs

from qwen_desktop.cli.console import Console
from qwen_desktop.cli.one_run import CommandRun
from qwen_desktop.core.assistants import Assistant, Begun, FieldKind, filled
from qwen_desktop.core.engine import Sampling
from qwen_desktop.core.errors import Failure, UserFacing
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, clean, fill, shown
from qwen_desktop.store.settings_file import SettingsFile

if TYPE_CHECKING:
    from qwen_desktop.cli.chat import Question
    from qwen_desktop.services.services import Services

# fmt: off
_no_value = Failure(
    UserFacing, "field.form", "field", QT_TRANSLATE_NOOP("cli", "“{field}” does not fill a field."),
    QT_TRANSLATE_NOOP("cli", "Write its name, =, and the value: --field language=English."),
)
# fmt: on


async def assisted(services: Services, question: Question, console: Console) -> Begun:
    """What the assistant begins this question with, where the question says nothing else itself. Raises ``UserFacing``
    for a name or a field that there is not."""
    assistants = services.assistants
    await assistants.load()
    found = assistants.named(question.assistant or "")
    values = filled(found, _values(found, question.fields))
    if found.model and question.model is None:
        await services.library.scan()
    begun = assistants.begin(found.id, values)
    own = begun.sampling or Sampling()
    asked = {name: value for name in ("temperature", "seed") if (value := getattr(question, name)) is not None}
    sampling = structs.replace(own, **asked)
    if begun.missing and question.model is None:
        template = QT_TRANSLATE_NOOP(
            "cli", "{assistant} prefers {model}, which is not installed; {chosen} answers. “models pull” gets it."
        )
        chosen = services.models.state.name
        console.warn(fill(template, {"assistant": found.name, "model": begun.missing, "chosen": chosen}))
    return structs.replace(
        begun,
        system_prompt=begun.system_prompt if question.system is None else question.system,
        sampling=sampling if sampling != Sampling() else None,
        thinking_budget=begun.thinking_budget if question.thinking_budget is None else question.thinking_budget,
        model=begun.model if question.model is None else None,
    )


def _values(assistant: Assistant, fields: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """What ``--field name=value`` says; several of one field add up, and commas part the choices of one. Names and
    choices may be written in small letters or large ones."""
    asked = {field.name.casefold(): field for field in assistant.asked}
    values: dict[str, tuple[str, ...]] = {}
    for written in fields:
        name, sign, value = clean(written).partition("=")
        if not sign or not name.strip():
            raise _no_value(shown(written))
        field = asked.get(name.strip().casefold())
        if field is None:
            values[name.strip()] = (value,)  # named in the sentence that refuses it
            continue
        choices = {choice.casefold(): choice for choice in field.choices}
        several = field.kind is FieldKind.CHOICES and value.strip().casefold() not in choices
        given = [part.strip() for part in value.split(",")] if several else [value]
        if field.kind is not FieldKind.TEXT:
            given = [choices.get(part.strip().casefold(), part.strip()) for part in given]
        values[field.name] = (*values.get(field.name, ()), *(part for part in given if part))
    return values


async def list_assistants(run: CommandRun) -> int:
    """Print all of them. Always returns 0."""
    async with run.services() as services:
        await services.assistants.load()
        found = services.assistants.list(hidden=True)
        hidden = {entry.id for entry in found if services.assistants.is_hidden(entry.id)}
    if run.as_json:
        run.console.object({"assistants": [_plain(entry, entry.id in hidden) for entry in found]})
        return 0
    for entry in found:
        run.console.line(f"{entry.name}: {entry.description}" if entry.description else entry.name)
        for field in entry.asked:
            choices = ", ".join(field.choices[:6]) + (", …" if len(field.choices) > 6 else "")
            default = ", ".join(field.default)
            run.console.line(f"  --field {field.name}={default}" + (f"  ({choices})" if choices else ""))
    return 0


async def import_assistants(run: CommandRun, file: Path) -> int:
    """Add those of a file. Returns 0; raises ``AppError``."""
    async with _kept(run) as services:
        await services.assistants.load()
        made = await services.assistants.import_file(file)
    if run.as_json:
        run.console.object({"assistants": [_plain(entry, False) for entry in made]})
    for entry in made if not run.as_json else ():
        run.console.line(fill(QT_TRANSLATE_NOOP("cli", "Imported {name}."), {"name": entry.name}))
    return 0


async def export_assistants(run: CommandRun, names: Iterable[str], out: Path) -> int:
    """Write those called ``names`` as one file. Returns 0; raises ``AppError``."""
    async with run.services() as services:
        await services.assistants.load()
        await services.assistants.export([services.assistants.named(name) for name in names], out)
    run.console.line(fill(QT_TRANSLATE_NOOP("cli", "Saved as {path}."), {"path": shown(str(out))}))
    return 0


def _kept(run: CommandRun) -> AbstractAsyncContextManager[Services]:
    """The services with the history."""
    return run.build(run.paths, history=True, settings_file=SettingsFile(run.paths.settings_file))


def _plain(entry: Assistant, hidden: bool) -> dict[str, Any]:
    return {
        "id": entry.id,
        "name": str(entry.name),
        "description": str(entry.description),
        "shipped": entry.shipped,
        "hidden": hidden,
        "model": entry.model,
        "thinking": None if entry.thinking is None else str(entry.thinking),
        "thinking_budget": entry.thinking_budget,
        "context": entry.context,
        "fields": [
            {
                "name": field.name,
                "label": str(field.label),
                "kind": str(field.kind),
                "choices": list(map(str, field.choices)),
                "default": list(map(str, field.default)),
            }
            for field in entry.asked
        ],
    }
