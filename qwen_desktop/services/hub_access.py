"""How the hubs are reached just now: the settings, the environment, and the token that belongs to the hub in use."""

from __future__ import annotations

from typing import Protocol

from qwen_desktop.core.settings import Downloads
from qwen_desktop.hub.access import Access, access_of, endpoint_of, token_name
from qwen_desktop.services.preferences import Preferences


class Tokens(Protocol):
    """Where access tokens are kept (``store.secrets``)."""

    async def get(self, name: str, /) -> str | None: ...


async def hub_access(preferences: Preferences | None, secrets: Tokens | None) -> Access:
    """The access for the next job. Without ``preferences`` the defaults hold, without ``secrets`` no token."""
    downloads = preferences.settings.downloads if preferences is not None else Downloads()
    if secrets is None:
        return access_of(downloads)
    token = await secrets.get(token_name(endpoint_of(downloads))) or ""
    return access_of(downloads, token, await secrets.get("modelscope_token") or "")
