"""The lines under an answer that did not simply end, or that a person changed: what happened, and one thing to do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QLocale, QRectF
from PySide6.QtGui import QPainter

from qwen_desktop.core.chat import Again, Message, Status
from qwen_desktop.core.engine import FinishReason, UsedAdapter
from qwen_desktop.core.text import shown
from qwen_desktop.ui import texts
from qwen_desktop.ui.chat.blocks import TARGET, PaintContext, Target
from qwen_desktop.ui.chat.blocks_draw import button_width, card, draw_icon, framed_button, quiet_button
from qwen_desktop.ui.chat.blocks_flow import At, TextFlow, plain_runs
from qwen_desktop.ui.chat.blocks_style import text_width
from qwen_desktop.ui.chat.section import Section
from qwen_desktop.ui.texts import fill, translate

if TYPE_CHECKING:
    from qwen_desktop.ui.chat.transcript_items import MessageItem

#: Pixels around what stands in the tinted line, and the least that its words need beside a button.
_PAD, _WORDS = 9.0, 150.0


class NoteSection(Section):
    """One line: an icon, words, perhaps a button (``action`` and its label) and ``details`` that unfold. A ``loud`` one
    is tinted."""

    gap = 8.0

    def __init__(
        self,
        item: MessageItem,
        name: str,
        icon: str,
        text: str,
        *,
        action: str = "",
        label: str = "",
        loud: bool = False,
        ink: str = "",
        details: Sequence[str] = (),
    ) -> None:
        super().__init__(item, name)
        self._icon = icon
        self._action = action
        self._label = label
        self._loud = loud
        self._ink = ink or ("warn" if loud else "text_muted")
        self._details = tuple(details)
        self.spoken = text
        self._flow = TextFlow(self.style, "note_warn" if loud else "note")
        self._below: list[tuple[float, TextFlow]] = []
        self._button = QRectF()

    # Laying out ------------------------------------------------------------------------------------------------------

    @property
    def _left(self) -> float:
        """Where the words begin."""
        return self.style.px(16 if self._loud else 14) + 10.0 + (12.0 if self._loud else 0.0)

    def lay(self, width: float) -> None:
        style, pad = self.style, _PAD if self._loud else 0.0
        self.width = width
        wide = self._button_width()
        beside = wide > 0 and width - self._left - wide - 3 * pad >= _WORDS
        room = width - self._left - (wide + 2 * pad + 8 if beside else pad)
        self._flow.set_runs(plain_runs(self.spoken), max(60.0, room))
        tall = float(style.px(32 if self._loud else TARGET)) if wide else 0.0
        line = max(self._flow.height, tall if beside else 0.0)
        self._words_y = pad + (line - self._flow.height) / 2
        y = pad + line
        if beside:
            # A quiet one stands behind the words, that of the tinted line at the end.
            x = width - pad - wide if self._loud else self._left + min(self._said_width(), room) + 8
            self._button = QRectF(x, pad + (line - tall) / 2, wide, tall)
        elif wide:
            self._button = QRectF(self._left, y + 4, wide, tall)
            y += 4 + tall
        self._below = []
        for text in self._details if self.opened("differs") else ():
            flow = TextFlow(style, "note")
            flow.set_runs(plain_runs(text), max(60.0, width - self._left - pad))
            self._below.append((y + 2, flow))
            y += 2 + flow.height
        self.height = y + pad

    def _said_width(self) -> float:
        return text_width(self.spoken, self.style.font("small")) + 1

    def _button_width(self) -> float:
        if not self._label:
            return 0.0
        if self._loud:
            return round(text_width(self._label, self.style.font("small", 500))) + 30.0
        return button_width(self.style, self._label)

    def targets(self) -> list[Target]:
        """The button."""
        if not self._label:
            return []
        key = "differs" if self._details else self._action
        return [Target(key, self._action, "", self.placed(self._button), self._label)]

    # Painting --------------------------------------------------------------------------------------------------------

    def paint(self, painter: QPainter, context: PaintContext, at: At) -> None:
        style, pad, flow = self.style, 12.0 if self._loud else 0.0, self._flow
        if self._loud:
            ground = style.color("warn_soft")
            frame = self.box(at, 0, 0, self.width, self.height)
            card(painter, frame, ground, style.theme.edge("warn_soft"), 8)
        size = style.px(16 if self._loud else 14)
        place = self.box(at, pad, self._words_y, size, style.line_height("note"))
        draw_icon(painter, context, place, self._icon, self._ink, size=size)
        for y, each in ((self._words_y, flow), *self._below):
            each.paint(painter, at.moved(self.placed(QRectF(self._left, 0, each.width, 0)).left(), y))
        for target in self.targets():
            if self._loud:
                framed_button(painter, context, at, target, style.font("small", 500), role="warn")
            else:
                icon = self.chevron("differs") if self._details else "play"
                quiet_button(painter, context, at, target, icon, label=target.label)


def notes_of(item: MessageItem) -> Iterator[Section]:
    """The notes under an answer."""
    message, made = item.message, item.message.provenance
    if item.streaming:
        return
    go_on = translate("transcript", "Continue")
    if made is not None and made.stopped_loop:
        anyway = translate("transcript", "Go on anyway")
        yield NoteSection(item, "loop.", "repeat", _looped(message), action="go_on", label=anyway, loud=True)
    elif message.status is Status.STOPPED:
        yield NoteSection(item, "end.", "square", translate("transcript", "Stopped"), action="continue", label=go_on)
    elif message.status is Status.INTERRUPTED:
        said = translate("transcript", "Qwen Desktop ended while this answer ran")
        yield NoteSection(item, "end.", "info", said, action="continue", label=go_on)
    elif message.finish_reason is FinishReason.LENGTH:
        yield NoteSection(item, "end.", "scissors", _cut(message), action="continue", label=go_on, loud=True)
    if made is not None and made.again is not None and made.again.equal is not None:
        yield _compared(item, made.again)
    for adapter in made.adapters if made is not None else ():
        yield NoteSection(item, f"adapter.{adapter.sha256}", "sliders-horizontal", _adapted(adapter))
    if made is not None and made.edited:
        yield NoteSection(item, "edited.", "pencil", translate("transcript", "Edited by you"))


def _adapted(adapter: UsedAdapter) -> str:
    """The adapter that an answer was made with."""
    name = shown(adapter.name)
    if adapter.idle:
        said = translate("transcript", "The adapter {name} changed nothing: the chat lacks the words that activate it.")
        return fill(said, name=name)
    said = translate("transcript", "With the adapter {name}, strength {scale}")
    return fill(said, name=name, scale=QLocale().toString(adapter.scale, "g", 4))


def _looped(message: Message) -> str:
    tokens = message.stats.completion_tokens if message.stats is not None else 0
    if not tokens:
        return translate("transcript", "The model repeated itself and was stopped.")
    return translate("transcript", "The model repeated itself and was stopped after %n token(s).", "", tokens)


def _cut(message: Message) -> str:
    stats = message.stats
    if stats is not None and stats.context_size and stats.context_used >= stats.context_size - 8:
        return translate("transcript", "The answer ends here: the context is full.")
    return translate("transcript", "The answer reached the longest length.")


def _compared(item: MessageItem, again: Again) -> Section:
    """How an answer that was made again compares with the one before."""
    details = [texts.text(text) for text in again.differs]
    label = translate("transcript", "What differs") if details else ""
    action = "differs" if details else ""
    if again.equal:
        said = translate("transcript", "The same answer, letter for letter.")
        icon, ink = "circle-check", "good"
    else:
        word = item.options.differs_at(item.message) if item.options.differs_at is not None else None
        said = translate("transcript", "Not the same answer.")
        if word is not None:
            said = fill(translate("transcript", "Not the same answer: it differs from word {number} on."), number=word)
        icon, ink = "circle-alert", "warn"
    return NoteSection(item, "again.", icon, said, action=action, label=label, ink=ink, details=details)
