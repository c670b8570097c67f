"""What happened, told to whoever listens: the one way in which services talk to faces.

Events are published on the event loop's thread only. A listener that raises never harms the publisher; the loop's
exception handler has its error.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from weakref import WeakMethod

from msgspec import Struct

from qwen_desktop.core.chat import Conversation, Folder, Message
from qwen_desktop.core.engine import Event, LiveFigures, ModelInfo, PromptProgress
from qwen_desktop.core.errors import Problem
from qwen_desktop.core.hardware import Machine
from qwen_desktop.core.model_ref import ModelRef
from qwen_desktop.core.models import Download
from qwen_desktop.core.parts import Part
from qwen_desktop.core.settings import Settings
from qwen_desktop.core.text import Text

if TYPE_CHECKING:
    from qwen_desktop.core.quantizing import Quantization

log = logging.getLogger(__name__)

E = TypeVar("E", bound=Struct)


class ConversationChanged(Struct, frozen=True):
    """A conversation was added or its title, time, branch, folder or tags changed."""

    conversation: Conversation


class ConversationRemoved(Struct, frozen=True):
    """A conversation left the list (it can still be brought back)."""

    conversation_id: str


class FoldersChanged(Struct, frozen=True):
    """Folders were added, renamed, moved or deleted: these are all that there are now."""

    folders: tuple[Folder, ...]


class ConversationsImported(Struct, frozen=True):
    """Conversations came in from a file, perhaps thousands, or, ``gone``, were taken out again: read the list anew."""

    ids: tuple[str, ...]
    gone: bool = False


class BranchChanged(Struct, frozen=True):
    """Another version of a message is on show: read the conversation's messages again."""

    conversation_id: str


class MessageAdded(Struct, frozen=True):
    """A message was added at the end of the branch on show."""

    message: Message


class MessageChanged(Struct, frozen=True):
    """A message has its final (or a repaired) content: an answer ended, failed or was stopped."""

    message: Message


class AnswerEvent(Struct, frozen=True):
    """What the engine says of an answer in the making, as it says it. ``MessageChanged`` tells its end."""

    conversation_id: str
    message_id: str
    event: Event


class ReadingChanged(Struct, frozen=True):
    """A file that is attached to a draft has been read further, or cannot be read: ``Attachments.reading`` says how it
    stands with ``part``, which keeps its place."""

    part: Part


class RunStage(StrEnum):
    """How far an answer in the making has come. Where it is queued, others come first."""

    STARTING = "starting"
    QUEUED = "queued"
    LOADING = "loading"
    READING = "reading"
    SPEAKING = "speaking"


class RunState(Struct, frozen=True):
    """Where an answer in the making stands; ``Chat.run`` has it for whoever asks.

    ``ahead`` others come first while it is queued; ``ModelChanged`` has the progress while its model is being loaded.
    ``read`` is how far the question has been read (where that takes long), ``cut`` the first message that was, where
    the context is full. ``thinking_since`` is when the thought began that goes on, in seconds of ``time.monotonic``.
    """

    message_id: str
    stage: RunStage = RunStage.STARTING
    ahead: int = 0
    read: PromptProgress | None = None
    figures: LiveFigures | None = None
    cut: str | None = None
    thinking_since: float | None = None


class RunChanged(Struct, frozen=True):
    """An answer is about to run in this conversation, stands elsewhere than before, or runs no longer: then ``run`` is
    None, as it is before its message is stored."""

    conversation_id: str
    run: RunState | None = None


class DraftChanged(Struct, frozen=True):
    """What stands in the box of this conversation ("" for a new chat) is another thing, and not because of the box."""

    conversation_id: str


class QueueChanged(Struct, frozen=True):
    """Other prompts wait in line in this conversation, or they wait for something else than before."""

    conversation_id: str


class ModelStatus(StrEnum):
    """What a model is doing. ``IDLE`` is not loaded."""

    IDLE = "idle"
    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"


class EngineState(Struct, frozen=True):
    """What a model is doing: load ``fraction`` 0..1 of ``size_bytes``, the ``seconds`` that the load has taken."""

    status: ModelStatus = ModelStatus.IDLE
    fraction: float = 0.0
    size_bytes: int = 0
    seconds: float = 0.0
    info: ModelInfo | None = None
    problem: Problem | None = None


class EngineChanged(Struct, frozen=True):
    """A model is being loaded, got ready, failed or left memory. ``ref`` names it without options."""

    ref: ModelRef
    state: EngineState


class ModelState(Struct, frozen=True):
    """The chosen model: ``name`` for people, ``path`` empty for the guide, load ``fraction`` 0..1."""

    status: ModelStatus
    path: str
    name: str
    guide: bool
    fraction: float = 0.0
    size_bytes: int = 0
    seconds: float = 0.0
    info: ModelInfo | None = None
    problem: Problem | None = None


class ModelChanged(Struct, frozen=True):
    """The chosen model or its state changed."""

    state: ModelState


class SettingsChanged(Struct, frozen=True):
    """Settings changed: ``keys`` are the ``section.name`` of what differs."""

    before: Settings
    after: Settings
    keys: tuple[str, ...]


class Notified(Struct, frozen=True):
    """Something the user should be told in passing; ``action`` is a command id or empty.

    One with a ``hint`` is something to act on: it stays on show until it is closed.
    """

    text: Text
    action: str = ""
    hint: Text | None = None


class MachineChanged(Struct, frozen=True):
    """The probe found something new about this machine."""

    machine: Machine


class FitsChanged(Struct, frozen=True):
    """Verdicts may be other ones: of the machine, the settings, what loads taught or a file's own header. Whoever shows
    one asks again."""


class CatalogueChanged(Struct, frozen=True):
    """The list of models that can be fetched is another one."""


class AssistantsChanged(Struct, frozen=True):
    """An assistant was added, changed, hidden or taken away."""


class LibraryChanged(Struct, frozen=True):
    """A model was installed, removed, verified, or became unusable."""


class TuningChanged(Struct, frozen=True):
    """A model is being measured (``fraction`` 0..1), or is no longer (None): then there may be another result.
    ``ref`` names it without options."""

    ref: ModelRef
    fraction: float | None = None


class DownloadChanged(Struct, frozen=True):
    """A download moved on; at most four times a second for each."""

    download: Download


class DownloadsChanged(Struct, frozen=True):
    """Downloads were added, removed or put in another order."""


class PromptCacheChanged(Struct, frozen=True):
    """Less is kept of what models have read, or another amount may be."""


class QuantizationChanged(Struct, frozen=True):
    """A model that is made smaller is further, done, or was taken off the list (``run`` is None then); at most ten
    times a second."""

    run: Quantization | None


class PromptTemplatesChanged(Struct, frozen=True):
    """A prompt template was added, changed or removed."""


class Owner(Protocol):
    """Whose end ends its subscriptions: a ``QObject``."""

    @property
    def destroyed(self) -> Any:
        """A signal; what is connected to it is called without arguments."""


class EventBus:
    """Joins publishers and listeners by the event's type."""

    def __init__(self) -> None:
        self._listeners: dict[type[Struct], dict[object, Callable[[], Callable[[Any], None] | None]]] = {}

    def subscribe(
        self, kind: type[E], listener: Callable[[E], None], *, owner: Owner | None = None
    ) -> Callable[[], None]:
        """Call ``listener`` for each event of exactly this type; the returned function ends that.

        With an ``owner`` it ends with the owner, too, and never begins when that is gone already. A method of the owner
        is held weakly; any other listener that names the owner keeps it alive until somebody deletes it.
        """
        listeners = self._listeners.setdefault(kind, {})
        key = object()

        def end() -> None:
            listeners.pop(key, None)

        if owner is not None:
            try:
                owner.destroyed.connect(end)
            except RuntimeError:  # only its Python half is left
                return end
        if owner is not None and getattr(listener, "__self__", None) is owner:
            listeners[key] = WeakMethod(listener, lambda _: end())
        else:
            listeners[key] = lambda: listener
        return end

    def publish(self, event: Struct) -> None:
        """Tell everybody who listens for this type, in the order they subscribed. Who begins to listen meanwhile does
        not hear of this one; who ends meanwhile does not either."""
        listeners = self._listeners.get(type(event), {})
        for key, held in listeners.copy().items():
            listener = held() if key in listeners else None
            if listener is None:
                continue
            try:
                listener(event)
            except Exception as error:
                _report(error, type(event).__name__)


def _report(error: Exception, name: str) -> None:
    """Give a listener's error to the loop, as that of any other callback: the window tells it, commands log it."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        log.error("listener.failed event=%s kind=%s", name, type(error).__name__)
    else:
        loop.call_exception_handler({"message": f"listener.failed event={name}", "exception": error})
