"""A file from the network whose bytes are known: fetched over https, kept only with the right SHA-256."""

from __future__ import annotations

import contextlib
import http.client
import shutil
import ssl
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import NamedTuple

import dev_cache
from dev_console import Failed


class Download(NamedTuple):
    """Where a file lies and what its bytes hash to."""

    url: str
    sha256: str

    @property
    def name(self) -> str:
        """What the file is called."""
        return urllib.parse.unquote(urllib.parse.urlsplit(self.url).path.rsplit("/", 1)[-1])


def fetch(file: Download, folder: Path, what: str, *, timeout_s: float = 60) -> Path:
    """Fetch a file into ``folder`` over https (plain http only from this computer itself). ``what``: it, in sentences.

    Raises ``Failed`` when it cannot be had or its checksum differs; a file with a wrong checksum is removed.
    """
    parts = urllib.parse.urlsplit(file.url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost")):
        raise Failed(f"The address of {what} must begin with https: {file.url}")
    target = folder / file.name
    try:
        answer = urllib.request.urlopen(file.url, timeout=timeout_s, context=trusting())  # noqa: S310 - checked
        with answer, target.open("wb") as out:
            shutil.copyfileobj(answer, out, 1 << 20)
    except (OSError, http.client.HTTPException) as error:
        target.unlink(missing_ok=True)
        why = error.reason if type(error) is urllib.error.URLError else error
        raise Failed(f"{_begun(what)} cannot be downloaded ({why}): check the network, then try again.") from error
    found = dev_cache.sha256_of(target)
    if found != file.sha256:
        target.unlink()
        raise Failed(
            f"{_begun(what)} from {file.url} is not the expected file (checksum {found[:16]}… instead of "
            f"{file.sha256[:16]}…), so it was thrown away: please tell the project."
        )
    return target


def trusting() -> ssl.SSLContext:
    """Who is believed about servers: whom the system believes; where Python knows no such list, as that of python.org
    on macOS, whom pip believes."""
    context = ssl.create_default_context()
    paths = ssl.get_default_verify_paths()
    if not (paths.cafile or paths.capath):
        with contextlib.suppress(ImportError):
            from pip._vendor import certifi  # noqa: PLC0415 - only where it is needed; some Pythons have no pip

            context.load_verify_locations(certifi.where())
    return context


def _begun(what: str) -> str:
    return what[:1].upper() + what[1:]
