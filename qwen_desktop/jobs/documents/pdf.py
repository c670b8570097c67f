"""PDF: the text of each page, in the order in which PDFium reads it. Nothing in it runs: this PDFium has no scripts."""

from __future__ import annotations

import re
from typing import BinaryIO

import pypdfium2
from pypdfium2 import raw

from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text
from qwen_desktop.jobs.documents import failures
from qwen_desktop.jobs.documents.draft import Draft

#: How PDFium marks a word that goes on in the next line.
_HYPHEN = re.compile("[\x02\ufffe](?:\r?\n)?")
_SPACES = re.compile(r"[ \t\xa0]+$", re.MULTILINE)
#: So many pages are named in a note.
_NAMED = 12


def read_pdf(file: BinaryIO, size: int, draft: Draft) -> None:
    """The pages that have text, each a section that begins with its number."""
    document = _opened(file, draft)
    draft.pages = total = len(document)
    without: list[int] = []
    read = 0
    try:
        for number in range(1, min(total, draft.limits.pages) + 1):
            draft.check(number - 1, total)
            text = _text(document, number - 1)
            read = number
            if not text.strip():
                without.append(number)
                continue
            draft.section(f"Page {number}")
            draft.add(f"[Page {number}]\n{text}\n")
        if total > draft.limits.pages:
            draft.stop(
                Text(
                    "document.pages",
                    QT_TRANSLATE_NOOP("documents", "Only the first {read} of its %n page(s) were read."),
                    {"n": total, "read": read},
                )
            )
    finally:
        if without and len(without) < read:
            named = ", ".join(_runs(without)[:_NAMED]) + (" …" if len(_runs(without)) > _NAMED else "")
            draft.note(
                Text(
                    "document.no_text",
                    QT_TRANSLATE_NOOP("documents", "%n page(s) (has|have) no text (pictures or scans): {pages}."),
                    {"n": len(without), "pages": named},
                )
            )
    if without and len(without) == total:
        raise failures.scanned(draft.name)


def _opened(file: BinaryIO, draft: Draft) -> pypdfium2.PdfDocument:
    try:
        document = pypdfium2.PdfDocument(file)
        if len(document) == 0:
            raise failures.damaged(draft.name, details="no pages")
    except pypdfium2.PdfiumError as error:
        if error.err_code in (raw.FPDF_ERR_PASSWORD, raw.FPDF_ERR_SECURITY):
            raise failures.password(draft.name) from error
        raise failures.damaged(draft.name, details=f"PDFium {error.err_code}") from error
    return document


def _text(document: pypdfium2.PdfDocument, index: int) -> str:
    """The text of a page, "" where it is broken: the others can still be read."""
    try:
        page = document[index]
    except pypdfium2.PdfiumError:
        return ""
    try:
        text = page.get_textpage().get_text_bounded()
    except pypdfium2.PdfiumError:
        return ""
    finally:
        page.close()
    return _SPACES.sub("", _HYPHEN.sub("", text).replace("\r\n", "\n").replace("\r", "\n")).strip("\n")


def _runs(numbers: list[int]) -> list[str]:
    """Numbers in ascending order as people write them: "3", "5–9"."""
    found: list[list[int]] = []
    for number in numbers:
        if found and found[-1][1] == number - 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return [str(first) if first == last else f"{first}–{last}" for first, last in found]
