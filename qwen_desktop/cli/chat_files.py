"""``chat --file PATH``: the files that a question is about, read and counted before it is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from msgspec import structs

from qwen_desktop.cli.console import Console
from qwen_desktop.core.chat import Conversation
from qwen_desktop.core.chosen_parts import choices, chosen_text, touched
from qwen_desktop.core.errors import Failure, UserFacing
from qwen_desktop.core.model_ref import ModelRef
from qwen_desktop.core.parts import AudioPart, FilePart, ImagePart, Part, TextPart
from qwen_desktop.core.paths import absolute
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Param, fill, shown
from qwen_desktop.services.token_counts import Count, Room

if TYPE_CHECKING:
    from qwen_desktop.services.services import Services

#: So often parts are picked again, each time fewer, until they fit.
_TRIES = 6

# fmt: off
_too_many = Failure(
    UserFacing, "chat.files_too_long", "n room",
    QT_TRANSLATE_NOOP("cli", "The question and its files have %n token(s); there is room for {room}."),
    QT_TRANSLATE_NOOP(
        "cli", "Let --parts pick what the question is about, name fewer files, or raise the context size in the "
        "settings (engine.context)."
    ),
)
# fmt: on


class Files:
    """The files of one question. ``read`` them, then ``fit`` them to the model."""

    def __init__(self, services: Services, console: Console) -> None:
        self._services = services
        self._console = console
        self.parts: tuple[Part, ...] = ()
        self._counts: tuple[Count, ...] = ()

    async def read(self, paths: Sequence[str]) -> None:
        """Read them all. Raises ``AppError`` for one that cannot be read."""
        parts: list[Part] = []
        for path in paths:
            made = await self._services.attachments.attach(absolute(path))
            parts.append(made.part)
            for note in made.notes:
                self._console.note(f"{made.part.name}: {note}")
        self.parts = tuple(parts)

    async def fit(
        self, ref: ModelRef, conversation: Conversation | None, question: str, *, prompt: str, pick: bool
    ) -> None:
        """See that they fit the model's context, which is loaded for it, in a conversation or, without one, behind the
        instructions ``prompt``; with ``pick``, parts of those that do not are picked by the question. Raises
        ``UserFacing`` with both numbers where they do not fit."""
        await self._services.engines.load(ref)
        self._leave_out(ref)
        room = await self._services.tokens.room(ref, conversation, prompt)
        asked = (await self._services.tokens.parts(ref, (TextPart(question),)))[0].tokens
        await self._count(ref)
        if room is None:
            return  # the engine says what is wrong when it is asked
        most = room.most - asked
        if self._tokens > most and pick:
            await self._pick(ref, question, self._budget(room, asked))
        if self._tokens > most:
            raise _too_many(self._tokens + asked, room.most)

    def as_json(self) -> list[dict[str, Any]]:
        """What ``--json`` says of them."""
        return [
            {
                "name": part.name,
                "media_type": part.media_type,
                "tokens": count.tokens,
                **({"pages": part.pages, "whole": part.whole} if isinstance(part, FilePart) else {}),
            }
            for part, count in zip(self.parts, self._counts, strict=False)
            if isinstance(part, FilePart | ImagePart | AudioPart)
        ]

    @property
    def _tokens(self) -> int:
        return sum(count.tokens for count in self._counts)

    @staticmethod
    def _budget(room: Room, asked: int) -> int:
        """Beside what was said before, where that leaves something; else in its place."""
        return max(room.left - asked, (room.most - asked) // 2)

    async def _count(self, ref: ModelRef) -> None:
        self._counts = await self._services.tokens.parts(ref, self.parts)

    async def _pick(self, ref: ModelRef, question: str, budget: int) -> None:
        """Pick parts of the longest files, until all of them fit ``budget``."""
        whole = self.parts
        for number in sorted(range(len(whole)), key=lambda number: -self._counts[number].tokens):
            part, share = whole[number], 1.0
            if not isinstance(part, FilePart) or self._tokens <= budget:
                continue
            all_of_it = self._counts[number].tokens
            for _ in range(_TRIES):
                others = self._tokens - self._counts[number].tokens
                room = max(0, budget - others)
                picked = await self._picked(part, question, int(share * len(part.text) * room / max(1, all_of_it)))
                self.parts = (*self.parts[:number], picked, *self.parts[number + 1 :])
                await self._count(ref)
                if self._tokens <= budget:
                    break
                share *= 0.75
            if isinstance(picked, FilePart):
                template = QT_TRANSLATE_NOOP("cli", "Of {name} the model reads parts: %n of {all} tokens.")
                said: dict[str, Param] = {"n": self._counts[number].tokens, "name": part.name, "all": all_of_it}
                self._console.note(fill(template, said))

    async def _picked(self, part: FilePart, question: str, characters: int) -> FilePart:
        attachments = self._services.attachments
        document = await attachments.document(part)
        spans = tuple((section.title, section.start, section.end) for section in document.sections)
        parts = await asyncio.to_thread(choices, document.text, spans)
        taken, numbers = 0, set[int]()
        for passage in await attachments.passages(document, question, max(1, characters)):
            for number in sorted(touched(parts, passage.start, passage.end) - numbers):
                size = parts[number].end - parts[number].start
                if taken + size <= characters:
                    numbers.add(number)
                    taken += size
        if numbers:
            return attachments.chosen(part, chosen_text(document.text, parts, tuple(numbers)), whole=False)
        return structs.replace(part, text=document.text[: max(1, characters)], whole=False)

    def _leave_out(self, ref: ModelRef) -> None:
        """Say which files the model cannot use; it is told that they were there."""
        info = self._services.engines.state(ref).info
        can = info.capabilities if info is not None else None
        for part in self.parts:
            unseen = isinstance(part, ImagePart) and not (can is not None and can.images)
            unheard = isinstance(part, AudioPart) and not (can is not None and can.audio)
            if unseen or unheard:
                template = (
                    QT_TRANSLATE_NOOP("cli", "{name} is left out: {model} cannot see pictures.")
                    if unseen
                    else QT_TRANSLATE_NOOP("cli", "{name} is left out: {model} cannot hear sounds.")
                )
                name = part.name if isinstance(part, ImagePart | AudioPart) else ""
                self._console.warn(fill(template, {"name": name, "model": shown(info.name) if info else ""}))
