"""What carries every request: the way out (``proxies``), the offline switch, and what failed on that way.

Imported with the first client only: it needs httpx2.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable
from typing import Any

import httpx2

from qwen_desktop.core.errors import AppError
from qwen_desktop.hub import failures, switch
from qwen_desktop.hub.access import Access
from qwen_desktop.hub.proxies import PORTS, Proxy, Routes


class Transport(httpx2.BaseTransport):
    """One for each client. Raises httpx2's exceptions, and ``AppError`` for the switch and for the proxy itself."""

    def __init__(self, access: Access, routes: Routes, tls: ssl.SSLContext) -> None:
        self._access = access
        self._routes = routes
        self._tls = tls
        self._ways: dict[str, httpx2.HTTPTransport] = {}
        self._lock = threading.Lock()

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send one request; redirects come here again, each for itself."""
        if self._access.offline or switch.is_offline():
            raise failures.offline(self._access.offline_by)
        url = request.url
        proxy = self._routes.of(url.scheme, url.host, url.port or PORTS.get(url.scheme, 0))
        trace = _Trace(request.extensions.get("trace"))
        request.extensions = {**request.extensions, "trace": trace}
        try:
            return self._way(proxy).handle_request(request)
        except AppError:
            raise
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            if proxy is None or trace.connected:  # what lies behind it is at fault
                raise
            raise failures.proxy_away(proxy.shown, details=type(error).__name__) from error
        except httpx2.HTTPError:
            raise
        except Exception as error:
            if proxy is None:
                raise
            # The library's SOCKS client takes for granted that the other side speaks SOCKS.
            raise httpx2.ProxyError(type(error).__name__, request=request) from error

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            ways, self._ways = self._ways, {}
        for way in ways.values():
            way.close()

    def _way(self, proxy: Proxy | None) -> httpx2.HTTPTransport:
        address = proxy.address if proxy is not None else ""
        with self._lock:
            if address not in self._ways:
                chosen = None
                if address:
                    chosen = httpx2.Proxy(address, ssl_context=self._tls if address.startswith("https:") else None)
                self._ways[address] = httpx2.HTTPTransport(verify=self._tls, trust_env=False, proxy=chosen)
            return self._ways[address]


class _Trace:
    """Hears what httpcore does for one request: each connection is put under the switch as soon as there is one."""

    def __init__(self, other: Callable[[str, dict[str, Any]], object] | None) -> None:
        self.connected = False
        self._other = other

    def __call__(self, event: str, info: dict[str, Any]) -> None:
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            self.connected = True
            connection = info["return_value"].get_extra_info("socket")
            if connection is not None and not switch.watch(connection):
                raise failures.offline()
        if self._other is not None:
            self._other(event, info)
