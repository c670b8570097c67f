"""Arranging the list of conversations: pins, folders, tags, the archive, and deleting several at once.

Everything is one transaction and gives a ``Change`` whose undo takes back exactly that: what has been deleted, moved
or arranged anew since stays as it is. Ids that nobody knows are passed over.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any

from qwen_desktop.core.chat import Folder, is_temporary, new_id
from qwen_desktop.core.errors import UserFacing
from qwen_desktop.core.tags import ordered, tag_of
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text, shown
from qwen_desktop.services.changes import Change, ChangeKind, change, to_its_end
from qwen_desktop.services.events import ConversationChanged, ConversationRemoved, EventBus, FoldersChanged
from qwen_desktop.services.history import History
from qwen_desktop.store import arranging, folders
from qwen_desktop.store.arranging import Place, Tagged
from qwen_desktop.store.database import Database

#: Longest name of a folder, in characters.
NAME_LENGTH = 80
#: So many conversations are told of in one turn of the loop, each time as they are read then: never an older state
#: after a newer one.
_AT_ONCE = 4


def folder_name(name: str) -> str:
    """A folder's name on one line, 80 characters at most. Raises ``UserFacing`` for an empty one."""
    name = " ".join(shown(name, 4 * NAME_LENGTH).split())[:NAME_LENGTH].rstrip()
    if not name:
        raise UserFacing(
            Text("folder.nameless", QT_TRANSLATE_NOOP("history", "A folder needs a name.")),
            Text("folder.nameless.hint", QT_TRANSLATE_NOOP("history", "Type at least one letter.")),
        )
    return name


class Arranging:
    """Where conversations stand. Failures of the disk raise ``AppError``; an unknown folder and one that would lie in
    itself raise ``UserFacing``, and nothing has changed."""

    def __init__(
        self, db: Database, bus: EventBus, history: History, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._db = db
        self._bus = bus
        self._history = history
        self._clock = clock

    async def folders(self) -> tuple[Folder, ...]:
        """All folders."""
        return await self._db.read(folders.listed)

    async def held(self, folder_id: str) -> tuple[str, ...]:
        """The conversations in a folder and in those in it, archived ones too."""
        return await self._db.read(folders.held, (folder_id,))

    async def tags(self) -> tuple[str, ...]:
        """All tags, in alphabetical order."""
        return tuple(tag for tag, _ in await self.tag_counts())

    async def tag_counts(self) -> tuple[tuple[str, int], ...]:
        """All tags in alphabetical order, each with how many conversations have it."""
        return await self._db.read(arranging.tags)

    # Places -----------------------------------------------------------------------------------------------------------

    async def pin(self, ids: Sequence[str], *, pinned: bool = True) -> Change:
        """Let conversations stand first, or no longer. One that is pinned leaves the archive."""
        return await self.place(ids, Place(pinned=pinned, archived=False if pinned else None))

    async def archive(self, ids: Sequence[str], *, archived: bool = True) -> Change:
        """Put conversations into the archive, or take them out of it, to where they were."""
        return await self.place(ids, Place(archived=archived))

    async def move(self, ids: Sequence[str], folder_id: str, *, moved: Sequence[str] = ()) -> Change:
        """Put conversations, and the folders ``moved``, into a folder, "" for none; out of the archive, too."""
        return await self.place(ids, Place(folder_id, archived=False), moved=moved)

    async def place(self, ids: Sequence[str], where: Place, *, moved: Sequence[str] = ()) -> Change:
        """Let conversations, and the folders ``moved``, stand there."""
        return await to_its_end(self._place(tuple(ids), where, tuple(moved)), "arranging.place")

    async def create_folder(
        self, name: str, parent_id: str = "", *, holding: Sequence[str] = ()
    ) -> tuple[Folder, Change]:
        """Make a folder, with these conversations in it."""
        made = Folder(new_id(), folder_name(name), parent_id)
        where = Place(made.id, archived=False if holding else None)
        return made, await to_its_end(self._place(tuple(holding), where, (), made), "arranging.create")

    async def rename_folder(self, folder_id: str, name: str) -> Change:
        """Give a folder another name."""
        return await to_its_end(self._rename_folder(folder_id, folder_name(name)), "arranging.rename")

    async def delete_folder(self, folder_id: str, *, contents: bool = False) -> Change:
        """Delete a folder. What lies in it moves up to where it was, or with ``contents`` is deleted too, however deep;
        answers that run there are stopped."""
        return await to_its_end(self._delete_folder(folder_id, contents=contents), "arranging.delete_folder")

    async def delete(self, ids: Sequence[str]) -> Change:
        """Delete conversations; they can be brought back until the app starts again. Answers that run in them are
        stopped."""
        return await to_its_end(self._delete(tuple(ids)), "arranging.delete")

    async def _place(
        self, ids: tuple[str, ...], where: Place, moved: tuple[str, ...], new: Folder | None = None
    ) -> Change:
        placed = await self._db.call(arranging.place, ids, where, moved=moved, new=new)
        about_folders = bool(placed.folders or new)
        if about_folders:
            await self._tell_folders()
        await self._tell(placed.ids)

        async def undo() -> None:
            changed = await self._db.call(arranging.place_back, placed)
            await self._tell(changed)
            if about_folders:
                await self._tell_folders()

        kind = ChangeKind.FOLDER if new is not None else ChangeKind.PLACE
        return _change(kind, placed.ids, undo, more=len(placed.folders) + (new is not None))

    async def _rename_folder(self, folder_id: str, name: str) -> Change:
        before = await self._db.call(folders.rename, folder_id, name)
        if before is not None:
            await self._tell_folders()

        async def undo() -> None:
            if before is not None and await self._db.call(folders.rename, folder_id, before, only=name) is not None:
                await self._tell_folders()

        return _change(ChangeKind.FOLDER, (), undo, more=int(before is not None))

    async def _delete_folder(self, folder_id: str, *, contents: bool) -> Change:
        if contents:
            for conversation_id in await self.held(folder_id):
                await self._history.stop_in(conversation_id)
            deleted = await self._db.call(folders.delete_all, folder_id, self._clock())
        else:
            deleted = await self._db.call(folders.delete, folder_id)
        await self._tell_removed(deleted.removed)
        await self._tell(deleted.moved)
        await self._tell_folders()

        async def undo() -> None:
            await self._db.call(folders.restore, deleted)
            await self._tell_folders()
            await self._tell((*deleted.moved, *deleted.removed))

        return _change(ChangeKind.FOLDER, deleted.removed, undo, more=1)

    async def _delete(self, ids: tuple[str, ...]) -> Change:
        for conversation_id in ids:
            await self._history.stop_in(conversation_id)
        temporary = tuple(filter(is_temporary, ids))  # they are in another database
        for conversation_id in temporary:
            await self._history.delete(conversation_id)
        now = self._clock()
        deleted = await self._db.call(arranging.delete, ids, now)
        await self._tell_removed(deleted)

        async def undo() -> None:
            for conversation_id in temporary:
                await self._history.undo_delete(conversation_id)
            await self._db.call(arranging.undelete, deleted, now)
            await self._tell(deleted)

        return _change(ChangeKind.REMOVE, (*deleted, *temporary), undo)

    # Tags -------------------------------------------------------------------------------------------------------------

    async def tag(self, ids: Sequence[str], *, add: Iterable[str] = (), remove: Iterable[str] = ()) -> Change:
        """Give conversations tags and take others from them."""
        work = self._db.call(arranging.tag, tuple(ids), ordered(add), tuple(remove))
        return await to_its_end(self._tagged(work), "arranging.tag")

    async def rename_tag(self, old: str, new: str) -> Change:
        """Let a tag be called ``new`` in all conversations; those that have that one already have it once. Raises
        ``UserFacing`` for one without letters."""
        if not (new := tag_of(new)):
            raise UserFacing(
                Text("tag.empty", QT_TRANSLATE_NOOP("history", "A tag needs a name.")),
                Text("tag.empty.hint", QT_TRANSLATE_NOOP("history", "Type at least one letter.")),
            )
        return await to_its_end(self._tagged(self._db.call(arranging.rename_tag, old, new)), "arranging.rename_tag")

    async def delete_tag(self, tag: str) -> Change:
        """Take a tag from all conversations."""
        return await to_its_end(self._tagged(self._db.call(arranging.rename_tag, tag, "")), "arranging.delete_tag")

    async def _tagged(self, work: Awaitable[tuple[Tagged, ...]]) -> Change:
        tagged = await work
        ids = tuple(entry.id for entry in tagged)
        await self._tell(ids)

        async def undo() -> None:
            await self._tell(await self._db.call(arranging.untag, tagged))

        return _change(ChangeKind.TAG, ids, undo)

    # Telling ----------------------------------------------------------------------------------------------------------

    async def _tell_folders(self) -> None:
        self._bus.publish(FoldersChanged(await self.folders()))

    async def _tell(self, ids: Sequence[str]) -> None:
        """Tell how conversations are now, a few at a time: of thousands nobody waits for the last one."""
        for first in range(0, len(ids), _AT_ONCE):
            for entry in await self._db.read(arranging.read, ids[first : first + _AT_ONCE]):
                self._bus.publish(ConversationChanged(entry))

    async def _tell_removed(self, ids: Sequence[str]) -> None:
        for number, conversation_id in enumerate(ids):
            if number and not number % _AT_ONCE:
                await asyncio.sleep(0)
            self._bus.publish(ConversationRemoved(conversation_id))


def _change(
    kind: ChangeKind, ids: tuple[str, ...], undo: Callable[[], Coroutine[Any, Any, None]], *, more: int = 0
) -> Change:
    count = len(ids) + more
    return change(kind, ids[0] if count == 1 and ids else "", "", undo, count=count)
