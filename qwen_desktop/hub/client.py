"""The one maker of HTTP clients: proxy, certificates, time limits, the offline switch, and who may see the token.

httpx2 is imported when a client is made, never before the first paint.
"""

from __future__ import annotations

import functools
import ipaddress
import logging
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from qwen_desktop import __version__
from qwen_desktop.core.errors import AppError
from qwen_desktop.hub import failures
from qwen_desktop.hub.access import Access

if TYPE_CHECKING:
    import httpx2

CONNECT_S = 10.0
READ_S = 20.0

_PORTS = {"http": 80, "https": 443}

Origin = tuple[str, str, int]


def client(
    access: Access, *, read_s: float = READ_S, connect_s: float = CONNECT_S, follow: bool = True
) -> httpx2.Client:
    """A client for one thread. ``read_s`` is the longest silence, in seconds.

    Tokens are put in here and nowhere else: each goes to its own hub only (scheme, host and port must agree), on
    redirects too, and over plain HTTP only to this computer. Raises ``AppError`` when proxy or certificates of the
    settings cannot be used.
    """
    import httpx2  # noqa: PLC0415 - 0.2 s, only where the network is used

    logging.getLogger("httpx2").setLevel(logging.WARNING)  # it logs whole addresses, and signed ones are keys
    try:
        return httpx2.Client(
            verify=_tls(access.certificates),
            proxy=access.proxy or None,
            timeout=httpx2.Timeout(read_s, connect=connect_s),
            follow_redirects=follow,
            max_redirects=10,
            headers={"User-Agent": f"qwen-desktop/{__version__}"},
            event_hooks={"request": [_guard(access)]},
        )
    except (ValueError, ImportError, httpx2.InvalidURL) as error:  # of the settings, or of the environment
        raise failures.proxy_unusable(type(error).__name__) from error


def origin_of(url: str) -> Origin:
    """(scheme, host, port): who an address belongs to."""
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = -1
    return parts.scheme, (parts.hostname or "").lower(), port or _PORTS.get(parts.scheme, 0)


def why_no_connection(error: Exception, host: str) -> AppError:
    """The sentence for httpx2's ``TransportError``: a certificate, a proxy, or just no connection."""
    import httpx2  # noqa: PLC0415

    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return failures.untrusted(host, cause.verify_message)
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx2.UnsupportedProtocol):
        return failures.strange(host, type(error).__name__)
    if isinstance(error, httpx2.ProxyError) and "407" in str(error):  # any other: the proxy has no network either
        return failures.proxy_unusable("407")
    return failures.unreachable(host, type(error).__name__)


def _guard(access: Access) -> Callable[[httpx2.Request], None]:
    bearers = {
        origin: token
        for address, token in ((access.endpoint, access.token), (access.modelscope, access.modelscope_token))
        if token and _private(origin := origin_of(address))
    }
    modelscope = origin_of(access.modelscope)

    def guard(request: httpx2.Request) -> None:
        if access.offline:
            raise failures.offline()
        origin = origin_of(str(request.url))
        token = bearers.get(origin)
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


def _tls(certificates: str) -> ssl.SSLContext:
    if not certificates:
        return _system_tls()
    path = Path(certificates).expanduser()
    try:
        return _own_tls(str(path), path.stat().st_mtime_ns)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise failures.certificates_unusable(str(path), type(error).__name__) from error


@functools.lru_cache(maxsize=1)
def _system_tls() -> ssl.SSLContext:
    import httpx2  # noqa: PLC0415

    return httpx2.create_ssl_context()


@functools.lru_cache(maxsize=2)
def _own_tls(path: str, _changed: int) -> ssl.SSLContext:
    import httpx2  # noqa: PLC0415

    context = httpx2.create_ssl_context()
    context.load_verify_locations(cafile=path)
    return context
