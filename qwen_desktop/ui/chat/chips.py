"""The chips above the message box: what is attached, and the prompts that wait in line.

They show what they are given and tell what is wanted of them; the composer and its pane do it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import QEvent, QPoint, QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QAccessible,
    QAccessibleAnnouncementEvent,
    QFontMetrics,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
)
from PySide6.QtWidgets import QAbstractButton, QApplication, QSizePolicy, QStyle, QWidget

from qwen_desktop.core.drafts import Draft, QueuedPrompt, fits_box, is_pasted
from qwen_desktop.core.parts import AudioPart, FilePart, ImagePart, Part
from qwen_desktop.ui import icons, texts
from qwen_desktop.ui.actions import pressed, with_native_keys
from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets.boxes import column, row
from qwen_desktop.ui.widgets.buttons import IconButton, TextButton, enter_presses
from qwen_desktop.ui.widgets.flow import FlowLayout
from qwen_desktop.ui.widgets.labels import ElidedLabel, IconLabel, draw_line
from qwen_desktop.ui.widgets.scroll import ScrollArea

#: A token has about so many bytes of UTF-8, in English as in Chinese.
_BYTES_A_TOKEN = 4
#: The first words of a text that a chip shows, in characters.
_BEGIN = 200
#: Width of a chip's name at most, and height of a chip, in px at normal text size.
_NAME, _TALL = 180, 34
#: So many rows of prompts and of attachments are on show at once; the others are scrolled to.
_ROWS = 3
_PAD, _GAP = 10, 8


def begin(text: str) -> str:
    """How a text begins, on one line."""
    return " ".join(text[:_BEGIN].split())


def amount(part: FilePart) -> str:
    """How much text an attachment has: "24,310 characters · about 6,100 tokens"."""
    size = part.size if is_pasted(part) else len(part.text.encode("utf-8", "replace"))
    count = size // _BYTES_A_TOKEN
    step = 10 if count < 1000 else 100
    about = texts.fill(texts.translate("chips", "about {tokens}"), tokens=texts.tokens(max(1, count // step * step)))
    characters = texts.translate("chips", "%n character(s)", "", len(part.text))
    return f"{characters} · {about}"


def described(part: Part) -> tuple[str, str, str]:
    """An attachment's icon, name and facts."""
    match part:
        case FilePart(name=name, text=text):
            return "file-text", name or begin(text), amount(part) if text else texts.exact(part.size)
        case ImagePart(name=name, width=width, height=height):
            return "file-up", name or texts.translate("chips", "Picture"), f"{width} × {height}" if width else ""
        case AudioPart(name=name, seconds=seconds):
            return "file-up", name or texts.translate("chips", "Sound"), texts.seconds(seconds) if seconds else ""
    return "file-up", "", ""


class ChipBody(QAbstractButton):
    """The part of a chip that is pressed: icon or a word before it, name and quiet facts, on one line."""

    def __init__(self, theme: Theme, parent: QWidget, *, icon: str = "", wide: bool = False) -> None:
        super().__init__(parent)
        self._theme = theme
        self._icon = icon
        self._wide = wide
        self._before = self._facts = ""
        #: What stands before others' names: all begin at one place.
        self.before_like = ""
        self.setProperty("ownFocus", True)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        across = QSizePolicy.Policy.Ignored if wide else QSizePolicy.Policy.Preferred
        self.setSizePolicy(across, QSizePolicy.Policy.Fixed)
        theme.changed.connect(self.updateGeometry)

    def say(self, name: str, facts: str = "", *, before: str = "") -> None:
        """Show these words."""
        self._before, self._facts = before, facts
        self.setText(name)
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        name, facts = self._metrics()
        left = self._theme.grown(16) + _GAP if self._icon else 0
        width = left + min(name.horizontalAdvance(self.text()) + 1, self._theme.grown(_NAME))
        if self._facts:
            width += _GAP + facts.horizontalAdvance(self._facts) + 1
        return QSize(_PAD + width + _GAP, self._theme.grown(_TALL))

    def minimumSizeHint(self) -> QSize:
        return QSize(self._theme.grown(80), self._theme.grown(_TALL))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if not enter_presses(self, event):
            super().keyPressEvent(event)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        way, room = self.layoutDirection(), self.rect()
        name, facts = self._metrics()
        left, right = _PAD, self.width() - _GAP

        def place(x: int, width: int) -> QRect:
            return QStyle.visualRect(way, room, QRect(x, 0, width, self.height()))

        if self._icon:
            side = self._theme.grown(16)
            spot = place(left, side).adjusted(0, (self.height() - side) // 2, 0, 0)
            sign = icons.pixmap(self._icon, self._theme.color("text_muted"), side, self.devicePixelRatioF())
            painter.drawPixmap(spot.topLeft(), sign)
            left += side + _GAP
        for words, take in ((self._before, True), (self._facts, False)):
            if not words:
                continue
            width = facts.horizontalAdvance(words) + 1
            painter.setFont(self._theme.font("small", tabular=True))
            painter.setPen(self._theme.color("text_muted"))
            if take:
                width = max(width, facts.horizontalAdvance(self.before_like) + 1)
                draw_line(painter, QRectF(place(left, width)), words)
                left += width + _GAP
            else:
                name_width = min(name.horizontalAdvance(self.text()) + 1, self._theme.grown(_NAME)) + _GAP
                width = min(width, max((right - left) // 2, right - left - name_width))
                draw_line(painter, QRectF(place(right - width, width)), words)
                right -= width + _GAP
        painter.setFont(self._theme.font("small", weight=400 if self._wide else 500))
        painter.setPen(self._theme.color("text"))
        draw_line(painter, QRectF(place(left, max(0, right - left))), self.text())

    def _metrics(self) -> tuple[QFontMetrics, QFontMetrics]:
        return QFontMetrics(self._theme.font("small", weight=500)), QFontMetrics(
            self._theme.font("small", tabular=True)
        )


class ChipFrame(QWidget):
    """The bordered ground of a chip; it shows that its body has the keyboard."""

    def __init__(self, theme: Theme, body: ChipBody, parent: QWidget) -> None:
        super().__init__(parent)
        self._theme = theme
        self.body = body
        body.setParent(self)
        body.installEventFilter(self)
        theme.changed.connect(self.update)

    def eventFilter(self, watched: object, event: QEvent) -> bool:
        kinds = (QEvent.Type.FocusIn, QEvent.Type.FocusOut, QEvent.Type.Enter, QEvent.Type.Leave)
        if event.type() in kinds:
            self.update()
        return False

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        focused = self.body.hasFocus()
        wide = 2.0 if focused else 1.0
        painter.setPen(QPen(self._theme.color("focus" if focused else "border"), wide))
        painter.setBrush(self._theme.color("hover" if self.body.underMouse() else "surface"))
        edge = wide / 2
        radius = self._theme.radius("control")
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(edge, edge, -edge, -edge), radius, radius)


def small_button(theme: Theme, icon: str, name: str, parent: QWidget) -> IconButton:
    """One of the buttons in a chip."""
    return IconButton(theme, icon, name, parent, side=28, icon_size=16)


class AttachmentChip(ChipFrame):
    """Something attached: opens to be read, can be put into the text where it fits there, and taken away."""

    def __init__(self, theme: Theme, part: Part, parent: QWidget) -> None:
        icon, name, facts = described(part)
        body = ChipBody(theme, parent, icon=icon)
        super().__init__(theme, body, parent)
        self.part = part
        paste = isinstance(part, FilePart) and is_pasted(part)
        spoken = texts.fill(self.tr("Pasted text: {words}"), words=name) if paste else name
        body.say(name, facts)
        body.setAccessibleName(f"{spoken}, {facts}" if facts else spoken)
        self.readable = isinstance(part, FilePart) and bool(part.text)
        if self.readable:
            body.setToolTip(self.tr("Read the pasted text") if paste else self.tr("Read the text of this file"))
            body.setAccessibleDescription(body.toolTip())
        self.insert = small_button(theme, "text-cursor-input", self.tr("Put into the text"), self)
        self.insert.setVisible(isinstance(part, FilePart) and paste and fits_box(part.text))
        remove = self.tr("Remove the pasted text") if paste else texts.fill(self.tr("Remove {name}"), name=name)
        self.remove = small_button(theme, "x", remove, self)
        row(body, self.insert, self.remove, on=self, gap=0, margins=(0, 0, 3, 0))


class _Scrolled(ScrollArea):
    """Rows of chips on the ground that is there, as high as they are up to so many."""

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self._theme = theme
        self.body.setObjectName("chips")

    def fit(self, height: int, gap: int, room: int) -> None:
        """Take the height of what is in it, in whole rows and where there is room for more than one not more than
        ``room``."""
        row = self._theme.grown(_TALL) + gap
        most = max(1, min(_ROWS, (room + gap) // row)) * row - gap
        bar = Qt.ScrollBarPolicy.ScrollBarAlwaysOff if height <= most else Qt.ScrollBarPolicy.ScrollBarAlwaysOn
        self.setVerticalScrollBarPolicy(bar)
        self.setFixedHeight(min(height, most))


class Attachments(_Scrolled):
    """The chips of what is attached to the draft."""

    read_wanted = Signal(object)  # a part
    insert_wanted = Signal(int)
    remove_wanted = Signal(int)

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(theme, parent)
        self._room = 200
        self._flow = FlowLayout(self.body)
        self.hide()
        theme.changed.connect(self._fit)

    @property
    def chips(self) -> list[AttachmentChip]:
        """Those on show, in order."""
        items = (self._flow.itemAt(number) for number in range(self._flow.count()))
        return [chip for item in items if item is not None and isinstance(chip := item.widget(), AttachmentChip)]

    @property
    def stops(self) -> list[QWidget]:
        """Where Tab halts, in order."""
        return [stop for chip in self.chips for stop in (chip.body, chip.insert, chip.remove)]

    def show_parts(self, parts: Sequence[Part]) -> None:
        """Show these."""
        if [chip.part for chip in self.chips] == list(parts):
            return
        while (item := self._flow.takeAt(0)) is not None:
            if (old := item.widget()) is not None:
                old.hide()
                old.deleteLater()
        for number, part in enumerate(parts):
            chip = AttachmentChip(self._theme, part, self.body)
            chip.body.clicked.connect(lambda _checked=False, chip=chip: self._read(chip))
            chip.insert.clicked.connect(lambda _checked=False, n=number: self.insert_wanted.emit(n))
            chip.remove.clicked.connect(lambda _checked=False, n=number: self.remove_wanted.emit(n))
            self._flow.addWidget(chip)
            chip.show()
        self.setVisible(bool(parts))
        self._fit()

    def set_room(self, pixels: int) -> None:
        """Let it be so high; then it scrolls."""
        self._room = pixels
        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        self.fit(self._flow.heightForWidth(self.width()), _GAP, self._room)

    def _read(self, chip: AttachmentChip) -> None:
        if chip.readable:
            self.read_wanted.emit(chip.part)


class _PromptBody(ChipBody):
    """A prompt in line: dragged, and moved, removed or sent by keys."""

    removed = Signal()
    sent = Signal()
    stepped = Signal(int)
    dragged = Signal(QPointF)

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(theme, parent, wide=True)
        self._from: QPoint | None = None
        self._drags = False

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if pressed(event, "queue.up") or pressed(event, "queue.down"):
            self.stepped.emit(-1 if pressed(event, "queue.up") else 1)
        elif pressed(event, "queue.remove"):
            self.removed.emit()
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            ctrl = bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
            (self.sent if ctrl else self.clicked).emit()
        else:
            super().keyPressEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._from, self._drags = event.position().toPoint(), False
        super().mousePressEvent(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._from is None or not event.buttons() & Qt.MouseButton.LeftButton:
            super().mouseMoveEvent(event)
            return
        far = (event.position().toPoint() - self._from).manhattanLength() >= QApplication.startDragDistance()
        if far and not self._drags:
            self._drags = True
            self.setDown(False)
        if self._drags:
            self.dragged.emit(event.globalPosition())

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._from = None
        if self._drags:
            self._drags = False
            self.setDown(False)
            event.accept()
        else:
            super().mouseReleaseEvent(event)


class PromptChip(ChipFrame):
    """One prompt in line."""

    def __init__(self, theme: Theme, queued: QueuedPrompt, parent: QWidget) -> None:
        self.prompt = _PromptBody(theme, parent)
        super().__init__(theme, self.prompt, parent)
        self.queued = queued
        self.prompt.before_like = self.tr("Next")
        self.prompt.setToolTip(self.tr("Take it back into the box to edit it"))
        keys = self.tr("Enter takes it back into the box, Delete removes it, Alt+Up and Alt+Down move it.")
        self.prompt.setAccessibleDescription(with_native_keys(keys))
        self.send = small_button(theme, "arrow-up", self.tr("Send now"), self)
        self.send.setToolTip(self.tr("Stop the answer that runs and send this now"))
        self.remove = small_button(theme, "x", self.tr("Take it out of the line"), self)
        row((self.prompt, 1), self.send, self.remove, on=self, gap=0, margins=(0, 0, 3, 0))

    def stand(self, place: int) -> None:
        """Say where in the line it stands."""
        said = begin(self.queued.draft.text)
        beside = self.queued.draft.attachments
        if not said and beside:
            said = described(beside[0])[1]
        facts = self.tr("%n attachment(s)", "", len(beside)) if beside else ""
        before = self.tr("Next") if place == 0 else texts.number(place + 1)
        self.prompt.say(said, facts, before=before)
        waits = self.tr("Waits to be sent, number {place}: {words}")
        self.prompt.setAccessibleName(texts.fill(waits, place=place + 1, words=said))


class PromptLine(QWidget):
    """The prompts that wait in line; ``go_on`` is offered while they wait for the user."""

    edit_wanted = Signal(str)
    remove_wanted = Signal(str)
    send_wanted = Signal(str)
    move_wanted = Signal(str, int)
    go_on_wanted = Signal()

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self._theme = theme
        self._chips: list[PromptChip] = []
        self._room = 200
        self.said = ElidedLabel(theme, self.tr("These wait until you go on."), self, role="small", color="warn")
        self.said.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.go_on = TextButton(theme, self.tr("Go on"), self, kind="chip")
        self.go_on.setToolTip(self.tr("Send the first one now, and each other one after the answer before it"))
        self.go_on.clicked.connect(self.go_on_wanted)
        self._waits = QWidget(self)
        row(
            IconLabel(theme, "pause", self, color="warn"),
            (self.said, 1),
            self.go_on,
            on=self._waits,
            margins=(2, 0, 0, 0),
        )
        self._area = _Scrolled(theme, self)
        self._rows = column(gap=6, on=self._area.body)
        column(self._waits, self._area, on=self, gap=6)
        self.hide()
        theme.changed.connect(self._fit)

    @property
    def chips(self) -> list[PromptChip]:
        """Those on show, the next one first."""
        return self._chips

    @property
    def stops(self) -> list[QWidget]:
        """Where Tab halts, in order."""
        return [self.go_on, *(stop for chip in self._chips for stop in (chip.prompt, chip.send, chip.remove))]

    def show_queue(self, queue: Sequence[QueuedPrompt], *, waits: bool) -> None:
        """Show these; ``waits``: they do not go on by themselves."""
        if waits and self._waits.isHidden():
            self._announce(self.said.text())
        self._waits.setVisible(waits)
        known = {chip.queued.id: chip for chip in self._chips if chip.queued in queue}
        for chip in self._chips:
            if chip.queued.id not in known:
                self._leave(chip)
        self._chips = [known.get(queued.id) or self._made(queued) for queued in queue]
        for place, chip in enumerate(self._chips):
            if self._rows.indexOf(chip) != place:
                self._rows.removeWidget(chip)
                self._rows.insertWidget(place, chip)
            chip.stand(place)
            chip.show()
        self.setVisible(bool(queue))
        self._fit()

    def tell(self, draft: Draft) -> None:
        """Say to who cannot see it that this has been put in line."""
        self._announce(texts.fill(self.tr("Put in line: {words}"), words=words_of(draft)))

    def _announce(self, text: str) -> None:
        if QAccessible.isActive():
            QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(self, text))

    def focus_chip(self, place: int) -> bool:
        """Give the keyboard to the chip at ``place``, or the last one. False where there is none."""
        if not self._chips:
            return False
        self._chips[min(place, len(self._chips) - 1)].prompt.setFocus(Qt.FocusReason.TabFocusReason)
        return True

    def _leave(self, chip: PromptChip) -> None:
        self._rows.removeWidget(chip)
        chip.hide()
        chip.deleteLater()

    def _made(self, queued: QueuedPrompt) -> PromptChip:
        chip = PromptChip(self._theme, queued, self._area.body)
        wanted: tuple[tuple[Callable[..., object], object], ...] = (
            (self.edit_wanted.emit, chip.prompt.clicked),
            (self.remove_wanted.emit, chip.prompt.removed),
            (self.remove_wanted.emit, chip.remove.clicked),
            (self.send_wanted.emit, chip.prompt.sent),
            (self.send_wanted.emit, chip.send.clicked),
        )
        for emit, signal in wanted:
            signal.connect(lambda *_, emit=emit: emit(queued.id))  # type: ignore[attr-defined] # signals have no type
        chip.prompt.stepped.connect(lambda step: self._move(chip, self._chips.index(chip) + step))
        chip.prompt.dragged.connect(lambda place: self._drag(chip, place))
        return chip

    def _move(self, chip: PromptChip, place: int) -> None:
        if 0 <= place < len(self._chips):
            self.move_wanted.emit(chip.queued.id, place)
            self._area.ensureWidgetVisible(chip)

    def _drag(self, chip: PromptChip, point: QPointF) -> None:
        y = self._area.body.mapFromGlobal(point.toPoint()).y()
        pitch = self._pitch()
        place = max(0, min(len(self._chips) - 1, y // pitch))
        if place != self._chips.index(chip):
            self._move(chip, place)

    def _pitch(self) -> int:
        return self._theme.grown(_TALL) + self._rows.spacing()

    def set_room(self, pixels: int) -> None:
        """Let it be so high; then it scrolls."""
        self._room = pixels
        self._fit()

    def _fit(self) -> None:
        gap = self._rows.spacing()
        above = 0 if self._waits.isHidden() else self._waits.sizeHint().height() + gap
        self._area.fit(max(0, len(self._chips) * self._pitch() - gap), gap, self._room - above)


def words_of(draft: Draft) -> str:
    """What a sentence calls a draft by."""
    said = begin(draft.text) or (described(draft.attachments[0])[1] if draft.attachments else "")
    return said if len(said) <= 40 else said[:39] + "…"
