"""``chat --lora``: how it is written, what reaches the engine, what is kept, and what is said of what is none."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qwen_desktop.cli import chat_adapters
from qwen_desktop.cli.chat_adapters import read_adapters
from qwen_desktop.core.engine import Adapter
from qwen_desktop.core.errors import UserFacing
from tests import adapter_files, gguf_files

Command = Callable[..., Any]


@pytest.fixture(scope="session")
def lora(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("adapters")
    return adapter_files.write(folder / "pirate.gguf", gguf_files.write(folder / "model.gguf", vocab=300))


@pytest.mark.parametrize(
    ("told", "path", "scale"),
    [
        ("/a/b.gguf", "/a/b.gguf", 1.0),
        ("/a/b.gguf:0.5", "/a/b.gguf", 0.5),
        ("/a/b.gguf:-2", "/a/b.gguf", -2.0),
        ("/a/b.gguf:.25", "/a/b.gguf", 0.25),
        ("/a/b.gguf:1e-1", "/a/b.gguf", 0.1),
        ("/a:1/b", "/a:1/b", 1.0),
        ("/C:\\files\\b.gguf", "/C:\\files\\b.gguf", 1.0),
        ("/C:\\files\\b.gguf:2", "/C:\\files\\b.gguf", 2.0),
        ("/a/b:0.5:0.7", "/a/b:0.5", 0.7),
    ],
)
def test_a_number_behind_the_last_colon_is_the_scale(
    monkeypatch: pytest.MonkeyPatch, told: str, path: str, scale: float
) -> None:
    monkeypatch.setattr(chat_adapters, "read_adapter", lambda _path: None)
    assert read_adapters([told]) == (Adapter(path, scale),)


def test_a_drive_is_no_path_with_a_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat_adapters, "read_adapter", lambda _path: None)
    (found,) = read_adapters(["C:5"])
    assert found.path.endswith("C:5") and found.scale == 1.0


def test_a_file_whose_name_ends_like_a_scale_is_a_file(lora: str, tmp_path: Path) -> None:
    odd = tmp_path / "odd:0.5"
    odd.write_bytes(Path(lora).read_bytes())
    assert read_adapters([str(odd)]) == (Adapter(str(odd)),)
    assert read_adapters([f"{odd}:2"]) == (Adapter(str(odd), 2.0),)


@pytest.fixture
def other(tmp_path: Path, lora: str) -> str:
    path = tmp_path / "other.gguf"
    path.write_bytes(Path(lora).read_bytes())
    return str(path)


@pytest.fixture
def model(tmp_path: Path) -> tuple[str, str]:
    """A file that passes for a model."""
    path = tmp_path / "passes.gguf"
    path.write_bytes(b"GGUF")
    return "--model", str(path)


def test_they_reach_the_engine_and_the_answer_names_them(
    command: Command, lora: str, other: str, model: tuple[str, str], home: Path
) -> None:
    ended = command("chat", "Who?", "--json", *model, "--lora", lora, "--lora", f"{other}:0.5")
    assert (ended.code, ended.err) == (0, "")
    assert ended.engine.requests[0].adapters == (Adapter(lora), Adapter(other, 0.5))
    assert [(each["name"], each["scale"], each["used"]) for each in json.loads(ended.out)["adapters"]] == [
        ("pirate", 1.0, True), ("other", 0.5, True),
    ]  # fmt: skip
    assert not home.exists()
    assert "adapters" not in json.loads(command("chat", "Who?", "--json").out)


def test_a_kept_chat_keeps_them_until_others_are_named(command: Command, lora: str, model: tuple[str, str]) -> None:
    command("chat", "Who?", "--save", *model, "--lora", f"{lora}:0.5")
    go_on = ("chat", "And?", "--continue", "last", *model)
    assert command(*go_on).engine.requests[0].adapters == (Adapter(lora, 0.5),)
    assert command(*go_on, "--lora", f"{lora}:-1").engine.requests[0].adapters == (Adapter(lora, -1.0),)
    assert command(*go_on).engine.requests[0].adapters == (Adapter(lora, -1.0),)
    assert command("chat", "And?", "--continue", "last").engine.requests[0].adapters == ()  # of the guide
    assert command("chat", "And?", "--continue", "last", "--lora", f"{lora}:3").code == 1  # the guide again
    assert command(*go_on).engine.requests[0].adapters == (Adapter(lora, -1.0),)
    command(*go_on, "--lora", "")
    assert command(*go_on).engine.requests[0].adapters == ()


def test_one_counts_once(lora: str) -> None:
    with pytest.raises(UserFacing, match="named twice"):
        read_adapters([lora, f"{lora}:2"])


def test_the_guide_has_none(command: Command, lora: str) -> None:
    ended = command("chat", "Who?", "--lora", lora)
    assert ended.code == 1 and "--model" in ended.err and ended.err.count("\n") == 1 and not ended.engine.requests


def test_what_is_none_is_a_sentence_and_nothing_is_asked(command: Command, lora: str, tmp_path: Path) -> None:
    model = gguf_files.write(tmp_path / "model.gguf", vocab=300)
    for told, said in (
        (str(tmp_path / "none.gguf"), "does not exist"),
        (str(model), "model.gguf is no adapter (LoRA)"),
        (f"{lora}:strong", "does not end in a scale that is a number"),
        (f"{lora}:", "does not end in a scale that is a number"),
        (f"{lora}:1e999", "cannot count so strongly"),
        (f"{lora}:-8.5", "cannot count so strongly"),
    ):
        ended = command("chat", "Who?", "--model", str(model), "--lora", told)
        assert ended.code == 1 and said in ended.err and ended.err.count("\n") == 1, ended.err
        assert not ended.out and not ended.engine.requests
