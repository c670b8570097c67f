"""The colours of code that is being written: asked for line by line, laid over what is on show when they come."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from qwen_desktop.jobs.markdown.blocks import CodeBlock, Span
from qwen_desktop.ui.chat.blocks_code import CodeLayout
from qwen_desktop.ui.chat.section_text import TextSection
from qwen_desktop.ui.chat.transcript_render import RenderQueue

#: Characters that are coloured in one go, and those from which on what is coloured is no longer asked for again.
_MOST = 6000
_KEEP = 1500


@dataclass(slots=True)
class _Colouring:
    """How far growing code block number ``place`` is coloured: final up to ``safe``, asked up to ``done``."""

    place: int
    safe: int = 0
    done: int = 0
    waiting: bool = False


class GrowingColours:
    """Those of one growing text. ``section`` finds what shows it, None when nothing does any more; ``changed`` is told
    the y inside the message from which it looks different."""

    def __init__(
        self, queue: RenderQueue, section: Callable[[], TextSection | None], changed: Callable[[float], object]
    ) -> None:
        self._queue = queue
        self._section = section
        self._changed = changed
        self._each: dict[int, _Colouring] = {}

    def forget(self) -> None:
        """The text is laid out anew: what was asked for is of no use, and no code has its colours."""
        self._each.clear()

    def ask(self, first: int = 0) -> None:
        """Ask for the colours of code blocks, from ``first`` on, that grew by a line since they were last asked for."""
        section = self._section()
        layouts = section.layouts if section is not None else []
        for place in range(first, len(layouts)):
            block = layouts[place].block
            if not isinstance(block, CodeBlock) or not block.language:
                continue
            state = self._each.setdefault(place, _Colouring(place))
            closed = place + 1 < len(layouts)
            end = len(block.text) if closed else block.text.rfind("\n") + 1
            if state.waiting or end <= state.done:
                continue
            state.waiting = True
            code = block.text[state.safe : min(end, state.safe + _MOST)]
            self._queue.colour(code, block.language, partial(self._coloured, state, code))

    def _coloured(self, state: _Colouring, code: str, spans: tuple[Span, ...]) -> None:
        start = state.safe
        state.waiting = False
        state.done = start + len(code)
        section = self._section() if self._each.get(state.place) is state else None
        if section is None or not isinstance(layout := next(iter(section.layouts[state.place :]), None), CodeLayout):
            return
        top = layout.set_spans(start, tuple(Span(span.start + start, span.length, span.role) for span in spans))
        if len(code) >= _KEEP:
            state.safe = start + safe_border(code, spans)
            if state.safe == start and len(code) >= _MOST:
                state.safe = start + len(code)  # one endless string: go on without knowing
        if top < layout.height:
            self._changed(section.y + layout.y + top)
        self.ask(state.place)


def safe_border(code: str, spans: tuple[Span, ...]) -> int:
    """The last line start that is not inside a string or comment and begins in the first column; 0 when there is none.

    Lexing may begin anew there and gives the same colours as from the start, but for the rarest of languages.
    """
    inside = [(s.start, s.start + s.length) for s in spans if s.role in ("code_string", "code_comment")]
    place = len(code)
    while (place := code.rfind("\n", 0, place)) > 0:
        after = place + 1
        if after < len(code) and not code[after].isspace() and code[after] not in ")]}\"'*":
            touching = any(a <= place < b or a == after for a, b in inside)
            if not touching:
                return after
    return 0
