"""How the hubs are reached: addresses, tokens, proxy, certificates and the offline switch, as plain data for jobs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from qwen_desktop.core.settings import Downloads

HUGGING_FACE = "https://huggingface.co"
MODELSCOPE = "https://www.modelscope.cn"

_ON = {"1", "ON", "YES", "TRUE"}


class Access(Struct, frozen=True):
    """Everything a request needs besides its address. ``repr`` hides the tokens, so that no log can hold one.

    A token goes only to its own hub (``endpoint``, ``modelscope``), see ``client``. ``certificates`` is a PEM file
    that is trusted besides the system's.
    """

    endpoint: str = HUGGING_FACE
    modelscope: str = MODELSCOPE
    token: str = ""
    modelscope_token: str = ""
    proxy: str = ""
    certificates: str = ""
    offline: bool = False

    def __repr__(self) -> str:
        token = "***" if self.token else ""
        return f"Access(endpoint={self.endpoint!r}, modelscope={self.modelscope!r}, token={token!r})"

    def as_params(self) -> dict[str, Any]:
        """The form in which it goes to a job; ``access_from`` is the way back."""
        return msgspec.structs.asdict(self)

    @property
    def is_mirror(self) -> bool:
        """Whether ``endpoint`` is another host than Hugging Face's."""
        return self.endpoint != HUGGING_FACE


#: Without token, proxy or mirror.
DEFAULT = Access()


def access_from(params: Mapping[str, Any]) -> Access:
    """What ``as_params`` made. Raises ``msgspec.ValidationError``."""
    return msgspec.convert(params, Access)


def access_of(
    downloads: Downloads, token: str = "", modelscope_token: str = "", environ: Mapping[str, str] = os.environ
) -> Access:
    """The access that settings and environment describe.

    ``HF_ENDPOINT`` holds where the setting is empty, ``MODELSCOPE_DOMAIN`` (a host or an address) names another
    ModelScope, ``HF_HUB_OFFLINE`` forbids the network. A token given here goes before ``HF_TOKEN``.
    """
    return Access(
        endpoint=_address(downloads.endpoint or environ.get("HF_ENDPOINT", ""), HUGGING_FACE),
        modelscope=_address(environ.get("MODELSCOPE_DOMAIN", ""), MODELSCOPE),
        token=token or environ.get("HF_TOKEN", "").strip(),
        modelscope_token=modelscope_token or environ.get("MODELSCOPE_API_TOKEN", "").strip(),
        proxy=downloads.proxy.strip(),
        certificates=downloads.certificates.strip(),
        offline=environ.get("HF_HUB_OFFLINE", "").strip().upper() in _ON,
    )


def _address(text: str, default: str) -> str:
    text = text.strip().rstrip("/")
    if not text:
        return default
    return text if "://" in text else f"https://{text}"
