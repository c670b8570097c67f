"""The one maker of HTTP clients: proxy, certificates, time limits, the offline switch, and who may see the token.

httpx2 is imported when a client is made, never before the first paint.
"""

from __future__ import annotations

import ipaddress
import logging
import os
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from qwen_desktop import __version__
from qwen_desktop.core.errors import AppError
from qwen_desktop.hub import certificates, failures, proxies, switch
from qwen_desktop.hub.access import Access
from qwen_desktop.hub.proxies import PORTS, Routes

if TYPE_CHECKING:
    import httpx2

CONNECT_S = 10.0
READ_S = 20.0

Origin = tuple[str, str, int]


def client(access: Access, *, read_s: float = READ_S, follow: bool = True) -> httpx2.Client:
    """A client for one thread. ``read_s`` is the longest silence, in seconds.

    Tokens are put in here and nowhere else: each goes to its own hub only (scheme, host and port must agree), on
    redirects too, and over plain HTTP only to this computer and through no proxy. Cookies of others are neither kept
    nor sent. Raises ``AppError`` when the proxy of the settings, or the certificates, cannot be used.
    """
    from http.cookiejar import DefaultCookiePolicy  # noqa: PLC0415 - 40 ms, and httpx2 needs it too

    import httpx2  # noqa: PLC0415 - 0.2 s, only where the network is used

    from qwen_desktop.hub.transport import Transport  # noqa: PLC0415 - it imports httpx2

    logging.getLogger("httpx2").setLevel(logging.WARNING)  # it logs whole addresses, and signed ones are keys
    ways = proxies.routes(access.proxy, os.environ)
    made = httpx2.Client(
        transport=Transport(access, ways, certificates.trust(access.certificates)),
        trust_env=False,  # the variables are read by ``proxies`` and ``certificates``
        timeout=httpx2.Timeout(read_s, connect=CONNECT_S),
        follow_redirects=follow,
        max_redirects=10,
        headers={"User-Agent": f"qwen-desktop/{__version__}"},
        event_hooks={"request": [_guard(access, ways)]},
    )
    made.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=()))  # nobody is told apart by them
    return made


def origin_of(url: str) -> Origin:
    """(scheme, host, port): who an address belongs to."""
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = -1
    return parts.scheme, (parts.hostname or "").lower(), port or PORTS.get(parts.scheme, 0)


@contextmanager
def sentences(host: str) -> Iterator[None]:
    """What httpx2 raises inside is raised as ``AppError``."""
    import httpx2  # noqa: PLC0415

    try:
        yield
    except httpx2.TooManyRedirects as error:
        raise failures.circle(host) from error
    except httpx2.TransportError as error:
        raise why_no_connection(error, host) from error
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise failures.strange(host, details=type(error).__name__) from error


def why_no_connection(error: Exception, host: str) -> AppError:
    """The sentence for httpx2's ``TransportError``: a certificate, a proxy, or just no connection."""
    import httpx2  # noqa: PLC0415

    if switch.is_offline():  # what was under way was cut
        return failures.offline()
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return failures.untrusted(host, cause.verify_message, certificates.variable())
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx2.UnsupportedProtocol):
        return failures.strange(host, details=type(error).__name__)
    # Of HTTP proxies, then of SOCKS ones; any other: the proxy has no network either.
    if isinstance(error, httpx2.ProxyError) and any(sign in str(error) for sign in ("407", "password", "Requested ")):
        return failures.proxy_login()
    return failures.unreachable(host, details=type(error).__name__)


def _guard(access: Access, ways: Routes) -> Callable[[httpx2.Request], None]:
    tokens = {
        origin: token
        for address, token in ((access.endpoint, access.token), (access.modelscope, access.modelscope_token))
        if token and _private(origin := origin_of(address))
    }
    modelscope = origin_of(access.modelscope)

    def guard(request: httpx2.Request) -> None:
        origin = origin_of(str(request.url))
        token = tokens.get(origin)
        if token is not None and origin[0] == "http" and ways.of(*origin) is not None:
            token = None  # a proxy would read it
        request.headers.pop("Cookie", None)
        if token is None:
            request.headers.pop("Authorization", None)
        else:
            request.headers["Authorization"] = f"Bearer {token}"
            if origin == modelscope:
                request.headers["Cookie"] = f"m_session_id={token}"

    return guard


def _private(origin: Origin) -> bool:
    """Whether nobody on the way can read along."""
    scheme, host, _ = origin
    if scheme == "https" or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
