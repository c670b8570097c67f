"""Names of files between Qt and Python: Qt's strings are text, the names of files need not be (see ``core.paths``).

Signals carry paths as ``object``: as ``str`` they would lose what is no text. Widgets get ``shown_path``.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from urllib.parse import quote_from_bytes, unquote_to_bytes, urlsplit

from PySide6.QtCore import QMimeData, QUrl

from qwen_desktop.core.text import shown

#: What Qt and Python put in the place of bytes that are no text, one or several for the same bytes.
_REPLACED = re.compile("\ufffd+")
_LONGEST = 1000


def path_of(url: QUrl) -> str:
    """The file that was dropped, chosen or opened."""
    path = url.toLocalFile()
    if sys.platform != "win32":
        raw = unquote_to_bytes(urlsplit(bytes(url.toEncoded().data())).path)
        path = _found(os.fsdecode(raw.replace(b"\x00", b"")))
    return str(Path(path))


def local_files(data: QMimeData) -> tuple[str, ...]:
    """The files of this computer that were dropped or copied."""
    return tuple(path_of(url) for url in data.urls() if url.isLocalFile()) if data.hasUrls() else ()


def url_of(path: str | Path) -> QUrl:
    """The address of a file or folder, for other programs."""
    url = QUrl.fromLocalFile(str(path))
    if sys.platform != "win32":
        url = QUrl.fromEncoded(b"file://" + quote_from_bytes(os.fsencode(path)).encode())
    return url


def shown_path(path: str | Path) -> str:
    """The path as a widget can show it, as one line."""
    return shown(str(path), _LONGEST)


def _found(path: str) -> str:
    """``path``, or the one file that it means: Qt's own dialogs give back what they showed, with U+FFFD in it."""
    if "\ufffd" not in path or os.path.lexists(path):
        return path
    place = Path(path).anchor
    for part in Path(path).parts[1:]:
        here = os.path.join(place, part)  # noqa: PTH118 - a name with a backslash stays one
        if "\ufffd" in part and not os.path.lexists(here):
            try:
                alike = [name for name in os.listdir(place) if _looks(name) == _looks(part)]  # noqa: PTH208 - plain names
            except OSError:
                return path
            if len(alike) != 1:
                return path
            here = os.path.join(place, alike[0])  # noqa: PTH118
        place = here
    return place


def _looks(name: str) -> str:
    return _REPLACED.sub("\ufffd", os.fsencode(name).decode("utf-8", "replace"))
