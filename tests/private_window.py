"""The window as a process of its own, for ``test_privacy``: opens every page, looks models up, fetches one, asks the
guide, and idles. Started with the environment that the test wants; prints "done"."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from PySide6.QtWidgets import QDialog, QFileDialog

from qwen_desktop.core.models import DownloadStatus
from qwen_desktop.core.parts import Role
from tests.window_driver import Driver, drive


async def story(app: Driver) -> None:
    repo = sys.argv[1]
    window, services = app.window, app.services
    window.show_page("help.welcome")
    window.show_page("view.models")
    page = window.pages.built("view.models")
    assert page is not None
    await app.until(lambda: page.state.rows)
    page.catalogue.look_for_new()
    await app.until(page.catalogue.refresh.isEnabled)
    assert services.catalogue.updated_at, page.catalogue.problem.text()
    page.search.setText(repo)
    page.catalogue.search(repo)
    page.catalogue.look_up()
    await app.until(lambda: window.findChildren(QDialog))
    details = next(child for child in window.findChildren(QDialog) if child.isVisible())
    details.memory._read_header()
    await app.until(details.memory.check.isHidden)  # the verdict is from the header now
    details.reject()
    window.models.starter.get(details.model, details.quant)
    await app.until(lambda: [d.status for d in services.downloads.items()] == [DownloadStatus.DONE])
    page.show_machine()
    page.import_models()
    await asyncio.sleep(0.5)
    for dialog in window.findChildren(QDialog):
        dialog.reject()
    window.show_page("view.settings")
    assert window.pages.built("view.settings") is not None
    for name in tuple(window.pages.built("view.settings")._pages):
        window.pages.built("view.settings").show_section(name)
        await asyncio.sleep(0.02)
    window.show_page("view.chat")
    window.chat.ask_for_model()
    await app.until(lambda: window.findChildren(QFileDialog))
    for chooser in window.findChildren(QFileDialog):
        chooser.reject()
    await app.until(lambda: not window.findChildren(QFileDialog))
    window.chat.pane.ask("How do I start a new chat?")  # without keys: those run the loop inside the loop
    await app.until(lambda: window.chat.pane.transcript.shown.newest(Role.ASSISTANT))
    await services.chat.idle()
    assert (await app.last_answer()).parts
    await asyncio.sleep(1.0)
    print("done", flush=True)


if __name__ == "__main__":
    drive(story)
