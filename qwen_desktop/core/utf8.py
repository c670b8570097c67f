"""One encoding for the names of files, whatever the user's environment says.

Names are bytes. Where a strange locale (``LANG=C`` without Python's own repair, an encoding of former times) makes
Python read them as something else than UTF-8, the same file has another name here than in what an earlier run, Qt and
llama.cpp keep of it. Python decides at its start, so the process starts once more; a frozen program is built so.
"""

from __future__ import annotations

import contextlib
import os
import sys

_MODE = "PYTHONUTF8"


def ensure() -> None:
    """Go on in UTF-8 mode: this very process, started again, where it is not. For the start of the process only."""
    if sys.getfilesystemencoding() == "utf-8" or getattr(sys, "frozen", False) or os.environ.get(_MODE) == "1":
        return
    os.environ[_MODE] = "1"  # for the workers too
    with contextlib.suppress(OSError):
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - no shell: it is ourselves
