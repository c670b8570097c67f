"""The services of one run, joined: who gets what, and the order in which they open and end.

Heavy to import: ``bootstrap`` does it when the face is ready for it; faces name the class for the type checker only.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from qwen_desktop.core.errors import AppError
from qwen_desktop.core.paths import Paths
from qwen_desktop.engine.local import LocalWorkerEngine
from qwen_desktop.jobs.client import JobWorker
from qwen_desktop.process.spawn import worker_command
from qwen_desktop.services.adapters import AdapterFiles
from qwen_desktop.services.arranging import Arranging
from qwen_desktop.services.assistants import Assistants
from qwen_desktop.services.attachments import Attachments
from qwen_desktop.services.awake import Awake
from qwen_desktop.services.backup import RESTORED, Backups
from qwen_desktop.services.catalogue import Catalogue
from qwen_desktop.services.chat import Chat
from qwen_desktop.services.downloads import Downloads
from qwen_desktop.services.draft_models import DraftModels
from qwen_desktop.services.drafts import Drafts
from qwen_desktop.services.embeddings import EmbeddingService
from qwen_desktop.services.engines import Engines
from qwen_desktop.services.events import ConversationsImported, EventBus, Notified
from qwen_desktop.services.exports import Exports
from qwen_desktop.services.fits import Fits
from qwen_desktop.services.history import History
from qwen_desktop.services.imports import Imports
from qwen_desktop.services.library import Library
from qwen_desktop.services.machines import Machines
from qwen_desktop.services.models import ModelFile, Models
from qwen_desktop.services.offline import OfflineSwitch
from qwen_desktop.services.preferences import Preferences
from qwen_desktop.services.prompt_cache import PromptCache
from qwen_desktop.services.prompt_queue import PromptQueue
from qwen_desktop.services.prompt_templates import PromptTemplates
from qwen_desktop.services.quantize import Quantizing
from qwen_desktop.services.search import Search
from qwen_desktop.services.slowness import Slowness
from qwen_desktop.services.titles import Titles
from qwen_desktop.services.token_counts import TokenCounts
from qwen_desktop.services.tuning import KeptTunings, Tuner
from qwen_desktop.store.blobs import Blobs
from qwen_desktop.store.database import Database, TemporaryDatabase
from qwen_desktop.store.secrets import Secrets
from qwen_desktop.store.settings_file import SettingsFile

log = logging.getLogger(__name__)

#: The whole shut-down takes no longer, in seconds.
SHUTDOWN_S = 3.0
#: The share of it that the steps after the engines' have.
AFTER_ENGINES = 0.18
#: Models and downloads are looked at this many seconds after the history is there: the first page comes first.
RESTORE_AFTER_S = 0.5


class Services:
    """The use cases of one run, joined. Built without a database or a process; ``open`` brings those. Without
    ``history`` what is said is kept in memory only."""

    def __init__(self, paths: Paths, settings_file: SettingsFile | None = None, *, history: bool = True) -> None:
        self.paths = paths
        self.bus = EventBus()
        self.preferences = Preferences(settings_file or SettingsFile(paths.settings_file), self.bus)
        self.jobs = JobWorker(worker_command("jobs"))
        # Downloads, hashing and copying take hours: a worker of their own, so that Markdown never waits for them.
        self.transfers = JobWorker(worker_command("jobs"))
        self.offline = OfflineSwitch(self.transfers, self.bus)
        self.secrets = Secrets(paths.config / "secrets.json")
        self.catalogue = Catalogue(paths, self.transfers, self.preferences, self.bus, self.secrets)
        self.library = Library(
            self.jobs, self.transfers, self.preferences, self.bus, paths, catalog_id=self._catalogue_id
        )
        self.machines = Machines(self.jobs, self.bus, paths, lambda: self.library.folder)
        self.downloads = Downloads(self.transfers, self.library, self.preferences, self.secrets, self.bus, paths)
        self.library.before_move(self.downloads.still)
        self.draft_models = DraftModels(self.jobs, self.library.models)
        self.fits = Fits(
            self.machines,
            self.jobs,
            self.transfers,
            paths,
            self.bus,
            catalogue=self.catalogue,
            preferences=self.preferences,
            secrets=self.secrets,
            installed=self.library.models,
            options=self.library.options,
            draft_models=self.draft_models,
        )
        self.quantizing = Quantizing(self.library, self.jobs, self.bus, paths)
        self.awake = Awake(self.bus)
        tunings = KeptTunings(self.machines, paths)
        self._restoring: asyncio.Task[None] | None = None
        self.prompt_cache = PromptCache(self.preferences, self.bus, paths, keeps=history)
        self.engines = Engines(
            lambda: LocalWorkerEngine(worker_command("engine")),
            self.preferences,
            self.bus,
            paths,
            template=self.library.template_override,
            options=self.library.options,
            needs=self.fits.needs,
            tuned=tunings.filled,
            kept=self.prompt_cache.filled,
            guessing=self.draft_models.filled,
            profile=lambda: self.fits.profile,
        )
        self.prompt_cache.tells(self.engines)
        self.library.before_delete(self.engines.free)
        self.models = Models(self.engines, self.preferences, self.bus, paths, check=self._check)
        backups = self.preferences.settings.storage.backups
        self.database = Database(paths.database_file if history else None, backups=backups)
        self.temporary = TemporaryDatabase()
        self.history = History(self.database, self.bus, temporary=self.temporary)
        self.history.on_purge(self.prompt_cache.forget)
        self.search = Search(self.database, self.bus)
        self.arranging = Arranging(self.database, self.bus, self.history)
        self.blobs = Blobs(self.database, paths.blobs, temporary=self.temporary)
        self.backups = Backups(self.database, paths)
        self.assistants = Assistants(
            self.database,
            self.bus,
            installed=self.library.models,
            catalogued=self.catalogue.find,
            elsewhere=None if history else paths.database_file,
        )
        self.exports = Exports(self.database, self.history, self.blobs, self.transfers, paths)
        self.imports = Imports(self.database, self.bus, self.transfers, paths)
        self.library.on_move(self.engines.moved)
        self.library.after_move(self._models_moved)
        self.embeddings = EmbeddingService(self.engines)
        self.tuner = Tuner(tunings, self.engines, self.machines, self.history, self.bus)
        self.slowness = Slowness(
            self.machines,
            self.fits,
            self.engines,
            self.preferences,
            self.bus,
            history=self.history,
            paths=paths,
            options=self.library.options,
        )
        self.titles = Titles(self.history, self.engines, self.models, self.preferences, self.bus)
        self.titles.gives_way_to(lambda ref: self.tuner.progress(ref) is not None)
        self.chat = Chat(self.history, self.engines, self.models, self.preferences, self.bus)
        self.drafts = Drafts(self.database, self.bus)
        self.prompt_templates = PromptTemplates(self.database, self.bus)
        self.queue = PromptQueue(self.drafts, self.chat, self.history, self.bus)
        self.adapters = AdapterFiles(self.jobs)
        self.attachments = Attachments(self.jobs, self.blobs, self.drafts, self.bus)
        self.tokens = TokenCounts(self.engines, self.history, self.preferences)

    async def open(self) -> None:
        """Open the history, after a restore that waits for this; repair what a killed run left, and tell what is wrong
        with it."""
        await self._finish_restore()
        await self.database.open()
        await self.history.recover()
        await self.drafts.load()
        await self.assistants.load()
        for problem in self.database.problems:
            self.bus.publish(Notified(problem.what, hint=problem.hint))
        self.tuner.watch()
        self.titles.watch()
        self._restoring = asyncio.create_task(self._restore(), name="models.restore")
        self.bus.subscribe(ConversationsImported, self._imported)

    async def aclose(self, seconds: float = SHUTDOWN_S) -> None:
        """Refuse new work, stop answers, flush, end the workers, close the database: in this order, ``seconds`` at
        most. What the steps before the engines' did not take is theirs: they may be writing what they have read."""
        self.engines.refuse()
        until = asyncio.get_running_loop().time() + seconds
        for name, step, share in (
            ("restore", self._stop_restoring, 0.01),
            ("tuning", self.tuner.aclose, 0.01),
            ("titles", self.titles.aclose, 0.01),
            ("attachments", self.attachments.aclose, 0.01),
            ("queue", self.queue.aclose, 0.02),
            ("chat", partial(self.chat.aclose, seconds * 0.4), 0.4),
            ("drafts", self.drafts.aclose, 0.05),
            ("downloads", self._end_files, 0.1),
            ("models", self.models.aclose, 0.02),
            ("slowness", self.slowness.aclose, 0.01),
            ("fits", self.fits.aclose, 0.01),
            ("library", self.library.aclose, 0.02),
            ("engines", self.engines.aclose, 0.16),
            ("prompt cache", self.prompt_cache.aclose, 0.02),
            ("transfers", self.transfers.aclose, 0.04),
            ("jobs", self.jobs.aclose, 0.04),
            ("temporary", self.temporary.aclose, 0.01),
            ("database", self.database.aclose, 0.07),
        ):
            spare = until - asyncio.get_running_loop().time() - seconds * AFTER_ENGINES if name == "engines" else 0.0
            try:
                async with asyncio.timeout(max(seconds * share, spare)):
                    await step()
            except TimeoutError:
                log.warning("shutdown.slow step=%s", name)
            except AppError as error:
                log.warning("shutdown.failed step=%s code=%s", name, error.problem.what.code)
            except Exception as error:  # what follows must be closed all the same
                log.error("shutdown.failed step=%s kind=%s", name, type(error).__name__)
        self.awake.close()

    async def _end_files(self) -> None:
        """What writes large files ends beside one another: downloads, and a model that is made smaller."""
        await asyncio.gather(self.downloads.aclose(), self.quantizing.aclose())

    async def _finish_restore(self) -> None:
        try:
            if self.database.path is None or not await self.backups.pending():
                return
            await self.prompt_cache.restored()  # before: a restore that is done is not begun again after a crash
            if await self.backups.finish_pending():
                self.bus.publish(Notified(RESTORED))
        except AppError as error:
            log.warning("backup.not_restored code=%s", error.problem.what.code)
            self.bus.publish(Notified(error.problem.what, hint=error.problem.hint))

    async def _restore(self) -> None:
        """Behind the window: the machine, the catalogue, what is installed, downloads that were under way, and what the
        history has left to do."""
        await asyncio.sleep(RESTORE_AFTER_S)
        for step in (
            self.machines.machine,
            self.catalogue.load,
            self.library.restore,
            self.downloads.restore,
            self.quantizing.clean,
            self.history.prepare_search,
            self.blobs.clean,
            self.imports.clean,
            self.prompt_cache.clean,
        ):
            try:
                await step()
            except AppError as error:
                log.warning("restore.failed step=%s code=%s", step.__qualname__, error.problem.what.code)

    def _imported(self, _event: ConversationsImported) -> None:
        """What came from a file is found once its texts have been indexed, behind the window."""
        if self._restoring is not None:
            before = self._restoring

            async def indexed() -> None:
                await asyncio.gather(before, return_exceptions=True)  # cancelled with this one, however many follow
                try:
                    await self.history.prepare_search()
                except AppError as error:
                    log.warning("search.not_prepared code=%s", error.problem.what.code)

            self._restoring = asyncio.create_task(indexed(), name="search.imported")

    async def _stop_restoring(self) -> None:
        if self._restoring is not None:
            self._restoring.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._restoring

    async def _models_moved(self, moved: Callable[[str], str]) -> None:
        await self.history.models_moved(moved)
        await self.assistants.models_moved(moved)

    def _catalogue_id(self, repo: str) -> str:
        found = self.catalogue.by_repo(repo)
        return found.id if found is not None else ""

    async def _check(self, path: Path) -> ModelFile:
        # In the job worker: a vocabulary of 151,936 words is parsed by Python, which would hold the window's GIL.
        header = await self.jobs.call("gguf.header", {"path": str(path)})
        return ModelFile(str(header["name"]), int(header["size_bytes"]))


@asynccontextmanager
async def for_command(paths: Paths, *, history: bool, settings_file: SettingsFile) -> AsyncIterator[Services]:
    """The services of one command. Without ``history`` nothing that is said is saved; with it, a database that cannot
    be written raises ``AppError``, since the command was asked to save."""
    services = Services(paths, settings_file, history=history)
    try:
        await services.database.open(fallback=False)
        yield services
    finally:
        with contextlib.suppress(AppError):
            await services.aclose()
