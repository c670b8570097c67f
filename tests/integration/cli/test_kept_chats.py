"""``chat --continue`` after a restart: what was read is not read again, and nothing is left of a deleted chat."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from qwen_desktop.core.paths import find_paths
from qwen_desktop.engine.prompt_cache.files import Folder
from tests.smollm2 import model_path

LONG = " ".join(f"Note {number}: the {word} is on the table." for number, word in enumerate(["cup", "key", "map"] * 7))


def program(*arguments: str) -> dict[str, Any]:
    """Run ``qwen-desktop`` and return the object that it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "qwen_desktop", *arguments],
        env=dict(os.environ), capture_output=True, encoding="utf-8", timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) if "--json" in arguments else {}


def ask(*arguments: str) -> dict[str, Any]:
    return program(
        "chat", "--json", "--model", str(model_path()), "--temperature", "0", "--max-tokens", "6", *arguments
    )


def test_a_chat_goes_on_after_a_restart_without_being_read_again_and_leaves_nothing(home: Path) -> None:
    folder = Folder(find_paths().prompt_cache)
    ask(LONG)
    assert folder.size() == (0, 0) and not folder.path.exists()  # nobody asked to save it
    first = ask("--save", LONG)["stats"]
    assert first["restored_tokens"] == 0 and first["evaluated_tokens"] == first["prompt_tokens"] > 200
    assert folder.size()[1] == 1
    again = ask("--continue", "last", "Which note?")
    second = again["stats"]
    assert second["prompt_tokens"] > first["prompt_tokens"]
    assert second["evaluated_tokens"] <= 30 and second["restored_tokens"] >= first["prompt_tokens"] - 5
    assert second["cached_tokens"] + second["evaluated_tokens"] >= second["prompt_tokens"]
    program("history", "delete", again["conversation"], "--yes")
    assert folder.size() == (0, 0)
    assert not [path for path in folder.path.rglob("*") if path.is_file() and path.stat().st_size]
    assert home in folder.path.parents
