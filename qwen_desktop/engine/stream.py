"""From tokens to text that may be shown: whole UTF-8 characters, thinking apart from the answer, stop strings unseen.

Pure: knows neither llama.cpp nor pipes. Whatever could still turn out to be the beginning of a stop string, of a
thinking mark or of a character is held back until it is known.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Sequence

from qwen_desktop.core.parts import (
    Part,
    PartBegun,
    PartDelta,
    PartDone,
    PartEvent,
    PartsBuilder,
    PartWasThinking,
    TextPart,
    ThinkingPart,
    text_of,
    thinking_text,
    visible_text,
)
from qwen_desktop.core.text import clean
from qwen_desktop.engine.call_text import CALL, FENCE, CallText, is_call
from qwen_desktop.engine.marks import CLOSE, OPEN, beginning, in_code

_LINES = re.compile(r"\s*\n")


class AnswerStream:
    """Takes bytes of pieces and thinking marks, gives events.

    ``thinking`` tells whether the prompt ended inside an open ``<think>``. Where the vocabulary has single tokens for
    the marks, call ``mark``; written marks are recognised too: the opening one only at the very beginning of an
    answer, since later it is text about thinking. A closing one without its opening, at the border of a line, makes
    all text before it a thought: some models leave the opening out, some templates too. ``clock`` gives seconds. A call
    of a tool ends the thought that it stands in, and is text in a block of code; not where ``calls`` is False.

    ``parts`` are what the answer has said already, with ``pending`` for the end of it, and it goes on in the last one.
    """

    def __init__(
        self,
        *,
        thinking: bool,
        stop: Sequence[str],
        clock: Callable[[], float],
        parts: Sequence[Part] = (),
        pending: bytes = b"",
        calls: bool = True,
    ) -> None:
        self._clock = clock
        self._stop = tuple(s for s in stop if s)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""
        self._events: list[PartEvent] = []
        self._builder = PartsBuilder(parts)
        self._part: type[TextPart | ThinkingPart] | None = None  # what the open part is
        self._thinking = thinking
        self._began: float | None = None  # with the first token: before it the prompt was read
        self._thought = thinking  # there is or was a thought of its own
        self._thought_words = False  # and it is not empty
        self._at_start = True  # nothing but white space of the answer has come
        self._tokens = 0
        self._calls = calls
        self._call_text: CallText | None = None  # since a call has ended the thought
        self._before = (0.0, 0)  # what the thought that goes on took before, in seconds and tokens
        self.thinking_tokens = 0
        self.thinking_s = 0.0
        self.stopped = False
        #: what of a cut answer's bytes is not in its parts: a character, or a mark, that is not whole
        self.pending = b""
        if parts:
            self._go_on(parts)
        if pending:
            self._take(self._decoder.decode(pending))

    def _go_on(self, parts: Sequence[Part]) -> None:
        """Be where these parts have come to."""
        last, thoughts = parts[-1], [part for part in parts if isinstance(part, ThinkingPart)]
        self._thought = self._thinking or bool(thoughts)
        self._thought_words = bool(thinking_text(thoughts))
        if isinstance(last, ThinkingPart) and self._thinking:
            self._part, self._before = ThinkingPart, (last.seconds or 0.0, last.tokens or 0)
        elif isinstance(last, TextPart) and not self._thinking:
            self._part, self._at_start = TextPart, not last.text.strip()
            if last.text.startswith(f"{FENCE}\n{CALL}"):
                self._call_text, self._thought = CallText(last.text), True

    @property
    def parts(self) -> tuple[Part, ...]:
        """The answer so far."""
        return self._builder.parts()

    @property
    def text(self) -> str:
        """The text of it so far."""
        return visible_text(self.parts)

    @property
    def thinking_text(self) -> str:
        """The thinking of it so far."""
        return thinking_text(self.parts)

    @property
    def thinking(self) -> bool:
        """Whether what comes now belongs to a thought."""
        return self._thinking

    @property
    def thought(self) -> int:
        """Tokens of the thought that goes on, its opening mark among them; 0 outside one."""
        return self._before[1] + self._tokens if self._thinking else 0

    @property
    def in_words(self) -> bool:
        """Whether the thought that goes on does not end in white space."""
        return self._thinking and self._thought_words and not self._held[-1:].isspace()

    @property
    def answering(self) -> bool:
        """Whether something of the answer has come that is not white space or part of a mark."""
        return not self._thinking and not self._at_start

    def missing(self, data: bytes) -> int:
        """How many bytes the last character would still want if ``data`` came next."""
        tail = (self._decoder.getstate()[0] + data)[-3:]
        for back, byte in enumerate(reversed(tail), 1):
            if byte & 0xC0 != 0x80:  # the first byte of a character says how long it is
                wanted = 4 if 0xF0 <= byte < 0xF5 else 3 if 0xE0 <= byte < 0xF0 else 2 if 0xC2 <= byte < 0xE0 else 1
                return max(0, wanted - back)
        return 0

    @property
    def begun(self) -> str:
        """The answer behind its thought so far, with what is held back, without white space around it."""
        return (self.text + self._held).strip()

    def piece(self, data: bytes) -> None:
        """One token's bytes."""
        self._count()
        if data:
            self._take(self._decoder.decode(data))

    def mark(self, opening: bool) -> bool:
        """A thinking mark that is a token of its own; False when it is only text here, to be given as a ``piece``."""
        if opening and not self._thinking and self._at_start and not self._held.strip():
            self._open()
            return True
        if not opening and self._thinking:
            self._take(self._decoder.decode(b"", final=True))
            self._decoder.reset()
            self._emit_thinking(self._held, final=True)
            self._count()
            self._close()
            return True
        return False

    def finish(self, *, cut: bool = False) -> None:
        """The answer has ended: give what was held back. Of one that was ``cut``, and may go on, what is not whole is
        left out (``pending``), white space at the end of a thought stays, and a closed one has a text behind it."""
        if not cut:
            self._take(self._decoder.decode(b"", final=True))
            if self._call_text is not None:
                self._take_display(self._call_text.take("", final=True))
        held, self._held = self._held, ""
        if cut:
            white = len(held) - len(held.lstrip()) if self._thinking else 0
            if not (self._thinking or self._at_start or (not self._thought and held.startswith(CLOSE[:2]))):
                white = len(held)  # a "<" alone is not taken for a mark
            calls = self._call_text.held if self._call_text is not None else ""
            self.pending = f"{held[white:]}{calls}".encode() + self._decoder.getstate()[0]
            held = held[:white]
        if self._thinking:
            self._emit_thinking(held, final=not cut)
            self._end_thinking()
        elif not self.stopped:
            self._held = held
            self._take_text(final=True)
            if not self._at_start or self._held.strip():
                self._emit_text(self._held)
            elif cut and self._thought_words and self._part is None:  # else nobody knew that the thought is closed
                self._part = TextPart
                self._tell(PartBegun(len(self._builder), TextPart("")))
            self._held = ""
        self._end_part()

    def events(self) -> tuple[PartEvent, ...]:
        """What happened since the last call; neighbouring deltas are joined."""
        events, self._events = tuple(self._events), []
        return events

    def _count(self) -> None:
        if self._began is None:
            self._began = self._clock()
        self._tokens += 1

    def _open(self) -> None:
        self._thinking, self._thought, self._held = True, True, ""
        self._began = self._clock()
        self._tokens = 1

    def _close(self) -> None:
        self._held = ""
        self._end_thinking()
        self._thinking = False

    def _end_thinking(self) -> None:
        self._measure()
        self._end_part()
        self._before = (0.0, 0)

    def _measure(self) -> None:
        now = self._clock()
        self.thinking_tokens, self.thinking_s = self._tokens, now - (now if self._began is None else self._began)

    def _take(self, text: str) -> None:
        text = clean(text)
        if self._call_text is not None:
            text = self._call_text.take(text)
        self._take_display(text)

    def _take_display(self, text: str) -> None:
        """Some more of what is shown, marks among it."""
        if not text or self.stopped:
            return
        self._held += text
        if self._thinking:
            self._take_thinking()
        if not self._thinking and self._held:
            self._take_text()

    def _take_thinking(self) -> None:
        thought, mark, rest = self._held.partition(CLOSE)
        called = self._call(thought, whole=bool(mark))
        if called is None:
            return
        if called:
            thought, rest = called
            self._emit_thinking(thought, final=True)
            self._close()
            self._call_text = CallText()
            self._held = self._call_text.take(rest)
        elif mark:
            self._emit_thinking(thought, final=True)
            self._close()
            self._held = rest
        else:
            keep = beginning(self._held, (CLOSE, CALL) if self._calls else (CLOSE,))
            white = len(self._held[: len(self._held) - keep].rstrip())  # white space at the end belongs to the mark
            self._emit_thinking(self._held[:white])
            self._held = self._held[white:]

    def _call(self, thought: str, *, whole: bool) -> tuple[str, str] | tuple[()] | None:
        """What stands before and from the first call in a thought; nothing where there is none, and None where it is
        not known yet: then what stands before its mark is held no longer."""
        at = thought.find(CALL) if self._calls else -1
        told = text_of(self._builder.part(len(self._builder) - 1)) if at >= 0 and self._part is ThinkingPart else ""
        while at >= 0:
            begun = is_call(told + thought[:at], self._held[at + len(CALL) :])
            if begun:
                return thought[:at], self._held[at:]
            if begun is None and not whole:
                white = len(thought[:at].rstrip())
                self._emit_thinking(thought[:white])
                self._held = self._held[white:]
                return None
            at = thought.find(CALL, at + 1)
        return ()

    def _emit_thinking(self, text: str, *, final: bool = False) -> None:
        if self._part is None:
            text = text.lstrip()
        if final:
            text = text.rstrip()
        if text:
            self._thought_words = True
            self._add(text, ThinkingPart)

    def _take_text(self, *, final: bool = False) -> None:
        if self._at_start and not self._begins(final=final):
            return
        first = min((at for s in self._stop if (at := self._held.find(s)) >= 0), default=-1)
        if not self._thought and 0 <= (close := self._held.find(CLOSE)) < (first if first >= 0 else len(self._held)):
            self._emit_text(self._held[:close])
            self._held = self._held[close:]
            self._take_close(final=final)
            return
        if first >= 0:
            self._emit_text(self._held[:first])
            self._held, self.stopped = "", True
            return
        if final:
            return
        keep = beginning(self._held, self._stop if self._thought else (*self._stop, CLOSE))
        cut = len(self._held) - keep
        self._emit_text(self._held[:cut])
        self._held = self._held[cut:]

    def _begins(self, *, final: bool) -> bool:
        """Whether the answer has begun: empty lines before it and marks of thinking are not part of it, the
        indentation of its first line is."""
        lines = _LINES.match(self._held)
        held = self._held[lines.end() :] if lines is not None else self._held
        begun = held.lstrip()
        if begun.startswith(OPEN) and not self._thought_words:
            self._open()
            self._take_display(begun[len(OPEN) :])
            return False
        if begun.startswith(CLOSE):  # the end of a thought that is empty
            self._held = begun[len(CLOSE) :]
            return self._begins(final=final)
        self._held = begun if begun and held == " " + begun else held  # one blank is no indentation
        if final:
            return bool(begun)
        marks = (CLOSE,) if self._thought_words else (OPEN, CLOSE)
        return bool(begun) and not any(mark.startswith(begun) for mark in marks)

    def _take_close(self, *, final: bool) -> None:
        """What is held begins with a closing mark. At the border of a line it ends a thought; else it is text."""
        behind = self._held[len(CLOSE) :]
        line = behind.lstrip(" \t")
        if not line and not final:
            return
        text = self.text
        alone = not line or line[0] == "\n" or not text.rstrip(" \t") or text.rstrip(" \t")[-1] == "\n"
        if alone and OPEN not in text and not in_code(text):
            self._thought = self._thought_words = self._at_start = True
            self._measure()
            self._tell(PartWasThinking(len(self._builder) - 1, round(self.thinking_s, 3), self.thinking_tokens))
            self._part = None
            self._held = behind
        else:
            self._emit_text(CLOSE)
            self._held = behind
        if self._held:
            self._take_text(final=final)

    def _emit_text(self, text: str) -> None:
        if text:
            self._at_start = False
            self._add(text, TextPart)

    def _add(self, text: str, kind: type[TextPart | ThinkingPart]) -> None:
        if self._part is not kind:
            self._end_part()
            self._part = kind
            self._tell(PartBegun(len(self._builder), kind("")))
        index = len(self._builder) - 1
        self._builder.take(delta := PartDelta(index, text))
        last = self._events[-1] if self._events else None
        if isinstance(last, PartDelta) and last.index == index:
            self._events[-1] = PartDelta(index, last.text + text)
        else:
            self._events.append(delta)

    def _end_part(self) -> None:
        if self._part is not None:
            took: tuple[float, int] | tuple[None, None] = (None, None)
            if self._part is ThinkingPart:
                seconds, tokens = self._before
                took = round(seconds + self.thinking_s, 3), tokens + self.thinking_tokens
            self._tell(PartDone(len(self._builder) - 1, *took))
            self._part = None

    def _tell(self, event: PartEvent) -> None:
        self._builder.take(event)
        self._events.append(event)
