"""One piece of a message: a part, the name line, notes, an error, the row of actions. All speak the same interface.

A section knows its height for a width, paints itself at a place and names what can be clicked in it; its coordinates
begin at its own top left, its offsets count in its own text. What it says it asks of its message, which stacks its
sections and knows nothing else of them. A ``HostedSection`` carries a real widget, which the view places and shows.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, QRect, QRectF, Qt
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QApplication, QWidget

from qwen_desktop.core.chat import Message
from qwen_desktop.core.parts import Part
from qwen_desktop.ui.chat.blocks import Directed, PaintContext, Target
from qwen_desktop.ui.chat.blocks_flow import At, Ranges, Sources

if TYPE_CHECKING:
    from qwen_desktop.services.token_counts import Count
    from qwen_desktop.ui.chat.transcript_items import MessageItem


@dataclass(slots=True)
class Options:
    """What the view decides for all its messages. ``changed`` is told of a message and of its section whose height has
    become another one by itself, before anything moves."""

    show_speed: bool = True
    open_thinking: bool = False
    #: the model obeys ``/think`` and ``/no_think``, which are marked in questions then
    soft_switches: bool = False
    changed: Callable[[MessageItem, Section], object] | None = None
    #: How many tokens something attached has for the model that answers here.
    tokens: Callable[[Part], Count] | None = None
    #: Told of each message that comes on show, before it is laid out.
    came: Callable[[MessageItem], object] | None = None
    #: From which word on, counted from 1, an answer made again is another one; None while that is not known.
    differs_at: Callable[[Message], int | None] | None = None
    #: What is marked in sections whose text is not in the projection, by message and name of the section.
    marks: dict[tuple[str, str], Ranges] = field(default_factory=dict)


#: Beyond either edge of any text, in pixels.
_FAR = 1e6


class Section(Directed, ABC):
    """One piece. ``name`` stands before the keys of its targets in the message."""

    #: Pixels wanted above it, and above it when nothing but headings stands there.
    gap = 10.0
    top_gap = 0.0
    #: What follows it belongs to it: a name line, for one.
    heading = False
    #: It takes the width of the column, whoever speaks.
    full = False
    #: It edits the words of its message.
    edits = False
    #: Where its message has put it, and where its text begins in the message's.
    x = y = height = 0.0
    start = 0
    #: The y from which it looks different since it took another state of its part.
    fresh = 0.0
    #: The kind of part that it shows, where it shows only one.
    kind: type[Part] | None = None
    #: What a screen reader says of it after the message's text.
    spoken = ""

    def __init__(self, item: MessageItem, name: str = "") -> None:
        self.item = item
        self.name = name
        self.style = item.style

    def changed(self) -> None:
        """To be called when the height has become another one by itself."""
        if self.item.options.changed is not None and self in self.item.sections:
            self.item.options.changed(self.item, self)

    @abstractmethod
    def lay(self, width: float) -> None:
        """Measure for ``width`` pixels. A height of 0 takes no room, not even the gap."""

    @abstractmethod
    def paint(self, painter: QPainter, context: PaintContext, at: At) -> None:
        """Draw at ``at``. Keys and ranges of ``context`` are the section's own."""

    def take(self, part: Part) -> bool:
        """Show another state of its part; False when that is none of its kind."""
        return False

    def redraw(self, y: float, sources: Sources = None) -> float | None:
        """Show what has been drawn of ``sources`` since it was laid out: by how many pixels what stood at ``y`` stands
        lower now. None where it waited for nothing."""
        return None

    @property
    def natural(self) -> float:
        """Pixels that it would fill, if less than its width."""
        return self.width

    def hug(self, width: float) -> float:
        """Stand in ``width`` pixels, in which all of it fits; what is to be added to its x for that."""
        return 0.0

    def visible(self, context: PaintContext) -> bool:
        """Whether it is on show in a message seen like this (``context`` is the message's)."""
        return True

    def targets(self) -> list[Target]:
        """What can be clicked in it or reached with Tab, in reading order."""
        return []

    def targets_at(self, x: float, y: float) -> list[Target]:
        """At least those of ``targets`` that hold a point."""
        return self.targets()

    @property
    def unfolded(self) -> bool:
        """Whether what it folds is open unless the user said otherwise."""
        return False

    def opened(self, key: str) -> bool:
        """Whether what the target with this key stands for is open."""
        return self.item.folds.get(self.name + key, self.unfolded)

    def toggle(self, key: str) -> None:
        """Open or fold what the target with this key stands for."""
        self.item.folds[self.name + key] = not self.opened(key)
        self.lay(self.width)

    def chevron(self, key: str) -> str:
        """The icon of something that opens: it points to where that will be."""
        return "chevron-down" if self.opened(key) else "chevron-left" if self.rtl else "chevron-right"

    def wheel(self, x: float, y: float, dx: float) -> bool:
        """Scroll what is under a point sideways by ``dx`` pixels; False when there is nothing to scroll."""
        return False

    def formula_at(self, x: float, y: float) -> str:
        """The LaTeX of the formula at a point, "" where there is none."""
        return ""

    @property
    def length(self) -> int:
        """Characters of ``projection``."""
        return 0

    def projection(self) -> str:
        """The plain text that is selected, copied and read out."""
        return ""

    def offset_at(self, x: float, y: float) -> int:
        """The offset in ``projection`` that is nearest to a point."""
        return 0

    def band(self, start: int, end: int) -> tuple[float, float]:
        """Where the line is, from which y to which, in which a range of its text begins; found from ``offset_at``."""
        top, bottom = 0.0, self.height
        while bottom - top > 1:
            middle = (top + bottom) / 2
            if max(self.offset_at(x, middle) for x in (-_FAR, _FAR)) > start:
                bottom = middle
            else:
                top = middle
        return top, min(self.height, top + self.style.line_height("message"))

    def bring(self, start: int, end: int) -> None:
        """Scroll what holds a range of its text sideways so that its beginning is in view."""


class HostedSection(Section):
    """A widget in a message. It outlives the message's layout: what is being edited in it is never lost.

    The height is the widget's own, asked again whenever its layout changes. Each widget in it that takes the keyboard
    is a target, so that Tab comes to it in reading order and not when Qt's own chain does.
    """

    def __init__(self, item: MessageItem, name: str, widget: QWidget) -> None:
        super().__init__(item, name)
        self.widget = widget
        for each in self._inputs():
            each.setFocusPolicy(Qt.FocusPolicy.ClickFocus)

    def _inputs(self) -> list[QWidget]:
        every = (self.widget, *self.widget.findChildren(QWidget))
        return [each for each in every if each.focusPolicy() != Qt.FocusPolicy.NoFocus and each.focusProxy() is None]

    def lay(self, width: float) -> None:
        self.width = width
        widget = self.widget
        tall = widget.heightForWidth(int(width)) if widget.hasHeightForWidth() else widget.sizeHint().height()
        self.height = float(min(max(tall, widget.minimumHeight()), widget.maximumHeight()))

    def take(self, part: Part) -> bool:
        return True

    def relaid(self) -> None:
        """Ask the widget for its height again."""
        before = self.height
        self.lay(self.width)
        if self.height != before:
            self.changed()

    def paint(self, painter: QPainter, context: PaintContext, at: At) -> None:
        """The widget paints itself."""

    def targets(self) -> list[Target]:
        inputs = [(each, QRectF(each.rect().translated(each.mapTo(self.widget, QPoint())))) for each in self._inputs()]
        return [
            Target(f"widget{number}", "widget", "", place, each.accessibleName())
            for number, (each, place) in enumerate(inputs)
        ]

    def widget_of(self, key: str) -> QWidget:
        """The widget that a target stands for."""
        return self._inputs()[int(key.removeprefix("widget"))]

    def key_of(self, widget: QWidget | None) -> str | None:
        """The key of the target that a widget is, or belongs to."""
        for number, each in reversed(list(enumerate(self._inputs()))):
            if widget is not None and (widget is each or each.isAncestorOf(widget)):
                return f"widget{number}"
        return None

    def seat(self, place: QRect, *, seen: bool) -> None:
        """Put the widget at a place of its parent; hide it where it cannot be ``seen``, but for one that has the
        keyboard, which it would lose."""
        if self.widget.geometry() != place:
            self.widget.setGeometry(place)
        self.widget.setVisible(seen or self.key_of(QApplication.focusWidget()) is not None)
