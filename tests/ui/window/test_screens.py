"""A window that is moved to a screen with other pixels looks as one that was opened there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication, QLabel

if TYPE_CHECKING:
    from tests.ui.conftest import Make


def test_icons_follow_the_screen(tmp_path: Path, qapp: QApplication) -> None:
    if QGuiApplication.platformName() != "offscreen":
        pytest.skip("only the offscreen platform can be given screens")
    screens = [
        {"name": name, "x": x, "y": 0, "width": 1600, "height": 1000, "logicalDpi": 96, "logicalBaseDpi": 96, "dpr": 1}
        for name, x in (("coarse", 0), ("fine", 1600))
    ]
    config = tmp_path / "screens.json"
    config.write_text(json.dumps({"screens": screens}), encoding="utf-8")
    child = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("screens_child.py"))],
        env={
            **os.environ,
            "QT_QPA_PLATFORM": f"offscreen:configfile={config}",
            "QT_SCREEN_SCALE_FACTORS": "coarse=1;fine=2",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert child.stdout.split("\n") == ["done", ""], child.stderr


async def test_nothing_in_the_window_holds_a_picture_made_for_one_screen(make: Make) -> None:
    ui = await make()
    await ui.say("hello")
    for command in ("view.chat", "view.models", "view.settings", "help.welcome"):
        ui.window.show_page(command)
    ui.window.notify.toast("told")
    held = [label for label in ui.window.findChildren(QLabel) if not label.pixmap().isNull()]
    assert held == []
