"""The prompts that wait in line, above the message box: they show what they are given and tell what is wanted."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import QPoint, QPointF, Qt, Signal
from PySide6.QtGui import QAccessible, QAccessibleAnnouncementEvent, QKeyEvent, QMouseEvent
from PySide6.QtWidgets import QApplication, QSizePolicy, QWidget

from qwen_desktop.core.drafts import Draft, QueuedPrompt
from qwen_desktop.ui import texts
from qwen_desktop.ui.actions import pressed, with_native_keys
from qwen_desktop.ui.chat.attachment_chips import described
from qwen_desktop.ui.chat.chips import TALL, ChipBody, ChipFrame, Scrolled, begin, small_button
from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets.boxes import column, row
from qwen_desktop.ui.widgets.buttons import TextButton
from qwen_desktop.ui.widgets.labels import ElidedLabel, IconLabel


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
        self._area = Scrolled(theme, self)
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
        return self._theme.grown(TALL) + self._rows.spacing()

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
