"""The maker of clients: who sees the token, which certificates and proxies hold, and the offline switch."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest

from qwen_desktop.core.errors import UserFacing
from qwen_desktop.core.settings import Downloads
from qwen_desktop.hub.access import HUGGING_FACE, Access, access_from, access_of
from qwen_desktop.hub.client import client, why_no_connection

TOKEN = "hf_abcdef"  # noqa: S105 - of nobody


class Seen(ThreadingHTTPServer):
    """Notes what it is asked for; ``/to?URL`` redirects there."""

    daemon_threads = True

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        super().__init__(("127.0.0.1", 0), _Handler)
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        server: Any = self.server
        server.asked.append((self.path, {k.lower(): v for k, v in self.headers.items()}))
        _, _, target = self.path.partition("/to?")
        self.send_response(302 if target else 200)
        if target:
            self.send_header("Location", target)
        self.send_header("Content-Length", "0")
        self.end_headers()


@pytest.fixture
def server() -> Iterator[Seen]:
    made = Seen()
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def headers_sent(access: Access, url: str, **headers: str) -> dict[str, str]:
    """What a request for ``url`` would carry."""
    sent: list[httpx2.Request] = []
    with client(access) as http:
        guard = http.event_hooks["request"][0]
        request = http.build_request("GET", url, headers=headers)
        guard(request)
        sent.append(request)
    return {k.lower(): v for k, v in sent[0].headers.items()}


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("https://huggingface.co/x", True),
        ("https://huggingface.co:443/x", True),
        ("https://HuggingFace.co/x", True),
        ("http://huggingface.co/x", False),
        ("https://huggingface.co:8443/x", False),
        ("https://huggingface.co.evil.com/x", False),
        ("https://cdn.huggingface.co/x", False),
        ("https://evil.com/?https://huggingface.co/", False),
        ("https://user@evil.com@x/", False),
        ("https://www.modelscope.cn/x", False),
    ],
)
def test_the_token_goes_to_its_own_hub_only(url: str, sent: bool) -> None:
    access = Access(token=TOKEN)
    assert ("authorization" in headers_sent(access, url)) is sent
    # and one that somebody put in by hand is taken out
    assert ("authorization" in headers_sent(access, url, Authorization=f"Bearer {TOKEN}")) is sent


def test_over_plain_http_the_token_goes_to_this_computer_only() -> None:
    for host, sent in (("localhost:9", True), ("127.0.0.1:9", True), ("[::1]:9", True), ("mirror.lan", False)):
        access = Access(endpoint=f"http://{host}", token=TOKEN)
        assert ("authorization" in headers_sent(access, f"http://{host}/x")) is sent


def test_modelscopes_token_is_sent_as_it_wants_it() -> None:
    found = headers_sent(Access(modelscope_token=TOKEN), "https://www.modelscope.cn/api")
    assert found["authorization"] == f"Bearer {TOKEN}" and found["cookie"] == f"m_session_id={TOKEN}"


def test_a_redirect_to_another_host_arrives_without_the_token(server: Seen) -> None:
    access = Access(endpoint=f"http://localhost:{server.port}", token=TOKEN)
    with client(access) as http:
        http.get(f"{access.endpoint}/to?http://127.0.0.1:{server.port}/elsewhere")
    (first, own), (second, other) = server.asked
    assert (first.startswith("/to?"), second) == (True, "/elsewhere")
    assert own["authorization"] == f"Bearer {TOKEN}" and "authorization" not in other


def test_the_token_is_in_no_text_of_it() -> None:
    access = Access(token=TOKEN, modelscope_token=TOKEN)
    assert TOKEN not in repr(access) + str(access)
    assert access_from(access.as_params()) == access


def test_offline_no_request_is_made(server: Seen) -> None:
    with client(Access(offline=True)) as http, pytest.raises(UserFacing, match="switched off"):
        http.get(f"http://127.0.0.1:{server.port}/")
    assert server.asked == []


def test_the_proxy_of_the_settings_is_used(server: Seen) -> None:
    with client(Access(proxy=f"http://127.0.0.1:{server.port}")) as http:
        assert http.get("http://nowhere.invalid/thing").status_code == 200
    assert server.asked[0][0] == "http://nowhere.invalid/thing"


def test_the_proxy_of_the_environment_is_used(server: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.port}")
    with client(Access()) as http:
        http.get("http://nowhere.invalid/thing")
    assert server.asked[0][0] == "http://nowhere.invalid/thing"


@pytest.mark.parametrize("proxy", ["ftp://x", "socks9://x:1"])
def test_a_proxy_that_cannot_be_is_said(proxy: str) -> None:
    with pytest.raises(UserFacing, match="proxy cannot be used"):
        client(Access(proxy=proxy))


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl to make a certificate")
def test_own_certificates_are_trusted_and_unknown_ones_explained(tmp_path: Path, server: Seen) -> None:
    key, pem = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(pem)],
        check=True,
        capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    address = f"https://localhost:{server.port}/x"
    with client(Access()) as http, pytest.raises(httpx2.TransportError) as caught:
        http.get(address)
    error = why_no_connection(caught.value, "localhost")
    assert error.problem.what.code == "hub.certificate" and "Certificates" in str(error.problem.hint)
    with client(Access(certificates=str(pem))) as http:
        assert http.get(address).status_code == 200


@pytest.mark.parametrize("text", [None, "not a certificate"])
def test_a_certificate_file_that_is_none_is_said(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "mine.pem"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UserFacing, match=r"mine\.pem cannot be used"):
        client(Access(certificates=str(path)))


def test_settings_and_environment_make_the_access() -> None:
    nothing = access_of(Downloads(), environ={})
    assert (nothing.endpoint, nothing.token, nothing.offline) == (HUGGING_FACE, "", False)
    environ = {
        "HF_ENDPOINT": "https://mirror.example/",
        "HF_TOKEN": f" {TOKEN}\n",
        "HF_HUB_OFFLINE": "1",
        "MODELSCOPE_DOMAIN": "www.modelscope.ai",
    }
    found = access_of(Downloads(), environ=environ)
    assert (found.endpoint, found.token, found.offline) == ("https://mirror.example", TOKEN, True)
    assert found.modelscope == "https://www.modelscope.ai" and found.is_mirror
    chosen = access_of(Downloads(endpoint="https://own.example"), "hf_other", environ=environ)
    assert (chosen.endpoint, chosen.token) == ("https://own.example", "hf_other")
