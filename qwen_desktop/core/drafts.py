"""What somebody has written and not sent yet: the draft in a message box, and the prompts that wait in line."""

from __future__ import annotations

from collections.abc import Container, Sequence

from msgspec import Struct, structs

from qwen_desktop.core.chat import Setup, new_id
from qwen_desktop.core.parts import FilePart, Part, TextPart
from qwen_desktop.core.text import clean

#: A paste with more characters or more lines than this stands beside the box: it would hide the question in it.
LONG_PASTE = 4_000
LONG_LINES = 50
#: A text with more characters, or with a line so long, is never in the box: laying it out would hold everything up.
LARGEST_TEXT = 20_000
LONGEST_LINE = 5_000


def is_long(text: str) -> bool:
    """Whether a paste is to stand beside the box."""
    return len(text) > LONG_PASTE or text.count("\n") >= LONG_LINES


def fits_box(text: str) -> bool:
    """Whether a text can stand in the box."""
    return len(text) <= LARGEST_TEXT and all(len(line) <= LONGEST_LINE for line in text.split("\n"))


def pasted(text: str) -> FilePart:
    """A long paste as an attachment: text without a name and without a file of its own."""
    text = clean(text)
    return FilePart("", "text/plain", "", len(text.encode()), text)


def is_pasted(part: Part) -> bool:
    """Whether a part is a long paste."""
    return isinstance(part, FilePart) and not part.sha256 and not part.name


#: The media type of a file that has not been read yet begins so; an id follows, by which it is found in a draft.
_UNREAD = "application/x-unread; id="


def unread(name: str, size: int = 0) -> FilePart:
    """The place in a draft of a file that is being read. One that a kill left there says which file is missing."""
    return FilePart("", _UNREAD + new_id(), name, size)


def is_unread(part: Part) -> bool:
    """Whether a part only keeps the place of a file."""
    return isinstance(part, FilePart) and part.media_type.startswith(_UNREAD)


def pasted_texts(parts: Sequence[Part]) -> tuple[str, ...]:
    """The long pastes of a message, which are said as much as what was typed."""
    return tuple(part.text for part in parts if isinstance(part, FilePart) and is_pasted(part))


class Draft(Struct, frozen=True):
    """What stands in a message box: typed text, and what is attached (long pastes, pictures, files)."""

    text: str = ""
    attachments: tuple[Part, ...] = ()

    @classmethod
    def of(cls, text: str) -> Draft:
        """A text that was said once; one that is too long for the box stands beside it."""
        return cls(text) if fits_box(text) else cls("", (pasted(text),))

    def __bool__(self) -> bool:
        return bool(self.text or self.attachments)

    @property
    def parts(self) -> tuple[Part, ...]:
        """The message that it is; none where there is nothing to send."""
        text = clean(self.text).strip()
        attached = tuple(part for part in self.attachments if not is_unread(part))
        return (*attached, TextPart(text)) if text else attached

    @property
    def unread(self) -> tuple[FilePart, ...]:
        """The places of files that have not been read."""
        return tuple(part for part in self.attachments if isinstance(part, FilePart) and is_unread(part))

    def exchanged(self, old: Part, new: Part | None) -> Draft:
        """The same with another part in the place of ``old``, or with nothing there."""
        put = () if new is None else (new,)
        return structs.replace(
            self, attachments=tuple(p for part in self.attachments for p in (put if part == old else (part,)))
        )

    def before(self, later: Draft) -> Draft:
        """Both as one, this one first."""
        text = "\n\n".join(filter(None, (self.text, later.text)))
        attachments = self.attachments + later.attachments
        if fits_box(text):
            return Draft(text, attachments)
        beside = (pasted(self.text),) if self.text else ()
        return Draft(later.text, (*beside, *attachments))


class QueuedPrompt(Struct, frozen=True):
    """A prompt that is sent when the answers before it have ended. ``id`` is its message's, once that is stored."""

    id: str
    draft: Draft


class Unsent(Struct, frozen=True):
    """All that is written and not sent in one conversation: the draft in its box, and what waits in line, in order.
    ``leaving`` is what was just being sent from the box."""

    draft: Draft = Draft()
    queue: tuple[QueuedPrompt, ...] = ()
    leaving: tuple[QueuedPrompt, ...] = ()
    #: of a chat that is not begun yet
    setup: Setup = Setup()

    def __bool__(self) -> bool:
        return bool(self.draft or self.queue or self.leaving or self.setup)

    @property
    def all(self) -> Draft:
        """Everything in one draft, in order."""
        draft = self.draft
        for prompt in reversed((*self.leaving, *self.queue)):
            draft = prompt.draft.before(draft)
        return draft

    def without(self, stored: Container[str]) -> Unsent:
        """The same where these messages are stored, and nothing is on its way any more."""
        draft = self.draft
        for prompt in reversed(self.leaving):
            draft = draft if prompt.id in stored else prompt.draft.before(draft)
        queue = tuple(queued for queued in self.queue if queued.id not in stored)
        return Unsent(draft, queue, setup=self.setup)
