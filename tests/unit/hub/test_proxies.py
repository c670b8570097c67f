"""Which proxy the settings, the environment and the system name, and what is said of one that cannot be used."""

from __future__ import annotations

import random
import string
import sys
import urllib.request

import pytest

from qwen_desktop.core.errors import UserFacing
from qwen_desktop.hub.proxies import goes_around, proxy, routes, shown

GOOD = "http://proxy.example:8080"


def way(environ: dict[str, str], scheme: str = "https", host: str = "huggingface.co", port: int = 443) -> str:
    """The proxy's address for a request, "" for the direct way."""
    found = routes("", environ, dict).of(scheme, host, port)
    return found.address if found is not None else ""


@pytest.mark.parametrize(
    ("environ", "https", "http"),
    [
        ({}, "", ""),
        ({"HTTPS_PROXY": GOOD}, GOOD, ""),
        ({"https_proxy": "http://small:1", "HTTPS_PROXY": GOOD}, "http://small:1", ""),
        ({"https_proxy": "", "HTTPS_PROXY": GOOD}, "", ""),
        ({"ALL_PROXY": "socks://127.0.0.1:1080/"}, "socks5://127.0.0.1:1080", "socks5://127.0.0.1:1080"),
        ({"all_proxy": "socks5h://h"}, "socks5h://h:1080", "socks5h://h:1080"),
        ({"HTTPS_PROXY": GOOD, "ALL_PROXY": "socks://x:1"}, GOOD, "socks5://x:1"),
        ({"HTTPS_PROXY": "proxy:3128"}, "http://proxy:3128", ""),
        ({"HTTPS_PROXY": "HTTP://Proxy"}, "http://Proxy:80", ""),
        ({"HTTPS_PROXY": "http://me:p%40ss@proxy:1/path?x"}, "http://me:p%40ss@proxy:1", ""),
        ({"HTTPS_PROXY": "http://[::1]:8"}, "http://[::1]:8", ""),
        # what cannot be used is passed over where another one serves
        ({"HTTPS_PROXY": "nonsense://x", "ALL_PROXY": GOOD}, GOOD, GOOD),
        ({"HTTPS_PROXY": "http://x:99999", "all_proxy": GOOD}, GOOD, GOOD),
        # for a host that is reached directly nothing has to be usable
        ({"HTTPS_PROXY": "nonsense://x", "NO_PROXY": "huggingface.co"}, "", ""),
    ],
)
def test_the_environment(environ: dict[str, str], https: str, http: str) -> None:
    assert way(environ) == https
    assert way(environ, "http", "huggingface.co", 80) == http


def test_the_settings_go_before_everything() -> None:
    environ = {"HTTPS_PROXY": "nonsense://x", "no_proxy": "*"}
    found = routes("socks://127.0.0.1:9", environ).of("https", "huggingface.co", 443)
    assert found is not None and found.address == "socks5://127.0.0.1:9"


def test_the_system_is_asked_where_the_environment_is_silent() -> None:
    told = {"https": "http://system:3", "http": "http://system:3"}
    for environ, address in (({}, "http://system:3"), ({"HTTPS_PROXY": GOOD}, GOOD)):
        found = routes("", environ, lambda: told).of("https", "nowhere.invalid", 443)
        assert found is not None and found.address == address
    with pytest.raises(UserFacing, match="The system's proxy socks4://x:1 cannot be used"):
        routes("", {}, lambda: {"https": "socks4://x:1"}).of("https", "nowhere.invalid", 443)


@pytest.mark.parametrize(
    ("entry", "host", "port", "around"),
    [
        ("example.org", "example.org", 443, True),
        ("example.org", "a.example.org", 443, True),
        (".example.org", "a.example.org", 443, True),
        ("*.example.org", "a.example.org", 443, True),
        ("example.org", "notexample.org", 443, False),
        ("EXAMPLE.org", "Example.ORG.", 443, True),
        ("example.org:8080", "example.org", 8080, True),
        ("example.org:8080", "example.org", 443, False),
        ("https://example.org/", "example.org", 443, True),
        ("10.0.0.0/8", "10.1.2.3", 443, True),
        ("10.0.0.0/8", "11.1.2.3", 443, False),
        ("10.0.0.0/8", "ten.example", 443, False),
        ("127.0.0.1", "127.0.0.1", 443, True),
        ("::1", "::1", 443, True),
        ("[::1]:80", "::1", 80, True),
        ("[::1]:80", "::1", 81, False),
        ("fd00::/8", "fd00::7", 443, True),
        ("0:0:0:0:0:0:0:1", "::1", 443, True),
        ("a b,localhost", "localhost", 80, True),
        ("*", "anything", 1, True),
        ("", "anything", 1, False),
        ("/", "anything", 1, False),
        (":", "anything", 1, False),
    ],
)
def test_hosts_that_are_reached_directly(entry: str, host: str, port: int, around: bool) -> None:
    assert (way({"HTTPS_PROXY": GOOD, "no_proxy": entry}, "https", host, port) == "") is around


@pytest.mark.parametrize("name", ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("value", ["ftp://h:1", "http://", "http://h:0", "http://h:x", "http://h h", "socks4://h:1"])
def test_a_value_that_cannot_be_used_is_named(name: str, value: str) -> None:
    with pytest.raises(UserFacing) as caught:
        way({name: value})
    assert str(caught.value).startswith(f"{name} names the proxy ")
    assert name in str(caught.value.problem.hint)


def test_no_sentence_ever_holds_name_or_password() -> None:
    draw = random.Random(12)
    signs = string.ascii_letters + string.digits + ":/?#@!$&'()*+,;= %\t\"\\<>[]é中"
    for _ in range(3000):
        secret = "S3CRET" + "".join(draw.choice(signs) for _ in range(draw.randrange(6))) + "S3CRET"
        login = draw.choice([f"{secret}@", f"me:{secret}@", f"{secret}:pw@", f"{secret}:{secret}@"])
        scheme = draw.choice(["http://", "socks5://", "socks://", "ftp://", "x.y://", "", "://", "http:/"])
        place = draw.choice(["host:8080", "host", "host:99999", "", "[::1]:1", "ho st", "host:1/path"])
        value = scheme + login + place
        found = proxy(value, "ALL_PROXY")
        assert "S3CRET" not in shown(value) + found.shown + repr(found), value
        assert not found.address or found.address.endswith(tuple("0123456789"))
        try:
            way({"ALL_PROXY": value})
        except UserFacing as error:
            assert "S3CRET" not in error.problem.sentence() + error.problem.details, value


def test_nothing_makes_matching_fail() -> None:
    draw = random.Random(5)
    for _ in range(2000):
        text = "".join(draw.choice("a.*:/[]%0127fF, -\t_") for _ in range(draw.randrange(12)))
        environ = {"no_proxy": text, "all_proxy": GOOD}
        assert isinstance(way(environ, "https", draw.choice(["a.b", "::1", "1.2.3.4"]), 443), str)
    assert goes_around("a", 1, ("*",))


@pytest.mark.parametrize(
    ("platform", "asked"), [("win32", "getproxies_registry"), ("darwin", "getproxies_macosx_sysconf")]
)
def test_an_exception_in_the_environment_does_not_hide_the_proxy_of_the_system(
    platform: str, asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {"https": "http://system:3"}
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(urllib.request, asked, lambda: told, raising=False)
    monkeypatch.setattr(
        urllib.request, "getproxies", lambda: urllib.request.getproxies_environment() or told, raising=False
    )
    monkeypatch.setenv("NO_PROXY", "intranet.example")
    found = routes("", {"NO_PROXY": "intranet.example"})
    assert (proxy_of := found.of("https", "huggingface.co", 443)) is not None and proxy_of.where == "system"
    assert found.of("https", "intranet.example", 443) is None
