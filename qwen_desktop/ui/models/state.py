"""What the page knows: catalogue, verdicts, installed models and downloads, joined. No widget.

Verdicts are ``services.fits``'; those of the whole catalogue are asked for in slices of a few milliseconds, so that the
window never waits for them.
"""

from __future__ import annotations

import asyncio
import re
import time
from typing import Literal, NamedTuple, TypeAlias

from PySide6.QtCore import QObject, Signal

from qwen_desktop.core.fit import Fit, Verdict
from qwen_desktop.core.models import CatalogModel, Download, DownloadStatus, InstalledModel, Quant
from qwen_desktop.services import events
from qwen_desktop.ui.ui_context import UiContext

Action: TypeAlias = Literal["download", "running", "installed", "why", "none"]

#: How long a slice of work may hold the window, in seconds.
_SLICE_S = 0.004
#: Verdicts older than this are computed again when the page is shown: other programs take and free memory.
_STALE_S = 30.0
#: The context for which "Comfortable up to …" is said, in tokens; smaller ones when nothing fits.
COMFORT = (16384, 8192, 4096)


class Row(NamedTuple):
    """One model of the catalogue with the quant that suits this computer."""

    model: CatalogModel
    quant: Quant | None
    fit: Fit | None

    @property
    def fits(self) -> bool:
        """Whether it can be used here at all; the memory of an unknown computer is not held against it."""
        return self.model.usable and (self.fit is None or self.fit.verdict is not Verdict.TOO_LARGE)


class ModelsState(QObject):
    """``rows_changed``: other rows or verdicts."""

    rows_changed = Signal()

    def __init__(self, ui: UiContext, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._ui = ui
        self._services = ui.services
        self.rows: tuple[Row, ...] | None = None
        self._computed_at = 0.0
        #: The largest dense model that runs comfortably, and the context with which it does; None when none does.
        self.comfort: tuple[CatalogModel, int] | None = None
        self._turn = 0
        self._slice_ends = 0.0
        self._loading: asyncio.Task[None] | None = None
        for kind in (events.FitsChanged, events.CatalogueChanged):
            ui.services.bus.subscribe(kind, self.recompute, owner=self)

    # Reading ----------------------------------------------------------------------------------------------------------

    def fit(self, model: CatalogModel, quant: Quant | None, context: int | None = None) -> Fit | None:
        """The verdict about one quant; None while the computer is unknown or the quant's size is."""
        return self._services.fits.of(model, quant, context)

    def best_quant(self, model: CatalogModel) -> Quant | None:
        """The recommended quant, or the largest other one that fits where that does not."""
        wanted = model.recommended_quant
        fit = self.fit(model, wanted)
        if wanted is None or fit is None or fit.verdict is not Verdict.TOO_LARGE:
            return wanted
        for quant in sorted(model.quants, key=lambda quant: -(quant.size_bytes or 0)):
            found = self.fit(model, quant) if (quant.size_bytes or 0) < (wanted.size_bytes or 0) else None
            if found is not None and found.verdict is not Verdict.TOO_LARGE:
                return quant
        return wanted

    # Installed models and downloads -----------------------------------------------------------------------------------

    def installed(self, model: CatalogModel, quant: Quant | None = None) -> InstalledModel | None:
        """The installed model of this entry (of this quant), a usable one first."""
        found = [item for item in self._services.library.models() if item.is_of(model, quant)]
        return min(found, key=lambda item: item.problem is not None, default=None)

    def download(self, model: CatalogModel, quant: Quant | None = None) -> Download | None:
        """The unfinished download of this entry (of this quant)."""
        open_ = (item for item in self._services.downloads.items() if item.status is not DownloadStatus.DONE)
        return next((item for item in open_ if item.is_of(model, quant)), None)

    def action(self, row: Row) -> Action:
        """What the button of a row does."""
        if self.installed(row.model) is not None:
            return "installed"
        if self.download(row.model) is not None:
            return "running"
        if row.quant is None or not row.model.usable:
            return "none"
        return "download" if row.fits else "why"

    # Changes ----------------------------------------------------------------------------------------------------------

    async def ensure(self) -> None:
        """Have everything read and judged once, whoever asks first; a failure is raised to each and tried again."""
        if self._loading is None or (self._loading.done() and self.rows is None):
            run = self._ui.operations.run  # a failure is told by whoever asked
            self._loading = run(self._load(), owner=self, orphaned="cancelled", on_error=lambda _: True)
        await asyncio.shield(self._loading)

    async def _load(self) -> None:
        machine = asyncio.ensure_future(self._services.machines.machine())
        try:
            await self._services.catalogue.load()
        finally:
            await machine
        await self.compute()

    def refresh_when_stale(self) -> None:
        """The page is shown again: free memory may be another by now."""
        if self.rows is not None and time.monotonic() - self._computed_at > _STALE_S:
            self._computed_at = time.monotonic()  # what is another is told, and judged then
            self._ui.operations.run(self._services.machines.machine(), owner=self, orphaned="cancelled")

    def recompute(self, _event: object = None) -> None:
        """Compute all verdicts again, if they were ever asked for; what is being computed is old news."""
        if self._turn:
            self._ui.operations.run(self.compute(), owner=self, orphaned="cancelled")

    async def compute(self) -> None:
        """Compute the verdict of every model, a slice at a time; a later call makes an earlier one give up."""
        self._turn += 1
        turn = self._turn
        rows: list[Row] = []
        for model in self._services.catalogue.models():
            quant = self.best_quant(model)
            rows.append(Row(model, quant, self.fit(model, quant)))
            await self._rest()
            self._services.fits.usual(model, model.recommended_quant)  # the advice will ask for it
            await self._rest()
            if turn != self._turn:
                return
        comfort = await self._find_comfort(rows)
        if turn != self._turn:
            return
        self.rows = tuple(sorted(rows, key=order))
        self.comfort = comfort
        self._computed_at = time.monotonic()
        self.rows_changed.emit()

    async def _find_comfort(self, rows: list[Row]) -> tuple[CatalogModel, int] | None:
        """The largest dense model that at four bits fits well and writes faster than people read, on a usual day."""
        from qwen_desktop.services.advisor import COMFORTABLE  # noqa: PLC0415 - only once the page asks

        dense = [row.model for row in rows if row.model.usable and not row.model.shape.experts]
        dense.sort(key=lambda model: -model.parameters)
        for context in COMFORT:
            for model in dense:
                quant = next((quant for quant in model.quants if "Q4" in quant.name), None)
                fit = self._services.fits.usual(model, quant, context)
                quick = fit is not None and (fit.decode_tokens_per_s or COMFORTABLE) >= COMFORTABLE
                if fit is not None and fit.verdict is Verdict.FITS and quick:
                    return model, context
                await self._rest()
        return None

    async def _rest(self) -> None:
        """Let the window work when a slice of the computation is over."""
        if time.perf_counter() > self._slice_ends:
            await asyncio.sleep(0)
            self._slice_ends = time.perf_counter() + _SLICE_S


def order(row: Row, purpose: str = "") -> tuple[int, int, str, int, str]:
    """What fits well first, of these the best (for a purpose), of equals the newest."""
    ranks = (Verdict.FITS, Verdict.TIGHT, Verdict.SMALLER_CONTEXT, Verdict.SLOW, Verdict.TOO_LARGE)
    rank = 5 if not row.model.usable else 0 if row.fit is None else ranks.index(row.fit.verdict)
    newest = "".join(chr(0x10FFFF - ord(sign)) for sign in row.model.released)
    quality = row.model.qualities.get(purpose, row.model.quality) if purpose else row.model.quality
    return rank, -quality, newest, -row.model.parameters, row.model.name


# Narrowing the list ---------------------------------------------------------------------------------------------------


def size_of(model: CatalogModel) -> str:
    """The size offered as a filter that a model is of."""
    count = model.parameters
    return "tiny" if count < 2.5e9 else "small" if count < 10e9 else "middle" if count < 40e9 else "large"


class Wanted(NamedTuple):
    """What the filters ask for; empty means any."""

    fits: bool = True
    family: str = ""
    purpose: str = ""
    size: str = ""
    licence: str = ""
    words: str = ""

    def takes(self, row: Row) -> bool:
        """Whether a row is wanted."""
        model = row.model
        return (
            (row.fits or not self.fits)
            and (not self.family or model.family == self.family)
            and (not self.purpose or self.purpose in model.purposes)
            and (not self.licence or model.licence == self.licence)
            and (not self.size or self.size == size_of(model))
            and _says(model, self.words)
        )


def _says(model: CatalogModel, words: str) -> bool:
    if not words.strip():
        return True
    facts = (model.name, model.family, model.repo, model.strengths, model.best_use, model.licence, *model.purposes)
    said = " ".join(facts).casefold()
    loose = said.replace("-", "").replace(" ", "")
    return all(word in said or word.replace("-", "") in loose for word in words.casefold().split())


_HOSTS = re.compile(r"^(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co|hf-mirror\.com|modelscope\.(?:cn|ai))/", re.I)
_PLAIN = re.compile(r"^([\w.-]+/[\w.-]+)(:[\w.-]+)?$", re.ASCII)


def reference(text: str) -> str:
    """How a repository or an address in ``text`` is called ("owner/name", a file's name); "" when there is none."""
    text = text.strip().removeprefix("ollama run ").removeprefix("hf.co:")
    if _PLAIN.match(text) and not text.lower().startswith(("http", "hf.co/", "huggingface.co/")):
        return text
    host = _HOSTS.match(text)
    if host is not None:
        parts = [part for part in re.split(r"[/?#]", text[host.end() :]) if part]
        parts = parts[parts[:1] == ["models"] :]
        return "/".join(parts[:2]) if len(parts) > 1 else ""
    if re.match(r"^https?://[^\s/]+/\S*\.gguf(?:[?#]\S*)?$", text, re.I):
        return re.split(r"[?#]", text)[0].rpartition("/")[2]
    return ""
