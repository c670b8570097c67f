"""A message laid out in every way there is, and what of it can be told apart."""

from __future__ import annotations

import math
import random
from typing import NamedTuple

import msgspec
from PySide6.QtGui import QClipboard, QImage, QPainter

from qwen_desktop.core.chat import Message, Provenance, Status
from qwen_desktop.core.engine import FinishReason, Sampling, ThinkingMode
from qwen_desktop.core.parts import (
    Part,
    PartBegun,
    PartDelta,
    Role,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
    code_text,
    visible_text,
)
from qwen_desktop.jobs.markdown.blocks import Block, projection
from qwen_desktop.jobs.markdown.parser import Markdown
from qwen_desktop.services.events import AnswerEvent
from qwen_desktop.ui.chat.blocks import PaintContext
from qwen_desktop.ui.chat.blocks_flow import At
from qwen_desktop.ui.chat.section_text import TextSection
from qwen_desktop.ui.chat.section_thinking import ThinkingSection
from qwen_desktop.ui.chat.transcript import TranscriptView
from qwen_desktop.ui.chat.transcript_items import MessageItem
from tests import random_messages

MADE = Provenance("/models/q.gguf", "Qwen3 4B", "", "", Sampling(), 1, ThinkingMode.AUTO, "test")
#: Pixels of a message that are painted, from its top and from its bottom.
_PAINTED = 1200


class Layout(NamedTuple):
    """What a user and a program can see of a laid-out message."""

    blocks: tuple[Block, ...]
    places: tuple[tuple[float, float], ...]
    height: float
    projection: str
    targets: tuple[object, ...]
    pixels: tuple[bytes, ...]


def message(chance: random.Random, key: str) -> Message:
    """A finished answer, or now and then a question."""
    parts: list[Part] = [TextPart(random_messages.text(chance))]
    if chance.random() < 0.1:
        return Message(key, "c", None, Role.USER, tuple(parts), 0.0)
    if chance.random() < 0.2:
        known = chance.random() < 0.7
        parts.insert(0, ThinkingPart(random_messages.prose(chance, 30), 2.5 if known else None, 30 if known else None))
    if chance.random() < 0.2:  # it has called a tool and gone on
        again = ThinkingPart(random_messages.prose(chance, 9), 1.0, 9)
        call = ToolCallPart("1", "look_up", '{"word": "```"}' if chance.random() < 0.3 else '{"word": "sea"}')
        parts += [again, call, ToolResultPart("1", "A lot of water."), TextPart(random_messages.prose(chance, 20))]
    ended = chance.choice(
        ((Status.DONE, FinishReason.STOP), (Status.DONE, FinishReason.LENGTH), (Status.STOPPED, None))
    )
    return Message(
        key, "c", None, Role.ASSISTANT, tuple(parts), 0.0, status=ended[0], finish_reason=ended[1], provenance=MADE
    )


def more(view: TranscriptView, key: str, text: str = "", *, thinking: str = "") -> None:
    """Some more of the text, or of the thinking, of an answer on show."""
    live = view.live._live.get(key)
    kind = ThinkingPart if thinking else TextPart
    parts = () if live is None else live.parts.parts()
    if not parts or type(parts[-1]) is not kind:
        parts += (kind(""),)
        view.live.take(AnswerEvent("c", key, PartBegun(len(parts) - 1, kind(""))))
    view.live.take(AnswerEvent("c", key, PartDelta(len(parts) - 1, thinking or text)))


def item_of(view: TranscriptView, key: str) -> MessageItem:
    """The item of a message that is there."""
    item = view.item(key)
    assert item is not None
    return item


def copying(view: TranscriptView) -> bool:
    """Whether a text is still being put together that is to be copied."""
    gathered = view.copying._gathered.get(QClipboard.Mode.Clipboard)
    return bool(view.copying._long) or (gathered is not None and gathered._done is not None)


def last_answer(view: TranscriptView) -> str | None:
    """The id of the last message of the assistant."""
    last = view.shown.newest(Role.ASSISTANT)
    return None if last is None else last.message.id


def message_text(view: TranscriptView, key: str) -> str:
    """The plain text of a message, as it is stored while that is unknown."""
    item = item_of(view, key)
    text = view.texts.known(item)
    return item.source if text is None else text


def laid_out(view: TranscriptView) -> int:
    """How many messages have a layout now."""
    return sum(item.laid_out for item in view.items)


def settle(view: TranscriptView, key: str) -> MessageItem:
    """Do all work that waits for the event loop; the item is laid out then."""
    item = item_of(view, key)
    for _ in range(1000):
        view.arrange(1.0)
        view.queue.run(1.0)
        draw(view)
        if item.ready and not view.queue.busy and not view.drawings.waiting:
            return item
    raise AssertionError("the message never gets its layout")


def draw(view: TranscriptView) -> None:
    """Draw here what waits to be drawn."""
    view.drawings._make()
    view.drawings.run(1.0)
    view.drawings._not_before = 0.0
    view.drawings._tell()


def seen(view: TranscriptView, item: MessageItem) -> Layout:
    """What there is to see of an item."""
    pixels = []
    for top in (0.0, max(0.0, item.height - _PAINTED)):
        tall = min(_PAINTED, int(item.height) + 1)
        image = QImage(int(item.width) + 8, tall, QImage.Format.Format_RGB32)
        image.fill(view.style_.color("window"))
        painter = QPainter(image)
        item.paint(painter, PaintContext(view.style_), At(4, -top, 0, tall))
        painter.end()
        pixels.append(bytes(image.constBits()))
    return Layout(
        tuple(blocks(item)), tuple(places(item)), item.height, item.projection(), _reached(item), tuple(pixels)
    )


def _reached(item: MessageItem) -> tuple[object, ...]:
    """What can be clicked in an item, and where."""
    return tuple((each.key, each.action, each.value, each.label, each.rects) for each in item.targets())


def text_sections(item: MessageItem) -> list[TextSection]:
    """The parts of a message that are text."""
    return [section for section in item.sections if isinstance(section, TextSection)]


def text_of(item: MessageItem) -> TextSection:
    """The first part of a message that is text."""
    return text_sections(item)[0]


def thinking(item: MessageItem) -> ThinkingSection:
    """The first thought of a message that is on show."""
    return next(section for section in item.sections if isinstance(section, ThinkingSection))


def reads(message: Message) -> str:
    """What a message is copied like."""
    if message.role is Role.USER:
        return visible_text(message.parts)
    pieces = (
        projection(Markdown().blocks(part.text)) if isinstance(part, TextPart) else code_text(part) or ""
        for part in message.parts
    )
    return "\n\n".join(filter(None, pieces))


def blocks(item: MessageItem) -> list[Block]:
    """The blocks of a message."""
    return [block for text in text_sections(item) for block in text.blocks]


def places(item: MessageItem) -> list[tuple[float, float]]:
    """Tops and heights of all sections, and of the blocks in them."""
    found = [(section.y, section.height) for section in item.sections]
    return found + [(s.y + layout.y, layout.height) for s in text_sections(item) for layout in s.layouts]


def at_once(view: TranscriptView, message: Message) -> Layout:
    """Laid out when it is opened."""
    view.set_messages([], more_above=False)
    view.set_messages([message], more_above=False)
    return seen(view, settle(view, message.id))


def plain_first(view: TranscriptView, message: Message) -> Layout:
    """Shown as plain text while the layout is being made."""
    view.set_messages([], more_above=False)
    view.set_messages([message], more_above=False)
    item = settle(view, message.id)
    view.queue.drop(item)
    item.evict()
    item.lay_plain(item.width)
    return seen(view, settle(view, message.id))


def streamed(view: TranscriptView, message: Message, chance: random.Random) -> Layout:
    """Written in pieces of any size, with all that can happen to a window meanwhile."""
    growing = msgspec.structs.replace(message, parts=(), status=Status.STREAMING, finish_reason=None)
    view.set_messages([], more_above=False)
    view.set_messages([growing], more_above=False)
    item = settle(view, message.id)
    size = view.size()
    for event in random_messages.events(chance, message.parts):
        view.live.take(AnswerEvent("c", message.id, event))
        if isinstance(event, PartDelta) and chance.random() < 0.5:
            item.targets()  # a pointer that moves asks for them at any time
            _show(view, item, chance)
        if isinstance(event, PartDelta) and chance.random() < 0.03:
            _happen(view, item, chance)
    if chance.random() < 0.5:
        _show(view, item, chance)
    view.resize(size)
    view.replace(message)
    if chance.random() < 0.2:  # opened again before its layout is made
        view.set_messages([message], more_above=False)
    return seen(view, settle(view, message.id))


def _show(view: TranscriptView, item: MessageItem, chance: random.Random) -> None:
    """The next frame of a growing answer: it repaints all that it changed, and is laid out as if it were the first."""
    changed: list[float] = []

    def note(_item: MessageItem, y: float) -> None:
        changed.append(y)

    view.live.changed.connect(note)
    before = picture(view, item) if item.ready and chance.random() < 0.4 else None
    view.live._show()
    view.live.changed.disconnect(note)
    if not item.ready or not changed:
        return
    if before is not None:
        assert first_difference(before, picture(view, item)) >= int(min(changed)) - 4, "something is not painted again"
    if chance.random() < 0.7:
        return
    for text in text_sections(item):
        fresh = TextSection(item, text.name, TextPart)
        fresh.lay(text.width)
        fresh.set_blocks(text.blocks)
        assert [(x.y, x.height) for x in text.layouts] == [(x.y, x.height) for x in fresh.layouts]
        assert text.natural == fresh.natural


def picture(view: TranscriptView, item: MessageItem) -> QImage:
    """All of a message as it is painted now."""
    image = QImage(math.ceil(item.width), math.ceil(item.height), QImage.Format.Format_RGB32)
    image.fill(view.style_.color("window"))
    painter = QPainter(image)
    item.paint(painter, view.context(item), At(0, 0, 0, image.height()))
    painter.end()
    return image


def first_difference(before: QImage, after: QImage) -> float:
    """The first row of pixels in which two pictures differ, infinite where what both have is the same."""
    for row in range(min(before.height(), after.height())):
        if before.constScanLine(row) != after.constScanLine(row):
            return row
    return math.inf


def _happen(view: TranscriptView, item: MessageItem, chance: random.Random) -> None:
    """Something that changes the picture in mid-answer."""
    match chance.randrange(4):
        case 0:
            view.resize(chance.randint(420, 1000), view.height())
        case 1:
            view.queue.drop(item)
            item.evict()
            item.lay_plain(item.width)
        case 2:
            view.restyle()
        case 3:
            view.queue.drop(item)
            item.evict()
    if chance.random() < 0.7:
        settle(view, item.message.id)
