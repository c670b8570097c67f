"""The queue over a real worker: order, pause, restart, crashes, the speed limit, and what faces hear of it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from qwen_desktop.core.errors import AppError
from qwen_desktop.core.models import Download, DownloadRequest, DownloadStatus, RemoteFile
from qwen_desktop.core.paths import find_paths
from qwen_desktop.jobs.client import JobWorker
from qwen_desktop.process.spawn import worker_command
from qwen_desktop.services.downloads import Downloads
from qwen_desktop.services.events import DownloadChanged, DownloadsChanged, EventBus
from qwen_desktop.services.preferences import Preferences
from qwen_desktop.store.settings_file import SettingsFile
from tests.fake_hub import FakeHub, Refuse, content
from tests.integration.hub.conftest import BODY
from tests.pulling import FILE, MIB, REPO, whole

S = DownloadStatus
SMALL = content(3_000_000, seed=2)


class MinimalLibrary:
    """What downloads need of a library."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.moving = False
        self.added: list[Download] = []

    async def add_download(self, download: Download) -> None:
        await asyncio.sleep(0)
        self.added.append(download)


class NoSecrets:
    async def get(self, _name: str) -> str | None:
        return None


class App:
    """The services around downloads, and what was published."""

    def __init__(self, hub: FakeHub, folder: Path, *, metered: bool = False) -> None:
        self.paths = find_paths()
        self.bus = EventBus()
        self.preferences = Preferences(SettingsFile(self.paths.settings_file), self.bus)
        self.library = MinimalLibrary(folder)
        self.transfers = JobWorker(worker_command("jobs"))

        async def ask() -> bool:
            return metered

        self.downloads = Downloads(
            self.transfers, self.library, self.preferences, NoSecrets(), self.bus, self.paths, metered=ask, patience_s=1
        )
        self.heard: list[tuple[float, Download]] = []
        self.lists = 0
        self.bus.subscribe(DownloadChanged, lambda e: self.heard.append((time.monotonic(), e.download)))
        self.bus.subscribe(DownloadsChanged, self._list)

    def _list(self, _event: DownloadsChanged) -> None:
        self.lists += 1

    def status(self, download: Download) -> DownloadStatus:
        return next(d.status for d in self.downloads.items() if d.id == download.id)

    async def until(self, condition: Callable[[], bool], seconds: float = 15) -> None:
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110 - looks from outside, as a user would
                await asyncio.sleep(0.01)

    async def reached(self, download: Download, count: int) -> None:
        await self.until(lambda: any(d.id == download.id and d.done_bytes >= count for _, d in self.heard))


@pytest.fixture
def run(hub: FakeHub, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Run ``test(app)`` with everything joined and closed again."""
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    monkeypatch.setenv("MODELSCOPE_DOMAIN", hub.modelscope)
    hub.add("owner/Small-GGUF", {"small-Q8_0.gguf": SMALL})
    hub.add("owner/Third-GGUF", {"third-Q8_0.gguf": SMALL})

    def go(*tests: Callable[[App], Awaitable[None]], **options: Any) -> None:
        async def all_of_them() -> None:
            for test in tests:
                async with app_of(hub, folder, **options) as app:
                    await test(app)

        asyncio.run(all_of_them())

    return go


@contextlib.asynccontextmanager
async def app_of(hub: FakeHub, folder: Path, **options: Any) -> AsyncIterator[App]:
    app = App(hub, folder, **options)
    try:
        yield app
    finally:
        await app.downloads.aclose()
        await app.transfers.aclose()


def wanted(number: int = 0) -> DownloadRequest:
    repo, file = [(REPO, FILE), ("owner/Small-GGUF", "small-Q8_0.gguf"), ("owner/Third-GGUF", "third-Q8_0.gguf")][
        number
    ]
    body = BODY if number == 0 else SMALL
    return DownloadRequest(
        repo, "Q8_0", (RemoteFile(file, len(body)),), source="huggingface", title=f"Model {number}", licence="mit"
    )


def test_a_download_ends_in_the_library_and_is_told_of_on_the_way(
    hub: FakeHub, folder: Path, run: Callable[..., None]
) -> None:
    hub.pace(10e6)

    async def test(app: App) -> None:
        begun = await app.downloads.start(wanted())
        assert (begun.status, begun.total_bytes, app.lists) == (S.WAITING, len(BODY), 1)
        await app.until(lambda: app.status(begun) is S.DONE)
        done = app.library.added[0]
        assert done.path == str(folder / REPO / FILE) and whole(done.path, BODY)
        shown = [d for _, d in app.heard]
        assert shown[0].status is S.RUNNING
        running = [(at, d) for at, d in app.heard if d.status is S.RUNNING]
        assert all(b[0] - a[0] >= 0.2 for a, b in itertools.pairwise(running[1:]))
        middle = next(d for _, d in running if d.done_bytes > len(BODY) // 2)
        assert middle.source == "localhost" and 7e6 < middle.speed < 13e6
        assert middle.seconds_left is not None and 0.2 < middle.seconds_left < 3
        last = app.downloads.items()[0]
        assert last.fraction == 1.0 and last.fetched_bytes == len(BODY) and last.speed == 0
        # asked for once more, the list has it once and nothing is fetched
        await app.downloads.start(wanted())
        await app.until(lambda: app.status(begun) is S.DONE)
        assert len(app.downloads.items()) == 1 and hub.sent() == len(BODY)
        await app.downloads.cancel(begun.id)
        assert app.downloads.items() == ()
        assert Path(done.path).exists()  # noqa: ASYNC240 - a test may wait for its disk

    run(test)


def test_one_at_a_time_in_order_and_the_order_can_be_changed(hub: FakeHub, run: Callable[..., None]) -> None:
    hub.pace(6e6)

    async def test(app: App) -> None:
        first, second, third = [await app.downloads.start(wanted(n)) for n in range(3)]
        await app.reached(first, 2 * MIB)
        assert [d.status for d in app.downloads.items()] == [S.RUNNING, S.WAITING, S.WAITING]
        await app.downloads.move(third.id, 1)
        assert [d.id for d in app.downloads.items()] == [first.id, third.id, second.id]
        await app.downloads.move(second.id, 0)  # before the one that runs: it takes its turn
        await app.until(lambda: app.status(second) is S.RUNNING)
        assert app.status(first) is S.WAITING
        hub.pace(0)
        await app.until(lambda: all(d.status is S.DONE for d in app.downloads.items()))
        assert [d.id for d in app.library.added] == [second.id, first.id, third.id]
        assert hub.sent() <= len(BODY) + 2 * len(SMALL) + 2 * MIB

    run(test)


def test_pause_resume_and_cancel(hub: FakeHub, folder: Path, run: Callable[..., None]) -> None:
    hub.pace(8e6)

    async def test(app: App) -> None:
        first = await app.downloads.start(wanted())
        second = await app.downloads.start(wanted(1))
        await app.reached(first, 5 * MIB)
        pressed = time.monotonic()
        await app.downloads.pause(first.id)
        assert app.status(first) is S.PAUSED and time.monotonic() - pressed < 0.3
        await app.until(lambda: app.status(second) is S.DONE)  # the next one had its turn
        assert app.status(first) is S.PAUSED
        await app.downloads.resume(first.id)
        await app.until(lambda: app.status(first) is S.RUNNING)
        await app.downloads.pause(first.id)
        await app.downloads.resume(first.id)  # at once: the job that ends still has the file
        await app.reached(first, 12 * MIB)
        assert hub.sent("model-Q4_K_M.gguf") <= app.downloads.items()[0].done_bytes + 3 * MIB
        await app.downloads.cancel(first.id)
        assert [d.id for d in app.downloads.items()] == [second.id]
        assert not (folder / REPO).exists()
        with pytest.raises(AppError, match="not in the list"):
            await app.downloads.pause(first.id)

    run(test)


def test_after_a_restart_it_goes_on_and_paused_ones_stay_paused(
    hub: FakeHub, folder: Path, run: Callable[..., None]
) -> None:
    hub.pace(10e6)

    async def first_run(app: App) -> None:
        await app.downloads.restore()
        running = await app.downloads.start(wanted())
        paused = await app.downloads.start(wanted(1))
        await app.downloads.pause(paused.id)
        await app.reached(running, 9 * MIB)

    async def second_run(app: App) -> None:
        hub.pace(0)
        await app.downloads.restore()
        items = app.downloads.items()
        assert [d.request.title for d in items] == ["Model 0", "Model 1"]
        assert items[0].done_bytes >= 9 * MIB and items[1].status is S.PAUSED
        await app.until(lambda: app.status(items[0]) is S.DONE)
        assert app.status(items[1]) is S.PAUSED
        assert hub.sent() <= len(BODY) + 2 * MIB
        assert whole(folder / REPO / FILE, BODY)

    async def third_run(app: App) -> None:
        await app.downloads.restore()
        assert [d.status for d in app.downloads.items()] == [S.PAUSED]

    run(first_run, second_run, third_run)


def test_a_killed_worker_is_started_anew_and_the_download_goes_on(
    hub: FakeHub, folder: Path, run: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qwen_desktop.services.downloads._CRASH_PAUSE_S", 0.05)
    hub.pace(12e6)

    async def test(app: App) -> None:
        begun = await app.downloads.start(wanted())
        for place in (4, 8):
            await app.reached(begun, place * MIB)
            assert app.transfers.pid is not None
            psutil.Process(app.transfers.pid).kill()
            app.heard.clear()
        await app.until(lambda: app.status(begun) is S.DONE)
        assert S.FAILED not in {d.status for _, d in app.heard}
        assert whole(folder / REPO / FILE, BODY) and hub.sent() <= len(BODY) + 3 * MIB

    run(test)


def test_a_worker_that_is_killed_while_one_is_cancelled_leaves_nothing_behind(
    hub: FakeHub, folder: Path, run: Callable[..., None]
) -> None:
    hub.pace(12e6)

    async def test(app: App) -> None:
        begun = await app.downloads.start(wanted())
        await app.reached(begun, 4 * MIB)
        await app.downloads.pause(begun.id)
        assert app.transfers.pid is not None
        psutil.Process(app.transfers.pid).kill()  # which nobody has heard of yet
        await app.downloads.cancel(begun.id)
        assert not app.downloads.items() and not (folder / REPO).exists()

    run(test)


def test_a_failure_is_kept_with_its_sentence_and_can_be_tried_again(hub: FakeHub, run: Callable[..., None]) -> None:
    hub.fault(FILE, Refuse(status=500, times=0))

    async def first_run(app: App) -> None:
        await app.downloads.restore()
        begun = await app.downloads.start(wanted())
        await app.until(lambda: app.status(begun) is S.FAILED)

    async def second_run(app: App) -> None:
        await app.downloads.restore()
        (kept,) = app.downloads.items()
        assert kept.status is S.FAILED and kept.problem is not None
        assert kept.problem.what.code == "hub.trouble" and kept.problem.action == "retry"
        hub.heal()
        await app.downloads.resume(kept.id)
        await app.until(lambda: app.status(kept) is S.DONE)
        assert app.downloads.items()[0].problem is None

    run(first_run, second_run)


def test_a_network_that_is_away_is_told_while_it_waits(hub: FakeHub, run: Callable[..., None]) -> None:
    hub.pace(10e6)

    async def test(app: App) -> None:
        begun = await app.downloads.start(wanted())
        await app.reached(begun, 5 * MIB)
        await asyncio.to_thread(hub.unplug)
        said = ("localhost cannot be reached.", "localhost broke off the connection.")
        await app.until(lambda: any(str(d.note) in said for _, d in app.heard))
        assert app.downloads.items()[0].status is S.RUNNING
        await asyncio.to_thread(hub.plug)
        await app.until(lambda: app.status(begun) is S.DONE)
        assert app.downloads.items()[0].note is None

    run(test)


def test_the_speed_limit_of_the_settings_holds_from_now_on(hub: FakeHub, run: Callable[..., None]) -> None:
    async def test(app: App) -> None:
        await app.preferences.set("downloads.speed_limit", 4.0)
        begun = await app.downloads.start(wanted())
        await app.reached(begun, 4 * MIB)
        began = time.monotonic()
        before = app.downloads.items()[0].done_bytes
        await asyncio.sleep(1)
        assert (app.downloads.items()[0].done_bytes - before) / (time.monotonic() - began) < 6e6
        await app.preferences.set("downloads.speed_limit", None)
        await app.until(lambda: app.status(begun) is S.DONE, 3)

    run(test)


def test_what_goes_on_by_itself_asks_on_a_metered_network(hub: FakeHub, run: Callable[..., None]) -> None:
    hub.pace(6e6)

    async def first_run(app: App) -> None:
        await app.downloads.restore()
        begun = await app.downloads.start(wanted())  # the user has just said so
        await app.reached(begun, 2 * MIB)

    async def second_run(app: App) -> None:
        await app.downloads.restore()
        (kept,) = app.downloads.items()
        await app.until(lambda: app.status(kept) is S.PAUSED)
        problem = app.downloads.items()[0].problem
        assert problem is not None and problem.what.code == "download.metered"
        await app.downloads.resume(kept.id)
        hub.pace(0)
        await app.until(lambda: app.status(kept) is S.DONE)

    run(first_run, second_run, metered=True)


def test_while_the_folder_moves_nothing_is_written_and_then_it_goes_on_there(
    hub: FakeHub, folder: Path, run: Callable[..., None]
) -> None:
    hub.pace(10e6)

    async def test(app: App) -> None:
        begun = await app.downloads.start(wanted())
        await app.reached(begun, 6 * MIB)
        app.library.moving = True
        await app.downloads.still()
        await asyncio.sleep(0.3)
        before = hub.sent()
        moved = folder.with_name("moved")
        await asyncio.to_thread(folder.rename, moved)
        await asyncio.sleep(0.3)
        assert hub.sent() == before and not await asyncio.to_thread(folder.exists)
        app.library.folder = moved
        app.library.moving = False
        hub.pace(0)
        await app.until(lambda: app.status(begun) is S.DONE)
        assert whole(moved / REPO / FILE, BODY) and hub.sent() <= len(BODY) + 2 * MIB

    run(test)


def test_a_spoilt_list_is_an_empty_list(run: Callable[..., None], home: Path) -> None:
    home.mkdir(parents=True)

    async def test(app: App) -> None:
        for data in (b"", b"{", b'{"items": 3}', b'{"items": [{"request": {}}]}', b"\xff" * 100):
            await asyncio.to_thread((home / "downloads.json").write_bytes, data)
            await app.downloads.restore()
            assert app.downloads.items() == ()

    run(test)


def test_a_download_that_is_asked_for_again_while_it_is_being_paused_goes_on(run: Callable[..., None]) -> None:
    async def main(app: App) -> None:
        download = await app.downloads.start(wanted())
        await app.reached(download, 1)
        for wishes in (("pause", "resume"), ("pause", "resume", "pause"), ("resume", "pause", "pause", "resume")):
            asked = [asyncio.create_task(getattr(app.downloads, wish)(download.id)) for wish in wishes]
            await asyncio.gather(*asked)
            if wishes[-1] == "pause":
                assert app.status(download) is S.PAUSED, wishes
            else:
                assert app.status(download) in (S.WAITING, S.RUNNING, S.CHECKING, S.DONE), wishes

    run(main)


def test_what_is_stopped_before_its_first_step_holds_nobody_up(run: Callable[..., None]) -> None:
    async def test(app: App) -> None:
        first = await app.downloads.start(wanted(1))
        await app.downloads.pause(first.id)
        await asyncio.gather(app.downloads.resume(first.id), app.downloads.pause(first.id))
        assert app.status(first) is S.PAUSED
        second = await app.downloads.start(wanted(2))
        await app.until(lambda: app.status(second) is S.DONE)
        assert app.status(first) is S.PAUSED
        await asyncio.gather(*(step(first.id) for step in (app.downloads.resume, app.downloads.pause) * 3))
        await app.downloads.resume(first.id)
        await app.until(lambda: app.status(first) is S.DONE)

    run(test)
