"""The real program as a shell starts it: real worker, real model, real exit codes."""

from __future__ import annotations

import json
import os
import select
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest

from qwen_desktop.core.commands import command
from tests.smollm2 import model_path

Done = subprocess.CompletedProcess[str]
Shell = Callable[..., Done]
PROGRAM = [sys.executable, "-m", "qwen_desktop"]
GREEDY = ("--temperature", "0", "--seed", "1")


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """Run ``qwen-desktop`` with these arguments in an empty folder."""
    folder = tmp_path / "somewhere else"
    folder.mkdir()

    def run(*arguments: str, stdin: str = "", **environment: str) -> Done:
        return subprocess.run(
            [*PROGRAM, *arguments],
            cwd=folder, input=stdin, env={**os.environ, **environment}, capture_output=True, encoding="utf-8",
            timeout=60, check=False,
        )  # fmt: skip

    return run


def sentence(done: Done) -> str:
    """What a failed command said: one line, no traceback, exit code 1."""
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr.strip()


def leftovers(process: psutil.Process) -> list[psutil.Process]:
    """Children that still run after their command has ended."""
    _, alive = psutil.wait_procs(process.children(recursive=True), timeout=3)
    return list(alive)


def test_a_real_model_answers_and_json_tells_the_figures(shell: Shell, home: Path) -> None:
    done = shell("chat", "--json", "--model", str(model_path()), *GREEDY, "How many days are in a week?")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert "7" in found["text"] or "seven" in found["text"].lower()
    assert found["finish_reason"] == "stop"
    assert found["thinking"] == ""
    stats = found["stats"]
    assert stats["prompt_tokens"] > 10
    assert stats["completion_tokens"] > 3
    assert 0 < stats["ttft_s"] < 30
    assert stats["decode_tokens_per_s"] > 0
    assert stats["prompt_tokens_per_s"] > 0
    assert stats["load_s"] > 0
    assert stats["memory_bytes"] > 50_000_000
    assert stats["cpu"]
    assert not (home / "history.sqlite3").exists()


def test_an_installed_model_answers_by_its_name_and_by_its_alias(shell: Shell, tmp_path: Path) -> None:
    assert shell("models", "import", str(model_path())).returncode == 0
    (listed,) = json.loads(shell("models", "list", "--json").stdout)["models"]
    assert shell("models", "options", listed["name"], "--alias", "tiny", "--context", "1024").returncode == 0
    limited = ("chat", "--json", "--max-tokens", "4", *GREEDY, "How many days are in a week?")
    by_path = json.loads(shell(*limited, "--model", str(model_path())).stdout)
    for name in ("TINY", listed["name"]):
        found = json.loads(shell(*limited, "--model", name).stdout)
        assert (found["text"], found["model"]) == (by_path["text"], by_path["model"])
    unknown = sentence(shell("chat", "--model", "small", "Hello"))
    assert "There is no model small here." in unknown and "tiny" in unknown
    here = tmp_path / "somewhere else" / "tiny"  # a file that is there goes before a name
    here.write_bytes(b"no model")
    assert "There is no model" not in sentence(shell("chat", "--model", "tiny", "Hello"))


def test_the_guide_answers_without_any_model(shell: Shell, home: Path) -> None:
    done = shell("chat", "--json", "How do I start a new chat?")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert command("chat.new").shortcut in found["text"]
    assert found["finish_reason"] == "stop"
    # the window's chats and the command line get the same answer: what is set for real models is not for the guide
    plain = shell("chat", "--json", "--no-think", "How do I start a new chat?")
    heated = "[sampling]\ntemperature = 2.0\nrepeat_penalty = 2.0\npresence_penalty = 2.0\n"
    (home / "settings.toml").write_text(heated, encoding="utf-8")
    hot = shell("chat", "--json", "--no-think", "How do I start a new chat?")
    assert json.loads(hot.stdout)["text"] == json.loads(plain.stdout)["text"]
    assert json.loads(plain.stdout)["thinking"] == ""
    assert json.loads(shell("chat", "--json", "--think", "How do I start a new chat?").stdout)["thinking"] != ""


def test_the_same_seed_gives_the_same_answer_and_the_limit_is_named(shell: Shell) -> None:
    arguments = (
        "chat",
        "--json",
        "--model",
        str(model_path()),
        "--seed",
        "7",
        "--max-tokens",
        "12",
        "Tell me a story.",
    )
    first, second = json.loads(shell(*arguments).stdout), json.loads(shell(*arguments).stdout)
    assert first["text"] == second["text"] != ""
    assert first["finish_reason"] == "length"
    assert first["stats"]["completion_tokens"] == 12


def test_saved_messages_come_from_standard_input_and_stay(shell: Shell, home: Path) -> None:
    done = shell("chat", "--save", "--model", str(model_path()), *GREEDY, "-", stdin="What is 2+2?\n")
    assert done.returncode == 0, done.stderr
    with closing(sqlite3.connect(home / "history.sqlite3")) as connection:
        rows = connection.execute("SELECT role, status FROM messages ORDER BY created, role DESC").fetchall()
        title = connection.execute("SELECT title FROM conversations").fetchone()[0]
    assert rows == [("user", "done"), ("assistant", "done")]
    assert title == "What is 2+2?"


def test_a_saved_chat_is_gone_on_with(shell: Shell, home: Path) -> None:
    short = ("--json", "--model", str(model_path()), *GREEDY, "--max-tokens", "24")
    first = json.loads(shell("chat", "--save", *short, "My name is Ada. Say hello to me.").stdout)
    done = shell("chat", "--continue", first["conversation"][:8], *short, "-", stdin="What is my name?")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["conversation"] == first["conversation"]
    assert found["stats"]["prompt_tokens"] > first["stats"]["prompt_tokens"] + first["stats"]["completion_tokens"]
    with closing(sqlite3.connect(home / "history.sqlite3")) as connection:
        depth = connection.execute(
            "SELECT role, parent_id IS NULL FROM messages ORDER BY created, role DESC"
        ).fetchall()
        assert connection.execute("SELECT count(*) FROM conversations").fetchone() == (1,)
    assert depth == [("user", 1), ("assistant", 0), ("user", 0), ("assistant", 0)]
    assert "no chat with the id ffffff" in sentence(shell("chat", "--continue", "ffffff", "Hi"))


@pytest.mark.skipif(sys.platform == "win32", reason="a child cannot be sent Ctrl+C alone there")
def test_it_streams_and_ctrl_c_ends_it_with_what_there_is(home: Path) -> None:
    command = [*PROGRAM, "chat", "--model", str(model_path()), "--max-tokens", "4000", "Write a very long story."]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        watched = psutil.Process(process.pid)
        assert select.select([process.stdout], [], [], 60)[0]
        first = os.read(process.stdout.fileno(), 4096)
        assert first
        assert process.poll() is None
        workers = watched.children(recursive=True)
        assert workers
        process.send_signal(signal.SIGINT)
        started = time.monotonic()
        rest, errors = process.stdout.read(), process.stderr.read()
        assert process.wait(10) == 130
        assert time.monotonic() - started < 5
    assert (first + rest).endswith(b"\n")
    assert errors == b""
    assert not psutil.wait_procs(workers, timeout=3)[1]


@pytest.mark.skipif(sys.platform == "win32", reason="no pipe to close there")
def test_a_reader_that_goes_away_is_no_reason_to_complain(home: Path) -> None:
    command = [*PROGRAM, "chat", "--model", str(model_path()), "--max-tokens", "400", "Write a long story."]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(1)
        process.stdout.close()
        assert process.wait(30) == 1
        assert process.stderr.read() == b""


def test_files_that_are_no_models_get_a_sentence_each(shell: Shell, tmp_path: Path) -> None:
    text = tmp_path / "notes.gguf"
    text.write_text("this is a text\n" * 100)
    short = tmp_path / "short.gguf"
    with model_path().open("rb") as whole:
        short.write_bytes(whole.read(5_000_000))
    said = {
        path.name: sentence(shell("chat", "--model", str(path), "Hi"))
        for path in (text, short, tmp_path, tmp_path / "missing.gguf")
    }
    assert len(set(said.values())) == 4
    for name, words in said.items():
        assert name in words


def test_a_prompt_longer_than_the_context_is_said(shell: Shell, home: Path) -> None:
    home.mkdir()
    (home / "settings.toml").write_text("[engine]\ncontext = 512\n")
    words = sentence(shell("chat", "--model", str(model_path()), "-", stdin="word " * 3000))
    assert "context" in words.lower()


def test_the_message_and_the_wrong_option_are_usage(shell: Shell) -> None:
    assert shell("chat", "").returncode == 2
    assert shell("chat", "-", stdin=" \n").returncode == 2
    assert shell("chat", "--nonsense", "Hi").returncode == 2


def test_a_broken_settings_file_is_told_and_left_alone(shell: Shell, home: Path) -> None:
    home.mkdir()
    (home / "settings.toml").write_text("[engine\nmodel = 1")
    done = shell("chat", "--model", str(model_path()), "--max-tokens", "3", "Hi")
    assert done.returncode == 0
    assert "settings.toml has an error in line 1" in done.stderr
    assert (home / "settings.toml").read_text() == "[engine\nmodel = 1"


def test_a_history_from_a_newer_version_is_not_touched(shell: Shell, home: Path) -> None:
    home.mkdir()
    with closing(sqlite3.connect(home / "history.sqlite3")) as connection:
        connection.execute("PRAGMA journal_mode = wal")
        connection.execute("PRAGMA user_version = 9999")
    before = (home / "history.sqlite3").read_bytes()
    words = sentence(shell("chat", "--save", "--model", str(model_path()), "Hi"))
    assert "newer" in words
    assert (home / "history.sqlite3").read_bytes() == before


def test_a_data_folder_that_cannot_be_used(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    inside = str(tmp_path / "file" / "home")
    sentence(shell("chat", "--save", "--model", str(model_path()), "Hi", QWEN_DESKTOP_HOME=inside))
    done = shell("chat", "--model", str(model_path()), "--max-tokens", "3", "Hi", QWEN_DESKTOP_HOME=inside)
    assert done.returncode == 0, done.stderr
