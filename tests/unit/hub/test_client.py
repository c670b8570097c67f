"""The maker of clients: who sees the token, which certificates and proxies hold, and the offline switch."""

from __future__ import annotations

import random
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest

from qwen_desktop.core.errors import AppError, UserFacing
from qwen_desktop.core.settings import DownloadSettings
from qwen_desktop.hub.access import HUGGING_FACE, Access, access_from, access_of, token_name
from qwen_desktop.hub.api import raise_for
from qwen_desktop.hub.client import client, origin_of, why_no_connection
from tests.logging_proxy import LoggingProxy

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
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "ssl_cert_file", "ssl_cert_dir"):
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
    with pytest.raises(UserFacing, match=f"The proxy {proxy} cannot be used"):
        client(Access(proxy=proxy))


def test_an_unusable_proxy_of_the_environment_is_named(monkeypatch: pytest.MonkeyPatch, server: Seen) -> None:
    monkeypatch.setenv("all_proxy", "gopher://me:secret@old.example:70")
    with client(Access()) as http, pytest.raises(UserFacing) as caught:
        http.get("http://nowhere.invalid/")
    assert "all_proxy" in str(caught.value) and "gopher://old.example:70" in str(caught.value)
    assert "secret" not in caught.value.problem.sentence()
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.port}")
    with client(Access()) as http:
        assert http.get("http://nowhere.invalid/").status_code == 200


@pytest.mark.parametrize("login", [("", ""), ("me", "s3cret")])
def test_through_a_real_socks_proxy(server: Seen, login: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    with LoggingProxy(*login) as proxy:
        for access, gnome in ((Access(proxy=proxy.socks), ""), (Access(), proxy.socks.replace("socks5:", "socks:"))):
            monkeypatch.setenv("ALL_PROXY", gnome)
            with client(access) as http:
                assert http.get(f"http://localhost:{server.port}/thing").status_code == 200
        assert [(wish.kind, wish.host, wish.port) for wish in proxy.asked] == [("SOCKS", "localhost", server.port)] * 2
    assert [path for path, _ in server.asked] == ["/thing", "/thing"]


def test_what_fails_on_the_way_through_a_proxy_is_said(server: Seen) -> None:
    url = f"http://localhost:{server.port}/"

    def said(proxy: str, address: str = url) -> str:
        with client(Access(proxy=proxy)) as http:
            try:
                answer = http.get(address)
                raise_for(answer, "", Access())
            except httpx2.TransportError as error:
                return str(why_no_connection(error, "localhost"))
            except AppError as error:
                return str(error)
        return "nothing"

    with LoggingProxy("me", "s3cret") as proxy:
        for address in (proxy.address, proxy.socks):
            bare = address.replace("me:s3cret@", "")
            assert said(bare) == "The proxy does not accept the name and password."
        assert said(proxy.socks.replace("s3cret", "wrong")) == "The proxy does not accept the name and password."
        assert said(proxy.address.replace("me:s3cret@", ""), "https://nowhere.invalid/").endswith("and password.")
        assert said(proxy.socks, "http://nowhere.invalid/") == "localhost cannot be reached."
    with LoggingProxy() as proxy:  # the far end breaks off when it should speak TLS
        assert said(proxy.address, f"https://localhost:{server.port}/") == "localhost cannot be reached."
    assert said("socks5://me:s3cret@127.0.0.1:9") == "The proxy socks5://127.0.0.1:9 cannot be reached."
    assert said("http://me:s3cret@127.0.0.1:9") == "The proxy http://127.0.0.1:9 cannot be reached."
    with socket.create_server(("127.0.0.1", 0)) as other:  # it speaks HTTP
        threading.Thread(target=lambda: other.accept()[0].sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")).start()
        assert said(f"socks5://127.0.0.1:{other.getsockname()[1]}") == "localhost cannot be reached."


def test_no_proxy_reads_a_token(server: Seen) -> None:
    here = f"http://localhost:{server.port}"
    with LoggingProxy() as proxy:
        for way in (proxy.address, proxy.socks, ""):
            with client(Access(endpoint=here, token=TOKEN, proxy=way)) as http:
                http.get(f"{here}/api")
        far = "https://nowhere.invalid"  # through a tunnel; what the proxy sees is only who is wanted
        for way in (proxy.address, proxy.socks):
            with client(Access(endpoint=far, token=TOKEN, proxy=way)) as http, pytest.raises(httpx2.TransportError):
                http.get(f"{far}/api")
        assert [wish.host for wish in proxy.asked][-2:] == ["nowhere.invalid"] * 2
        assert TOKEN not in str(proxy.asked)
    assert ["authorization" in headers for _, headers in server.asked] == [False, False, True]


def test_along_any_redirects_tokens_stay_with_their_hubs() -> None:
    """Random chains over origins that look alike: a token is seen by its own origin only, a cookie by nobody's."""
    draw = random.Random(6)
    hub, modelscope = "https://hub.example", "https://scope.example"
    hosts = [hub, modelscope, "http://hub.example", "https://hub.example:8443", "https://a.hub.example",
             "https://hub.example.evil", "https://hub.example@evil.example", "http://scope.example"]  # fmt: skip
    access = Access(endpoint=hub, modelscope=modelscope, token=TOKEN, modelscope_token="ms_token")  # noqa: S106 - of nobody
    for _ in range(150):
        chain = [f"{draw.choice(hosts)}/{number}" for number in range(draw.randrange(2, 7))]
        seen: list[httpx2.Request] = []

        def answer(request: httpx2.Request, chain: list[str] = chain, seen: list[httpx2.Request] = seen) -> Any:
            seen.append(request)
            following = chain[len(seen) : len(seen) + 1]
            headers = {
                "Set-Cookie": "told=apart; Domain=hub.example",
                **({"Location": following[0]} if following else {}),
            }
            return httpx2.Response(302 if following else 200, headers=headers)

        with client(access) as http:
            http._transport = httpx2.MockTransport(answer)
            http.get(chain[0], headers={"Authorization": "Bearer other"})
        assert len(seen) == len(chain)
        for request in seen:
            origin = origin_of(str(request.url))
            mine = {origin_of(hub): TOKEN, origin_of(modelscope): "ms_token"}.get(origin, "")
            assert request.headers.get("Authorization", "") == (f"Bearer {mine}" if mine else "")
            assert request.headers.get("Cookie", "") == ("m_session_id=ms_token" if mine == "ms_token" else "")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl to make a certificate")
def test_own_certificates_are_trusted_and_unknown_ones_explained(
    tmp_path: Path, server: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
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
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    with client(Access()) as http:
        assert http.get(address).status_code == 200
    assert "SSL_CERT_FILE" in str(why_no_connection(caught.value, "localhost").problem.hint)


@pytest.mark.parametrize("text", [None, "not a certificate"])
def test_a_certificate_file_that_is_none_is_said(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "mine.pem"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UserFacing, match=r"mine\.pem cannot be used"):
        client(Access(certificates=str(path)))


def test_settings_and_environment_make_the_access() -> None:
    nothing = access_of(DownloadSettings(), environ={})
    assert (nothing.endpoint, nothing.token, nothing.offline) == (HUGGING_FACE, "", False)
    environ = {
        "HF_ENDPOINT": "https://mirror.example/",
        "HF_TOKEN": f" {TOKEN}\n",
        "HF_HUB_OFFLINE": "1",
        "MODELSCOPE_DOMAIN": "www.modelscope.ai",
    }
    found = access_of(DownloadSettings(), environ=environ)
    assert (found.endpoint, found.token, found.offline) == ("https://mirror.example", TOKEN, True)
    assert found.modelscope == "https://www.modelscope.ai"
    chosen = access_of(DownloadSettings(endpoint="https://own.example"), "hf_other", environ=environ)
    assert (chosen.endpoint, chosen.token) == ("https://own.example", "hf_other")


def test_a_token_of_the_environment_belongs_to_the_hub_that_the_environment_names() -> None:
    mirror = DownloadSettings(endpoint="https://own.example")
    assert access_of(mirror, environ={"HF_TOKEN": TOKEN}).token == ""
    assert access_of(DownloadSettings(), environ={"HF_TOKEN": TOKEN}).token == TOKEN
    both = {"HF_TOKEN": TOKEN, "HF_ENDPOINT": "https://own.example/"}
    assert access_of(mirror, environ=both).token == access_of(DownloadSettings(), environ=both).token == TOKEN


def test_each_hub_has_a_token_of_its_own() -> None:
    names = [token_name(e) for e in (HUGGING_FACE, "https://Mirror.example", "http://mirror.example", "https://m:8/x")]
    assert names[0] == "hf_token" and len(set(names)) == 4
    assert token_name("https://me:pw@mirror.example") == token_name("https://mirror.example")


@pytest.mark.parametrize(("setting", "variable"), [(True, ""), (False, "1"), (True, "1")])
def test_who_switched_the_network_off_is_said(setting: bool, variable: str) -> None:
    access = access_of(DownloadSettings(offline=setting), environ={"HF_HUB_OFFLINE": variable})
    assert access.offline
    with client(access) as http, pytest.raises(UserFacing) as caught:
        http.get("http://127.0.0.1:9/")
    assert ("HF_HUB_OFFLINE" in str(caught.value.problem.hint)) is not setting
    assert caught.value.problem.action == ("network.online" if setting else "")
