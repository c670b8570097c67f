"""Logging: rotating file, no chat text, no tokens. Modules use ``logging.getLogger(__name__)`` and log codes."""

from __future__ import annotations

import logging
import logging.handlers
import traceback
from pathlib import Path

FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"
#: So many lines of an exception are written.
_LONGEST = 60


class _Formatter(logging.Formatter):
    """Writes of an exception its kind and the places that it came through. Its words may be the user's, or a file's."""

    def format(self, record: logging.LogRecord) -> str:
        before, record.exc_text = record.exc_text, None  # what another handler made of it
        try:
            return super().format(record)
        finally:
            record.exc_text = before

    def formatException(self, ei: object) -> str:
        error = ei[1] if isinstance(ei, tuple) else None
        lines: list[str] = []
        while isinstance(error, BaseException) and len(lines) < _LONGEST:
            frames = traceback.extract_tb(error.__traceback__)[-_LONGEST:]
            lines += [f"  {Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
            lines.append(type(error).__name__)
            error = error.__cause__ or error.__context__
        return "\n".join(lines)


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
    handler.setFormatter(_Formatter(FORMAT))
    root.addHandler(handler)
