"""Whom connections trust: the system, or what ``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` name in its place, and besides it
the PEM file of the settings. Made once for each state of those files."""

from __future__ import annotations

import functools
import os
import ssl
from collections.abc import Mapping
from pathlib import Path

from qwen_desktop.core.files import open_file
from qwen_desktop.core.paths import expanded
from qwen_desktop.hub import failures

FILE, FOLDER = "SSL_CERT_FILE", "SSL_CERT_DIR"


def trust(setting: str, environ: Mapping[str, str] = os.environ) -> ssl.SSLContext:
    """The context for connections. Raises ``UserFacing`` that names the file, and the variable, that cannot be used.

    A variable that cannot be used is passed over when the other one, or the setting, serves.
    """
    file, folder = (environ.get(name, "").strip() for name in (FILE, FOLDER))
    named: tuple[str, int, str] = ("", 0, "")
    problem: Exception | None = None
    if file:
        try:
            named = (file, _changed(Path(file)), "")
            _of(*named)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            named = ("", 0, "")
            problem = failures.certificates_unusable(file, FILE, type(error).__name__)
    if folder and not named[0]:
        if any(Path(part).is_dir() for part in folder.split(os.pathsep)):
            named, problem = ("", 0, folder), None
        else:
            problem = problem or failures.certificates_unusable(folder, FOLDER, "no folder")
    own = expanded(setting.strip()) if setting.strip() else None
    if own is None:
        if problem is not None:
            raise problem
        return _of(*named)
    try:
        return _besides(str(own), _changed(own), *named)
    except (OSError, ValueError) as error:
        raise failures.certificates_unusable(str(own), "", type(error).__name__) from error


def _changed(file: Path) -> int:
    """When it was changed. Raises ``OSError`` too for what is no file: OpenSSL would wait for what a pipe brings."""
    with open_file(file) as opened:
        return os.fstat(opened.fileno()).st_mtime_ns


def variable(environ: Mapping[str, str] = os.environ) -> str:
    """The variable that names certificates in the place of the system's; "" when none does."""
    return next((name for name in (FILE, FOLDER) if environ.get(name, "").strip()), "")


@functools.lru_cache(maxsize=4)
def _of(file: str, _stamp: int, folder: str) -> ssl.SSLContext:
    return _made(file, folder)


@functools.lru_cache(maxsize=4)
def _besides(own: str, _own_stamp: int, file: str, _stamp: int, folder: str) -> ssl.SSLContext:
    context = _made(file, folder)
    context.load_verify_locations(cafile=own)
    return context


def _made(file: str, folder: str) -> ssl.SSLContext:
    if file or folder:
        return ssl.create_default_context(cafile=file or None, capath=folder or None)
    import httpx2  # noqa: PLC0415 - only where the network is used

    return httpx2.create_ssl_context(trust_env=False)
