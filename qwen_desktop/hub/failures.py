"""What can go wrong with a hub, each said in one sentence with what to do about it. Pure: makes errors, raises none."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from qwen_desktop.core.errors import AppError, Environment, UserFacing
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text, clean

#: Opens the page where the access token is kept.
SETTINGS = "view.settings"
#: Turns the offline switch off.
ONLINE = "network.online"


def host_of(url: str) -> str:
    """The host of an address, for sentences."""
    return urlsplit(url).hostname or url


class Unreachable(Environment):
    """No connection: the network is away, or the host is. Worth waiting for."""


class Busy(Environment):
    """The hub asks to wait (429) or fails by itself (5xx); ``retry_after`` seconds, 0 when it does not say."""

    def __init__(self, what: Text, hint: Text | None = None, *, details: str = "", retry_after: float = 0.0) -> None:
        super().__init__(what, hint, details=details, action="retry")
        self.retry_after = retry_after


class Changed(Environment):
    """What the hub has now is not what the download began with."""


def unreachable(host: str, details: str = "") -> Unreachable:
    """No connection to ``host``."""
    return Unreachable(
        Text("hub.unreachable", QT_TRANSLATE_NOOP("hub", "{host} cannot be reached."), {"host": host}),
        Text("hub.unreachable.hint", QT_TRANSLATE_NOOP("hub", "Check the network connection, then try again.")),
        details=details,
        action="retry",
    )


def offline(variable: str = "") -> AppError:
    """The offline switch is on: the setting, or a ``variable`` of the environment."""
    hint = (
        Text(
            "hub.offline.variable",
            QT_TRANSLATE_NOOP("hub", "Remove {variable} from the environment, then start again."),
            {"variable": variable},
        )
        if variable
        else Text(
            "hub.offline.hint",
            QT_TRANSLATE_NOOP(
                "hub", "Turn off “Stay offline” under Settings, Downloads, or call: qwen-desktop offline off."
            ),
        )
    )
    return UserFacing(
        Text("hub.offline", QT_TRANSLATE_NOOP("hub", "The network is switched off for Qwen Desktop.")),
        hint,
        action="" if variable else ONLINE,
    )


def untrusted(host: str, details: str = "", variable: str = "") -> AppError:
    """The certificate of ``host`` is not trusted here; ``variable`` names what is trusted in the system's place."""
    hint = (
        Text(
            "hub.certificate.variable",
            QT_TRANSLATE_NOOP(
                "hub",
                "Only the certificates that {variable} names are trusted: correct or remove it, then start again, or "
                "name those of your network under Settings, Downloads, Certificates.",
            ),
            {"variable": variable},
        )
        if variable
        else Text(
            "hub.certificate.hint",
            QT_TRANSLATE_NOOP(
                "hub",
                "If your network inspects connections, name its certificates under Settings, Downloads, Certificates; "
                "else check the computer's date.",
            ),
        )
    )
    return UserFacing(
        Text("hub.certificate", QT_TRANSLATE_NOOP("hub", "The certificate of {host} is not trusted."), {"host": host}),
        hint,
        details=details,
        action=SETTINGS,
    )


def certificates_unusable(path: str, variable: str = "", details: str = "") -> AppError:
    """The certificates of the settings, or those that a ``variable`` of the environment names, cannot be used."""
    if variable:
        return UserFacing(
            Text(
                "hub.pem.variable",
                QT_TRANSLATE_NOOP("hub", "{variable} names {path}, which cannot be used as certificates."),
                {"variable": variable, "path": clean(path)},
            ),
            Text(
                "hub.pem.variable.hint",
                QT_TRANSLATE_NOOP(
                    "hub",
                    "Correct or remove {variable}, then start again, or name a PEM file under Settings, Downloads, "
                    "Certificates.",
                ),
                {"variable": variable},
            ),
            details=details,
            action=SETTINGS,
        )
    return UserFacing(
        Text("hub.pem", QT_TRANSLATE_NOOP("hub", "{path} cannot be used as certificates."), {"path": clean(path)}),
        Text("hub.pem.hint", QT_TRANSLATE_NOOP("hub", "Name a PEM file under Settings, Downloads, Certificates.")),
        details=details,
        action=SETTINGS,
    )


def proxy_unusable(value: str, where: str = "settings") -> AppError:
    """The proxy's address is wrong or of a kind that is not supported. ``value`` is without name and password,
    ``where`` a variable, "settings" or "system"."""
    params: dict[str, Any] = {"value": value, "variable": where}
    what, hint = {
        "settings": (
            Text("hub.proxy", QT_TRANSLATE_NOOP("hub", "The proxy {value} cannot be used."), params),
            Text(
                "hub.proxy.hint",
                QT_TRANSLATE_NOOP(
                    "hub",
                    "Correct it under Settings, Downloads, Proxy, such as http://proxy:8080 or socks5://proxy:1080.",
                ),
            ),
        ),
        "system": (
            Text("hub.proxy.system", QT_TRANSLATE_NOOP("hub", "The system's proxy {value} cannot be used."), params),
            Text(
                "hub.proxy.system.hint",
                QT_TRANSLATE_NOOP(
                    "hub", "Correct it in the system's settings, or name a proxy under Settings, Downloads, Proxy."
                ),
            ),
        ),
    }.get(
        where,
        (
            Text(
                "hub.proxy.variable",
                QT_TRANSLATE_NOOP("hub", "{variable} names the proxy {value}, which cannot be used."),
                params,
            ),
            Text(
                "hub.proxy.variable.hint",
                QT_TRANSLATE_NOOP(
                    "hub",
                    "Correct or remove {variable}, then start again, or name a proxy under Settings, Downloads, Proxy.",
                ),
                params,
            ),
        ),
    )
    return UserFacing(what, hint, action=SETTINGS)


def proxy_away(value: str, details: str = "") -> Unreachable:
    """The proxy itself does not answer. ``value`` is its address without name and password."""
    return Unreachable(
        Text("hub.proxy.away", QT_TRANSLATE_NOOP("hub", "The proxy {value} cannot be reached."), {"value": value}),
        Text("hub.proxy.away.hint", QT_TRANSLATE_NOOP("hub", "Check its address and the network, then try again.")),
        details=details,
        action="retry",
    )


def proxy_login() -> AppError:
    """The proxy asks who we are, or does not accept what it was told."""
    return UserFacing(
        Text("hub.proxy.login", QT_TRANSLATE_NOOP("hub", "The proxy does not accept the name and password.")),
        Text(
            "hub.proxy.login.hint",
            QT_TRANSLATE_NOOP(
                "hub", "Put them into its address under Settings, Downloads, Proxy: http://name:password@proxy:8080."
            ),
        ),
        action=SETTINGS,
    )


def no_repository(repo: str, host: str) -> AppError:
    """404 for the repository (or 401, which means the same for a private one)."""
    return UserFacing(
        Text(
            "hub.repository",
            QT_TRANSLATE_NOOP("hub", "There is no model {repo} at {host}, or it is private."),
            {"repo": repo, "host": host},
        ),
        Text(
            "hub.repository.hint",
            QT_TRANSLATE_NOOP(
                "hub", "Check the name. A private model needs an access token, set under Settings, Downloads."
            ),
        ),
    )


def no_revision(repo: str, revision: str, host: str) -> AppError:
    """The revision does not exist (any more)."""
    return UserFacing(
        Text(
            "hub.revision",
            QT_TRANSLATE_NOOP("hub", "{repo} at {host} has no version {revision}."),
            {"repo": repo, "revision": revision, "host": host},
        ),
        Text("hub.revision.hint", QT_TRANSLATE_NOOP("hub", "Refresh the list of models, then try again.")),
    )


def no_file(repo: str, path: str, host: str) -> AppError:
    """The repository exists, the file does not."""
    return UserFacing(
        Text(
            "hub.file",
            QT_TRANSLATE_NOOP("hub", "{repo} at {host} has no file {path}."),
            {"repo": repo, "path": path, "host": host},
        ),
        Text("hub.file.hint", QT_TRANSLATE_NOOP("hub", "Refresh the list of models, then choose again.")),
    )


def gated(repo: str, endpoint: str, *, has_token: bool) -> AppError:
    """Access must be asked for first."""
    params: dict[str, Any] = {"repo": repo, "page": f"{endpoint}/{repo}", "tokens": f"{endpoint}/settings/tokens"}
    hint = (
        Text(
            "hub.gated.hint.account",
            QT_TRANSLATE_NOOP(
                "hub",
                "Open {page} in a browser, signed in with the account of your access token, and accept the terms. Some "
                "publishers answer only after some days.",
            ),
            params,
        )
        if has_token
        else Text(
            "hub.gated.hint",
            QT_TRANSLATE_NOOP(
                "hub",
                "Sign in at {page} in a browser and accept the terms, make an access token at {tokens}, and put it in "
                "under Settings, Downloads.",
            ),
            params,
        )
    )
    return UserFacing(
        Text(
            "hub.gated", QT_TRANSLATE_NOOP("hub", "{repo} is given only to those who have accepted its terms."), params
        ),
        hint,
        action=SETTINGS,
    )


def token_refused(host: str) -> AppError:
    """401 with a token."""
    return UserFacing(
        Text("hub.token", QT_TRANSLATE_NOOP("hub", "{host} does not accept the access token."), {"host": host}),
        Text(
            "hub.token.hint", QT_TRANSLATE_NOOP("hub", "Make a new one there and put it in under Settings, Downloads.")
        ),
        action=SETTINGS,
    )


def forbidden(host: str) -> AppError:
    """403 without being told why."""
    return UserFacing(
        Text("hub.forbidden", QT_TRANSLATE_NOOP("hub", "{host} refuses to send this."), {"host": host}),
        Text(
            "hub.forbidden.hint",
            QT_TRANSLATE_NOOP("hub", "Check that your access token may read it, or take another source."),
        ),
        action=SETTINGS,
    )


def busy(host: str, status: int, retry_after: float = 0.0) -> Busy:
    """429 or 5xx."""
    if status == 429:
        return Busy(
            Text("hub.limited", QT_TRANSLATE_NOOP("hub", "{host} asks to wait: too much was fetched."), {"host": host}),
            Text("hub.limited.hint", QT_TRANSLATE_NOOP("hub", "Try again in some minutes.")),
            details=f"HTTP {status}",
            retry_after=retry_after,
        )
    return Busy(
        Text("hub.trouble", QT_TRANSLATE_NOOP("hub", "{host} has trouble of its own."), {"host": host}),
        Text("hub.trouble.hint", QT_TRANSLATE_NOOP("hub", "Try again later, or take another source.")),
        details=f"HTTP {status}",
        retry_after=retry_after,
    )


def silent(host: str) -> Busy:
    """Connected, but nothing comes."""
    return Busy(
        Text("hub.silent", QT_TRANSLATE_NOOP("hub", "{host} has stopped sending."), {"host": host}),
        Text("hub.silent.hint", QT_TRANSLATE_NOOP("hub", "Try again later, or take another source.")),
    )


def broke_off(host: str, details: str = "") -> Busy:
    """The connection ended before everything was there."""
    return Busy(
        Text("hub.broke_off", QT_TRANSLATE_NOOP("hub", "{host} broke off the connection."), {"host": host}),
        Text("hub.broke_off.hint", QT_TRANSLATE_NOOP("hub", "Try again later, or take another source.")),
        details=details,
    )


def damaged(path: str, names: str) -> AppError:
    """The file was fetched twice and its hash is still wrong."""
    return Environment(
        Text(
            "hub.damaged",
            QT_TRANSLATE_NOOP("hub", "{path} from {names} is not the file that its checksum describes."),
            {"path": path, "names": names},
        ),
        Text(
            "hub.damaged.hint",
            QT_TRANSLATE_NOOP("hub", "Try again later or take another source; it will be fetched anew."),
        ),
        action="retry",
    )


def circle(host: str) -> AppError:
    """Redirects without an end."""
    return Environment(
        Text("hub.circle", QT_TRANSLATE_NOOP("hub", "{host} sends the request around in a circle."), {"host": host}),
        Text("hub.circle.hint", QT_TRANSLATE_NOOP("hub", "Try again later, or take another source.")),
        action="retry",
    )


def strange(host: str, details: str = "") -> AppError:
    """An answer that is none: a log-in page of a hotel, or a mirror that is not one."""
    return Environment(
        Text(
            "hub.strange", QT_TRANSLATE_NOOP("hub", "{host} answered with something else than asked."), {"host": host}
        ),
        Text(
            "hub.strange.hint",
            QT_TRANSLATE_NOOP("hub", "If this network has a log-in page, open it in a browser first, then try again."),
        ),
        details=details,
        action="retry",
    )


def changed(path: str) -> Changed:
    """The file at the hub is another one by now."""
    return Changed(
        Text("hub.changed", QT_TRANSLATE_NOOP("hub", "{path} was changed at the hub meanwhile."), {"path": path}),
        Text("hub.changed.hint", QT_TRANSLATE_NOOP("hub", "Fetch it again to have the new version.")),
        action="retry",
    )
