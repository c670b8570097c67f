"""Logging: rotating file, no chat text, no tokens. Modules use ``logging.getLogger(__name__)`` and log codes."""

from __future__ import annotations

import logging
import logging.handlers
from pathlib import Path

FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"


def to_file(folder: Path, name: str, level: int = logging.INFO) -> None:
    """Send the process's log to ``folder/name`` (1 MB, three old files kept). A folder that cannot be written is
    no reason to stop: the log then goes nowhere."""
    root = logging.getLogger()
    root.setLevel(level)
    logging.raiseExceptions = False  # a full disk would print a traceback for each line of the log
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handler: logging.Handler = logging.handlers.RotatingFileHandler(
            folder / name, maxBytes=1_000_000, backupCount=3, encoding="utf-8", delay=True
        )
    except OSError:
        handler = logging.NullHandler()
    handler.setFormatter(logging.Formatter(FORMAT))
    root.addHandler(handler)
