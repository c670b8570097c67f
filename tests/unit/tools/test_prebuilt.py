"""A prebuilt wheel is taken only with the right checksum, and only over https (or from this computer)."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import dev_wheel
import pytest
from dev_console import Failed
from dev_download import Download, fetch, trusting

NAME = "llama_cpp_python-0.3.36-py3-none-win_amd64.whl"
CONTENT = b"a wheel " * 100_000


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The address of a server on loopback with one wheel."""
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / NAME).write_bytes(CONTENT)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as http:
        thread = threading.Thread(target=http.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()


def test_the_right_file_is_taken(server: str, tmp_path: Path) -> None:
    wheel = Download(f"{server}/{NAME}", hashlib.sha256(CONTENT).hexdigest())
    assert fetch(wheel, tmp_path, "the wheel").read_bytes() == CONTENT


def test_another_file_is_thrown_away_and_said(server: str, tmp_path: Path) -> None:
    wheel = Download(f"{server}/{NAME}", hashlib.sha256(b"what it should be").hexdigest())
    with pytest.raises(Failed, match="not the expected file"):
        fetch(wheel, tmp_path, "the wheel")
    assert not (tmp_path / NAME).exists()


def test_a_file_that_is_not_there_is_one_sentence(server: str, tmp_path: Path) -> None:
    with pytest.raises(Failed, match=r"^The wheel cannot be downloaded .*404"):
        fetch(Download(f"{server}/other.whl", "0" * 64), tmp_path, "the wheel")
    assert not (tmp_path / "other.whl").exists()


@pytest.mark.parametrize("url", ["http://example.org/a.whl", "file:///etc/passwd", "ftp://127.0.0.1/a.whl"])
def test_unprotected_addresses_are_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(Failed, match="must begin with https"):
        fetch(Download(url, "0" * 64), tmp_path, "the wheel")


def test_a_python_that_knows_no_certificates_takes_pips(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    assert trusting().cert_store_stats()["x509_ca"] > 50


def test_the_entry_for_this_version_and_platform_is_found() -> None:
    entry = {
        "package": "llama-cpp-python", "version": "0.3.36", "platform": "win-amd64", "url": "https://a/b.whl",
        "sha256": "AB" * 32,
    }  # fmt: skip
    table = {"wheels": [entry]}
    assert dev_wheel.find_prebuilt(table, "0.3.36", "win-amd64") == Download("https://a/b.whl", "ab" * 32)
    assert dev_wheel.find_prebuilt(table, "0.3.37", "win-amd64") is None
    assert dev_wheel.find_prebuilt(table, "0.3.36", "linux-x86_64") is None


def test_every_entry_of_the_shipped_table_can_be_used() -> None:
    table = json.loads((Path(dev_wheel.__file__).parent / "prebuilt.json").read_text(encoding="utf-8"))
    assert isinstance(table["wheels"], list)
    for entry in table["wheels"]:
        found = dev_wheel.find_prebuilt(table, entry["version"], entry["platform"])
        assert found is not None
        assert found.url.startswith("https://")
        assert len(bytes.fromhex(found.sha256)) == 32


def test_without_compiler_and_wheel_the_sentence_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dev_wheel.dev_system, "this_manager", lambda: "apt")
    monkeypatch.setattr(dev_wheel.dev_system, "is_root", lambda: False)
    monkeypatch.setattr(dev_wheel.dev_system.sys, "platform", "linux")
    assert "sudo apt-get install -y build-essential" in dev_wheel.nothing_works()
