"""``qwen-desktop chat``: what it prints, what it asks for, what it keeps, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qwen_desktop.core.engine import ThinkingMode
from qwen_desktop.core.errors import Environment
from qwen_desktop.core.parts import Role
from qwen_desktop.core.text import Text
from tests.scripted_engine import Script

Command = Callable[..., Any]
CRASH = Environment(Text("crash", "The engine ended."), Text("hint", "Send it again."))


def gguf(folder: Path) -> str:
    """A file that passes for a model."""
    path = folder / "Some Model.gguf"
    path.write_bytes(b"GGUF")
    return str(path)


def press_ctrl_c(after: float) -> threading.Thread:
    """Press Ctrl+C once, ``after`` seconds from now."""

    def press() -> None:
        time.sleep(after)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=press)
    thread.start()
    return thread


def test_the_answer_is_streamed_to_stdout_and_nothing_is_kept(command: Command, home: Path) -> None:
    ending = command("chat", "Hi", script=Script("Hello\nthere.", "Hm."))
    assert ending.code == 0
    assert ending.out == "Hello\nthere.\n"
    assert ending.err == ""
    assert not home.exists()


def test_json_is_one_object_with_exactly_the_promised_fields(command: Command, tmp_path: Path) -> None:
    ending = command("chat", "--json", "--model", gguf(tmp_path), "Hi", script=Script("Привет.", "Hm.", piece=1))
    assert ending.code == 0
    assert ending.err == ""
    found = json.loads(ending.out)
    assert list(found) == ["text", "thinking", "finish_reason", "model", "budget_spent", "stopped_loop", "stats"]
    assert found["budget_spent"] is found["stopped_loop"] is False
    assert (found["text"], found["thinking"], found["finish_reason"]) == ("Привет.", "Hm.", "stop")
    assert found["model"] == "Some Model"
    assert set(found["stats"]) == {
        "prompt_tokens", "cached_tokens", "restored_tokens", "evaluated_tokens", "completion_tokens",
        "thinking_tokens", "ttft_s", "prompt_tokens_per_s",
        "decode_tokens_per_s", "load_s", "memory_bytes", "cpu",
        "drafted_tokens", "accepted_tokens",
    }  # fmt: skip
    assert found["stats"]["completion_tokens"] == 10
    assert found["stats"]["thinking_tokens"] == 3
    assert found["stats"]["memory_bytes"] > 0
    kept = json.loads(command("chat", "--json", "--save", "Hi").out)  # it can be gone on with
    assert set(kept) - set(found) == {"conversation"} and len(kept["conversation"]) == 32


def test_the_options_reach_the_engine(command: Command, tmp_path: Path) -> None:
    path = gguf(tmp_path)
    ending = command(
        "chat", "--model", path, "--system", "Be short.", "--no-think", "--max-tokens", "9", "--temperature", "0",
        "--seed", "5", "Why?",
    )  # fmt: skip
    (request,) = ending.engine.requests
    assert [(m.role, m.parts[0].text) for m in request.messages] == [  # type: ignore[union-attr] - both are text
        (Role.SYSTEM, "Be short."),
        (Role.USER, "Why?"),
    ]
    assert request.thinking is ThinkingMode.DIRECT
    assert request.max_tokens == 9
    assert (request.sampling.temperature, request.sampling.seed) == (0.0, 5)
    assert ending.engine.loads[0].path == path


@pytest.mark.parametrize(
    ("arguments", "settings", "expected"),
    [
        ((), "", (None, True)),
        (("--thinking-budget", "0"), "", (0, True)),
        (("--thinking-budget", "40", "--no-loop-guard"), "", (40, False)),
        ((), "[chat]\nthinking_budget = 512\nloop_guard = false\n", (512, False)),
        (("--thinking-budget", "7", "--loop-guard"), "[chat]\nthinking_budget = 5\nloop_guard = false\n", (7, True)),
    ],
)
def test_how_long_it_may_think_and_whether_it_may_go_round(
    command: Command, home: Path, arguments: tuple[str, ...], settings: str, expected: tuple[int | None, bool]
) -> None:
    if settings:
        home.mkdir()
        (home / "settings.toml").write_text(settings)
    (request,) = command("chat", *arguments, "Hi").engine.requests
    assert (request.thinking_budget, request.loop_guard) == expected


@pytest.mark.parametrize("wrong", ["-1", "many", "1.5"])
def test_a_budget_that_is_none_is_a_mistake_of_usage(command: Command, wrong: str) -> None:
    ending = command("chat", "--thinking-budget", wrong, "Hi")
    assert ending.code == 2 and "--thinking-budget" in ending.err


def test_json_says_that_a_thought_was_closed_and_a_loop_stopped(command: Command) -> None:
    for spent, looped in ((True, False), (False, True)):
        script = Script("Hello.", "Hm.", budget_spent=spent, stopped_loop=looped)
        found = json.loads(command("chat", "--json", "Hi", script=script).out)
        assert (found["budget_spent"], found["stopped_loop"], found["finish_reason"]) == (spent, looped, "stop")


def test_without_a_model_the_settings_decide_and_then_the_guide(command: Command, home: Path, tmp_path: Path) -> None:
    assert command("chat", "Hi").engine.loads[0].path.endswith("guide.gguf")
    home.mkdir()
    settings = f"[engine]\nmodel = '{gguf(tmp_path)}'\n[chat]\nthinking = 'think'\n[sampling]\ntemperature = 0.5\n"
    (home / "settings.toml").write_text(settings)
    ending = command("chat", "Hi")
    assert ending.engine.loads[0].path == gguf(tmp_path)
    assert ending.engine.requests[0].thinking is ThinkingMode.THINK
    assert ending.engine.requests[0].sampling.temperature == 0.5
    assert (home / "settings.toml").read_text() == settings


def test_an_empty_name_of_a_model_is_not_passed_over(command: Command) -> None:
    assert command("chat", "--model", "", "Hi").engine.loads[0].path == str(Path.cwd())  # the guide has not answered


def test_a_one_run_model_does_not_become_the_chosen_one(command: Command, home: Path, tmp_path: Path) -> None:
    command("chat", "--save", "--model", gguf(tmp_path), "Hi")
    assert not (home / "settings.toml").exists()


def test_save_keeps_question_and_answer(command: Command, home: Path) -> None:
    ending = command("chat", "--save", "--json", "--system", "Be short.", "Hi", script=Script("Hello.", "Hm."))
    assert ending.code == 0
    assert json.loads(ending.out)["thinking"] == "Hm."
    with sqlite3.connect(home / "history.sqlite3") as connection:
        roles = [row[0] for row in connection.execute("SELECT role FROM messages ORDER BY created")]
        prompts = [row[0] for row in connection.execute("SELECT system_prompt FROM conversations")]
    connection.close()
    assert sorted(roles) == ["assistant", "user"]
    assert prompts == ["Be short."]


def test_standard_input_is_the_message(command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes("\ufeffdiff — größer\n".encode())
    with (tmp_path / "in").open(encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        ending = command("chat", "-")
    assert ending.code == 0
    assert ending.engine.requests[0].messages[-1].parts[0].text == "diff — größer"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("chat",), "PROMPT"),
        (("chat", ""), "empty"),
        (("chat", "  \n"), "empty"),
        (("chat", "--temperature", "9", "Hi"), "temperature"),
        (("chat", "--max-tokens", "0", "Hi"), "max-tokens"),
        (("chat", "--seed", "x", "Hi"), "seed"),
        (("chat", "--colour", "Hi"), "--colour"),
        (("fly",), "fly"),
    ],
)
def test_wrong_usage_is_2_and_says_what(command: Command, arguments: tuple[str, ...], word: str) -> None:
    ending = command(*arguments)
    assert ending.code == 2
    assert word in ending.err
    assert ending.out == ""
    assert not ending.engine.loads


@pytest.mark.parametrize("save", [(), ("--save",)])
def test_a_failure_keeps_what_came_and_says_one_sentence(command: Command, save: tuple[str, ...]) -> None:
    script = Script("Hello there.", error=CRASH, fail_after=2, piece=3)
    ending = command("chat", *save, "Hi", script=script)
    assert ending.code == 1
    assert ending.out == "Hello \n"
    assert ending.err == "The engine ended. Send it again.\n"
    ending = command("chat", *save, "--json", "Hi", script=script)
    assert ending.code == 1
    found = json.loads(ending.out)
    assert (found["text"], found["finish_reason"]) == ("Hello ", "error")
    assert ending.err == "The engine ended. Send it again.\n"


def test_a_model_that_does_not_load_is_one_sentence(command: Command, tmp_path: Path) -> None:
    ending = command("chat", "--model", gguf(tmp_path), "--json", "Hi", load_error=CRASH)
    assert ending.code == 1
    assert json.loads(ending.out)["finish_reason"] == "error"
    assert ending.err == "The engine ended. Send it again.\n"


def test_a_missing_model_is_one_sentence(command: Command, tmp_path: Path) -> None:
    ending = command("chat", "--model", str(tmp_path / "nothing.gguf"), "Hi")
    assert ending.code == 1
    assert "nothing.gguf" in ending.err
    assert ending.err.count("\n") == 1


@pytest.mark.expects_errors
def test_our_own_mistake_is_a_sentence_and_a_place_without_the_words_of_the_chat(command: Command, home: Path) -> None:
    ending = command("chat", "Hi", script=Script("x", error=ZeroDivisionError("secret words"), fail_after=0))
    assert ending.code == 1
    assert ending.err.startswith("Something went wrong inside Qwen Desktop.")
    place = home / "logs" / "command.log"
    assert str(place) in ending.err
    assert "ZeroDivisionError" in place.read_text()
    assert "secret" not in place.read_text() + ending.err


def test_a_history_that_cannot_be_written_fails_before_asking(command: Command, home: Path) -> None:
    home.mkdir()
    (home / "history.sqlite3").mkdir()
    ending = command("chat", "--save", "Hi")
    assert ending.code == 1
    assert ending.err.count("\n") == 1
    assert not ending.engine.requests


def test_a_settings_file_with_a_mistake_is_told_and_the_answer_comes(command: Command, home: Path) -> None:
    home.mkdir()
    (home / "settings.toml").write_text("[engine\n")
    ending = command("chat", "Hi")
    assert ending.code == 0
    assert ending.out == "Hello.\n"
    assert "settings.toml has an error in line 1" in ending.err


@pytest.mark.parametrize("options", [(), ("--json",), ("--save", "--json")])
def test_ctrl_c_prints_what_there_is_and_ends_with_130(command: Command, options: tuple[str, ...]) -> None:
    presser = press_ctrl_c(0.5)
    ending = command("chat", *options, "Hi", script=Script("word " * 1000, rate=50, piece=5))
    presser.join()
    assert ending.code == 130
    assert ending.err == ""
    if options:
        found: dict[str, Any] = json.loads(ending.out)
        assert found["finish_reason"] == "cancelled"
        text = found["text"]
    else:
        text = ending.out
    assert 1 <= text.count("word") < 200


def test_ctrl_c_while_the_model_loads_gives_up(command: Command) -> None:
    presser = press_ctrl_c(0.3)
    started = time.monotonic()
    ending = command("chat", "--json", "Hi", load_s=30)
    presser.join()
    assert ending.code == 130
    assert json.loads(ending.out)["finish_reason"] == "cancelled"
    assert time.monotonic() - started < 5


def test_a_second_ctrl_c_ends_an_engine_that_does_not_listen(command: Command) -> None:
    pressers = [press_ctrl_c(0.3), press_ctrl_c(0.8)]
    started = time.monotonic()
    ending = command("chat", "Hi", script=Script("word " * 1000, rate=20, piece=5, deaf=True))
    for presser in pressers:
        presser.join()
    assert ending.code == 130
    assert time.monotonic() - started < 5


def test_afterwards_ctrl_c_means_what_it_meant_before(command: Command) -> None:
    before = signal.getsignal(signal.SIGINT)
    command("chat", "Hi")
    assert signal.getsignal(signal.SIGINT) is before


def test_a_damaged_history_is_told_before_a_new_one_is_used(command: Command, home: Path) -> None:
    home.mkdir()
    home.mkdir(exist_ok=True)
    (home / "history.sqlite3").write_bytes(b"no database at all, but long enough to look like one" * 40)
    ending = command("chat", "--save", "Hi")
    assert ending.code == 0
    assert "history.broken-1.sqlite3" in ending.err


@pytest.mark.parametrize("saved", [(), ("--save",)])
def test_a_thought_that_was_never_opened_is_none_of_the_answer(command: Command, saved: tuple[str, ...]) -> None:
    script = Script("It is 4.", "Two and two, hm.", unopened=True)
    found = json.loads(command("chat", "--json", *saved, "2+2?", script=script).out)
    assert (found["text"], found["thinking"]) == ("It is 4.", "Two and two, hm.")
    ending = command("chat", *saved, "2+2?", script=script)
    assert ending.out == "Two and two, hm.\nIt is 4.\n"  # what is out cannot be taken back, so it is told
    assert ending.err == "(What stands above is the model's thinking; the answer follows.)\n"
