"""How the hubs are reached: addresses, tokens, proxy, certificates and the offline switch, as plain data for jobs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from qwen_desktop.core.errors import AppError
from qwen_desktop.core.settings import DownloadSettings
from qwen_desktop.hub import failures

#: The kinds of hubs: Hugging Face with its mirrors, and ModelScope.
HUBS = ("huggingface", "modelscope")
HUGGING_FACE = "https://huggingface.co"
MODELSCOPE = "https://www.modelscope.cn"

OFFLINE = "HF_HUB_OFFLINE"
_ON = {"1", "ON", "YES", "TRUE"}


class Access(Struct, frozen=True):
    """Everything a request needs besides its address. ``repr`` hides the tokens, so that no log can hold one.

    A token goes only to its own hub (``endpoint``, ``modelscope``), see ``client``. ``hubs`` may be asked where no one
    is named, in their order. ``certificates`` is a PEM file that is trusted besides the system's. ``offline_by`` names
    the variable that switched the network off, where it was not the setting.
    """

    endpoint: str = HUGGING_FACE
    modelscope: str = MODELSCOPE
    hubs: tuple[str, ...] = HUBS
    token: str = ""
    modelscope_token: str = ""
    proxy: str = ""
    certificates: str = ""
    offline: bool = False
    offline_by: str = ""

    def __repr__(self) -> str:
        token = "***" if self.token else ""
        return f"Access(endpoint={self.endpoint!r}, modelscope={self.modelscope!r}, token={token!r})"

    def as_params(self) -> dict[str, Any]:
        """The form in which it goes to a job; ``access_from`` is the way back."""
        return msgspec.structs.asdict(self)


#: Without token, proxy or mirror.
DEFAULT = Access()


def access_from(params: Mapping[str, Any]) -> Access:
    """What ``as_params`` made. Raises ``msgspec.ValidationError``."""
    return msgspec.convert(params, Access)


def access_of(
    downloads: DownloadSettings, token: str = "", modelscope_token: str = "", environ: Mapping[str, str] = os.environ
) -> Access:
    """The access that settings and environment describe.

    ``HF_ENDPOINT`` holds where the setting is empty, ``MODELSCOPE_DOMAIN`` (a host or an address) names another
    ModelScope, ``HF_HUB_OFFLINE`` forbids the network. A token given here goes before ``HF_TOKEN``, which belongs to
    the hub that the environment names and goes to no other.
    """
    endpoint = endpoint_of(downloads, environ)
    own = environ.get("HF_TOKEN", "").strip() if endpoint == endpoint_of(DownloadSettings(), environ) else ""
    return Access(
        endpoint=endpoint,
        modelscope=_address(environ.get("MODELSCOPE_DOMAIN", ""), MODELSCOPE),
        hubs=_hubs(downloads.source, mirror=endpoint != HUGGING_FACE),
        token=token or own,
        modelscope_token=modelscope_token or environ.get("MODELSCOPE_API_TOKEN", "").strip(),
        proxy=downloads.proxy.strip(),
        certificates=downloads.certificates.strip(),
        offline=is_offline(downloads, environ),
        offline_by="" if downloads.offline else offline_variable(environ),
    )


def endpoint_of(downloads: DownloadSettings, environ: Mapping[str, str] = os.environ) -> str:
    """Hugging Face's address, or that of the mirror of the settings or the environment."""
    return _address(downloads.endpoint or environ.get("HF_ENDPOINT", ""), HUGGING_FACE)


def _hubs(source: str, *, mirror: bool) -> tuple[str, ...]:
    """Who may be asked: whoever names a mirror, or one hub, has not asked for others."""
    if source == "modelscope":  # what it does not have may be at Hugging Face or the mirror
        return ("modelscope", "huggingface")
    return HUBS if source == "auto" and not mirror else ("huggingface",)


def is_offline(downloads: DownloadSettings, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the network is switched off, by the setting or by the environment."""
    return downloads.offline or bool(offline_variable(environ))


def offline_variable(environ: Mapping[str, str] = os.environ) -> str:
    """The variable that switches the network off; "" when none does."""
    return OFFLINE if environ.get(OFFLINE, "").strip().upper() in _ON else ""


def offline_problem(downloads: DownloadSettings) -> AppError | None:
    """The sentence for what needs the network while it is switched off; None while it is not."""
    if not is_offline(downloads):
        return None
    return failures.offline("" if downloads.offline else offline_variable())


def token_name(endpoint: str) -> str:
    """The name under which the keyring keeps the token for this hub: a mirror never gets that of Hugging Face."""
    if endpoint == HUGGING_FACE:
        return "hf_token"
    parts = urlsplit(endpoint)
    return f"hf_token@{parts.scheme}://{parts.netloc.rpartition('@')[2]}".lower()


def _address(text: str, default: str) -> str:
    text = text.strip().rstrip("/")
    if not text:
        return default
    return text if "://" in text else f"https://{text}"
