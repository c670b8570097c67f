"""What the README and the documents of the repository show of the command line can be typed so."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer.main

from qwen_desktop.cli.app import application
from qwen_desktop.cli.chat import FIGURES
from qwen_desktop.cli.launch import window

README = (Path(__file__).parents[3] / "README.md").read_text("utf-8")
SHOWN = re.findall(r"^    (?:.*\| )?qwen-desktop\b(.*)$", README, re.MULTILINE)


def test_the_readme_shows_commands() -> None:
    assert len(SHOWN) > 20


@pytest.mark.parametrize("line", SHOWN)
def test_a_command_of_the_readme_can_be_typed(line: str) -> None:
    words = shlex.split(line.partition(" | ")[0], comments=True)
    if window(words) is not None or words == ["--version"]:
        return
    command: Any = typer.main.get_command(application(None))  # type: ignore[arg-type] # nothing is run
    while hasattr(command, "commands"):
        command = command.commands[words.pop(0)]
    command.make_context(command.name, words)  # raises for what it does not know


def test_the_readme_names_every_figure_of_an_answer() -> None:
    assert [figure for figure in FIGURES if f"`{figure}`" not in README] == []
