"""Which proxy a request goes through: that of the settings, else of the environment, else of the system.

Variables are read here and nowhere else, as curl and Python read them: ``https_proxy`` before ``HTTPS_PROXY``, an empty
one hides the other, ``all_proxy`` for what has none of its own, ``no_proxy`` for hosts that are reached directly. A
value that cannot be used is passed over where another one serves.
"""

from __future__ import annotations

import ipaddress
import re
import sys
from collections.abc import Callable, Mapping

from msgspec import Struct

from qwen_desktop.core.text import clean
from qwen_desktop.hub import failures

#: How schemes are spelled -> what they are. GNOME writes ``socks://`` and means version 5.
SCHEMES = {"http": "http", "https": "https", "socks": "socks5", "socks5": "socks5", "socks5h": "socks5h"}
PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*)://")
#: A name or an address, in brackets where it has colons.
_HOST = re.compile(r"^(?:[\w.-]+|\[[0-9A-Fa-f:.]+(?:%\w+)?\])$")


class Proxy(Struct, frozen=True):
    """One value as it was found. ``address`` may hold a password and is "" when the value cannot be used; ``shown``
    is the value without; ``where`` names the variable, "settings" or "system"."""

    address: str
    shown: str
    where: str

    def __repr__(self) -> str:
        return f"Proxy({self.shown!r}, {self.where!r})"


class Routes(Struct, frozen=True):
    """The proxies that hold. ``found`` has those of a scheme ("http", "https"), the preferred first; ``around`` are
    the entries of ``no_proxy``."""

    found: Mapping[str, tuple[Proxy, ...]]
    around: tuple[str, ...] = ()

    def of(self, scheme: str, host: str, port: int) -> Proxy | None:
        """The proxy for a request, None for the direct way. Raises ``UserFacing`` when none of those set is usable."""
        found = self.found.get(scheme, ())
        if not found or goes_around(host, port, self.around):
            return None
        usable = next((proxy for proxy in found if proxy.address), None)
        if usable is None:
            raise failures.proxy_unusable(found[0].shown, found[0].where)
        return usable


def routes(setting: str, environ: Mapping[str, str], system: Callable[[], Mapping[str, str]] | None = None) -> Routes:
    """The routes that hold now. Raises ``UserFacing`` for a proxy of the settings that cannot be used."""
    if setting.strip():
        chosen = proxy(setting, "settings")
        if not chosen.address:
            raise failures.proxy_unusable(chosen.shown, chosen.where)
        return Routes({"http": (chosen,), "https": (chosen,)})
    found = {scheme: _of_environment(scheme, environ) for scheme in ("http", "https")}
    around = entries(_value("no_proxy", environ)[1])
    if any(found.values()):
        return Routes(found, around)
    told = (system or of_system)()
    found = {scheme: (proxy(told[scheme], "system"),) for scheme in ("http", "https") if told.get(scheme)}
    return Routes(found, around)


def proxy(value: str, where: str) -> Proxy:
    """A proxy's address as it is written: without a scheme it is an HTTP proxy."""
    value = value.strip()
    scheme, rest = _split(value)
    address = ""
    if scheme in SCHEMES and not re.search(r"[\s\x00-\x1f\x7f]", value):
        kind = SCHEMES[scheme]
        login, at, place = re.split(r"[/?#]", rest, maxsplit=1)[0].rpartition("@")
        name, port = _place(place)
        if name and port:
            address = f"{kind}://{login}{at}{name}:{PORTS[kind] if port < 0 else port}"
    return Proxy(address, shown(value), where)


def shown(value: str) -> str:
    """A proxy's address for a sentence: without name and password, and no longer than a line."""
    scheme, rest = _split(clean(value.strip()))
    place = re.split(r"[/?#\s]", rest.rpartition("@")[2], maxsplit=1)[0]
    return (f"{scheme}://{place}" if _SCHEME.match(value.strip()) else place)[:120]


def entries(text: str) -> tuple[str, ...]:
    """The entries of ``no_proxy``, in small letters."""
    return tuple(entry for entry in re.split(r"[,\s]+", text.lower()) if entry)


def goes_around(host: str, port: int, around: tuple[str, ...]) -> bool:
    """Whether ``no_proxy`` names this host: itself, a domain above it, its address or network, with or without a
    port; ``*`` is every host."""
    host = host.lower().strip("[]").rstrip(".")
    for entry in around:
        if entry == "*":
            return True
        name = _SCHEME.sub("", entry).rstrip("/") if "://" in entry else entry
        if "/" in name:
            if _in_network(host, name):
                return True
            continue
        plain = name.strip("[]")
        if plain.count(":") == 1 or name.rfind("]:") > 0:
            plain, _, wanted = name.rpartition(":")
            if wanted != str(port):
                continue
            plain = plain.strip("[]")
        plain = plain.removeprefix("*").strip(".")
        if plain and (host == plain or host.endswith(f".{plain}") or _in_network(host, plain)):
            return True
    return False


def of_system() -> Mapping[str, str]:
    """The proxies of the system's own settings, on Windows and macOS."""
    # Not ``getproxies``: it looks at the environment first, where ``no_proxy`` alone would hide what the system says.
    name = {"win32": "getproxies_registry", "darwin": "getproxies_macosx_sysconf"}.get(sys.platform)
    if name is None:
        return {}
    import urllib.request  # noqa: PLC0415 - 40 ms, and the window reads this file before its first paint

    found: Mapping[str, str] = getattr(urllib.request, name)()
    return found


def _of_environment(scheme: str, environ: Mapping[str, str]) -> tuple[Proxy, ...]:
    values = (_value(f"{scheme}_proxy", environ), _value("all_proxy", environ))
    return tuple(proxy(value, name) for name, value in values if value)


def _value(name: str, environ: Mapping[str, str]) -> tuple[str, str]:
    """(variable, value); ("", "") when it is not set."""
    for spelled in (name, name.upper()):
        if spelled in environ:
            return spelled, environ[spelled].strip()
    return "", ""


def _split(value: str) -> tuple[str, str]:
    found = _SCHEME.match(value)
    return (found[1].lower(), value[found.end() :]) if found else ("http", value)


def _place(text: str) -> tuple[str, int]:
    """(host, port): port -1 when there is none, 0 when it is no port."""
    name, colon, number = text.rpartition(":")
    if not colon or text.endswith("]"):
        name, number = text, ""
    if not _HOST.match(name):
        return "", 0
    if not number:
        return name, -1
    return name, int(number) if number.isascii() and number.isdigit() and 0 < int(number[:6]) < 65536 else 0


def _in_network(host: str, network: str) -> bool:
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(re.sub(r"[][]", "", network), strict=False)
    except ValueError:
        return False
