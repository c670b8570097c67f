"""The parser for short texts and growing answers, made when it is first needed.

Importing markdown-it-py takes some 45 ms: too long for the start of the window and for the first message. So a thread
imports it once the window stands; a thread gives the interpreter away every few milliseconds, a plain import does not.
"""

from __future__ import annotations

import importlib
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qwen_desktop.jobs.markdown.parser import Markdown


class MarkdownSource:
    """Gives one ``Markdown`` to all parts of a transcript."""

    def __init__(self) -> None:
        self._parser: Markdown | None = None
        self._warmed = False

    def warm(self) -> None:
        """Import the parser's modules in the background. Safe to call again."""
        if not self._warmed:
            self._warmed = True
            name = "qwen_desktop.jobs.markdown.parser"
            threading.Thread(target=importlib.import_module, args=(name,), name="import-markdown", daemon=True).start()

    def get(self) -> Markdown:
        """The parser."""
        if self._parser is None:
            from qwen_desktop.jobs.markdown.parser import Markdown  # noqa: PLC0415 - see the top of this file

            self._warmed = True
            self._parser = Markdown()
        return self._parser
