"""Every test has a private data folder, an offscreen window system, and fails on unexpected warnings and errors."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

# No time limit for one example: these machines are noisy. No folder of examples in the checkout: a fault gets a test.
# New examples each time only where there is time for a search (see tests/long/conftest.py).
_SAME = "QWEN_DESKTOP_LONG_S" not in os.environ
hypothesis.settings.register_profile("ours", deadline=None, database=None, print_blob=True, derandomize=_SAME)
hypothesis.settings.load_profile("ours")
# Run in the background, as by a script, Ctrl+C would be ignored here and in all processes that tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("PYTHONFAULTHANDLER", "1")
# Whoever runs the tests gets no notifications of theirs.
os.environ.pop("DBUS_SESSION_BUS_ADDRESS", None)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder of the test's own; the user's is never touched."""
    folder = tmp_path / "home"
    monkeypatch.setenv("QWEN_DESKTOP_HOME", str(folder))
    return folder


@pytest.fixture(autouse=True)
def no_unexpected_errors(caplog: pytest.LogCaptureFixture, request: pytest.FixtureRequest) -> Iterator[None]:
    """Anything logged as an error fails the test, unless it carries the mark ``expects_errors``."""
    yield
    if request.node.get_closest_marker("expects_errors"):
        return
    bad = [r for phase in ("setup", "call") for r in caplog.get_records(phase) if r.levelno >= logging.ERROR]
    assert not bad, "unexpected errors were logged: " + "; ".join(r.getMessage() for r in bad)
