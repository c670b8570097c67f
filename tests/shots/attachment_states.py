"""Files: chips in every state, choosing parts, cards at messages, and what a drag over the window shows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QMimeData, QPoint, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent
from PySide6.QtWidgets import QApplication

from qwen_desktop.core.documents import Document, Kind, Section
from qwen_desktop.core.drafts import Draft, unread
from qwen_desktop.core.errors import UserFacing
from qwen_desktop.core.parts import AudioPart, FilePart, ImagePart
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text
from tests.shots import seeds
from tests.shots.chat_states import read
from tests.shots.parts import show_chat
from tests.shots.seeds import Chat, assistant, user
from tests.shots.table import state

if TYPE_CHECKING:
    from tests.shots.stage import Stage

_CLAUSES = (
    "Rent", "Deposit", "Heating", "Pets", "Repairs", "Garden", "Quiet hours", "Visitors", "Keys", "Insurance", "Notice",
    "Handing over",
)  # fmt: skip
#: A lease of twelve clauses.
LEASE = "\n\n".join(
    f"## {number} {name}\n\n" + f"The tenant and the landlord agree about {name.lower()} as follows. " * 30
    for number, name in enumerate(_CLAUSES, 1)
)
_LETTER = FilePart("", "application/msword", "letter.docx", 12_000, "Dear Ms Weber, the heating is cold. " * 90)
_LEASE = FilePart("", "application/pdf", "lease.pdf", 240_000, LEASE, 12)
_PARTS = FilePart("", "application/pdf", "lease.pdf", 240_000, LEASE[:3_000], 12, whole=False)
_MINUTES = FilePart("", "text/plain", "minutes-2019.txt", 164_000, "The minutes of the meeting. " * 5_900)
_PICTURE = ImagePart("", "image/png", 1920, 1080, "screenshot.png")
_SOUND = AudioPart("", "audio/wav", 84.0, "interview.wav")


class _Jobs:
    """A reader that is at 40 %, or finds a password."""

    async def call(self, _name: str, params: dict[str, Any], *, progress: Callable[..., None] | None = None) -> Any:
        if "locked" in params["name"]:
            text = QT_TRANSLATE_NOOP("tests", "{name} is protected by a password.")
            hint = QT_TRANSLATE_NOOP("tests", "Save it without one, then attach it again.")
            raise UserFacing(Text("pdf.locked", text, {"name": params["name"]}), Text("pdf.locked.hint", hint))
        if progress is not None:
            progress(40, 100)
        await asyncio.Event().wait()


def _take(stage: Stage, *parts: Any, text: str = "") -> None:
    stage.window.chat.pane.composer.take(Draft(text, parts))


async def _counted(stage: Stage) -> None:
    await asyncio.sleep(0.3)
    await stage.rest()


@state("attach-chips")
async def chips(stage: Stage) -> None:
    await stage.open(seeds.SHORT)
    await show_chat(stage, "short")
    _take(stage, _LETTER, _MINUTES)
    await _counted(stage)


@state("attach-states")
async def states(stage: Stage) -> None:
    await stage.open(seeds.SHORT)
    await show_chat(stage, "short")
    attachments = stage.services.attachments
    attachments._jobs = _Jobs()
    files = map(stage.services.model_file, ("handbook.epub", "locked.pdf"))
    places = [attachments.begin("short", path) for path in files]
    _take(stage, *places, unread("thesis.pdf"), _PARTS, _PICTURE, _SOUND, text="What do these say?")
    await _counted(stage)


@state("attach-many")
async def many(stage: Stage) -> None:
    await stage.open(seeds.SHORT)
    await show_chat(stage, "short")
    names = ("notes.md", "budget.xlsx", "report-of-the-second-quarter-final.docx", "data.csv", "main.py", "mail.eml")
    _take(
        stage,
        *(FilePart("", "text/plain", f"{n}-{name}", 800, f"{n} words " * 200) for n in range(5) for name in names),
    )
    await _counted(stage)


@state("attach-waiting")
async def waiting(stage: Stage) -> None:
    await states(stage)
    composer = stage.window.chat.pane.composer
    parts = composer.draft.attachments
    _take(stage, parts[0], _LETTER, text="What do these say?")
    await _counted(stage)
    composer.send()


@state("attach-large-text")
async def large(stage: Stage) -> None:
    await stage.open(seeds.SHORT, appearance__text_size=200)
    await show_chat(stage, "short")
    _take(stage, _LETTER, _MINUTES)
    await _counted(stage)


@state("attach-sent")
async def sent(stage: Stage) -> None:
    said = (
        user(_LEASE, "What does the lease say about dogs?"),
        assistant("Clause 4 allows small pets."),
        user(_PARTS, _PICTURE, _SOUND, "And these?"),
        assistant("I cannot see the picture."),
    )
    await read(stage, Chat("lease", "Summary of lease.pdf", said=said))
    await _counted(stage)


@state("attach-parts")
async def parts(stage: Stage) -> None:
    await stage.open(seeds.SHORT)
    await show_chat(stage, "short")
    document = FilePart("", "application/pdf", "lease.pdf", 240_000, LEASE * 4, 48)
    starts = [place for place in range(len(document.text)) if document.text.startswith("## ", place)]
    ends = [*starts[1:], len(document.text)]
    sections = tuple(
        Section(document.text[start + 3 : document.text.index("\n", start)], start, end)
        for start, end in zip(starts, ends, strict=True)
    )
    known = Document("application/pdf", Kind.PDF, document.text, 48, sections)
    stage.services.attachments._remember(document, known)
    _take(stage, document, text="What does the lease say about pets?")
    await _counted(stage)
    stage.window.chat.pane.composer.attached.chips[0].choose.click()
    dialog: Any = await stage.dialog()
    await stage.until(lambda: dialog.model.parts)
    dialog.model.choose({3, 4, 5, 9})
    dialog.view.setCurrentIndex(dialog.model.index(3))
    await _counted(stage)


@state("attach-parts-over")
async def parts_over(stage: Stage) -> None:
    await parts(stage)
    dialog: Any = stage.dialogs()[-1]
    dialog.all_button.click()
    await _counted(stage)


@state("attach-read")
async def opened(stage: Stage) -> None:
    await chips(stage)
    stage.window.chat.pane.composer.attached.chips[0].body.click()


@state("attach-drop")
async def drop(stage: Stage) -> None:
    await stage.open(seeds.SHORT)
    await show_chat(stage, "short")
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile("/home/ada/lease.pdf")])
    place = QPoint(600, 300)
    actions, buttons = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton
    event = QDragEnterEvent(place, actions, data, buttons, Qt.KeyboardModifier.NoModifier)
    QApplication.sendEvent(stage.window, event)
