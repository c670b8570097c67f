"""Whose file it is. Adding a form: add a row.

A module of the table has two functions. ``tells(path, beginning)`` says whether the file or folder ``path`` is one of
its own: ``beginning`` are the first 64 KiB of a file, b"" for a folder; it may look further (into an archive), but not
long. ``read(source, staging)`` yields its conversations; the bytes of what is attached lie in ``staging/<sha256>``
before the conversation is yielded that names it. What cannot be read is told with ``source.skip``, and where nothing
can be read it raises ``AppError``; a file that ends too early raises ``damaged``.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, cast

from msgspec import Struct

from qwen_desktop.core.errors import Failure, UserFacing
from qwen_desktop.core.exchange import ImportedConversation, Source
from qwen_desktop.core.files import open_file
from qwen_desktop.core.text import QT_TRANSLATE_NOOP

#: So much of a file is looked at, in bytes.
BEGINNING = 1 << 16


class Reader(Protocol):
    """A module of the table."""

    def tells(self, path: Path, beginning: bytes) -> bool:
        """Whether it is one of this form."""

    def read(self, source: Source, staging: Path) -> Iterator[ImportedConversation]:
        """Its conversations."""


class Form(Struct, frozen=True):
    """A form of files: its program's name, and the module that reads it."""

    program: str
    module: str

    def reader(self) -> Reader:
        """The module, imported when it is first asked for."""
        return cast("Reader", importlib.import_module(f"qwen_desktop.jobs.imports.{self.module}"))


#: In the order in which they are asked.
FORMS: tuple[Form, ...] = (
    Form("Qwen Desktop", "own"),
    Form("ChatGPT", "openai"),
    Form("Open WebUI", "open_webui"),
    Form("Jan", "jan"),
    Form("LM Studio", "lm_studio"),
)

# fmt: off
unknown = Failure(
    UserFacing, "import.unknown", "name",
    QT_TRANSLATE_NOOP("imports", "{name} holds no chats in a form that is known here."),
    QT_TRANSLATE_NOOP(
        "imports",
        "Choose a JSON export of Qwen Desktop or Open WebUI, ChatGPT's conversations.json or its ZIP, or a "
        "chat of LM Studio or Jan.",
    ),
)
damaged = Failure(
    UserFacing, "import.damaged", "name",
    QT_TRANSLATE_NOOP("imports", "{name} is damaged or not complete, so nothing of it was imported."),
    QT_TRANSLATE_NOOP("imports", "Export it again, or copy it again from where it comes from."),
)
newer = Failure(
    UserFacing, "import.newer", "name",
    QT_TRANSLATE_NOOP("imports", "{name} was written by a newer version of Qwen Desktop."),
    QT_TRANSLATE_NOOP("imports", "Update the app, then import it again."),
)
# fmt: on


def form_of(path: Path) -> Form:
    """The form of a file or folder. Raises ``UserFacing`` where none fits, and ``OSError``."""
    beginning = b""
    if not path.is_dir():
        with open_file(path) as file:
            beginning = file.read(BEGINNING)
    for form in FORMS:
        if form.reader().tells(path, beginning):
            return form
    raise unknown(path.name)
