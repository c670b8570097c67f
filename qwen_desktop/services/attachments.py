"""Files on their way into messages: read in the job worker, kept once as blobs, and a draft keeps their places.

A place (``core.drafts.unread``) is in the draft from the first moment; what a kill leaves there says which file is
missing. Whatever becomes of the box meanwhile, what was read goes to where its place is then.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import msgspec
from msgspec import Struct, structs

from qwen_desktop.core.chat import LONGEST_MESSAGE, is_temporary, kept_id
from qwen_desktop.core.documents import Document, Kind, Passage, Section
from qwen_desktop.core.drafts import unread
from qwen_desktop.core.errors import Failure, Problem, UserFacing, error_of, os_problem, problem_of
from qwen_desktop.core.files import open_file, read_file
from qwen_desktop.core.media import HEAD, Media, media_of
from qwen_desktop.core.parts import LARGEST_ATTACHMENT, AudioPart, FilePart, ImagePart, Part
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text, clean, shown
from qwen_desktop.services.drafts import Drafts
from qwen_desktop.services.events import EventBus, Notified, ReadingChanged
from qwen_desktop.store.blobs import Blobs

log = logging.getLogger(__name__)

#: So many files are read at once: others wait.
_AT_ONCE = 2
#: Whole texts are remembered for choosing parts of them, up to so many characters together.
_REMEMBERED = 30_000_000

# fmt: off
_no_text = Failure(
    UserFacing, "attachment.no_text", "name", QT_TRANSLATE_NOOP("attachments", "There is no text in {name}."),
    QT_TRANSLATE_NOOP("attachments", "Choose a file with text in it."),
)
_too_large = Failure(
    UserFacing, "attachment.large", "name most",
    QT_TRANSLATE_NOOP("attachments", "{name} is larger than {most} MB."),
    QT_TRANSLATE_NOOP("attachments", "Choose a smaller file."),
)
# fmt: on


class Jobs(Protocol):
    """What is needed of the job worker."""

    async def call(self, name: str, params: dict[str, Any], *, progress: Callable[..., None] | None = None) -> Any: ...


class Reading(Struct, frozen=True):
    """How it stands with a file that has a place in a draft: ``fraction`` 0..1 read, None where it cannot be said;
    ``problem`` says why it cannot be read."""

    fraction: float | None = None
    problem: Problem | None = None


class Attached(Struct, frozen=True):
    """A part that was made of a file, and what is to be known of it."""

    part: FilePart | ImagePart | AudioPart
    notes: tuple[Text, ...] = ()


class Attachments:
    """Makes parts of files. All methods run on the event loop; reading and hashing do not."""

    def __init__(self, jobs: Jobs, blobs: Blobs, drafts: Drafts, bus: EventBus) -> None:
        self._jobs = jobs
        self._blobs = blobs
        self._drafts = drafts
        self._bus = bus
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._readings: dict[str, Reading] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        #: whole texts by what was read (a blob), or by the part that was made of one that has none
        self._documents: OrderedDict[object, Document] = OrderedDict()

    # Into a draft ------------------------------------------------------------------------------------------------

    def begin(self, conversation_id: str, path: str | Path) -> FilePart:
        """Begin to read a file for a draft of this conversation: the part that keeps its place meanwhile, for the
        caller to attach. The part that comes of it takes that place, wherever it is by then."""
        place = unread(shown(Path(path).name))
        self._begin(
            place, conversation_id, lambda report: self.attach(path, conversation_id=conversation_id, progress=report)
        )
        return place

    def begin_data(self, conversation_id: str, name: str, make: Callable[[], bytes]) -> FilePart:
        """As ``begin``, for a picture or a sound that lies in memory; ``make`` gives it, on a thread."""
        place = unread(shown(name))
        self._begin(place, conversation_id, lambda _report: self._attach_data(make, name, conversation_id))
        return place

    def reading(self, place: Part) -> Reading | None:
        """How it stands with a file that has a place in a draft; None for one of which nothing is known: it was being
        read when the app ended."""
        return self._readings.get(place.media_type) if isinstance(place, FilePart) else None

    def forget(self, place: Part) -> None:
        """Nobody wants that file any more."""
        if isinstance(place, FilePart):
            self._readings.pop(place.media_type, None)
            if (task := self._tasks.pop(place.media_type, None)) is not None:
                task.cancel()

    async def aclose(self) -> None:
        """Read no more; places stay in their drafts."""
        tasks, self._tasks = list(self._tasks.values()), {}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    # One file ----------------------------------------------------------------------------------------------------

    async def attach(
        self, path: str | Path, *, conversation_id: str = "", progress: Callable[[float], None] | None = None
    ) -> Attached:
        """Make a part of a file: its text is read, and the file itself is kept once. Of one that is too large to be
        kept the text remains. Raises ``AppError`` with a sentence."""
        path = Path(path)
        name = shown(path.name)
        head, size = await asyncio.to_thread(_begin_of, path)
        if (media := media_of(head, size)) is not None:
            if size > LARGEST_ATTACHMENT:
                raise _too_large(name, LARGEST_ATTACHMENT // 1_000_000)
            return await self._of_media(media, await _read(path), name, conversation_id)
        document = await self._read_document(path, name, progress)
        if document.kind in (Kind.IMAGE, Kind.AUDIO):
            return await self._of_media(Media(document.media_type), await _read(path), name, conversation_id)
        if not document.text.strip():
            raise _no_text(name)
        notes, sha256 = document.notes, ""
        if size > LARGEST_ATTACHMENT:
            source = QT_TRANSLATE_NOOP(
                "attachments", "{name} is larger than {most} MB: its text is attached, the file itself is not kept."
            )
            notes = (
                *notes,
                Text("attachment.text_only", source, {"name": name, "most": LARGEST_ATTACHMENT // 1_000_000}),
            )
        else:
            sha256 = await self._blobs.add(await _read(path), document.media_type, conversation_id=conversation_id)
        part = FilePart(sha256, document.media_type, name, size, document.text, document.pages)
        self._remember(part, document)
        return Attached(part, notes)

    async def document(self, part: FilePart) -> Document:
        """All the text of a file of which a part was made, to choose from. Where the file was not kept and the app was
        started since, what the part has. Raises ``AppError`` where the file cannot be read any more."""
        key = _key(part)
        if (known := self._documents.get(key)) is not None:
            self._documents.move_to_end(key)
            return known
        file = self._blobs.file(part.sha256) if part.sha256 else None
        if file is None:
            return Document(part.media_type, Kind.TEXT, part.text, part.pages)
        if not await asyncio.to_thread(file.is_file):
            await self._blobs.read(part.sha256)  # says what is wrong
        document = await self._read_document(file, part.name, None)
        self._remember(part, document)
        return document

    def chosen(self, part: FilePart, text: str, *, whole: bool) -> FilePart:
        """The part with other text of the same file."""
        made = structs.replace(part, text=text, whole=whole)
        if not part.sha256 and (known := self._documents.get(_key(part))) is not None:
            self._remember(made, known)  # nothing else has the whole text
        return made

    async def passages(self, document: Document, query: str, characters: int) -> tuple[Passage, ...]:
        """The passages of a document that have to do with a question, the best first, in so many characters."""
        sections = [[section.title, section.start, section.end] for section in document.sections]
        params = {"text": document.text, "sections": sections, "query": query, "characters": characters}
        found = await self._jobs.call("document.passages", params)
        passages = (Passage(int(start), int(end), float(score)) for start, end, score in found["ranges"])
        return tuple(sorted(passages, key=lambda passage: -passage.score))

    # Inside ------------------------------------------------------------------------------------------------------

    def _begin(self, place: FilePart, conversation_id: str, attach: Callable[[Callable[[float], None]], Any]) -> None:
        key = place.media_type
        self._readings[key] = Reading()
        told = 0.0

        def report(fraction: float) -> None:
            nonlocal told
            now = asyncio.get_running_loop().time()
            if key in self._readings and now - told >= 0.1:
                told = now
                self._tell(place, Reading(fraction))

        async def work() -> None:
            try:
                async with self._turns:
                    made = await attach(report)
                if is_temporary(conversation_id) and place in self._drafts.attached(kept_id(conversation_id)):
                    await self._blobs.keep(conversation_id, (made.part,))  # the chat was kept meanwhile
            except asyncio.CancelledError:
                raise
            except Exception as error:
                problem = problem_of(error)
                log.info("attachment.unread code=%s", problem.what.code)
                self._tell(place, Reading(problem=problem))
                return
            finally:
                self._tasks.pop(key, None)
            self._readings.pop(key, None)
            if self._drafts.exchange(place, made.part):
                for note in made.notes:
                    self._bus.publish(Notified(note))

        self._tasks[key] = asyncio.get_running_loop().create_task(work(), name="attachment.read")

    def _tell(self, place: FilePart, reading: Reading) -> None:
        if place.media_type in self._readings:
            self._readings[place.media_type] = reading
            self._bus.publish(ReadingChanged(place))

    async def _attach_data(self, make: Callable[[], bytes], name: str, conversation_id: str) -> Attached:
        data = await asyncio.to_thread(make)
        media = media_of(data[:HEAD], len(data))
        if media is None:
            raise _no_text(name)
        return await self._of_media(media, data, name, conversation_id)

    async def _of_media(self, media: Media, data: bytes, name: str, conversation_id: str) -> Attached:
        sha256 = await self._blobs.add(data, media.media_type, conversation_id=conversation_id)
        if media.picture:
            return Attached(ImagePart(sha256, media.media_type, media.width, media.height, name))
        return Attached(AudioPart(sha256, media.media_type, media.seconds, name))

    async def _read_document(self, path: Path, name: str, progress: Callable[[float], None] | None) -> Document:
        def report(done: int, total: int, **_detail: object) -> None:
            if progress is not None and total > 0:
                progress(min(1.0, done / total))

        params = {"path": str(path), "name": name, "limits": {"characters": LONGEST_MESSAGE}}
        read = msgspec.convert(await self._jobs.call("document.read", params, progress=report), Document, strict=False)
        text = clean(read.text)
        whole = tuple(Section(clean(title), start, end) for title, start, end in map(structs.astuple, read.sections))
        return structs.replace(read, text=text, sections=whole if len(text) == len(read.text) else ())

    def _remember(self, part: FilePart, document: Document) -> None:
        self._documents[_key(part)] = document
        self._documents.move_to_end(_key(part))
        while len(self._documents) > 1 and sum(len(d.text) for d in self._documents.values()) > _REMEMBERED:
            self._documents.popitem(last=False)


def _key(part: FilePart) -> object:
    return part.sha256 or (part.name, len(part.text), hash(part.text))


def _begin_of(path: Path) -> tuple[bytes, int]:
    """The first bytes of a file, and its size. Raises ``AppError``."""
    try:
        with open_file(path) as file:
            head = file.read(HEAD)
            return head, path.stat().st_size
    except OSError as error:
        raise error_of(os_problem(error)) from error


async def _read(path: Path) -> bytes:
    """A whole file. Raises ``AppError``, also for one that has grown beyond what can be kept."""
    try:
        return await asyncio.to_thread(read_file, path, LARGEST_ATTACHMENT + 1)
    except OSError as error:
        raise error_of(os_problem(error)) from error
