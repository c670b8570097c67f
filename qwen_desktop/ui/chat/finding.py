"""Where a text stands in the conversation on show: all places counted and marked, one of them current and in view.

The search follows what is shown: messages that are read in above, change or grow are looked into as they are then.
It goes in slices from the reader's place downwards and then upwards; texts that are not known yet come from the job
worker, a batch at a time. Only what can be read is found: thoughts that are open, not those that are closed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import Final, NamedTuple, Protocol

from PySide6.QtCore import QObject, QPointF, QTimer, Signal

from qwen_desktop.core.chat import Message
from qwen_desktop.core.parts import ThinkingPart, code_text
from qwen_desktop.core.queries import Query
from qwen_desktop.ui.chat.blocks_flow import Range
from qwen_desktop.ui.chat.plain_texts import Gathering
from qwen_desktop.ui.chat.section import Section
from qwen_desktop.ui.chat.slices import Work
from qwen_desktop.ui.chat.transcript import TranscriptView
from qwen_desktop.ui.chat.transcript_items import MessageItem
from qwen_desktop.ui.chat.transcript_render import texts_of

#: So many places are counted; a search for a single letter would find as many as there are letters.
MOST: Final = 10_000
#: Unknown texts that are asked for in one go: at first, and then.
_FIRST, _BATCH = 12, 200
#: Characters of a step, at least, in which words are looked for.
_STEP: Final = 50_000
#: How long after it grew an answer is looked into again, in milliseconds.
_GROWN_MS: Final = 300
#: How long a marked message is out of view before its marks go, in milliseconds.
_LEFT_MS: Final = 200
#: Where in the viewport a place is brought to, as a share of its height, and what it keeps from both edges, in pixels.
_SHARE, _EDGE = 0.3, 32


class Match(NamedTuple):
    """A range of a message's projection, or of the own text of a ``section`` that has no part in that."""

    message_id: str
    section: str
    start: int
    end: int


class Pattern(Protocol):
    """What is looked for, as ``core.find_text.TextPattern``."""

    def steps(self, text: str) -> Iterator[Sequence[tuple[int, int]]]:
        """Where it stands in a text, in short steps."""

    def may_stand_in(self, source: str) -> bool:
        """Whether it may be in the plain text of a Markdown text."""


class Words:
    """The words of a search as a pattern."""

    def __init__(self, query: Query) -> None:
        self._query = query

    def steps(self, text: str) -> Iterator[Sequence[tuple[int, int]]]:
        start = 0
        while start < len(text):
            end = text.find("\n", start + _STEP) + 1 or len(text)
            yield [(start + a, start + b) for a, b in self._query.ranges(text[start:end])]
            start = end

    def may_stand_in(self, _source: str) -> bool:
        return True


class Finder(Work):
    """Marks what is looked for in a transcript. ``changed`` tells that other places are known or current."""

    changed = Signal()

    def __init__(self, view: TranscriptView, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._view = view
        self._pattern: Pattern | None = None
        self._only = ""
        self._found: dict[str, list[Match]] = {}
        #: What each message was like when it was looked into: the message, and which of its thoughts were open.
        self._looked: dict[str, tuple[Message, tuple[int, ...]]] = {}
        self._texts: dict[str, tuple[Message, str]] = {}
        self._batch: list[MessageItem] = []
        self._asked = False
        self._gathering: Gathering | None = None
        #: From where on the first place is wanted: a message, and an offset in it.
        self._origin = ("", 0)
        self._bringing = False
        self.current: Match | None = None
        self.total = 0
        self._soon = QTimer(self, singleShot=True, interval=0)
        self._soon.timeout.connect(self._look)
        self._grown = QTimer(self, singleShot=True, interval=_GROWN_MS)
        self._grown.timeout.connect(self._look)
        view.items_changed.connect(self._changes)
        view.folded.connect(self._changes)
        view.live.changed.connect(self._grows)
        view.queue.finished.connect(self._laid_out)
        self._left = QTimer(self, singleShot=True, interval=_LEFT_MS)
        self._left.timeout.connect(self._leave)
        view.verticalScrollBar().valueChanged.connect(self._scrolled)

    # What is known ---------------------------------------------------------------------------------------------------

    @property
    def active(self) -> bool:
        """Whether something is looked for."""
        return self._pattern is not None

    @property
    def whole(self) -> bool:
        """Whether all of the conversation has been looked into."""
        return not (self.busy or self._asked or self._soon.isActive() or self._view.shown.more_above)

    @property
    def more(self) -> bool:
        """Whether there may be more places than are counted."""
        return self.total >= MOST

    @property
    def number(self) -> int:
        """Which one of them is current, counted from 1; 0 without."""
        here = self.current
        if here is None:
            return 0
        place = self._view.index_of(here.message_id) or 0
        index_of = self._view.index_of
        above = sum(len(found) for key, found in self._found.items() if (index_of(key) or 0) < place)
        return above + self._found[here.message_id].index(here) + 1

    # Looking ---------------------------------------------------------------------------------------------------------

    def look_for(self, pattern: Pattern | None, *, only: str = "", anew: bool = False) -> None:
        """Look for something else, from the place that is current or read now on; ``anew`` from the place that is read.
        In one message ``only``: its marks go when the reader leaves it."""
        self._take_origin(anew=anew or bool(only), at=only)
        self._forget()
        self._pattern, self._only = pattern, only
        if pattern is not None:
            self._look()
        self.changed.emit()

    def stop(self) -> None:
        """Nothing is looked for or marked any more."""
        if self._pattern is not None:
            self.look_for(None)

    def step(self, way: int) -> None:
        """Go to the next (1) or previous (-1) place, around both ends."""
        here = self.current
        if here is None:
            self._choose(all_=True)
            return
        found = self._found[here.message_id]
        place = found.index(here) + way
        if not 0 <= place < len(found):
            keys = sorted(self._found, key=lambda key: self._view.index_of(key) or 0)
            found = self._found[keys[(keys.index(here.message_id) + way) % len(keys)]]
            place = 0 if way > 0 else -1
        self._go_to(found[place])

    def _take_origin(self, *, anew: bool, at: str) -> None:
        here = None if anew else self.current
        if here is not None:
            self._origin = here.message_id, here.start
        elif at:
            self._origin = at, 0
        elif anew or self._pattern is None:
            item = next(iter(self._view.visible_items()), None)
            if item is not None:
                top = -self._view.top_of(item)
                self._origin = item.message.id, item.offset_at(QPointF(0, top)) if top > 0 and item.ready else 0

    def _forget(self) -> None:
        self.clear()
        if self._gathering is not None:
            self._gathering.cancel()
        self._gathering, self._asked = None, False
        self._found, self._looked, self._texts, self._batch = {}, {}, {}, []
        self.current, self.total, self._bringing = None, 0, False
        self._view.matches.clear()
        self._view.options.marks.clear()
        self._view.viewport().update()

    def _changes(self) -> None:
        """Messages came, went or changed."""
        if self._pattern is None:
            return
        if self._only and self._view.item(self._only) is None:
            self.stop()
        else:
            self._soon.start()

    def _grows(self, _item: MessageItem, _y: float) -> None:
        if self._pattern is not None and not self._grown.isActive():
            self._grown.start()

    def _look(self) -> None:
        """Look into what has not been looked into as it is now."""
        if self._pattern is not None and not self._asked:
            self.add("look", self._steps(self._pattern), self._rest)

    def _steps(self, pattern: Pattern) -> Iterator[None]:
        self._batch, room = [], _BATCH if self._looked else _FIRST
        yield from self._drop_gone()
        items = tuple(self._view.items)
        first = self._view.index_of(self._origin[0]) or 0
        for number, item in enumerate(chain(items[first:], reversed(items[:first]))):
            if number % 20 == 0:
                yield
            key, message = item.message.id, item.message
            if self._is_known(item) or (self._only and key != self._only) or self._view.item(key) is not item:
                continue
            text = self._text_of(item, pattern)
            if text is None:
                self._batch.append(item)
                if len(self._batch) == room:
                    return
                continue
            opened = _opened(item)
            found: list[Match] = []
            for place, piece in (*((f"part{n}.", _thought(message, n)) for n in opened), ("", text)):
                for some in pattern.steps(piece):
                    found += [Match(key, place, start, end) for start, end in some]
                    yield
            self._take(item, (message, opened), found)
            if self.total >= MOST:
                self._batch = []
                return
            if self.current is None and self._found and not self._batch:
                self._choose(all_=item.index < first)

    def _drop_gone(self) -> Iterator[None]:
        for number, key in enumerate(tuple(self._looked)):
            if self._view.item(key) is None:
                self._put(key, [])
                self._looked.pop(key, None)
            if number % 500 == 0:
                yield

    def _is_known(self, item: MessageItem) -> bool:
        known = self._looked.get(item.message.id)
        return known is not None and known[0] is item.message and known[1] == _opened(item)

    def _text_of(self, item: MessageItem, pattern: Pattern) -> str | None:
        """The plain text of a message; "" where nothing can be found in it, None where it is to be asked for."""
        message = item.message
        asked = self._texts.pop(message.id, None)
        if asked is not None and (asked[0] is message or item.streaming):
            return asked[1]
        known = self._view.texts.known(item)
        if known is not None:
            return known
        sources = chain(texts_of(message).values(), filter(None, map(code_text, message.parts)))
        # What is looked for may begin in one part and end in another, so all of them are one text.
        return None if pattern.may_stand_in("\n\n".join(sources)) else ""

    def _rest(self) -> None:
        """All was looked into that is known: ask for the rest."""
        batch, self._batch = self._batch, []
        if not batch:
            if self.current is None and self._found:
                self._choose(all_=True)
            self.changed.emit()
            return
        self._asked = True
        gathering = self._view.texts.gather(batch, partial(self._came, [(item, item.message) for item in batch]))
        self._gathering = gathering if self._asked else None

    def _came(self, asked: Sequence[tuple[MessageItem, Message]], texts: Sequence[str]) -> None:
        self._asked, self._gathering = False, None
        self._texts = {message.id: (message, text) for (_, message), text in zip(asked, texts, strict=True)}
        self._look()

    def _take(self, item: MessageItem, state: tuple[Message, tuple[int, ...]], found: list[Match]) -> None:
        """These are the places in a message."""
        self._looked[item.message.id] = state
        self._put(item.message.id, found[: MOST - self.total + len(self._found.get(item.message.id, ()))])

    def _put(self, key: str, found: list[Match]) -> None:
        before = self._found.pop(key, [])
        if found:
            self._found[key] = found
        if not (found or before):
            return
        self.total += len(found) - len(before)
        here = self.current
        if here is not None and here.message_id == key and here not in found:  # it grew, or was edited
            near = min(found, key=lambda each: abs(each.start - here.start), default=None)
            self.current = near
            if near is None:
                self._origin = key, here.start
        self._paint(key)
        self.changed.emit()

    def _paint(self, key: str) -> None:
        """Mark the places in a message."""
        marks: dict[str, list[Range]] = {}
        for each in self._found.get(key, ()):
            role = "current_match" if each == self.current else "match"
            marks.setdefault(each.section, []).append(Range(each.start, each.end, role))
        options = self._view.options.marks
        for spot in [spot for spot in options if spot[0] == key and spot[1] not in marks]:
            del options[spot]
        self._view.matches.pop(key, None)
        for section, ranges in marks.items():
            if section:
                options[(key, section)] = tuple(ranges)
            else:
                self._view.matches[key] = tuple(ranges)
        self._view.viewport().update()

    # The current one -------------------------------------------------------------------------------------------------

    def _choose(self, *, all_: bool) -> None:
        """Make the first place from the origin on the current one; where there is none and ``all_`` may be meant, the
        nearest above."""
        index_of = self._view.index_of
        origin = (index_of(self._origin[0]) or 0, self._origin[1])
        keys: Iterable[str] = sorted(self._found, key=lambda key: index_of(key) or 0)
        keys = list(keys)
        for key in keys:
            for each in self._found[key] if (index_of(key) or 0) >= origin[0] else ():
                if (index_of(key) or 0) > origin[0] or each.start >= origin[1]:
                    self._go_to(each)
                    return
        if all_ and keys:
            above = [key for key in keys if (index_of(key) or 0) <= origin[0]]
            self._go_to(self._found[above[-1]][-1])

    def _go_to(self, match: Match) -> None:
        before, self.current = self.current, match
        if before is not None:
            self._paint(before.message_id)
        self._paint(match.message_id)
        self._bring(begin=True)
        self.changed.emit()

    def _bring(self, *, begin: bool = False) -> None:
        """Scroll so that the current place is in view: once more when its message has its layout."""
        here, view = self.current, self._view
        item = view.item(here.message_id) if here is not None else None
        if here is None or item is None:
            self._bringing = False
            return
        self._bringing = not item.ready
        if not item.ready:
            if begin or item not in view.visible_items():
                view.hold(item, 0.0, float(_EDGE))
            return
        section = _section_of(item, here)
        if section is None:
            return
        start = here.start if here.section else here.start - section.start
        section.bring(start, start + here.end - here.start)
        item.stale()
        top, bottom = (section.y + y for y in section.band(start, start + here.end - here.start))
        height, y = view.viewport().height(), view.top_of(item)
        if y + top < _EDGE or y + bottom > height - _EDGE:
            view.hold(item, 0.0, height * _SHARE - top)
        else:
            view.stay()

    def _laid_out(self, item: MessageItem) -> None:
        if self._bringing and self.current is not None and item.message.id == self.current.message_id:
            QTimer.singleShot(0, self, self._bring)

    def _scrolled(self) -> None:
        if self._only:
            self._left.start()

    def _leave(self) -> None:
        """Marks of one message go with it."""
        item = self._view.item(self._only) if self._only and self.current is not None else None
        if item is not None and not self._bringing and item not in self._view.visible_items():
            self.stop()


def _opened(item: MessageItem) -> tuple[int, ...]:
    """The numbers of a message's thoughts that are open."""
    if item.user:
        return ()
    unless = item.options.open_thinking
    return tuple(
        number
        for number, part in enumerate(item.message.parts)
        if isinstance(part, ThinkingPart) and item.folds.get(f"part{number}.thinking", unless)
    )


def _thought(message: Message, number: int) -> str:
    part = message.parts[number]
    return part.text.strip() if isinstance(part, ThinkingPart) else ""


def _section_of(item: MessageItem, match: Match) -> Section | None:
    """The section in which a place begins."""
    if match.section:
        return next((section for section in item.sections if section.name == match.section), None)
    filled = [section for section in item.sections if section.length]
    return next((section for section in reversed(filled) if section.start <= match.start), None)
