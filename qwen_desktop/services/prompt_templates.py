"""Prompt templates of the user's own: kept, brought in from files and written to them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct, structs

from qwen_desktop.core.chat import new_id
from qwen_desktop.core.errors import Failure, UserFacing, error_of, os_problem
from qwen_desktop.core.files import read_file, write_atomic
from qwen_desktop.core.own_files import OwnForm, entries_of, written
from qwen_desktop.core.prompt_templates import LONGEST_NAME, LONGEST_TEXT, PromptTemplate
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, clean, shown
from qwen_desktop.services.events import EventBus, PromptTemplatesChanged
from qwen_desktop.store import prompt_templates
from qwen_desktop.store.database import Database

#: What a file of templates calls itself, and the newest form of it that is known.
FORMAT, VERSION = "qwen-desktop-prompt-templates", 1
#: Bytes of such a file, and templates in it, at most.
LARGEST_FILE, MOST = 4_000_000, 1_000

# fmt: off
_no_name = Failure(
    UserFacing, "template.name", "", QT_TRANSLATE_NOOP("templates", "A prompt template needs a name."),
    QT_TRANSLATE_NOOP("templates", "Type at least one letter."),
)
_long_name = Failure(
    UserFacing, "template.long_name", "most",
    QT_TRANSLATE_NOOP("templates", "The name is longer than {most} characters."),
    QT_TRANSLATE_NOOP("templates", "Shorten it."),
)
_long_text = Failure(
    UserFacing, "template.long_text", "most",
    QT_TRANSLATE_NOOP("templates", "The text is longer than {most} characters."),
    QT_TRANSLATE_NOOP("templates", "Shorten it, or attach what is long as a file instead."),
)
_not_templates = Failure(
    UserFacing, "template.file", "path", QT_TRANSLATE_NOOP("templates", "{path} holds no prompt templates."),
    QT_TRANSLATE_NOOP("templates", "Choose a file that was exported from Qwen Desktop."),
)
_newer = Failure(
    UserFacing, "template.newer", "path",
    QT_TRANSLATE_NOOP("templates", "{path} was written by a newer version of Qwen Desktop."),
    QT_TRANSLATE_NOOP("templates", "Update the app, then import the file again."),
)
_too_large = Failure(
    UserFacing, "template.large", "path",
    QT_TRANSLATE_NOOP("templates", "{path} is larger than any file of prompt templates."),
    QT_TRANSLATE_NOOP("templates", "Choose a file that was exported from Qwen Desktop."),
)
# fmt: on
_FORM = OwnForm(FORMAT, VERSION, "templates", LARGEST_FILE, _not_templates, _newer, _too_large)


class _Entry(Struct, frozen=True):
    name: str
    text: str


class PromptTemplates:
    """The user's own templates. Failures of the disk raise ``AppError``."""

    def __init__(self, db: Database, bus: EventBus) -> None:
        self._db = db
        self._bus = bus

    async def own(self) -> tuple[PromptTemplate, ...]:
        """All of them, by their names."""
        found = await self._db.read(prompt_templates.listed)
        return tuple(sorted(found, key=lambda template: template.name.casefold()))

    async def save(self, template: PromptTemplate) -> PromptTemplate:
        """Keep it as it is now, and return it tidied. Raises ``UserFacing`` for what it cannot be."""
        tidy = checked(template)
        await self._keep((tidy,))
        return tidy

    async def delete(self, template_id: str) -> None:
        """Remove one; ``save`` brings it back."""
        if await self._db.call(prompt_templates.delete, template_id):
            self._bus.publish(PromptTemplatesChanged())

    async def import_file(self, path: Path) -> tuple[PromptTemplate, ...]:
        """Take in the templates of a file, all or none, and return those that were not there already. Raises
        ``UserFacing`` for what is no such file."""
        new = await asyncio.to_thread(_read, path)
        there = {(template.name, template.text) for template in await self.own()}
        fresh = tuple({(t.name, t.text): t for t in new if (t.name, t.text) not in there}.values())
        await self._keep(fresh)
        return fresh

    async def export(self, path: Path, templates: Sequence[PromptTemplate]) -> None:
        """Write templates to a file that ``import_file`` reads. Raises ``AppError``."""
        entries = [{"name": template.name, "text": template.text} for template in templates]
        try:
            await asyncio.to_thread(write_atomic, path, written(_FORM, entries), mode=0o644)
        except OSError as error:
            raise error_of(os_problem(error)) from error

    async def _keep(self, templates: tuple[PromptTemplate, ...]) -> None:
        if templates:
            await self._db.call(prompt_templates.save, templates)
            self._bus.publish(PromptTemplatesChanged())


def checked(template: PromptTemplate) -> PromptTemplate:
    """A template of the user's, tidy. Raises ``UserFacing`` for what it cannot be."""
    name = " ".join(clean(template.name).split())
    text = clean(template.text).replace("\r\n", "\n").replace("\r", "\n")
    if not name:
        raise _no_name()
    if len(name) > LONGEST_NAME:
        raise _long_name(LONGEST_NAME)
    if len(text) > LONGEST_TEXT:
        raise _long_text(LONGEST_TEXT)
    return structs.replace(template, name=name, text=text, shipped=False)


def _read(path: Path) -> list[PromptTemplate]:
    """The templates of a file, tidy, each with an id of its own."""
    name = shown(path.name)
    try:
        data = read_file(path, LARGEST_FILE + 1)
    except OSError as error:
        raise error_of(os_problem(error)) from error
    try:
        found = msgspec.convert(entries_of(_FORM, data, name), list[_Entry])
    except msgspec.ValidationError as error:
        raise _not_templates(name) from error
    if not 0 < len(found) <= MOST:
        raise _not_templates(name)
    return [checked(PromptTemplate(new_id(), entry.name, entry.text)) for entry in found]
