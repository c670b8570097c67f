"""The way of one document: opened, told what it is, read by its reader."""

from __future__ import annotations

import importlib
import logging
import os
import traceback
from collections.abc import Callable
from pathlib import PurePath
from typing import Any, BinaryIO, TypeAlias

import msgspec

from qwen_desktop.core import amounts
from qwen_desktop.core.documents import Document, Limits
from qwen_desktop.core.errors import AppError
from qwen_desktop.core.files import open_file
from qwen_desktop.core.text import Text
from qwen_desktop.jobs.documents import failures
from qwen_desktop.jobs.documents.draft import Draft, Full
from qwen_desktop.jobs.documents.kinds import tell

log = logging.getLogger(__name__)

Reader: TypeAlias = Callable[[BinaryIO, int, Draft], None]

#: name -> "module:function" of this folder, imported when a document of its kind comes. Each adds the text of a file of
#: some size to a draft, and raises ``AppError`` for what cannot be read.
READERS = {
    "docx": "docx:read_docx",
    "eml": "mail:read_mail",
    "epub": "epub:read_epub",
    "html": "html:read_html",
    "markdown": "text:read_markdown",
    "odt": "odt:read_odt",
    "pdf": "pdf:read_pdf",
    "pptx": "pptx:read_pptx",
    "table": "text:read_table",
    "text": "text:read_text",
    "xlsx": "xlsx:read_xlsx",
}


def read_document(
    path: str, name: str, limits: Limits, report: Callable[[int, int], None] = lambda _done, _total: None
) -> Any:
    """The document at ``path`` as plain data of ``core.documents.Document``. Raises ``AppError`` and ``OSError``."""
    with open_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        return msgspec.to_builtins(_read(file, size, Draft(name, limits, report)), enc_hook=str)


def _read(file: BinaryIO, size: int, draft: Draft) -> Document:
    if not file.read(1):  # some files of the system have text and no size
        raise failures.empty(draft.name)
    file.seek(0)
    told = tell(file, size, draft.name)
    if not told.reader:
        return Document(told.media_type, told.kind)
    module, _, function = READERS[told.reader].partition(":")
    reader: Reader = getattr(importlib.import_module(f"{__package__}.{module}"), function)
    try:
        reader(file, size, draft)
    except Full as full:
        log.info("document.cut %s", full)
    except (AppError, OSError, MemoryError):
        raise
    except RecursionError as error:
        raise failures.deep(draft.name) from error
    except Exception as error:  # a fault of ours, most likely; what was read until then is of use all the same
        where = _place(error)
        log.error("document.failed reader=%s %s", told.reader, where)  # its words may be the document's
        if not draft.length:
            raise failures.damaged(draft.name, details=f"unexpected {where}") from error
        draft.cut = True
        draft.note(Text("document.unexpected", failures.BROKEN_OFF))
    found = draft.finished(told.kind, told.media_type)
    if not found.text.strip():
        if str(found.notes[-1].code if found.notes else "") == "document.unpacked":
            raise failures.bomb(draft.name, amounts.size(draft.limits.unpacked))
        if found.cut:
            raise failures.late(round(draft.limits.seconds), draft.name)
        raise failures.textless(draft.name)
    return found


def _place(error: Exception) -> str:
    """The kind of an error, and where in the code it came from."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {PurePath(frame.filename).name}:{frame.lineno}"
