"""From tokens to text that may be shown: whole UTF-8 characters, thinking apart from the answer, stop strings unseen.

Pure: knows neither llama.cpp nor pipes. Whatever could still turn out to be the beginning of a stop string, of a
thinking mark or of a character is held back until it is known.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Sequence

from qwen_desktop.core.engine import Event, TextDelta, ThinkingDelta, ThinkingDone
from qwen_desktop.core.text import clean

OPEN, CLOSE = "<think>", "</think>"


class AnswerStream:
    """Takes bytes of pieces and thinking marks, gives events.

    ``thinking`` tells whether the prompt ended inside an open ``<think>``. Where the vocabulary has single tokens for
    the marks, call ``mark``; written marks are recognised too: the opening one only at the very beginning of an
    answer, since later it is text about thinking. ``clock`` gives seconds.
    """

    def __init__(self, *, thinking: bool, stop: Sequence[str], clock: Callable[[], float]) -> None:
        self._clock = clock
        self._stop = tuple(s for s in stop if s)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""
        self._events: list[Event] = []
        self._thinking = thinking
        self._began = clock()
        self._at_start = True  # nothing but white space of the answer has come
        self._tokens = 0
        self.text = ""
        self.thinking_text = ""
        self.thinking_tokens = 0
        self.thinking_s = 0.0
        self.stopped = False

    @property
    def thinking(self) -> bool:
        """Whether the model is thinking now."""
        return self._thinking

    def piece(self, data: bytes) -> None:
        """One token's bytes."""
        if self._thinking:
            self._tokens += 1
        if data:
            self._take(self._decoder.decode(data))

    def mark(self, opening: bool) -> bool:
        """A thinking mark that is a token of its own; False when it is only text here."""
        if opening and not self._thinking and self._at_start and not self._held.strip():
            self._open()
            return True
        if not opening and self._thinking:
            self._take(self._decoder.decode(b"", final=True))
            self._decoder.reset()
            self._emit_thinking(self._held, final=True)
            self._tokens += 1
            self._close()
            return True
        return False

    def finish(self) -> None:
        """The answer has ended: give what was held back."""
        self._take(self._decoder.decode(b"", final=True))
        held, self._held = self._held, ""
        if self._thinking:
            self._emit_thinking(held, final=True)
            self._end_thinking()
        elif not self.stopped:
            self._emit_text(held)

    def events(self) -> tuple[Event, ...]:
        """What happened since the last call; neighbouring deltas are joined."""
        events, self._events = tuple(self._events), []
        return events

    @property
    def waiting(self) -> bool:
        """Whether there are events to fetch."""
        return bool(self._events)

    def _open(self) -> None:
        self._thinking, self._held = True, ""
        self._began = self._clock()
        self._tokens = 1

    def _close(self) -> None:
        self._held = ""
        self._end_thinking()
        self._thinking = False

    def _end_thinking(self) -> None:
        self.thinking_tokens, self.thinking_s = self._tokens, self._clock() - self._began
        if self.thinking_text:
            self._events.append(ThinkingDone(round(self.thinking_s, 3), self.thinking_tokens))

    def _take(self, text: str) -> None:
        if not text or self.stopped:
            return
        self._held += clean(text)
        if self._thinking:
            self._take_thinking()
        if not self._thinking and self._held:
            self._take_text()

    def _take_thinking(self) -> None:
        thought, mark, rest = self._held.partition(CLOSE)
        if mark:
            self._emit_thinking(thought, final=True)
            self._close()
            self._held = rest
            return
        keep = _beginning(self._held, (CLOSE,))
        white = len(self._held[: len(self._held) - keep].rstrip())  # white space at the end belongs to the mark
        self._emit_thinking(self._held[:white])
        self._held = self._held[white:]

    def _emit_thinking(self, text: str, *, final: bool = False) -> None:
        if not self.thinking_text:
            text = text.lstrip()
        if final:
            text = text.rstrip()
        if text:
            self.thinking_text += text
            self._add(text, thinking=True)

    def _take_text(self) -> None:
        if self._at_start:
            begun = self._held.lstrip()
            if not begun:
                self._held = ""
                return
            if begun.startswith(OPEN) and not self.thinking_text:
                self._open()
                self._take(begun[len(OPEN) :])
                return
            if OPEN.startswith(begun) and not self.thinking_text:
                self._held = begun
                return
            self._held = begun
        first = min((at for s in self._stop if (at := self._held.find(s)) >= 0), default=-1)
        if first >= 0:
            self._emit_text(self._held[:first])
            self._held, self.stopped = "", True
            return
        keep = _beginning(self._held, self._stop)
        cut = len(self._held) - keep
        self._emit_text(self._held[:cut])
        self._held = self._held[cut:]

    def _emit_text(self, text: str) -> None:
        if text:
            self._at_start = False
            self.text += text
            self._add(text, thinking=False)

    def _add(self, text: str, *, thinking: bool) -> None:
        kind = ThinkingDelta if thinking else TextDelta
        last = self._events[-1] if self._events else None
        if isinstance(last, kind):
            self._events[-1] = kind(last.text + text)
        else:
            self._events.append(kind(text))


def _beginning(text: str, marks: Sequence[str]) -> int:
    """How many characters at the end of ``text`` could be the beginning of one of ``marks``."""
    longest = 0
    for mark in marks:
        for length in range(min(len(mark) - 1, len(text)), longest, -1):
            if text.endswith(mark[:length]):
                longest = length
                break
    return longest
