"""The welcome page: looking at the computer, what it recommends, and how far the download is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qwen_desktop.core.models import DownloadStatus
from tests.shots.parts import welcome
from tests.shots.table import state
from tests.ui.models import scripted

if TYPE_CHECKING:
    from tests.shots.stage import Stage


async def first(stage: Stage, **options: Any) -> Any:
    """The first start, with the recommendation on show."""
    await stage.open(welcome=True, model=False, **options)
    page = welcome(stage)
    assert page is not None
    await stage.rest()
    return page


@state("welcome")
async def recommended(stage: Stage) -> None:
    await first(stage)


@state("welcome-looking")
async def looking(stage: Stage) -> None:
    await stage.open(welcome=True, model=False, prepare=lambda app: app.machines.gate.clear())


@state("welcome-nothing-fits")
async def nothing_fits(stage: Stage) -> None:
    await first(stage, prepare=lambda app: setattr(app.machines, "found", scripted.SMALL))


async def _download(stage: Stage, status: DownloadStatus, **more: Any) -> None:
    item = scripted.download("Qwen3 4B", status, 0.25, **more)
    await first(stage, prepare=lambda app: app.downloads.add(item))


@state("welcome-waiting")
async def waiting(stage: Stage) -> None:
    await _download(stage, DownloadStatus.WAITING)


@state("welcome-running")
async def running(stage: Stage) -> None:
    await _download(stage, DownloadStatus.RUNNING, speed=1e7, seconds_left=181.0)


@state("welcome-paused")
async def paused(stage: Stage) -> None:
    await _download(stage, DownloadStatus.PAUSED)


@state("welcome-failed")
async def failed(stage: Stage) -> None:
    await _download(stage, DownloadStatus.FAILED, problem=scripted.every_state()[3].problem)


@state("welcome-checking")
async def checking(stage: Stage) -> None:
    await _download(stage, DownloadStatus.CHECKING)


@state("welcome-installed")
async def installed(stage: Stage) -> None:
    await _download(stage, DownloadStatus.RUNNING)
    stage.services.downloads.finish(stage.services.downloads.items()[0].id)


@state("welcome-typed")
async def typed(stage: Stage) -> None:
    page = await first(stage)
    page.box.edit.setPlainText("How do I start a new chat, and where are my chats kept when I close the window?")
