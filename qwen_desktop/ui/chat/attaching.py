"""Attaching files to what is being written in a pane: dropped, pasted or picked, counted as one types, and sent when
they are read. The services read and count; this joins them to the message box."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from PySide6.QtCore import QBuffer, QByteArray, QIODevice, QObject, QTimer
from PySide6.QtGui import QAccessible, QAccessibleAnnouncementEvent, QImage, QImageWriter
from PySide6.QtWidgets import QWidget

from qwen_desktop.core.documents import Kind, patterns
from qwen_desktop.core.drafts import Draft, is_unread
from qwen_desktop.core.errors import Problem
from qwen_desktop.core.model_ref import ModelRef, with_context
from qwen_desktop.core.parts import AudioPart, FilePart, ImagePart, Part, TextPart
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text, shown
from qwen_desktop.services import events
from qwen_desktop.services.token_counts import Count, Room, too_many
from qwen_desktop.ui import texts
from qwen_desktop.ui.chat.attachment_chips import ChipState
from qwen_desktop.ui.chat.chat_setup import ChatSetup
from qwen_desktop.ui.chat.composer import Composer
from qwen_desktop.ui.chat.transcript import TranscriptView
from qwen_desktop.ui.file_dialogs import ask_for_files
from qwen_desktop.ui.ui_context import UiContext

#: After the last key, in milliseconds, until what was typed is counted.
_COUNT_AFTER_MS = 200
#: Files of a folder that are attached in one go, and names that are looked at for them.
_MOST_FILES, _MOST_NAMES = 100, 5_000


class Attaching(QObject):
    """``attach`` and its like put places into the draft at once; what comes of them replaces these."""

    def __init__(self, ui: UiContext, setup: ChatSetup, composer: Composer, owner: QWidget) -> None:
        super().__init__(owner)
        self._ui = ui
        self._setup = setup
        self._composer = composer
        self._owner = owner
        self._counted: tuple[tuple[Part, ...], tuple[Count, ...]] = ((), ())
        self._typed = Count(0)
        self._room: Room | None = None
        #: of which cards in the transcript the tokens were asked for last
        self._asked: tuple[str, int, str] = ("", 0, "")
        self._wish = f"attachments.count.{id(self)}"
        self._soon = QTimer(self, singleShot=True, interval=_COUNT_AFTER_MS)
        self._soon.timeout.connect(self._count)
        composer.holds = self._holds
        composer.attach_wanted.connect(self.ask)
        composer.edited.connect(self._edited)
        composer.detached.connect(ui.services.attachments.forget)
        composer.attached.choose_wanted.connect(self._choose)
        composer.edit.takes_files = True
        composer.edit.files_pasted.connect(self.take)
        composer.edit.picture_pasted.connect(self.take_picture)
        bus = ui.services.bus
        bus.subscribe(events.ReadingChanged, self._reading_changed, owner=self)

    # Taking files -----------------------------------------------------------------------------------------------------

    def ask(self) -> None:
        """Let the user pick files."""
        documents = texts.fill(self.tr("Documents, text and code ({kinds})"), kinds=" ".join(patterns()))
        pictures = texts.fill(self.tr("Pictures ({kinds})"), kinds=" ".join(patterns(Kind.IMAGE)))
        sounds = texts.fill(self.tr("Sounds ({kinds})"), kinds=" ".join(patterns(Kind.AUDIO)))
        kinds = (documents, pictures, sounds)
        ask_for_files(self._owner.window(), self.tr("Attach files"), kinds, self.take, all_first=True)

    def take(self, paths: Sequence[str]) -> None:
        """Attach files; of folders those in them, once the user says so."""
        self._ui.operations.run(asyncio.to_thread(_sorted, tuple(paths)), owner=self, on_done=self._take)

    def take_picture(self, picture: object) -> None:
        """Attach a picture that lies in the clipboard or was dragged here."""
        image = QImage(picture) if isinstance(picture, QImage) else QImage()
        if image.isNull():
            self._ui.notify.toast(self.tr("This picture cannot be read."), kind="bad")
            return
        name = self.tr("Picture") + ".png"
        place = self._ui.services.attachments.begin_data(self._setup.current, name, partial(_as_png, image))
        self._composer.attach_all((place,))
        self._composer.setFocus()
        self._setup.warm()

    def _take(self, found: tuple[tuple[str, ...], tuple[tuple[str, tuple[str, ...]], ...]]) -> None:
        files, folders = found
        if files:
            self._attach(files)
        for folder, inside in folders:
            self._ask_for(folder, inside)

    def _ask_for(self, folder: str, inside: tuple[str, ...]) -> None:
        name = texts.isolated(shown(Path(folder).name or folder))
        if not inside:
            self._ui.notify.toast(texts.fill(self.tr("There are no files in {name}."), name=name))
        elif len(inside) > _MOST_FILES:
            said = self.tr("{name} has more than %n file(s). Choose the ones that you need.", "", _MOST_FILES)
            self._ui.notify.toast(texts.fill(said, name=name), kind="bad")
        else:
            title = texts.fill(self.tr("Attach the %n file(s) in {name}?", "", len(inside)), name=name)
            text = self.tr("Files in the folders below it are among them, hidden ones are not.")
            self._ui.notify.ask(title, text, self.tr("Attach"), lambda: self._attach(inside))

    def _attach(self, paths: Sequence[str]) -> None:
        attachments = self._ui.services.attachments
        self._composer.attach_all([attachments.begin(self._setup.current, path) for path in paths])
        self._composer.setFocus()
        self._setup.warm()
        if QAccessible.isActive():
            said = self.tr("%n file(s) (is|are) attached.", "", len(paths))
            QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(self._composer, said))

    # How it stands with them ------------------------------------------------------------------------------------------

    def show(self) -> None:
        """Show what is known now of what is attached, and count what is not."""
        parts = self._composer.draft.attachments
        if not parts:
            self._soon.stop()
            self._room = None
            return
        ref, tokens = self._ref, self._ui.services.tokens
        self._counted = parts, tuple(tokens.known(ref, part) for part in parts)
        self._show()
        self._soon.start()

    def forget_room(self) -> None:
        """Another conversation or model is there: what there is room for is not known yet."""
        self._room = None
        self._composer.set_waiting(False)
        self.show()

    @property
    def _ref(self) -> ModelRef:
        return with_context(self._setup.model or self._ui.services.models.ref, self._setup.context)

    def _edited(self) -> None:
        self._composer.set_waiting(False)
        self.show()

    def _reading_changed(self, event: events.ReadingChanged) -> None:
        if event.part in self._composer.draft.attachments:
            self._show()
            reading = self._ui.services.attachments.reading(event.part)
            if reading is not None and reading.problem is not None:
                self._composer.set_waiting(False)
                if QAccessible.isActive():
                    said = texts.problem(reading.problem)
                    QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(self._composer, said))

    def exchanged(self) -> None:
        """A file has been read: its part stands in the draft. What waited for the last one is sent."""
        self.show()
        if self._composer.waits and not self._composer.draft.unread:
            self._composer.send()

    def _count(self) -> None:
        """Count exactly, where the model is in memory."""
        draft, ref = self._composer.draft, self._ref
        setup, tokens = self._setup, self._ui.services.tokens
        prompt = setup.system_prompt

        async def count() -> tuple[tuple[Part, ...], tuple[Count, ...], Room | None]:
            typed = (TextPart(draft.text),) if draft.text.strip() else ()
            room = await tokens.room(ref, setup.conversation, prompt)
            return draft.attachments, await tokens.parts(ref, (*draft.attachments, *typed)), room

        def done(found: tuple[tuple[Part, ...], tuple[Count, ...], Room | None]) -> None:
            parts, counts, self._room = found
            self._counted = parts, counts[: len(parts)]
            self._typed = counts[-1] if len(counts) > len(parts) else Count(0)
            if parts == self._composer.draft.attachments:
                self._show()

        self._ui.operations.run(count(), owner=self, orphaned="cancelled", on_done=done, wish=self._wish)

    def _show(self) -> None:
        parts, counts = self._counted
        if parts != self._composer.draft.attachments:
            return
        over = self._over()
        self._composer.attached.show_states(
            [self._state(part, count, excess) for part, count, excess in zip(parts, counts, over, strict=True)]
        )

    def _over(self) -> tuple[int, ...]:
        parts, counts = self._counted
        if self._room is None:
            return (0,) * len(parts)
        return too_many([count.tokens for count in counts], self._room.left - self._typed.tokens)

    def _state(self, part: Part, count: Count, over: int) -> ChipState:
        if is_unread(part):
            reading = self._ui.services.attachments.reading(part)
            if reading is None:
                return ChipState(problem=lost(part))
            return ChipState(fraction=reading.fraction, problem=reading.problem)
        return ChipState(count, over, unusable=self._unusable(part))

    def _unusable(self, part: Part) -> str:
        """Why the model cannot use it, "" where it can."""
        state = self._setup.model_state
        can = state.info.capabilities if state.info is not None else None
        name = texts.isolated(state.name)
        if isinstance(part, ImagePart) and not (can is not None and can.images):
            if can is None:
                return texts.fill(self.tr("Whether {name} can see pictures is known when it is loaded."), name=name)
            return texts.fill(self.tr("{name} cannot see pictures. The picture is left out."), name=name)
        if isinstance(part, AudioPart) and not (can is not None and can.audio):
            if can is None:
                return texts.fill(self.tr("Whether {name} can hear sounds is known when it is loaded."), name=name)
            return texts.fill(self.tr("{name} cannot hear sounds. The sound is left out."), name=name)
        return ""

    def known(self, part: Part) -> Count:
        """The tokens of something attached, as far as they are known for the model that answers here."""
        return self._ui.services.tokens.known(self._ref, part)

    def count_shown(self, transcript: TranscriptView) -> None:
        """Have the cards in the transcript say how many tokens their files have: exactly, where the model is there."""
        ref, tokens = self._ref, self._ui.services.tokens
        info = self._setup.model_state.info
        files = [part for item in transcript.items for part in item.message.parts if isinstance(part, FilePart)]
        files = [part for part in files[-_MOST_FILES:] if not tokens.known(ref, part).exact]
        asked = (
            info.local.sha256 if info is not None and info.local is not None else "",
            len(files),
            self._setup.current,
        )
        if not files or asked == self._asked or not asked[0]:
            if transcript.options.tokens is None:
                transcript.show_tokens(self.known)
            return
        self._asked = asked

        def done(_counts: object) -> None:
            transcript.show_tokens(self.known)

        self._ui.operations.run(tokens.parts(ref, files), owner=self, orphaned="cancelled", on_done=done)

    # Sending ----------------------------------------------------------------------------------------------------------

    def _holds(self, draft: Draft) -> bool:
        """Whether a draft has to stay in the box: something in it is being read or cannot be sent."""
        toast = self._ui.notify.toast
        readings = [(part, self._ui.services.attachments.reading(part)) for part in draft.unread]
        failed = [part for part, reading in readings if reading is None or reading.problem is not None]
        if failed:
            name = texts.isolated(failed[0].name)
            said = self.tr("{name} could not be read. Remove it, or attach it again, then send the message.")
            toast(texts.fill(said, name=name), kind="bad")
            return True
        if readings:
            self._composer.set_waiting(True)
            return True
        parts, counts = self._counted
        if self._room is not None and parts == draft.attachments:
            taken = sum(count.tokens for count in counts) + self._typed.tokens
            if any(count.exact for count in counts) and taken > self._room.most:
                said = self.tr("The message has %n token(s); there is room for {room}.", "", taken)
                what = self.tr("Choose parts of what is attached, or remove some of it.")
                toast(f"{texts.fill(said, room=self._room.most)} {what}", kind="bad")
                return True
        if self._setup.model_state.info is not None:
            left_out = dict.fromkeys(filter(None, map(self._unusable, draft.attachments)))
            if left_out:
                toast(" ".join(left_out))
        return False

    # Choosing parts ---------------------------------------------------------------------------------------------------

    def _choose(self, place: int) -> None:
        part = self._composer.draft.attachments[place]
        if isinstance(part, FilePart):
            self.choose_parts(part)

    def choose_parts(self, part: FilePart) -> None:
        """Open the dialog in which parts of a file are chosen."""
        from qwen_desktop.ui.chat.parts_dialog import PartsDialog  # noqa: PLC0415 - rare

        parts, counts = self._counted
        others = sum(count.tokens for other, count in zip(parts, counts, strict=True) if other != part)
        left = max(0, self._room.left - self._typed.tokens - others) if self._room is not None else None
        question = self._composer.draft.text
        dialog = PartsDialog(self._ui, part, self._owner.window(), ref=self._ref, left=left, question=question)
        dialog.chosen.connect(lambda made: self._composer.exchange(part, made))
        dialog.open()


def lost(part: Part) -> Problem:
    """What is wrong with a file that was being read when the app ended."""
    name = part.name if isinstance(part, FilePart) else ""
    source = QT_TRANSLATE_NOOP("attachments", "{name} was not read to its end.")
    again = QT_TRANSLATE_NOOP("attachments", "Attach it again.")
    return Problem("user", Text("attachment.lost", source, {"name": name}), Text("attachment.lost.hint", again))


def _sorted(paths: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[tuple[str, tuple[str, ...]], ...]]:
    """Files, and folders with the files in them (one more than can be attached, where there are more)."""
    folders = tuple(path for path in paths if Path(path).is_dir())
    return tuple(path for path in paths if path not in folders), tuple((folder, _inside(folder)) for folder in folders)


def _inside(folder: str) -> tuple[str, ...]:
    found: list[str] = []
    looked = 0
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            looked += 1
            path = os.path.join(place, name)  # noqa: PTH118 - as the walk says it
            if not name.startswith(".") and Path(path).is_file():
                found.append(path)
            if len(found) > _MOST_FILES or looked > _MOST_NAMES:
                return tuple(found)
    return tuple(found)


def _as_png(image: QImage) -> bytes:
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    QImageWriter(buffer, QByteArray(b"png")).write(image)
    return bytes(buffer.data().data())
