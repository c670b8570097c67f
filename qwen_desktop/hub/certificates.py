"""Whom connections trust: the system, or what ``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` name in its place, and besides it
the PEM file of the settings. Made once for each state of those files."""

from __future__ import annotations

import functools
import os
import ssl
from collections.abc import Mapping
from pathlib import Path

from qwen_desktop.core.errors import AppError
from qwen_desktop.core.files import open_file
from qwen_desktop.core.paths import expanded
from qwen_desktop.hub import failures

FILE, FOLDER = "SSL_CERT_FILE", "SSL_CERT_DIR"


def trust(setting: str, environ: Mapping[str, str] = os.environ) -> ssl.SSLContext:
    """The context for connections. Raises ``UserFacing`` that names the file, and the variable, that cannot be used.

    A variable that cannot be used is passed over when the other one, or the setting, serves.
    """
    _, named, problem = _chosen(environ)
    own = expanded(setting.strip()) if setting.strip() else None
    if own is None:
        if problem is not None:
            raise problem
        return _of(*named)
    try:
        return _of(*named, str(own), _changed(own))
    except (OSError, ValueError) as error:
        raise failures.certificates_unusable(str(own), "", type(error).__name__) from error


def _changed(file: Path) -> int:
    """When it was changed. Raises ``OSError`` too for what is no file: OpenSSL would wait for what a pipe brings."""
    with open_file(file) as opened:
        return os.fstat(opened.fileno()).st_mtime_ns


def variable(environ: Mapping[str, str] = os.environ) -> str:
    """The variable whose certificates hold in the place of the system's; "" when none does."""
    return _chosen(environ)[0]


def _chosen(environ: Mapping[str, str]) -> tuple[str, tuple[str, int, str], AppError | None]:
    """The variable that serves, its file with the state of it or its folder, and what is wrong when none does."""
    file, folder = (environ.get(name, "").strip() for name in (FILE, FOLDER))
    problem: AppError | None = None
    if file:
        try:
            named = (file, _changed(Path(file)), "")
            _of(*named)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            problem = failures.certificates_unusable(file, FILE, type(error).__name__)
        else:
            return FILE, named, None
    if folder:
        if any(Path(part).is_dir() for part in folder.split(os.pathsep)):
            return FOLDER, ("", 0, folder), None
        problem = problem or failures.certificates_unusable(folder, FOLDER, "no folder")
    return "", ("", 0, ""), problem


@functools.lru_cache(maxsize=8)
def _of(file: str, _stamp: int, folder: str, own: str = "", _own_stamp: int = 0) -> ssl.SSLContext:
    if file or folder:
        context = ssl.create_default_context(cafile=file or None, capath=folder or None)
    else:
        import httpx2  # noqa: PLC0415 - only where the network is used

        context = httpx2.create_ssl_context(trust_env=False)
    if own:
        context.load_verify_locations(cafile=own)
    return context
