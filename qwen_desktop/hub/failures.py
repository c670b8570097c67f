"""What can go wrong with a hub, each said in one sentence with what to do about it: a table, and who picks its rows.

Makes errors, raises none.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from qwen_desktop.core.errors import AppError, Environment, Failure, UserFacing
from qwen_desktop.core.text import QT_TRANSLATE_NOOP

#: Opens the page where the access token is kept.
SETTINGS = "view.settings"
#: Turns the offline switch off.
ONLINE = "network.online"


class Unreachable(Environment):
    """No connection: the network is away, or the host is. Worth waiting for."""


class Busy(Environment):
    """The hub asks to wait (429) or fails by itself (5xx); ``retry_after`` seconds, 0 when it does not say."""

    retry_after = 0.0


class Changed(Environment):
    """What the hub has now is not what the download began with."""


_LATER = QT_TRANSLATE_NOOP("hub", "Try again later, or take another source.")

# fmt: off
#: No connection to the host.
unreachable = Failure(
    Unreachable, "hub.unreachable", "host", QT_TRANSLATE_NOOP("hub", "{host} cannot be reached."),
    QT_TRANSLATE_NOOP("hub", "Check the network connection, then try again."), "retry",
)
_OFFLINE = QT_TRANSLATE_NOOP("hub", "The network is switched off for Qwen Desktop.")
_offline_setting = Failure(
    UserFacing, "hub.offline", "", _OFFLINE,
    QT_TRANSLATE_NOOP(
        "hub", "Turn off “Stay offline” under Settings, Downloads, or call: qwen-desktop offline off."
    ), ONLINE,
)
_offline_variable = Failure(
    UserFacing, "hub.offline", "variable", _OFFLINE,
    QT_TRANSLATE_NOOP("hub", "Remove {variable} from the environment, then start again."),
)
_UNTRUSTED = QT_TRANSLATE_NOOP("hub", "The certificate of {host} is not trusted.")
_untrusted_system = Failure(
    UserFacing, "hub.certificate", "host", _UNTRUSTED,
    QT_TRANSLATE_NOOP(
        "hub",
        "If your network inspects connections, name its certificates under Settings, Downloads, Certificates; "
        "else check the computer's date.",
    ), SETTINGS,
)
_untrusted_variable = Failure(
    UserFacing, "hub.certificate", "host variable", _UNTRUSTED,
    QT_TRANSLATE_NOOP(
        "hub",
        "Only the certificates that {variable} names are trusted: correct or remove it, then start again, or "
        "name those of your network under Settings, Downloads, Certificates.",
    ), SETTINGS,
)
_pem_setting = Failure(
    UserFacing, "hub.pem", "path", QT_TRANSLATE_NOOP("hub", "{path} cannot be used as certificates."),
    QT_TRANSLATE_NOOP("hub", "Name a PEM file under Settings, Downloads, Certificates."), SETTINGS,
)
_pem_variable = Failure(
    UserFacing, "hub.pem.variable", "path variable",
    QT_TRANSLATE_NOOP("hub", "{variable} names {path}, which cannot be used as certificates."),
    QT_TRANSLATE_NOOP(
        "hub",
        "Correct or remove {variable}, then start again, or name a PEM file under Settings, Downloads, Certificates.",
    ), SETTINGS,
)
_proxy_setting = Failure(
    UserFacing, "hub.proxy", "value", QT_TRANSLATE_NOOP("hub", "The proxy {value} cannot be used."),
    QT_TRANSLATE_NOOP(
        "hub", "Correct it under Settings, Downloads, Proxy, such as http://proxy:8080 or socks5://proxy:1080."
    ), SETTINGS,
)
_proxy_system = Failure(
    UserFacing, "hub.proxy.system", "value",
    QT_TRANSLATE_NOOP("hub", "The system's proxy {value} cannot be used."),
    QT_TRANSLATE_NOOP("hub", "Correct it in the system's settings, or name a proxy under Settings, Downloads, Proxy."),
    SETTINGS,
)
_proxy_variable = Failure(
    UserFacing, "hub.proxy.variable", "value variable",
    QT_TRANSLATE_NOOP("hub", "{variable} names the proxy {value}, which cannot be used."),
    QT_TRANSLATE_NOOP(
        "hub", "Correct or remove {variable}, then start again, or name a proxy under Settings, Downloads, Proxy."
    ), SETTINGS,
)
#: The proxy itself does not answer; its address is without name and password.
proxy_away = Failure(
    Unreachable, "hub.proxy.away", "value", QT_TRANSLATE_NOOP("hub", "The proxy {value} cannot be reached."),
    QT_TRANSLATE_NOOP("hub", "Check its address and the network, then try again."), "retry",
)
#: The proxy asks who we are, or does not accept what it was told.
proxy_login = Failure(
    UserFacing, "hub.proxy.login", "",
    QT_TRANSLATE_NOOP("hub", "The proxy does not accept the name and password."),
    QT_TRANSLATE_NOOP(
        "hub", "Put them into its address under Settings, Downloads, Proxy: http://name:password@proxy:8080."
    ), SETTINGS,
)
#: 404 for the repository (or 401, which means the same for a private one).
no_repository = Failure(
    UserFacing, "hub.repository", "repo host",
    QT_TRANSLATE_NOOP("hub", "There is no model {repo} at {host}, or it is private."),
    QT_TRANSLATE_NOOP("hub", "Check the name. A private model needs an access token, set under Settings, Downloads."),
)
#: The revision does not exist (any more).
no_revision = Failure(
    UserFacing, "hub.revision", "repo revision host",
    QT_TRANSLATE_NOOP("hub", "{repo} at {host} has no version {revision}."),
    QT_TRANSLATE_NOOP("hub", "Refresh the list of models, then try again."),
)
#: The repository exists, the file does not.
no_file = Failure(
    UserFacing, "hub.file", "repo path host", QT_TRANSLATE_NOOP("hub", "{repo} at {host} has no file {path}."),
    QT_TRANSLATE_NOOP("hub", "Refresh the list of models, then choose again."),
)
_GATED = QT_TRANSLATE_NOOP("hub", "{repo} is given only to those who have accepted its terms.")
_gated_account = Failure(
    UserFacing, "hub.gated", "repo page", _GATED,
    QT_TRANSLATE_NOOP(
        "hub",
        "Open {page} in a browser, signed in with the account of your access token, and accept the terms. Some "
        "publishers answer only after some days.",
    ), SETTINGS,
)
_gated_stranger = Failure(
    UserFacing, "hub.gated", "repo page tokens", _GATED,
    QT_TRANSLATE_NOOP(
        "hub",
        "Sign in at {page} in a browser and accept the terms, make an access token at {tokens}, and put it in "
        "under Settings, Downloads.",
    ), SETTINGS,
)
#: 401 with a token.
token_refused = Failure(
    UserFacing, "hub.token", "host", QT_TRANSLATE_NOOP("hub", "{host} does not accept the access token."),
    QT_TRANSLATE_NOOP("hub", "Make a new one there and put it in under Settings, Downloads."), SETTINGS,
)
#: 403 without being told why.
forbidden = Failure(
    UserFacing, "hub.forbidden", "host", QT_TRANSLATE_NOOP("hub", "{host} refuses to send this."),
    QT_TRANSLATE_NOOP("hub", "Check that your access token may read it, or take another source."), SETTINGS,
)
_limited = Failure(
    Busy, "hub.limited", "host", QT_TRANSLATE_NOOP("hub", "{host} asks to wait: too much was fetched."),
    QT_TRANSLATE_NOOP("hub", "Try again in some minutes."), "retry",
)
_trouble = Failure(
    Busy, "hub.trouble", "host", QT_TRANSLATE_NOOP("hub", "{host} has trouble of its own."), _LATER, "retry",
)
#: Connected, but nothing comes.
silent = Failure(Busy, "hub.silent", "host", QT_TRANSLATE_NOOP("hub", "{host} has stopped sending."), _LATER, "retry")
#: The connection ended before everything was there.
broke_off = Failure(
    Busy, "hub.broke_off", "host", QT_TRANSLATE_NOOP("hub", "{host} broke off the connection."), _LATER, "retry",
)
#: The file was fetched again and its hash is still wrong.
damaged = Failure(
    Environment, "hub.damaged", "path names",
    QT_TRANSLATE_NOOP("hub", "{path} from {names} is not the file that its checksum describes."),
    QT_TRANSLATE_NOOP("hub", "Try again later or take another source; it will be fetched anew."), "retry",
)
#: Redirects without an end.
circle = Failure(
    Environment, "hub.circle", "host",
    QT_TRANSLATE_NOOP("hub", "{host} sends the request around in a circle."), _LATER, "retry",
)
#: An answer that is none: a log-in page of a hotel, or a mirror that is not one.
strange = Failure(
    Environment, "hub.strange", "host", QT_TRANSLATE_NOOP("hub", "{host} answered with something else than asked."),
    QT_TRANSLATE_NOOP("hub", "If this network has a log-in page, open it in a browser first, then try again."), "retry",
)
#: The file at the hub is another one by now.
changed = Failure(
    Changed, "hub.changed", "path", QT_TRANSLATE_NOOP("hub", "{path} was changed at the hub meanwhile."),
    QT_TRANSLATE_NOOP("hub", "Fetch it again to have the new version."), "retry",
)
# fmt: on


def host_of(url: str) -> str:
    """The host of an address, for sentences."""
    return urlsplit(url).hostname or url


def offline(variable: str = "") -> AppError:
    """The offline switch is on: the setting, or a ``variable`` of the environment."""
    return _offline_variable(variable) if variable else _offline_setting()


def untrusted(host: str, details: str = "", variable: str = "") -> AppError:
    """The certificate of ``host`` is not trusted here; ``variable`` names what is trusted in the system's place."""
    if variable:
        return _untrusted_variable(host, variable, details=details)
    return _untrusted_system(host, details=details)


def certificates_unusable(path: str, variable: str = "", details: str = "") -> AppError:
    """The certificates of the settings, or those that a ``variable`` of the environment names, cannot be used."""
    return _pem_variable(path, variable, details=details) if variable else _pem_setting(path, details=details)


def proxy_unusable(value: str, where: str = "settings") -> AppError:
    """The proxy's address is wrong or of a kind that is not supported. ``value`` is without name and password,
    ``where`` a variable, "settings" or "system"."""
    if where in ("settings", "system"):
        return (_proxy_setting if where == "settings" else _proxy_system)(value)
    return _proxy_variable(value, where)


def gated(repo: str, endpoint: str, *, has_token: bool) -> AppError:
    """Access must be asked for first."""
    page = f"{endpoint}/{repo}"
    return _gated_account(repo, page) if has_token else _gated_stranger(repo, page, f"{endpoint}/settings/tokens")


def busy(host: str, status: int, retry_after: float = 0.0) -> Busy:
    """429 or 5xx."""
    error = (_limited if status == 429 else _trouble)(host, details=f"HTTP {status}")
    error.retry_after = retry_after
    return error


def worth_trying(error: AppError) -> bool:
    """Whether the same request may work later."""
    return error.kind == "environment" and not isinstance(error, Changed)


def best_error(errors: list[AppError]) -> AppError:
    """The one of several failures that helps most: what the user can mend comes first."""
    order = ("hub.offline", "hub.gated", "hub.token", "hub.certificate", "hub.pem", "hub.proxy", "hub.forbidden")
    last = ("hub.repository", "hub.revision", "hub.file")

    def rank(error: AppError) -> int:
        code = error.problem.what.code
        if code in order:
            return order.index(code)
        if isinstance(error, Unreachable):
            return 60
        return 100 if code in last else 50

    return min(errors, key=rank)
