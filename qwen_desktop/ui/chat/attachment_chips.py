"""The chips of what is attached to a draft: how many tokens each takes, what is still being read or cannot be, and what
is too much for the model. They show what they are given and tell what is wanted of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from PySide6.QtCore import QEvent, QObject, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QWidget

from qwen_desktop.core.drafts import fits_box, is_pasted, is_unread
from qwen_desktop.core.errors import Problem
from qwen_desktop.core.parts import AudioPart, FilePart, ImagePart, Part
from qwen_desktop.core.text import shown
from qwen_desktop.services.token_counts import Count, estimate
from qwen_desktop.ui import texts
from qwen_desktop.ui.chat.chips import GAP, ChipBody, ChipFrame, Scrolled, begin, small_button
from qwen_desktop.ui.texts import translate
from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets.boxes import row
from qwen_desktop.ui.widgets.buttons import TextButton
from qwen_desktop.ui.widgets.flow import FlowLayout

#: The widest sentence in a chip, in px at normal text size.
_SENTENCE = 420


class ChipState(NamedTuple):
    """What is known of something attached: the tokens that it ``has`` (None: estimated from its size), how many of them
    are ``over`` what there is room for; the ``fraction`` read (None: not known) of one that is being read, or the
    ``problem`` that it has; why the model cannot use it, or "" where it can."""

    has: Count | None = None
    over: int = 0
    fraction: float | None = None
    problem: Problem | None = None
    unusable: str = ""


def tokens(count: Count) -> str:
    """ "820 tokens"; what is only estimated is "about 820 tokens", rounded."""
    if count.exact:
        return texts.tokens(count.tokens)
    step = 10 if count.tokens < 1000 else 100
    about = texts.tokens(max(1, count.tokens // step * step))
    return texts.fill(translate("chips", "about {tokens}"), tokens=about)


def amount(part: FilePart, count: Count | None = None) -> str:
    """How much text an attachment has: "12 pages · 6,410 tokens", a paste "24,310 characters · about 6,100 tokens"."""
    said = [tokens(count or estimate(part))]
    if is_pasted(part):
        said.insert(0, translate("chips", "%n character(s)", "", len(part.text)))
    elif part.pages:
        said.insert(0, translate("chips", "%n page(s)", "", part.pages))
    if not part.whole:
        said.append(translate("chips", "parts of it"))
    return " · ".join(said)


def described(part: Part, count: Count | None = None) -> tuple[str, str, str]:
    """An attachment's icon, name and facts."""
    match part:
        case FilePart(name=name, text=text):
            return "file-text", name or begin(text), amount(part, count) if text else texts.exact(part.size)
        case ImagePart(name=name, width=width, height=height):
            return "image", name or translate("chips", "Picture"), f"{width} × {height}" if width else ""
        case AudioPart(name=name, seconds=seconds):
            return "audio-lines", name or translate("chips", "Sound"), texts.seconds(seconds) if seconds else ""
    return "file-up", "", ""


class AttachmentChip(ChipFrame):
    """Something attached: opens to be read, can be put into the text where it fits there, and taken away; of a file
    that is too long parts can be chosen."""

    def __init__(self, theme: Theme, part: Part, parent: QWidget) -> None:
        icon, name, _ = described(part)
        body = ChipBody(theme, parent, icon=icon)
        super().__init__(theme, body, parent)
        self.part = part
        self._icon = icon
        self._name = name
        self._paste = isinstance(part, FilePart) and is_pasted(part)
        self.readable = isinstance(part, FilePart) and bool(part.text)
        #: It opens to be read, seen or saved.
        self.opens = not is_unread(part)
        self.insert = small_button(theme, "text-cursor-input", self.tr("Put into the text"), self)
        self.insert.setVisible(isinstance(part, FilePart) and self._paste and fits_box(part.text))
        self.choose = TextButton(theme, self.tr("Choose parts"), self, kind="link")
        self.choose.setProperty("small", True)
        remove = self.tr("Remove the pasted text") if self._paste else texts.fill(self.tr("Remove {name}"), name=name)
        self.remove = small_button(theme, "x", remove, self)
        row(body, self.choose, self.insert, self.remove, on=self, gap=0, margins=(0, 0, 3, 0))
        self.show_state(ChipState())

    def show_state(self, state: ChipState) -> None:
        """Show how it stands with it."""
        self.state = state
        body, part = self.body, self.part
        unread = is_unread(part)
        sentence = hint = ""
        name, facts, spoken = self._name, "", ""
        if unread and state.problem is not None:
            sentence, hint = texts.text(state.problem.what), texts.problem(state.problem)
        elif unread:
            facts = self.tr("Reading…")
            if state.fraction:
                facts = texts.fill(self.tr("Reading, {percent}"), percent=texts.percent(state.fraction))
        elif isinstance(part, FilePart) and part.text:
            facts = spoken = amount(part, state.has)
            if not self._paste:
                facts = tokens(state.has or estimate(part))
                facts += " · " + self.tr("parts of it") if not part.whole else ""
            if state.over:
                excess = texts.fill(self.tr("{n} too many"), n=state.over)
                facts, spoken = f"{facts}, {excess}", f"{spoken}, {excess}"
        elif state.unusable:
            facts, hint = self.tr("left out"), state.unusable
            spoken = f"{described(part)[2]}, {facts}"
        else:
            facts = described(part)[2]
        bad = bool(sentence)
        body.widest = _SENTENCE if bad else 180
        body.ink = "bad" if bad else "text_faint" if state.unusable else "text"
        body.facts_first = bool(state.over)
        body.facts_ink = "warn" if state.over else "text_muted"
        self.edge = "bad" if bad else "warn" if state.over else "border"
        self.fraction = (state.fraction or 0.0) if unread and not bad else -1.0
        body.set_icon("octagon-alert" if bad else self._icon)
        body.say(sentence or name, facts)
        self._speak(sentence or name, hint if bad else spoken or facts)
        whole = f"{name}: {facts}. {self._purpose()}." if state.over else ""  # it may be cut short on the chip
        body.setToolTip(texts.tip(hint or whole or self._purpose()))
        body.setAccessibleDescription(hint or self._purpose())
        choosable = isinstance(part, FilePart) and bool(part.text) and (bool(state.over) or not part.whole)
        self.choose.setVisible(choosable)
        self.choose.setAccessibleName(texts.fill(self.tr("Choose parts of {name}"), name=name))
        self.update()

    def _speak(self, name: str, facts: str) -> None:
        said = texts.fill(self.tr("Pasted text: {words}"), words=name) if self._paste else name
        self.body.setAccessibleName(f"{said}, {facts}" if facts and facts != said else said)

    def _purpose(self) -> str:
        if self.readable:
            return self.tr("Read the pasted text") if self._paste else self.tr("Read the text of this file")
        return shown(self._name) if is_unread(self.part) else self.tr("See what is attached")


class AttachmentChips(Scrolled):
    """The chips of what is attached to the draft."""

    read_wanted = Signal(object)  # a part
    insert_wanted = Signal(int)
    remove_wanted = Signal(int)
    choose_wanted = Signal(int)

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
        return [stop for chip in self.chips for stop in (chip.body, chip.choose, chip.insert, chip.remove)]

    def show_parts(self, parts: Sequence[Part]) -> None:
        """Show these; chips of what was there stay."""
        before = self.chips
        if [chip.part for chip in before] == list(parts):
            return
        focused = next(
            (place for place, chip in enumerate(before) if chip.isAncestorOf(self.focusWidget() or self)), -1
        )
        while self._flow.takeAt(0) is not None:
            pass
        left = list(before)
        for part in parts:
            chip = next((chip for chip in left if chip.part == part), None)
            if chip is not None:
                left.remove(chip)
            else:
                chip = self._made(part)
            self._flow.addWidget(chip)
            chip.show()
        for old in left:
            old.hide()
            old.deleteLater()
        if focused >= 0 and before[focused] in left and len(parts) == len(before):
            self.chips[focused].body.setFocus()  # what it had been read for stands there now
        self.setVisible(bool(parts))
        self._fit()

    def show_states(self, states: Sequence[ChipState]) -> None:
        """Show how it stands with each."""
        for chip, state in zip(self.chips, states, strict=False):
            if chip.state != state:
                chip.show_state(state)
        self._fit()

    def set_room(self, pixels: int) -> None:
        """Let it be so high; then it scrolls."""
        self._room = pixels
        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        done = super().eventFilter(watched, event)
        if watched is self.body and event.type() is QEvent.Type.LayoutRequest:
            self._fit()  # only now do the chips say how wide they have become
        return done

    def _made(self, part: Part) -> AttachmentChip:
        chip = AttachmentChip(self._theme, part, self.body)
        chip.body.clicked.connect(lambda: self._read(chip))
        for button, wanted in (
            (chip.insert, self.insert_wanted),
            (chip.remove, self.remove_wanted),
            (chip.choose, self.choose_wanted),
        ):
            button.clicked.connect(lambda _checked=False, wanted=wanted: wanted.emit(self.chips.index(chip)))
        return chip

    def _fit(self) -> None:
        self.fit(self._flow.heightForWidth(self.width()), GAP, self._room)

    def _read(self, chip: AttachmentChip) -> None:
        if chip.opens:
            self.read_wanted.emit(chip.part)
