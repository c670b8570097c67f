"""A fake hub for each test, and a model on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fake_hub import FakeHub, content
from tests.pulling import FILE, REPO

#: More than two segments, so that several streams work; small enough to be quick.
BODY = content(20_000_000, seed=7)


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of the computer's own configuration, and never the real hubs."""
    for name in ("HF_TOKEN", "HF_ENDPOINT", "HF_HUB_OFFLINE", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    """Hugging Face and ModelScope with one model of 20 MB."""
    with FakeHub() as made:
        made.add(REPO, {FILE: BODY, "README.md": b"# Model"})
        yield made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The models folder."""
    return tmp_path / "models"
