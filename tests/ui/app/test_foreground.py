"""A second start passes its right to come forward on to the first."""

from __future__ import annotations

import os

import pytest
from PySide6.QtWidgets import QMainWindow
from pytestqt.qtbot import QtBot

from qwen_desktop.ui import foreground


def test_a_minimised_window_comes_back_with_the_token_of_the_click(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_ACTIVATION_TOKEN", "from the click")
    proof = foreground.passed_on()
    assert proof == "from the click"
    monkeypatch.delenv("XDG_ACTIVATION_TOKEN")
    window = QMainWindow()
    qtbot.addWidget(window)
    window.showMinimized()
    held: list[str | None] = []
    activate = window.activateWindow

    def record() -> None:
        held.append(os.environ.get("XDG_ACTIVATION_TOKEN"))
        activate()

    monkeypatch.setattr(window, "activateWindow", record)
    foreground.bring(window, proof)
    qtbot.waitUntil(lambda: window.isVisible() and not window.isMinimized())
    qtbot.waitUntil(window.isActiveWindow)
    assert held == [proof]  # where Qt on Wayland takes it from
    monkeypatch.delenv("XDG_ACTIVATION_TOKEN", raising=False)


def test_without_a_token_the_environment_is_left_alone(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_ACTIVATION_TOKEN", raising=False)
    assert foreground.passed_on() == ""
    window = QMainWindow()
    qtbot.addWidget(window)
    foreground.bring(window)
    qtbot.waitUntil(window.isVisible)
    assert "XDG_ACTIVATION_TOKEN" not in os.environ
