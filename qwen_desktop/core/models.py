"""Words about models: catalogue entries, installed models, downloads, models found in other programs. Plain data."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from msgspec import Struct

from qwen_desktop.core import yarn
from qwen_desktop.core.engine import Sampling
from qwen_desktop.core.errors import Problem
from qwen_desktop.core.model_ref import LoadOptions
from qwen_desktop.core.quality import Quality
from qwen_desktop.core.shape import Shape
from qwen_desktop.core.text import Text


class Purpose(StrEnum):
    """What a user wants to do."""

    EVERYDAY = "everyday"
    REASONING = "reasoning"
    CODE = "code"
    MATHS = "maths"
    PICTURES = "pictures"
    LANGUAGES = "languages"


Thinking = Literal["none", "switch", "always"]
Step = Literal["small", "balanced", "large"]


class RemoteFile(Struct, frozen=True):
    """One file of a repository: its path there, bytes and SHA-256 (empty: not known yet)."""

    path: str
    size_bytes: int = 0
    sha256: str = ""


class Quant(Struct, frozen=True):
    """One quantization of a model: its files (several for a split one), all bytes together, None when unknown.

    ``step`` is the word people read (small, balanced, large; "" for the others); ``recommended`` marks one.
    ``inferred``: size or name follows from a pattern, not from the hub.
    """

    name: str
    files: tuple[RemoteFile, ...]
    size_bytes: int | None = None
    step: Step | Literal[""] = ""
    recommended: bool = False
    inferred: bool = False


class CatalogModel(Struct, frozen=True):
    """One model of the catalogue.

    ``served`` says whether the engine of this version can do what the model is for; ``purposes`` are only those that
    it serves, ``planned`` those that a later version will. ``qualities`` orders the models of one purpose (its name ->
    points, higher is better, from published benchmarks where there are some), ``quality`` is the best of them.
    ``revision`` is a commit or "main". ``inferred`` names the fields without a verified source. ``sampling`` maps
    "think" and "direct" to the model card's values.
    """

    id: str
    name: str
    family: str
    repo: str
    revision: str
    quants: tuple[Quant, ...]
    shape: Shape
    licence: str
    licence_url: str = ""
    open_licence: bool = True
    gated: bool = False
    alternatives: tuple[str, ...] = ()
    base_repo: str = ""
    modelscope: str = ""
    hub: str = ""  # "modelscope" where the user named an address there: it is fetched from nowhere else
    file_pattern: str = ""
    mmproj: tuple[RemoteFile, ...] = ()
    context_extended: int = 0
    languages: int | None = None
    thinking: Thinking = "none"
    sampling: dict[str, Sampling] = {}
    purposes: tuple[Purpose, ...] = ()
    strengths: str = ""
    best_use: str = ""
    served: bool = True
    supported: bool = True
    quality: int = 0
    qualities: dict[str, int] = {}
    planned: tuple[Purpose, ...] = ()
    released: str = ""
    inferred: tuple[str, ...] = ()

    @property
    def parameters(self) -> int:
        """All parameters."""
        return self.shape.parameters

    @property
    def stretched(self) -> int:
        """Tokens of context up to which the engine stretches it, as its model card says; 0 for not at all."""
        shape = self.shape
        return yarn.extended(self.name, shape.architecture, shape.context_train, shape.parameters)

    @property
    def usable(self) -> bool:
        """Whether this version can do with it what it is made for."""
        return self.supported and self.served

    @property
    def recommended_quant(self) -> Quant | None:
        """The quant that is offered first."""
        return next((q for q in self.quants if q.recommended), self.quants[0] if self.quants else None)


class Catalog(Struct, frozen=True):
    """The catalogue file. ``schema`` is its version; ``updated_at`` seconds since 1970, 0 for the shipped one."""

    schema: int
    models: tuple[CatalogModel, ...]
    updated_at: float = 0.0


# Downloads -----------------------------------------------------------------------------------------------------------


class DownloadStatus(StrEnum):
    """Where a download is."""

    WAITING = "waiting"
    RUNNING = "running"
    CHECKING = "checking"
    PAUSED = "paused"
    FAILED = "failed"
    DONE = "done"


class DownloadRequest(Struct, frozen=True):
    """What to fetch: a quant of a repository with all its files and companions.

    ``files`` may lack sizes and hashes: they are asked of the hub first. ``mmproj`` files belong to the model and must
    be there before it is usable. ``source`` "" lets the fastest be chosen.
    """

    repo: str
    quant: str
    files: tuple[RemoteFile, ...] = ()
    mmproj: tuple[RemoteFile, ...] = ()
    revision: str = "main"
    modelscope: str = ""
    title: str = ""
    source: str = ""
    licence: str = ""

    @classmethod
    def of(cls, model: CatalogModel, quant: Quant, source: str = "") -> DownloadRequest:
        """What to fetch for a quant of the catalogue."""
        return cls(
            repo=model.repo,
            quant=quant.name,
            files=quant.files,
            mmproj=model.mmproj,
            revision=model.revision,
            modelscope=model.modelscope,
            title=model.name,
            source=source or model.hub,
            licence=model.licence,
        )


class Download(Struct, frozen=True):
    """One download as faces show it. ``id`` is stable over restarts; bytes cover all its files.

    ``source`` is a name for people ("Hugging Face", "ModelScope", a mirror's host). ``speed`` is bytes per second over
    the last seconds. ``path`` is the first file of the finished model. ``note`` says, while it runs, why nothing
    comes at the moment (it goes on by itself). ``problem`` says why it failed, or why what came whole cannot be used.
    """

    id: str
    request: DownloadRequest
    status: DownloadStatus
    done_bytes: int = 0
    total_bytes: int = 0
    speed: float = 0.0
    seconds_left: float | None = None
    source: str = ""
    fetched_bytes: int = 0
    problem: Problem | None = None
    path: str = ""
    note: Text | None = None

    @property
    def fraction(self) -> float:
        """0..1."""
        return min(1.0, self.done_bytes / self.total_bytes) if self.total_bytes else 0.0

    def is_of(self, model: CatalogModel, quant: Quant | None = None) -> bool:
        """Whether it fetches this entry of the catalogue (in this quant)."""
        here = self.request.repo in (model.repo, *model.alternatives)
        return here and (quant is None or self.request.quant == quant.name)


# The library ---------------------------------------------------------------------------------------------------------

Origin = Literal["downloaded", "imported", "lm_studio", "ollama", "jan", "gpt4all", "huggingface_cache", "file"]


#: As ``core.gguf.Kind`` has them.
ModelKind = Literal["chat", "embedding", "reranker"]


class InstalledModel(Struct, frozen=True):
    """A model on this computer. ``path`` is the (first) GGUF; ``files`` are all parts with mmproj apart.

    ``owned``: lies in our models folder, so Delete removes the file; else only the link to it. ``sha256`` is that of
    the first file where known. ``last_used`` and ``added`` are seconds since 1970, 0 for never. ``problem`` says why it
    cannot be used now (file gone, changed size). ``template_fault`` is the template doctor's finding, and
    ``template_repairable`` says that there is a template to use instead. ``alias`` is a name that the user gave it for
    commands, ``options`` are how it is loaded in the place of the settings. One that was made here names what it was
    ``made_from``, and has the ``quality`` that was measured.
    """

    id: str
    path: str
    name: str
    quant: str
    size_bytes: int
    files: tuple[str, ...]
    mmproj: str = ""
    repo: str = ""
    catalog_id: str = ""
    origin: Origin = "file"
    owned: bool = False
    architecture: str = ""
    parameters: int = 0
    context_train: int = 0
    sha256: str = ""
    verified_at: float = 0.0
    last_used: float = 0.0
    added: float = 0.0
    licence: str = ""
    problem: Problem | None = None
    template_fault: Text | None = None
    template_repaired: bool = False
    template_repairable: bool = False
    alias: str = ""
    options: LoadOptions = LoadOptions()
    made_from: str = ""
    quality: Quality | None = None
    #: what it is for: to chat with, or only for embeddings or rerank
    kind: ModelKind = "chat"

    @property
    def chats(self) -> bool:
        """Whether it can be chosen for conversations."""
        return self.kind == "chat"

    def is_of(self, model: CatalogModel, quant: Quant | None = None) -> bool:
        """Whether it is this entry of the catalogue (in this quant)."""
        known = self.catalog_id == model.id or (self.repo and self.repo in (model.repo, *model.alternatives))
        return bool(known) and (quant is None or self.quant.upper() == quant.name.upper())


class ImportCandidate(Struct, frozen=True):
    """A GGUF found in another program's folder, or chosen by the user; ``known`` says it is in the library already."""

    path: str
    name: str
    quant: str
    size_bytes: int
    origin: Origin
    files: tuple[str, ...] = ()
    mmproj: str = ""
    known: bool = False
    problem: Problem | None = None
    repo: str = ""


# Advice --------------------------------------------------------------------------------------------------------------


class Advice(Struct, frozen=True):
    """One recommended model and quant with its reason in one sentence; ``kind`` is its place beside the others."""

    kind: Literal["lighter", "best", "stronger"]
    model: CatalogModel
    quant: Quant
    reason: Text


class Recommendation(Struct, frozen=True):
    """What the advisor says for one purpose on one machine; ``best`` None when nothing fits (``reason`` says why)."""

    purpose: Purpose
    best: Advice | None = None
    lighter: Advice | None = None
    stronger: Advice | None = None
    reason: Text | None = None
