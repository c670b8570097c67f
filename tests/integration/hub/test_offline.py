"""The offline switch over a real worker: downloads stop and go on, and what is being looked up ends at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from qwen_desktop.core.errors import AppError
from qwen_desktop.core.models import DownloadStatus
from qwen_desktop.core.paths import find_paths
from qwen_desktop.services.catalogue import Catalogue
from qwen_desktop.services.events import EventBus
from qwen_desktop.services.hub_access import hub_access
from qwen_desktop.services.offline import OfflineSwitch
from qwen_desktop.services.preferences import Preferences
from qwen_desktop.store.settings_file import SettingsFile
from tests.fake_hub import FakeHub
from tests.integration.hub.conftest import BODY
from tests.integration.hub.test_downloads import App, run, wanted
from tests.pulling import FILE, MIB, REPO, whole

__all__ = ["run"]

S = DownloadStatus


def test_downloads_stop_with_the_switch_and_go_on_by_themselves(
    hub: FakeHub, folder: Path, run: Callable[..., None]
) -> None:
    hub.pace(10e6)

    async def test(app: App) -> None:
        OfflineSwitch(app.transfers, app.bus)
        first = await app.downloads.start(wanted())
        paused = await app.downloads.start(wanted(1))
        await app.downloads.pause(paused.id)
        await app.reached(first, 4 * MIB)
        await app.preferences.set("downloads.offline", True)
        await app.until(lambda: app.status(first) is S.WAITING and app.downloads.items()[0].note is not None, 2)
        assert "switched off" in str(app.downloads.items()[0].note)
        await asyncio.sleep(0.1)
        sent, asked = hub.sent(), len(hub.requests)
        for act in (app.downloads.start(wanted(2)), app.downloads.resume(paused.id)):
            with pytest.raises(AppError, match="switched off") as caught:
                await act
            assert caught.value.problem.action == "network.online"
        await asyncio.sleep(0.3)
        assert (hub.sent(), len(hub.requests)) == (sent, asked)
        hub.pace(0)
        await app.preferences.set("downloads.offline", False)
        await app.until(lambda: app.status(first) is S.DONE)
        assert app.status(paused) is S.PAUSED  # by the user, who decides about it
        assert whole(folder / REPO / FILE, BODY) and hub.sent(FILE) < len(BODY) + 4 * MIB

    run(test)


def test_a_worker_that_hears_late_of_the_network_costs_a_moment_and_no_failure(
    hub: FakeHub, run: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qwen_desktop.services.downloads._CRASH_PAUSE_S", 0.1)

    async def test(app: App) -> None:
        await app.transfers.call("hub.switch", {"offline": True})
        begun = await app.downloads.start(wanted(1))
        await app.until(lambda: app.downloads._items[0].crashes > 0)
        assert hub.requests == []
        await app.transfers.call("hub.switch", {"offline": False})
        await app.until(lambda: app.status(begun) is S.DONE)
        assert all(d.status is not S.FAILED for _, d in app.heard)

    run(test)


def test_a_start_while_offline_waits_without_a_request(hub: FakeHub, folder: Path, run: Callable[..., None]) -> None:
    hub.pace(10e6)

    async def begin(app: App) -> None:
        await app.downloads.restore()
        await app.downloads.start(wanted())
        await app.reached(app.downloads.items()[0], MIB)
        await app.preferences.set("downloads.offline", True)

    async def start_again(app: App) -> None:
        asked = len(hub.requests)
        await app.downloads.restore()
        await asyncio.sleep(0.3)
        (only,) = app.downloads.items()
        assert only.status is S.WAITING and only.note is not None and len(hub.requests) == asked
        hub.pace(0)
        await app.preferences.set("downloads.offline", False)
        await app.until(lambda: app.downloads.items()[0].status is S.DONE)

    run(begin, start_again)


def test_what_is_being_looked_up_ends_with_the_switch(hub: FakeHub, run: Callable[..., None]) -> None:
    async def test(app: App) -> None:
        OfflineSwitch(app.transfers, app.bus)
        catalogue = Catalogue(app.paths, app.transfers, app.preferences, app.bus)
        hub.silent.set()
        work = [asyncio.create_task(catalogue.lookup("owner/Unknown")), asyncio.create_task(catalogue.refresh())]
        await app.until(lambda: len(hub.requests) >= 2)
        began = time.monotonic()
        await app.preferences.set("downloads.offline", True)
        for each in work:
            with pytest.raises(AppError, match="switched off"):
                await each
        assert time.monotonic() - began < 3
        asked = len(hub.requests)
        with pytest.raises(AppError, match="switched off"):
            await catalogue.lookup("owner/Unknown")
        assert len(hub.requests) == asked
        hub.silent.clear()
        await app.preferences.set("downloads.offline", False)
        assert (await catalogue.lookup("owner/Small-GGUF")).repo == "owner/Small-GGUF"

    run(test)


@pytest.mark.parametrize("later_s", [0.0, 0.02, 0.3])
def test_what_has_just_been_asked_for_does_not_slip_through(
    hub: FakeHub, run: Callable[..., None], later_s: float
) -> None:
    async def test(app: App) -> None:  # the worker is not even started
        OfflineSwitch(app.transfers, app.bus)
        hub.silent.set()
        work = asyncio.create_task(
            Catalogue(app.paths, app.transfers, app.preferences, app.bus).lookup("owner/Unknown")
        )
        await asyncio.sleep(later_s)
        await app.preferences.set("downloads.offline", True)
        with pytest.raises(AppError, match="switched off"):
            await work
        hub.silent.clear()

    run(test)


def test_settings_that_change_while_the_keyring_is_asked_count() -> None:
    bus = EventBus()
    preferences = Preferences(SettingsFile(find_paths().settings_file), bus)

    class Slow:
        async def get(self, name: str, /) -> str | None:
            if name == "hf_token":
                await preferences.change({"downloads.offline": True, "downloads.endpoint": "https://mirror.example"})
            return name

    found = asyncio.run(hub_access(preferences, Slow()))
    assert found.offline
    assert (found.endpoint, found.token) == ("https://mirror.example", "hf_token@https://mirror.example")
