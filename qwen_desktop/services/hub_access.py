"""How the hubs are reached just now: the settings, the environment, and the token that belongs to the hub in use."""

from __future__ import annotations

from qwen_desktop.core.settings import DownloadSettings
from qwen_desktop.hub.access import Access, access_of, endpoint_of, token_name
from qwen_desktop.services.preferences import Preferences
from qwen_desktop.store.secrets import Secrets


async def hub_access(preferences: Preferences | None, secrets: Secrets | None) -> Access:
    """The access for the next job. Without ``preferences`` the defaults hold, without ``secrets`` no token.

    A keyring may take half a minute, in which settings change: what holds at the end counts, and the token is always
    that of the hub.
    """
    while True:
        endpoint = endpoint_of(_now(preferences))
        token = modelscope_token = ""
        if secrets is not None:
            token = await secrets.get(token_name(endpoint)) or ""
            modelscope_token = await secrets.get("modelscope_token") or ""
        downloads = _now(preferences)
        if endpoint_of(downloads) == endpoint:
            return access_of(downloads, token, modelscope_token)


def _now(preferences: Preferences | None) -> DownloadSettings:
    return preferences.settings.downloads if preferences is not None else DownloadSettings()
