"""What the job worker does with Markdown: blocks to draw, and the plain text of messages that were never drawn.

Both come from the one parser, so what is copied of a message is the same, drawn or not. A text that takes longer than
``LIMIT_S`` of the processor's time is shown and copied as it stands: nothing of it is lost.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from qwen_desktop.jobs.markdown.blocks import Block, CodeBlock, projection, verbatim
from qwen_desktop.jobs.markdown.highlight import span_steps
from qwen_desktop.jobs.markdown.parser import Markdown

log = logging.getLogger(__name__)

#: Seconds of processor time for one text's structure, and for the colours of all its code. Time that other programs
#: take does not count: a text looks the same on a busy machine.
LIMIT_S: Final = 8.0
COLOURS_S: Final = 4.0


def parsed(text: str, markdown: Markdown | None = None, limit_s: float = LIMIT_S) -> tuple[Block, ...]:
    """The blocks of a text, without colours; the text as it stands where the parser fails or takes too long."""
    started = time.thread_time()
    blocks: list[Block] = []
    try:
        for block in (markdown or Markdown()).iter_blocks(text):
            blocks.append(block)
            if time.thread_time() - started > limit_s:
                log.warning("markdown.slow length=%d", len(text))
                return tuple(verbatim(text))
    except Exception as error:  # a parser's fault is no reason to show nothing
        log.warning("markdown.failed length=%d %s", len(text), type(error).__name__)
        return tuple(verbatim(text))
    return tuple(blocks)


def render(text: str) -> list[Any]:
    """The job "markdown.render": blocks as plain data, coloured. ``blocks.from_builtins`` reads them."""
    until = time.thread_time() + LIMIT_S + COLOURS_S
    return [msgspec.to_builtins(coloured(block, until)) for block in parsed(text)]


def plain(texts: Sequence[str]) -> list[str]:
    """The job "markdown.plain": what each text reads and is copied like."""
    markdown = Markdown()
    return [projection(parsed(text, markdown)) for text in texts]


def coloured(block: Block, until: float) -> Block:
    """A block with the colours of its code, without them from ``until`` (of this thread's processor time) on."""
    if not isinstance(block, CodeBlock):
        return block
    spans = None
    for spans in span_steps(block.text, block.language):  # noqa: B007 - the last one counts
        if time.thread_time() > until:
            return msgspec.structs.replace(block, spans=())
    return msgspec.structs.replace(block, spans=spans)
