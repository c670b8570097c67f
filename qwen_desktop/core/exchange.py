"""Conversations on their way out of a history and into one: our own form of them, and what readers of files give.

**Our own form** is one JSON object with the name of the form and its version, the attachments (base64, each once, by
their hashes) and the conversations (by the time of their beginning, then id), each with all its messages in the order
in which they came. Each attachment and each conversation stands on a line of its own, so that it is written and read as
a stream. Nothing in it depends on when or where it was written: the same history gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec import Struct

from qwen_desktop.core.chat import Conversation, Message
from qwen_desktop.core.text import Text

#: The name of our own form, and its version: one more where an older reader would lose something.
FORMAT, VERSION = "qwen-desktop-history", 1
#: The formats of an export, and how their files' names end.
FORMATS = {"md": ".md", "html": ".html", "pdf": ".pdf", "txt": ".txt", "json": ".json"}
#: So many reasons why something was not read are told; the rest is a number.
MOST_REASONS = 50


class BlobRecord(Struct, frozen=True):
    """An attachment as a line of our own form; ``data`` is base64."""

    sha256: str
    media_type: str
    data: str


class Record(Struct, frozen=True):
    """A conversation as a line of our own form. Its ``folder_id`` is "": ``folder``, a path of names, says it."""

    conversation: Conversation
    folder: tuple[str, ...] = ()
    messages: tuple[Message, ...] = ()


class ImportedBlob(Struct, frozen=True):
    """What is attached to an imported message: its bytes lie in the file ``sha256`` of the staging folder."""

    sha256: str
    size: int
    media_type: str


class ImportedConversation(Struct, frozen=True):
    """A conversation as a reader found it: parents come before their children, ``folder`` is the path of names of the
    folder that it lies in (the conversation's ``folder_id`` counts for nothing), and all that its messages name is in
    ``blobs``."""

    conversation: Conversation
    messages: tuple[Message, ...]
    folder: tuple[str, ...] = ()
    blobs: tuple[ImportedBlob, ...] = ()


class ImportPlace(Struct, frozen=True):
    """A folder in which another ``program`` keeps ``count`` conversations."""

    program: str
    path: str
    count: int


class Source:
    """A file or folder that a user chose to import, for its reader.

    ``progress`` gets how much of ``size`` (bytes; of a folder, files) has been read, and raises ``Cancelled`` where
    nobody wants it any more.
    """

    def __init__(
        self, path: Path, size: int, progress: Callable[[int, int], object] = lambda done, total: None
    ) -> None:
        self.path = path
        self.size = size
        self.reasons: list[Text] = []
        self.skipped = 0
        self._progress = progress

    def at(self, done: int) -> None:
        """So much has been read. Raises ``Cancelled``."""
        self._progress(min(done, self.size), self.size)

    def skip(self, reason: Text) -> None:
        """Something cannot be read, for this reason; the rest is."""
        self.skipped += 1
        if len(self.reasons) < MOST_REASONS:
            self.reasons.append(reason)


class Imported(Struct, frozen=True):
    """What came of an import. ``already`` were there before, ``copies`` of ``conversations`` came in beside one of the
    same id that differs; ``skipped`` could not be read, ``reasons`` says why (``MOST_REASONS`` of them). ``ids`` are
    the new conversations'."""

    form: str = ""
    conversations: int = 0
    messages: int = 0
    already: int = 0
    copies: int = 0
    skipped: int = 0
    reasons: tuple[Text, ...] = ()
    ids: tuple[str, ...] = ()


def renamed(value: Any, names: dict[str, str]) -> Any:
    """Plain data in which each string that is a key of ``names`` is what that says."""
    if isinstance(value, str):
        return names.get(value, value)
    if isinstance(value, dict):
        return {key: renamed(entry, names) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [renamed(entry, names) for entry in value]
    return value
