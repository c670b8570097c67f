"""``chat --continue`` after a restart: what was read is not read again, and nothing is left of a deleted chat."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from qwen_desktop.core.paths import find_paths
from qwen_desktop.engine.prompt_cache.files import Folder
from tests import gguf_files
from tests.integration.cli.conftest import Here

LONG = " ".join(f"Note {number}: the {word} is on the table." for number, word in enumerate(["cup", "key", "map"] * 7))


def test_a_chat_goes_on_after_a_restart_without_being_read_again_and_leaves_nothing(here: Here, tmp_path: Path) -> None:
    model = str(gguf_files.write(tmp_path / "model.gguf", vocab=600))

    def ask(*arguments: str) -> dict[str, Any]:
        ended = here("chat", "--json", "--model", model, "--temperature", "0", "--max-tokens", "6", *arguments)
        assert ended.code == 0, ended.err
        return dict(json.loads(ended.out))

    folder = Folder(find_paths().prompt_cache)
    first = ask("--save", LONG)["stats"]
    assert first["restored_tokens"] == 0 and first["evaluated_tokens"] >= first["prompt_tokens"] > 200
    assert folder.size()[1] == 1
    again = ask("--continue", "last", "Which note?")
    second = again["stats"]
    new = second["prompt_tokens"] - first["prompt_tokens"]
    assert 0 < second["evaluated_tokens"] <= new + 5 and second["restored_tokens"] >= first["prompt_tokens"] - 5
    assert second["cached_tokens"] + second["evaluated_tokens"] >= second["prompt_tokens"]
    assert here("history", "delete", again["conversation"], "--yes").code == 0
    assert folder.size() == (0, 0)
    assert not [path for path in folder.path.rglob("*") if path.is_file() and path.stat().st_size]
