"""What the systems say of a network that costs money."""

from __future__ import annotations

import asyncio
from pathlib import PureWindowsPath

import pytest

from qwen_desktop.services import network


@pytest.mark.parametrize(
    ("answer", "costs"),
    [("u 1\n", True), ("u 3\n", True), ("u 2\n", False), ("u 4\n", False), ("u 0\n", False), ("", False), ("x", False)],
)
def test_network_managers_property(answer: str, costs: bool) -> None:
    assert network.metered_by_bus(answer) is costs


@pytest.mark.parametrize(
    ("answer", "costs"),
    [
        ("GENERAL.METERED:yes\nGENERAL.METERED:unknown\n", True),
        ("GENERAL.METERED:unknown\n\nGENERAL.METERED:yes (guessed)\n", True),
        ("GENERAL.METERED:no (guessed)\nGENERAL.METERED:yes\n", False),
        ("", False),
    ],
)
def test_nmcli(answer: str, costs: bool) -> None:
    assert network.metered_by_nmcli(answer) is costs


@pytest.mark.parametrize(
    ("answer", "costs"), [("Fixed\r\n", True), ("Variable", True), ("Unrestricted", False), ("", False)]
)
def test_windows(answer: str, costs: bool) -> None:
    assert network.metered_by_windows(answer) is costs


@pytest.mark.parametrize("program", ["/no/such/program", "false"])
def test_a_system_that_does_not_say_costs_nothing(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    monkeypatch.setattr(network, "_NETWORK_MANAGER", (program,))
    monkeypatch.setattr(network, "_NMCLI", (program,))
    monkeypatch.setattr("sys.platform", "linux")
    assert asyncio.run(network.metered()) is False
    monkeypatch.setattr(network, "_NETWORK_MANAGER", ("echo", "u 3"))
    assert asyncio.run(network.metered()) is True


def test_a_program_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr(network, "PATIENCE_S", 0.2)
    monkeypatch.setattr(network, "_NETWORK_MANAGER", ("sleep", "20"))
    monkeypatch.setattr(network, "_NMCLI", ("sleep", "20"))
    assert asyncio.run(asyncio.wait_for(network.metered(), 5)) is False


def test_windows_is_asked_by_a_program_of_its_own_folder() -> None:
    # A bare name would be looked for beside the model that was double-clicked.
    program = PureWindowsPath(network._WINDOWS[0])
    assert program.is_absolute()
    assert program.parent.is_relative_to(PureWindowsPath(network._SYSTEM) / "System32")
