"""Ends of the session at random moments, in every state the app can be in, by every signal, once or several times."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from qwen_desktop.core.chat import Status
from tests.integration.app.ends import CHILD, crashed, end_by, look
from tests.integration.app.test_session_end import BUSY_S, LIMIT_S, hub, in_order
from tests.smollm2 import model_path

__all__ = ["hub"]

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals; it ends sessions otherwise")

#: Whoever runs the tests may ignore signals, and so would the program.
START = """
import signal, sys
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)
from qwen_desktop.__main__ import main
sys.exit(main([]))
"""
ORDERLY = ("idle", "answering", "queued", "loading", "frozen_worker", "dialog", "asked", "download", "quit_event")
HANGING = ("hung_database", "hung_thread", "hung_loop", "hung_gil")


def test_any_signal_in_any_state(seconds: float, home: Path, monkeypatch: pytest.MonkeyPatch, hub: object) -> None:
    deadline = time.monotonic() + seconds
    seed = random.randrange(1 << 30)
    chance = random.Random(seed)
    states = [*ORDERLY, *HANGING]
    chance.shuffle(states)
    settings = (home / "settings.toml").read_text()
    for number, story in enumerate(states * 100):
        if number and time.monotonic() > deadline:
            break
        place = home.with_name(f"home-{number}")
        place.mkdir()
        (place / "settings.toml").write_text(settings)
        monkeypatch.setenv("QWEN_DESKTOP_HOME", str(place))
        numbers = chance.choices((signal.SIGTERM, signal.SIGINT, signal.SIGHUP), k=chance.choice((1, 1, 2, 5)))
        after = chance.random() + (0.5 if story in HANGING else 0)
        ended = end_by(story, *numbers, after=after, pause=chance.random() * 0.3)
        print(f"seed={seed} {story} {numbers} {ended.code} {ended.seconds:.2f} s")
        if story in HANGING:
            # With several signals the time counts from the last one.
            assert ended.seconds < LIMIT_S + BUSY_S and ended.crash is None and not ended.left
        else:
            assert in_order(ended)
            for shown in ended.shown:
                assert ended.saved(shown)
            assert all(message.status is not Status.STREAMING for message in ended.answers)


def test_a_signal_while_it_starts(seconds: float, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before there is anything to save the signal itself may end it; nobody is told of a crash either way."""
    deadline = time.monotonic() + seconds
    seed = random.randrange(1 << 30)
    chance = random.Random(seed)
    runs = 0
    while not runs or time.monotonic() < deadline:
        runs += 1
        monkeypatch.setenv("QWEN_DESKTOP_HOME", str(home.with_name(f"early-{runs}")))
        number = chance.choice((signal.SIGTERM, signal.SIGINT, signal.SIGHUP))
        with subprocess.Popen([sys.executable, "-c", START], stderr=subprocess.PIPE, encoding="utf-8") as process:
            time.sleep(chance.uniform(0.2, 3))
            begun = time.monotonic()
            process.send_signal(number)
            _, errors = process.communicate(timeout=20)
        where = f"seed={seed} run={runs} {number!r} {process.returncode} {errors}"
        assert process.returncode in (0, 130, -number), where
        assert time.monotonic() - begun < LIMIT_S + BUSY_S, where
        assert "Traceback" not in errors and "Fatal" not in errors, where
        assert crashed() is None, where


def test_a_click_on_close_is_not_held_up_by_a_thread_either(seconds: float, home: Path) -> None:
    ended = end_by("closed", after=0)
    assert ended.crash is None and not ended.left
    assert ended.seconds < 8


@pytest.mark.skipif(not Path("/usr/bin/Xvfb").exists(), reason="needs an X server that may be ended")
def test_a_display_that_goes_away_first_loses_nothing(
    seconds: float, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, write = os.pipe()
    with subprocess.Popen(
        ["/usr/bin/Xvfb", "-displayfd", str(write), "-screen", "0", "1200x800x24"],
        pass_fds=(write,),
        stderr=subprocess.DEVNULL,
    ) as server:
        display = os.read(read, 16).decode().strip()
        monkeypatch.setenv("QT_QPA_PLATFORM", "xcb")
        monkeypatch.setenv("DISPLAY", f":{display}")
        command = [sys.executable, str(CHILD), "answering", str(model_path())]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8") as process:
            assert process.stdout is not None
            words = process.stdout.readline()
            begun = time.monotonic()
            server.kill()
            code = process.wait(20)
    assert code == 0 and time.monotonic() - begun < LIMIT_S + 1
    answers, crash = look()
    assert words.startswith("ready") and crash is None
    assert [message.status for message in answers] == [Status.STOPPED]
