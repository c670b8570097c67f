"""A diagram in the window: made large, and saved where the user wants it."""

from __future__ import annotations

import stat
import sys
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractButton, QFileDialog

from qwen_desktop.ui.chat.diagram_window import DiagramDialog
from tests.inline_jobs import InlineJobs
from tests.pele import needs_pele
from tests.scripted_engine import Script
from tests.ui.conftest import Make, Ui

ANSWER = "Look:\n\n```mermaid\nflowchart LR\n  A[Start] --> B[End]\n```\n"


async def drawn(make: Make) -> Ui:
    async def ready(app: Any) -> None:
        app.jobs = InlineJobs()

    make.script = Script(ANSWER)
    ui = await make(prepare=ready)
    await ui.say("Draw.")
    await ui.until(lambda: any(target.action == "diagram_zoom" for target in targets(ui)))
    return ui


def targets(ui: Ui) -> Any:
    view = ui.chat.pane.transcript
    return view.items[-1].targets() if view.items else ()


def press(ui: Ui, action: str) -> None:
    view = ui.chat.pane.transcript
    wanted = next(target for target in targets(ui) if target.action == action)
    view.activated.emit(view.items[-1], wanted)


async def chosen(ui: Ui, path: Path) -> None:
    await ui.until(lambda: ui.window.findChildren(QFileDialog))
    dialog = ui.window.findChildren(QFileDialog)[-1]
    assert dialog.acceptMode() is QFileDialog.AcceptMode.AcceptSave
    assert [name.rpartition("(")[2] for name in dialog.nameFilters()] == ["*.svg)", "*.png)"]
    dialog.filterSelected.emit(dialog.nameFilters()[path.suffix == ".png"])
    assert dialog.defaultSuffix() == path.suffix[1:]
    ui.pick(dialog, path)
    await ui.until(lambda: any(path.name in toast for toast in ui.toasts()))


@needs_pele
async def test_it_opens_by_itself_zooms_and_closes(make: Make) -> None:
    ui = await drawn(make)
    press(ui, "diagram_zoom")
    await ui.until(lambda: ui.window.findChildren(DiagramDialog))
    dialog = ui.window.findChildren(DiagramDialog)[-1]
    await ui.until(dialog.view.hasFocus)
    assert "A[Start]" in dialog.view.accessibleDescription()
    fitting = dialog.view.place.width()
    for name in ("Larger", "Larger", "Smaller"):
        next(b for b in dialog.findChildren(QAbstractButton) if b.accessibleName() == name).click()
    assert dialog.view.place.width() > fitting
    assert dialog.percent.text()[-1] == "%"
    ui.theme.set_mode("dark")
    ui.key(dialog, Qt.Key.Key_Escape)
    await ui.until(lambda: not ui.window.findChildren(DiagramDialog))


@needs_pele
@pytest.mark.parametrize("name", ["a diagram.svg", "图.png"])
async def test_it_is_saved_as_what_its_name_says(make: Make, tmp_path: Path, name: str) -> None:
    ui = await drawn(make)
    press(ui, "diagram_save")
    folder = tmp_path / "pictures"
    folder.mkdir()
    await chosen(ui, folder / name)
    data = (folder / name).read_bytes()
    assert data.startswith(b"<?xml" if name.endswith("svg") else b"\x89PNG")
    if sys.platform != "win32":
        assert stat.S_IMODE((folder / name).stat().st_mode) & 0o600 == 0o600


@needs_pele
async def test_a_folder_that_cannot_be_written_is_a_sentence(make: Make, tmp_path: Path) -> None:
    ui = await drawn(make)
    press(ui, "diagram_save")
    await ui.until(lambda: ui.window.findChildren(QFileDialog))
    dialog = ui.window.findChildren(QFileDialog)[-1]
    (tmp_path / "file").write_text("")
    ui.pick(dialog, tmp_path / "file" / "diagram.svg")
    await ui.until(ui.toasts)
    assert not any("Saved" in toast for toast in ui.toasts())
