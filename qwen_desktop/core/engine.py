"""The ``Engine`` protocol: what answers, be it the local worker or, later, a remote endpoint.

Requests carry typed messages, never prompt strings. A run is an async context manager, since a bare generator left by
``break`` would send no cancel::

    async with engine.generate(request) as run:
        async for event in run:
            ...
    result = run.result
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from msgspec import Struct, field

from qwen_desktop.core.errors import Problem
from qwen_desktop.core.parts import Part, PartEvent, Role
from qwen_desktop.core.text import Text

if TYPE_CHECKING:
    from qwen_desktop.core.embeddings import Embeddings, Ranking
    from qwen_desktop.core.tuning import TuneProgress, TuneRequest, Tuning


class ThinkingMode(StrEnum):
    """Auto leaves the decision to the model, Think asks for thinking, Direct forbids it."""

    AUTO = "auto"
    THINK = "think"
    DIRECT = "direct"


class FinishReason(StrEnum):
    """Why an answer ended."""

    STOP = "stop"
    LENGTH = "length"
    CANCELLED = "cancelled"
    ERROR = "error"


class Sampling(Struct, frozen=True):
    """How the next token is chosen. ``None`` means the model's own default (series and mode, from its model card).

    ``temperature`` 0 is greedy. ``top_k`` 0 keeps all. ``seed`` None draws one.
    """

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    presence_penalty: float | None = None
    repeat_penalty: float | None = None
    seed: int | None = None


class ChatMessage(Struct, frozen=True):
    """One message of a request. ``id`` is the stored message's id, so that a cut can be named."""

    role: Role
    parts: tuple[Part, ...]
    id: str = ""


class Adapter(Struct, frozen=True):
    """A LoRA adapter that an answer is made with: a GGUF file by its absolute path, and how strongly its change of the
    weights counts (1.0 as it was trained, 0 not at all). ``sha256`` is the file's where that was found out, "" else: no
    engine looks at it; a person who chooses the file again is told whether it is the same."""

    path: str
    scale: float = 1.0
    sha256: str = ""


class UsedAdapter(Adapter, frozen=True):
    """An adapter that an answer was made with, by its ``name``. One that is ``idle`` changed nothing: the prompt does
    not have the words that activate it."""

    name: str = ""
    idle: bool = False


class Grammar(Struct, frozen=True):
    """What the visible answer must look like: a JSON schema as JSON text, or a grammar in llama.cpp's GBNF."""

    kind: Literal["json_schema", "gbnf"]
    text: str


class Recipe(Struct, frozen=True):
    """All that made an answer's tokens, so that it can be made again exactly.

    ``model_sha256`` is the file's fingerprint, ``prompt_sha256`` hashes the prompt's tokens. ``read`` are the steps in
    which it was evaluated: how many tokens at once, how many of these were kept, how many times in a row; other
    steps give slightly other logits. Of the ``evaluated`` tokens of prompt and answer the first ``flash_tokens`` went
    through flash attention. ``threads`` is how many computed it, 0 when that changed. ``alone``: it was written by
    itself, without a break, token by token or in the steps that are ``written`` (as ``read``): those in which guessed
    tokens were verified together. ``cut_from`` is where the context was cut. ``go_on``: it went on from what
    an answer had said already, so this makes the rest of that answer only.
    """

    model_sha256: str
    template_sha256: str
    prompt_sha256: str
    engine: str
    cpu: str
    kv_type: str
    gpu_layers: int
    experts_on_cpu: int
    yarn_factor: float
    sampling: Sampling
    thinking: ThinkingMode = ThinkingMode.AUTO
    thinking_budget: int | None = None
    max_tokens: int | None = None
    loop_guard: bool = False
    grammar: Grammar | None = None
    stop: tuple[str, ...] = ()
    cut_from: str | None = None
    threads: int = 0
    flash_tokens: int = 0
    evaluated: int = 0
    read: tuple[tuple[int, int, int], ...] = ()
    alone: bool = True
    go_on: bool = False
    adapters: tuple[UsedAdapter, ...] = ()
    written: tuple[tuple[int, int, int], ...] = ()


class GenerateRequest(Struct, frozen=True):
    """Ask for one answer to ``messages`` (the last one is the user's, or, to ``go_on``, the answer's).

    ``max_tokens`` counts thinking too; None means to the end of the context. ``cache_key`` names the conversation whose
    evaluated tokens may be reused. ``cut_from`` is the message id that an earlier answer's cut kept from (the
    same cut stays until the context is full again).

    ``thinking_budget`` is how many tokens the model may write inside its thought, None for as many as it likes; then
    the engine closes it. With a budget the answer keeps at least max(64, ``max_tokens`` - budget) tokens, beyond
    ``max_tokens`` if it must and as far as the context has room. ``loop_guard`` closes a thought that repeats itself
    and ends an answer that does.
    ``grammar`` is what the visible answer must look like. ``batch`` names a batch that this request belongs to: its
    requests share their steps and their prompts' common beginning, and give way to every other request.
    ``again`` is what made an earlier answer, which is to be made again: its values count instead of this request's.

    ``go_on``: the last message is what the answer has said so far, and the model goes on right behind its last word:
    inside its thought where the last part is one, else in its text. Events count parts from that message's own: the
    first delta is for its last part, which is not begun again, a part that is new begins behind it, and the end of a
    thought tells the seconds and tokens of all of it. So ``PartsBuilder(messages[-1].parts)`` puts the whole answer
    together. Figures count what is new; a budget counts all of the thought, and a form holds for all of the text. Where
    nothing was said yet this is the same as asking without that message.

    ``adapters`` change the weights for this answer; what was read without them is no use to it. ``keep``: what was
    evaluated may be kept on the disk, under ``cache_key``, for a later run (``LoadRequest.cache_folder``).
    """

    messages: tuple[ChatMessage, ...]
    thinking: ThinkingMode = ThinkingMode.AUTO
    max_tokens: int | None = None
    sampling: Sampling = Sampling()
    stop: tuple[str, ...] = ()
    cache_key: str = ""
    cut_from: str | None = None
    thinking_budget: int | None = None
    loop_guard: bool = False
    grammar: Grammar | None = None
    batch: str = ""
    again: Recipe | None = None
    go_on: bool = False
    adapters: tuple[Adapter, ...] = ()
    keep: bool = False


def answer_reserve(context: int, max_tokens: int | None) -> int:
    """How many of a context's tokens are kept for the answer when a question is fitted into it."""
    return min(max_tokens or context, context // 4)


class Stats(Struct, frozen=True):
    """Figures of one answer; tokens, seconds, tokens per second, bytes.

    ``ttft_s`` is the time from the request to the first token of any kind. ``completion_tokens`` includes thinking.
    ``resident_bytes`` is the most that the model has taken since it was loaded (see ``ModelInfo``), while at most
    ``context_most`` tokens of a context were ever used; ``streams`` conversations have one each.

    ``evaluated_tokens`` is what was really evaluated to read the prompt, all repetitions counted; of the
    ``cached_tokens``, ``restored_tokens`` came from the disk. ``drafted_tokens`` were guessed ahead and verified
    together, ``accepted_tokens`` of them became part of the answer.
    """

    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    thinking_tokens: int = 0
    ttft_s: float = 0.0
    prompt_tokens_per_s: float = 0.0
    decode_tokens_per_s: float = 0.0
    load_s: float = 0.0
    memory_bytes: int = 0
    thinking_s: float = 0.0
    context_used: int = 0
    context_size: int = 0
    resident_bytes: int = field(default=0, name="held_bytes")
    context_most: int = 0
    streams: int = 1
    evaluated_tokens: int = 0
    restored_tokens: int = 0
    drafted_tokens: int = 0
    accepted_tokens: int = 0


class PromptProgress(Struct, frozen=True, tag="prompt"):
    """Reading the prompt: ``done`` of ``total`` tokens, with the seconds likely left (None when unknown)."""

    done: int
    total: int
    seconds_left: float | None = None


class ContextCut(Struct, frozen=True, tag="cut"):
    """The context is full: messages before ``first_kept_id`` were not sent (``dropped`` of them)."""

    first_kept_id: str
    dropped: int


class LiveFigures(Struct, frozen=True, tag="live"):
    """Figures while an answer streams, a few times a second."""

    completion_tokens: int
    decode_tokens_per_s: float
    context_used: int
    context_size: int


#: What a run tells while it goes on; its parts are counted from 0.
Event: TypeAlias = PartEvent | PromptProgress | ContextCut | LiveFigures


class GenerateResult(Struct, frozen=True):
    """How a run ended; what it said came as events. Valid after the run's context was left, and after its last event.

    ``sampling`` and ``seed`` are the values really used. ``budget_spent``: the thought was closed because its budget
    was used up. ``stopped_loop``: a thought was closed, or the answer ended, because it repeated itself. ``recipe`` is
    what made it; ``differs`` names, for an answer that was to be made again, what is not as it was then. ``adapters``
    are those that it was made with.
    """

    finish_reason: FinishReason
    stats: Stats
    sampling: Sampling = Sampling()
    seed: int = 0
    budget_spent: bool = False
    stopped_loop: bool = False
    recipe: Recipe | None = None
    differs: tuple[Text, ...] = ()
    adapters: tuple[UsedAdapter, ...] = ()


class Run(Protocol):
    """One answer in the making."""

    def __aiter__(self) -> AsyncIterator[Event]: ...

    async def stop(self) -> None:
        """Ask to end now; the remaining events still arrive and ``result.finish_reason`` is CANCELLED."""

    @property
    def result(self) -> GenerateResult:
        """How it ended. Raises ``RuntimeError`` while it still runs. Failures raise from the iteration instead."""


class Capabilities(Struct, frozen=True):
    """What an engine can do.

    ``soft_switches``: the model was trained to obey ``/think`` and ``/no_think`` in a user's message, the last one
    counts (the hybrid Qwen3 models of April 2025). They are words to it: nothing is done with them here, and in
    ``ThinkingMode.DIRECT`` they have no effect. ``embeddings``: it makes vectors of texts; ``rerank``: it marks
    documents by how well they answer a query. Without ``chat`` it does nothing else.
    """

    thinking: tuple[ThinkingMode, ...] = ()
    images: bool = False
    audio: bool = False
    tools: bool = False
    grammar: bool = False
    embeddings: bool = False
    soft_switches: bool = False
    rerank: bool = False
    chat: bool = True


class CardPart(Struct, frozen=True):
    """What a graphics card holds of a model's weights, in bytes; ``name`` as ggml calls the card ("CUDA0")."""

    name: str
    weights_bytes: int


class LocalInfo(Struct, frozen=True):
    """What only a model on this computer has: its file, how it was loaded, and what it takes.

    ``cpu`` is the kind of processor that the computing library was built for ("haswell" …), "native" in a build for
    this computer alone. ``resident_bytes`` is what the model took of main memory by being loaded: the process's own
    and the touched pages of the file, less what the worker held before. ``mapped_bytes`` are the pages of the file in
    use, which the system counts as free although answers would crawl without them; 0 where it does not. ``batch`` is
    how many tokens of a prompt are evaluated at once. ``parallel`` is for how many conversations there is memory beside
    one another, and so how many answers it works on at once. Without ``flash_attention`` the first ``flash_until``
    tokens of a conversation are computed with it all the same. ``experts_on_cpu`` layers on a card are without their
    experts. ``yarn_factor`` is how far positions are stretched for a context beyond
    ``context_train``, 1.0 for not at all. ``layers`` are all that the model has, the output counted as one.
    """

    path: str
    architecture: str
    quant: str
    size_bytes: int
    parameters: int
    context_train: int
    threads: int
    gpu_layers: int
    flash_attention: bool
    kv_type: str
    sha256: str
    template_sha256: str
    template_source: str
    guide: bool
    load_s: float
    memory_bytes: int
    cpu: str = ""
    resident_bytes: int = 0
    mapped_bytes: int = 0
    batch: int = 0
    parallel: int = 1
    flash_until: int = 0
    read_threads: int = 0
    experts_on_cpu: int = 0
    yarn_factor: float = 1.0
    layers: int = 0
    cards: tuple[CardPart, ...] = ()
    #: a part of what a conversation has evaluated can be forgotten, and the rest stays (hybrids: up to a checkpoint)
    goes_back: bool = True
    #: the small model that guesses for it, "" for none; it is counted into the memory
    draft_model: str = ""
    #: what its card recommends for answers that begin with thinking, and for others
    thinking_sampling: Sampling = Sampling()
    direct_sampling: Sampling = Sampling()


class ModelInfo(Struct, frozen=True):
    """What answers: as the window shows it and as an answer's provenance keeps it.

    ``context_size`` counts tokens. ``engine`` is the computing program with its version. ``endpoint`` is the address
    of the computer that computes, empty for this one, of which ``local`` tells more. ``notices`` say in a sentence each
    why something asked for was not given (a smaller context, say) or what is wrong with the model.
    """

    name: str
    context_size: int
    capabilities: Capabilities
    engine: str
    endpoint: str = ""
    local: LocalInfo | None = None
    notices: tuple[Text, ...] = ()


class Engine(Protocol):
    """What answers."""

    @property
    def info(self) -> ModelInfo | None:
        """The model that can answer now; None when none is loaded, or when what computed it has ended."""

    async def count_tokens(self, request: GenerateRequest) -> tuple[int, bool]:
        """Tokens of the rendered prompt, and whether the number is exact."""

    async def count_texts(self, texts: Sequence[str]) -> tuple[tuple[int, ...], bool]:
        """Tokens of each text as a piece of a message, and whether the numbers are exact."""

    def generate(self, request: GenerateRequest) -> AbstractAsyncContextManager[Run]:
        """Start an answer. Raises ``AppError`` (on entering or while iterating) when it fails."""

    async def embed(
        self, texts: Sequence[str], progress: Callable[[int], None] | None = None, *, first: int = 1
    ) -> Embeddings:
        """Each text as a vector of length 1. ``progress`` is told how many are done; sentences count texts from
        ``first``. A caller that is cancelled ends it. Raises ``AppError``."""

    async def rerank(
        self, query: str, documents: Sequence[str], progress: Callable[[int], None] | None = None, *, first: int = 1
    ) -> Ranking:
        """How well each document answers the query, by a model that was trained to say so. Raises ``AppError``."""

    async def aclose(self) -> None:
        """Free everything. Safe to call twice."""


# What only a local engine can do -------------------------------------------------------------------------------------


class LoadRequest(Struct, frozen=True):
    """Load a GGUF file. None values are chosen by the engine for this machine.

    ``template`` is a chat template to use instead of the file's (a repaired one). ``kv_type`` is "f16", "q8_0" or
    "k_q8_0" (keys alone in 8 bits, which needs no flash attention), and "auto" until ``core.tuning.filled`` has
    decided. ``read_threads`` is for prompts, as ``threads`` is for answers. ``streams`` is how many conversations may
    be in memory at most, each with the whole ``context``. ``experts_on_cpu`` is how many layers' experts stay on the
    processor while the rest of the layer is on a card. ``most_threads`` and ``most_read_threads`` are the numbers that
    proved best here, where the engine chooses: it takes fewer while other programs compute. For so many tokens of a
    conversation, ``flash_until``, flash attention proved faster where ``flash_attention`` is "auto" and means off.
    ``batch_rows`` is how many answers of a batch are written at once. ``priority`` puts the answers before other
    programs, where the system lets us.

    What conversations have evaluated is kept in ``cache_folder`` ("" for nowhere), in ``cache_bytes`` at most. Unless
    ``drafts`` is "off", tokens that are likely to come are guessed and verified together, where that proves faster. A
    small model at ``draft_model`` guesses where the text itself does not tell ("" and "off" for none; "auto", one that
    fits, until ``services.draft_models`` has found it).

    For the ``purpose`` "embed" no conversation's context is made, and a model that only embeds or reranks is welcome.
    """

    path: str
    context: int | None = None
    threads: int | None = None
    gpu_layers: int | None = None
    flash_attention: str = "auto"
    kv_type: str = "auto"
    template: str | None = None
    read_threads: int | None = None
    streams: int | None = None
    experts_on_cpu: int | None = None
    most_threads: int | None = None
    most_read_threads: int | None = None
    batch_rows: int | None = None
    flash_until: int = 0
    priority: bool = False
    cache_folder: str = ""
    cache_bytes: int = 0
    drafts: Literal["auto", "off"] = "auto"
    draft_model: str = ""
    purpose: Literal["chat", "embed"] = "chat"


class LoadProgress(Struct, frozen=True):
    """``fraction`` 0..1 of ``total_bytes`` read."""

    fraction: float
    total_bytes: int


class LocalEngine(Engine, Protocol):
    """An engine that runs on this computer, one process a loaded model."""

    async def load(self, request: LoadRequest) -> AsyncIterator[LoadProgress]:
        """Load a model, yielding progress; afterwards ``info`` is set. Raises ``AppError``.

        The same file with other options keeps the process, and the weights where these are not concerned.
        """
        yield LoadProgress(0.0, 0)  # pragma: no cover - shows type checkers that this is a generator

    async def tune(self, request: TuneRequest, progress: Callable[[TuneProgress], None]) -> Tuning:
        """Measure how the loaded model runs best here; ends early (``whole`` False) when something else is wanted of
        the engine. Raises ``AppError``."""

    async def forget(self, keys: tuple[str, ...]) -> None:
        """Forget what was evaluated under these ``cache_key``s, ``("*",)`` for all: in memory, what is being written,
        and on the disk. Raises ``AppError``."""

    async def limit(self, cache_bytes: int) -> None:
        """Keep so many bytes at most from now on, as ``LoadRequest.cache_bytes`` says. Raises ``AppError``."""

    def on_end(self, callback: Callable[[Problem], None]) -> None:
        """Have ``callback`` told, on the loop, whenever the worker has ended without having been asked to."""
