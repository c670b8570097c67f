"""Models outside their page: the welcome, the settings of downloads, the taskbar."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLineEdit

from qwen_desktop.core.errors import Problem
from qwen_desktop.core.models import DownloadStatus
from qwen_desktop.core.text import Text
from qwen_desktop.ui.models import taskbar
from tests.ui.models import scripted
from tests.ui.models.helpers import button, dialog, says, services

if TYPE_CHECKING:
    from qwen_desktop.ui.settings.downloads import DownloadsCard
    from tests.ui.conftest import Make, Ui


async def test_the_welcome_looks_at_the_computer_and_offers_the_best_model(make: Make) -> None:
    ui = await make(welcome=True)
    page = ui.window.pages.built("help.welcome")
    assert page is not None
    await ui.until(lambda: page.advice.advice is not None)
    assert page.machine.sentence.text() == "8 cores, 32 GB memory, and Radeon 780M. Models up to 7B run comfortably."
    card = page.advice
    assert card.title.text() == "Qwen3 4B"
    assert card.line.text() == "2.4 GB to download · uses 3.9 GB of 21 GB free memory · about 18 tok/s"
    card.get.button.click()
    await ui.rest()
    downloads = services(ui).downloads
    key = downloads.items()[0].id
    downloads.push(key, status=DownloadStatus.RUNNING, done_bytes=605_000_000, speed=1e7, seconds_left=181.0)
    assert card.get.line.text() == "25 % · 3 min left"
    card.get.toggle.click()
    await ui.rest()
    assert downloads.items()[0].status is DownloadStatus.PAUSED
    downloads.finish(key)
    card.get.use_button.click()
    await ui.rest()
    assert ui.app.models.state.path.endswith("Qwen3-4B-Q4_K_M.gguf")
    assert ui.window.pages.currentWidget() is ui.chat


async def test_the_welcome_says_when_nothing_fits_and_leads_on(make: Make) -> None:
    ui = await make()
    services(ui).machines.found = scripted.SMALL
    ui.window.show_page("help.welcome")
    page = ui.window.pages.built("help.welcome")
    assert page is not None
    await ui.until(lambda: "No model of this kind fits" in says(page.advice))
    assert not page.advice.get.isVisible()
    button(page, "Choose another model").click()
    assert ui.window.pages.currentWidget() is ui.window.pages.built("view.models")


def settings_card(ui: Ui) -> DownloadsCard:
    ui.window.show_page("view.settings")
    page = ui.window.pages.built("view.settings")
    assert page is not None
    page.show_section("downloads")
    card: Any = page.sections["downloads"].extra.itemAt(0).widget()
    return card  # type: ignore[no-any-return]


async def test_the_models_folder_moves_with_progress(make: Make, tmp_path: Path) -> None:
    ui = await make()
    library = services(ui).library
    library.items = scripted.installed()
    row = settings_card(ui).folder
    assert row.place.text() == str(ui.app.paths.models)
    row.ask(str(tmp_path / "big"))
    asked = dialog(ui)
    assert f"1 model, 4.7 GB, moves to {tmp_path / 'big'}." in says(asked)
    library.gate.clear()
    button(asked, "Move").click()
    await asyncio.sleep(0.01)
    assert row.line.text() == "Moving 1.00 of 3.00 GB"
    assert not row.change.isEnabled()
    row.stop.click()
    await ui.rest()
    assert not row.progress.isVisible()
    assert row.place.text() == str(ui.app.paths.models)
    library.gate.set()
    library.fails = Problem("environment", Text("disk.full", "The disk is full."))
    row._move(tmp_path / "big")
    await ui.rest()
    assert row.problem.text() == "The disk is full."
    library.fails = None
    row._move(tmp_path / "big")
    await ui.rest()
    assert row.place.text() == str(tmp_path / "big")
    assert ui.toasts() == ["The models are in their new folder."]


async def test_the_access_token_is_kept_and_never_shown(make: Make) -> None:
    ui = await make()
    secrets = services(ui).secrets
    row = settings_card(ui).token
    await ui.rest()
    assert row.field.echoMode() is QLineEdit.EchoMode.Password
    assert not row.save.isEnabled()
    QTest.keyClicks(row.field, "hf_secret")
    QTest.keyClick(row.field, Qt.Key.Key_Return)
    await ui.rest()
    assert secrets.kept == {"hf_token": "hf_secret"}
    assert row.field.text() == ""
    assert row.field.placeholderText() == "Saved"
    row.remove.click()
    await ui.rest()
    assert secrets.kept == {}
    assert not row.remove.isVisible()
    assert "keyring" in row.note.text()


async def test_without_a_keyring_the_token_says_how_long_it_lives(make: Make) -> None:
    ui = await make()
    services(ui).secrets.persistent = False
    row = settings_card(ui).token
    assert "There is no keyring here: it is kept until the app is closed." in row.note.text()


async def test_searching_the_settings_finds_folder_and_token(make: Make) -> None:
    ui = await make()
    card = settings_card(ui)
    page = ui.window.pages.built("view.settings")
    assert page is not None
    page.search.setText("access token")
    assert card.isVisible()
    assert [key for s in page.sections.values() for key, row in s.rows.items() if row.isVisible()] == []
    page.search.setText("thread")
    assert not card.isVisible()
    page.search.setText("mirror")
    assert "Applies to the next download." in says(page)


def test_the_dock_of_macos_gets_the_percentage(qapp: QApplication, monkeypatch: pytest.MonkeyPatch) -> None:
    badges: list[int] = []
    monkeypatch.setattr(taskbar.sys, "platform", "darwin")
    taskbar.Taskbar().show(0.25)  # Qt's own function takes it without an error
    monkeypatch.setattr(qapp, "setBadgeNumber", badges.append)
    bar = taskbar.Taskbar()
    bar.show(0.5)
    bar.show(None)
    assert badges == [50, 0]


def test_the_taskbar_is_told_only_what_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[int | None] = []
    monkeypatch.setattr(taskbar, "_tell_launcher", told.append)
    monkeypatch.setattr(taskbar.sys, "platform", "linux")
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere")
    bar = taskbar.Taskbar()
    for share in (None, 0.101, 0.102, 0.5, None, None):
        bar.show(share)
    assert told == [10, 50, None]
