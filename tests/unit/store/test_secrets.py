"""Tokens in the keyring, and what happens when there is none, it fails, or it hangs."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from pathlib import Path

import pytest

from qwen_desktop.core.errors import UserFacing
from qwen_desktop.store.secrets import SERVICE, Secrets

TOKEN = "hf_abcdefghijklmnop"  # noqa: S105 - of nobody


class Safe:
    """A keyring in memory."""

    def __init__(self) -> None:
        self.held: dict[tuple[str, str], str] = {}
        self.calls = 0

    def get_password(self, service: str, name: str) -> str | None:
        self.calls += 1
        return self.held.get((service, name))

    def set_password(self, service: str, name: str, value: str) -> None:
        self.calls += 1
        self.held[service, name] = value

    def delete_password(self, service: str, name: str) -> None:
        self.calls += 1
        del self.held[service, name]  # raises when it is not there, as keyrings do


class Failing(Safe):
    """As without a message bus, or with a library's own exception."""

    def get_password(self, service: str, name: str) -> str | None:
        raise RuntimeError("no backend")

    def set_password(self, service: str, name: str, value: str) -> None:
        raise RuntimeError("no backend")


class Forgetful(Safe):
    """Looks fine and keeps nothing."""

    def set_password(self, service: str, name: str, value: str) -> None:
        pass


class Hanging(Safe):
    """Waits for a password that nobody types."""

    def __init__(self) -> None:
        super().__init__()
        self.over = threading.Event()

    def set_password(self, service: str, name: str, value: str) -> None:
        self.over.wait(20)

    get_password = set_password  # type: ignore[assignment]


@pytest.fixture
def names(tmp_path: Path) -> Path:
    return tmp_path / "data" / "secrets.json"


def secrets(names: Path, safe: Safe, patience_s: float = 5.0) -> Secrets:
    return Secrets(names, backend=lambda: safe, patience_s=patience_s)


def test_a_token_outlives_the_app_and_its_removal(names: Path) -> None:
    async def test() -> None:
        safe = Safe()
        first = secrets(names, safe)
        assert await first.get("hf_token") is None
        assert safe.calls == 0  # nobody is asked to unlock a keyring that holds nothing of ours
        assert await first.set("hf_token", f"  {TOKEN}\n") is True
        assert first.persistent
        assert safe.held == {(SERVICE, "hf_token"): TOKEN}  # the trial is gone
        assert TOKEN not in await asyncio.to_thread(names.read_text)
        second = secrets(names, safe)
        assert await second.get("hf_token") == TOKEN
        assert await second.get("modelscope_token") is None
        await second.delete("hf_token")
        await second.delete("hf_token")
        assert safe.held == {} and await second.get("hf_token") is None
        assert await secrets(names, safe).get("hf_token") is None

    asyncio.run(test())


@pytest.mark.parametrize("safe", [Failing(), Forgetful()], ids=["failing", "forgetful"])
def test_without_a_keyring_it_lives_until_the_app_ends(
    names: Path, safe: Safe, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        kept = secrets(names, safe)
        assert kept.persistent
        assert await kept.set("hf_token", TOKEN) is False
        assert not kept.persistent
        assert await kept.get("hf_token") == TOKEN
        assert await secrets(names, safe).get("hf_token") is None

    with caplog.at_level(logging.DEBUG):
        asyncio.run(test())
    assert TOKEN not in caplog.text


def test_a_keyring_that_hangs_is_left_alone_after_the_time_limit(names: Path) -> None:
    async def test() -> None:
        safe = Hanging()
        kept = secrets(names, safe, patience_s=0.2)
        began = time.monotonic()
        assert await kept.set("hf_token", TOKEN) is False
        assert await kept.get("hf_token") == TOKEN
        await kept.delete("hf_token")
        assert time.monotonic() - began < 1.5
        safe.over.set()

    asyncio.run(test())


@pytest.mark.parametrize("text", ["", "  ", "two words", "line\nbreak", "ключ", "x" * 5000, "a\x00b"])
def test_what_cannot_be_a_token_is_refused(names: Path, text: str) -> None:
    async def test() -> None:
        safe = Safe()
        with pytest.raises(UserFacing, match="not an access token"):
            await secrets(names, safe).set("hf_token", text)
        assert safe.calls == 0

    asyncio.run(test())


def test_a_token_is_found_although_the_list_of_names_is_spoilt(names: Path) -> None:
    safe = Safe()
    hubs = ("hf_token", "hf_token@https://mirror.example")
    for name in hubs:
        asyncio.run(secrets(names, safe).set(name, "hf_abc"))
    for content in (b"{", b"", b"\xff", b'{"a": 1}'):
        names.write_bytes(content)
        assert [asyncio.run(secrets(names, safe).get(name)) for name in hubs] == ["hf_abc", "hf_abc"]
        asyncio.run(secrets(names, safe).set("hf_token", "hf_abc"))  # says nothing of the other
        assert asyncio.run(secrets(names, safe).get(hubs[1])) == "hf_abc"


def test_a_spoilt_list_of_names_is_no_list(names: Path) -> None:
    names.parent.mkdir(parents=True)
    for content in (b"{", b'{"a": 1}', b"[1, 2]", b"\xff"):
        names.write_bytes(content)
        assert asyncio.run(secrets(names, Safe()).get("hf_token")) is None
