"""Pages as PDF: a short-lived process with Qt (``ui.pdf_writer``) writes them, since a job worker has none.

It gets a folder with a list of its work and the drawings, and says with one frame how that went.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec import Struct

from qwen_desktop.core.errors import Environment, Failure
from qwen_desktop.core.packed import pack, unpack
from qwen_desktop.core.text import QT_TRANSLATE_NOOP
from qwen_desktop.process.one_shot import ask
from qwen_desktop.process.spawn import worker_command

#: The variable that names the folder, and the list in it.
FOLDER, LIST = "QWEN_DESKTOP_PDF", "pages"
#: Seconds for one list of pages.
_LIMIT_S = 600.0

# fmt: off
_failed = Failure(
    Environment, "export.pdf", "", QT_TRANSLATE_NOOP("exports", "The PDF could not be made."),
    QT_TRANSLATE_NOOP("exports", "Export it as HTML instead: a browser can print that as PDF."),
)
# fmt: on


class Drawing(Struct, frozen=True):
    """A picture in a page, by its number: an ``svg`` that is so wide, high above and low below its baseline in ``ems``
    of the text, or so wide and high in ``pixels``; or a ``picture`` as it was attached."""

    svg: str = ""
    ems: tuple[float, float, float] | None = None
    pixels: tuple[float, float] | None = None
    picture: bytes = b""


class PageWork(Struct, frozen=True):
    """A page to be written to ``out``. ``numbered`` is what stands below each page, with {number} and {total}."""

    out: str
    title: str
    html: str
    numbered: str
    drawings: tuple[Drawing, ...] = ()


class Written(Struct, frozen=True):
    """How many pages of paper each became, 0 for one that could not be written."""

    pages: tuple[int, ...]


def write(pages: Sequence[PageWork], folder: Path, check: Callable[[], object]) -> None:
    """Write the pages. ``folder`` is for passing on, ``check`` is asked all the time and raises where nobody wants them
    any more. Raises ``Environment``, and ``OSError``."""
    (folder / LIST).write_bytes(pack(list(pages)))
    answers = ask(worker_command("pdf"), _LIMIT_S, check, **{FOLDER: str(folder)})
    written: Written | None = None
    for payload in answers.payloads:
        try:
            written = unpack(payload, Written)
        except ValueError:
            continue
    if answers.how != "done" or written is None:
        raise _failed(details=f"{answers.how} {answers.code or ''} {answers.tail[-500:]}")
    for page, count in zip(pages, written.pages, strict=True):
        if not count or not Path(page.out).exists():
            raise _failed(details="empty")
