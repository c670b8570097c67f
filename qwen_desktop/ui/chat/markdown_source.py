"""The door to Markdown: the job worker reads a text with patience; where it fails, and without one, it is read here.

Importing markdown-it-py takes some 45 ms: too long for the start of the window and for the first message. So a thread
imports it once the window stands; a thread gives the interpreter away every few milliseconds, a plain import does not.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import threading
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Generic, TypeAlias, TypeVar

from qwen_desktop.core.errors import Cancelled
from qwen_desktop.jobs.markdown.blocks import Block, verbatim

if TYPE_CHECKING:
    from qwen_desktop.jobs.markdown.parser import Markdown

log = logging.getLogger(__name__)

#: A job of the worker: what it is given, and plain data that it gives.
Job: TypeAlias = Callable[..., Awaitable[Any]]

#: How long the worker may take for one text, in seconds, before it is shown as it stands. It has a limit of its own
#: (``jobs.markdown.rendering``); this one is for a worker that hangs.
PATIENCE_S: Final = 40.0

_T = TypeVar("_T")


class MarkdownSource:
    """Reads Markdown for all parts of a transcript."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._parser: Markdown | None = None
        self._warmed = False

    def set_jobs(self, **jobs: Job) -> None:
        """The worker's jobs "render" (long texts), "plain" (what is copied without having been drawn), "grow" (long
        open ends of answers), and those of ``Drawings``. What is not given is done in this process."""
        self._jobs = jobs

    def elsewhere(self, job: str) -> bool:
        """Whether the worker can be asked: there is one, and a loop runs in this thread (qasync's)."""
        with suppress(RuntimeError):
            return job in self._jobs and bool(asyncio.get_running_loop())
        return False

    async def ask(
        self, job: str, *given: Any, read: Callable[[Any], _T], tries: int = 1, patience: float | None = None
    ) -> _T | None:
        """What the worker's answer is as ``read``; None when it hangs for ``patience`` seconds, or fails so often: at
        first another text may be to blame."""
        for _ in range(tries if job in self._jobs else 0):
            try:
                return read(await asyncio.wait_for(self._jobs[job](*given), patience or PATIENCE_S))
            except Cancelled:  # the app is closing
                raise asyncio.CancelledError from None
            except TimeoutError:
                log.warning("markdown.slow job=%s", job)
                break
            except Exception as error:  # whatever happened to the worker: the window goes on all the same
                log.warning("markdown.failed job=%s %s", job, type(error).__name__)
        return None

    def steps(self, text: str) -> Iterator[Block | None]:
        """Read a text here: None between two blocks, then the blocks; as it stands where the parser fails."""
        blocks: list[Block] = []
        try:
            for block in self.get().iter_blocks(text):
                blocks.append(block)
                yield None
        except Exception as error:  # a parser's fault is no reason to show nothing
            log.warning("parse.failed length=%d %s", len(text), type(error).__name__)
            blocks = list(verbatim(text))
        yield from blocks

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


class Recent(Generic[_T]):
    """What texts have become, while they are not longer than ``room`` characters together; the last ones stay."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._kept: OrderedDict[str, _T] = OrderedDict()
        self._size = 0

    def __contains__(self, text: str) -> bool:
        return text in self._kept

    def __getitem__(self, text: str) -> _T:
        self._kept.move_to_end(text)
        return self._kept[text]

    def __setitem__(self, text: str, value: _T) -> None:
        self._size += 0 if text in self._kept else len(text)
        self._kept[text] = value
        while self._size > self._room and len(self._kept) > 1:
            self._size -= len(self._kept.popitem(last=False)[0])

    def clear(self) -> None:
        """Keep nothing."""
        self._kept.clear()
        self._size = 0
