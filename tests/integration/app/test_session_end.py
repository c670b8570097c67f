"""The session's end is no click: no question, all that was shown is saved, and the process ends within 3 s."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from qwen_desktop.core.chat import Status
from qwen_desktop.ui import ending
from tests.fake_hub import FakeHub, content
from tests.integration.app.ends import Ended, end_by

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals; it ends sessions otherwise")

LIMIT_S = 3.0
#: What a busy machine takes until a process that was ended is seen to have ended.
BUSY_S = 1.5


@pytest.fixture
def hub(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """A slow hub with a model; the settings name it as the mirror."""
    for name in ("HF_TOKEN", "HF_ENDPOINT", "HF_HUB_OFFLINE", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("HF_HOME", str(home / "hf"))
    with FakeHub() as made:
        made.add("owner/Large-GGUF", {"large-Q4_K_M.gguf": content(40_000_000, seed=3)})
        made.pace(3_000_000)
        home.mkdir(parents=True)
        settings = f'[downloads]\nendpoint = "{made.endpoint}"\nsource = "huggingface"\n'
        (home / "settings.toml").write_text(settings, encoding="utf-8")
        yield made


def in_order(ended: Ended) -> bool:
    """Ended by itself in time, told nobody anything, and nothing of it lives on or looks like a crash."""
    assert ended.code == 0 and ended.seconds < LIMIT_S, (ended.code, ended.seconds, ended.err)
    assert "Traceback" not in ended.err and "agreed" not in ended.out
    assert ended.crash is None and not ended.left
    return True


def test_a_log_out_asks_nothing_whatever_is_going_on(hub: FakeHub, home: Path) -> None:
    ended = end_by("everything", signal.SIGTERM, signal.SIGTERM, signal.SIGINT)
    assert in_order(ended)
    assert ended.shown[0].strip() and ended.saved(ended.shown[0])
    assert [message.status for message in ended.answers] == [Status.STOPPED, Status.STOPPED]
    (kept,) = json.loads((home / "downloads.json").read_text())["items"]
    assert kept["status"] == "waiting" and kept["done_bytes"] > 1_000_000
    (part,) = (home / "models").rglob("*.part")
    assert part.exists() and list(part.parent.glob("*.journal"))


def test_what_hangs_is_left_behind_with_what_was_saved(home: Path) -> None:
    ended = end_by("hung_database", signal.SIGTERM)
    assert ending.LIMIT_S < LIMIT_S and ended.seconds < LIMIT_S + BUSY_S, ended.seconds
    assert ended.crash is None and not ended.left
    assert len(ended.answers) == 1  # the question and the beginning of its answer


@pytest.mark.skipif(os.uname().sysname != "Linux", reason="the emission is looked up by its name in a Linux library")
def test_all_is_saved_when_the_session_manager_has_its_answer(home: Path) -> None:
    ended = end_by("committed")  # it ends itself, at once when Qt's emission has returned
    assert ended.code == 9, ended.err
    assert float(ended.out.split()[1]) < LIMIT_S
    assert [message.status for message in ended.answers] == [Status.STOPPED]
    assert ended.crash is None and not ended.left
