"""What is done with chats and folders of the list: the commands, what is dropped, the dialogs, and how it is undone."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, NamedTuple

from PySide6.QtCore import QObject, Signal

from qwen_desktop.services.changes import Change
from qwen_desktop.store.arranging import Place
from qwen_desktop.ui import texts
from qwen_desktop.ui.chat.list_drag import Dragged
from qwen_desktop.ui.chat.list_nodes import ARCHIVE, PINNED
from qwen_desktop.ui.chat.list_view import Picked
from qwen_desktop.ui.chat.move_dialog import MoveDialog
from qwen_desktop.ui.chat.sidelist import SideList
from qwen_desktop.ui.chat.tags_dialog import TagsDialog
from qwen_desktop.ui.palette.completing import written
from qwen_desktop.ui.ui_context import UiContext
from qwen_desktop.ui.widgets.dialog import Dialog
from qwen_desktop.ui.widgets.toast import Toast

#: Characters of a title in a sentence.
_TITLE = 40

#: The wish for another chat on show: the last one counts.
SHOWN = "chat.shown"


class _New(NamedTuple):
    """A folder whose name is about to be typed."""

    folder: str
    made: Change
    toast: Toast


class ListCommands(QObject):
    """``leaving`` carries the ids of chats that are about to be deleted, ``restored`` the one that a user has brought
    back."""

    leaving = Signal(object)
    restored = Signal(str)
    #: What is to be looked for.
    search_wanted = Signal(str)

    def __init__(self, ui: UiContext, sidelist: SideList, parent: QObject) -> None:
        super().__init__(parent)
        self._ui = ui
        self._list = sidelist
        self._arranging = ui.services.arranging
        self._new: _New | None = None
        sidelist.view.dropped.connect(self._drop)

    # Commands ---------------------------------------------------------------------------------------------------------

    def pin(self) -> None:
        """Pin the chats that are meant, or unpin them where all of them are."""
        ids = self._list.picked.chats
        pinned = not self._all(ids, lambda chat: chat.pinned)
        if pinned:
            told = self._pinned(ids)
        else:
            told = self._told(ids, self.tr("“{title}” is no longer pinned.")) or self.tr(
                "%n chat(s) (is|are) no longer pinned.", "", len(ids)
            )
        self._do(self._arranging.pin(ids, pinned=pinned), told)

    def archive(self) -> None:
        """Archive the chats that are meant, or take them out of the archive where all of them are there."""
        ids = self._list.picked.chats
        archived = not self._all(ids, lambda chat: chat.archived)
        if archived:
            told = self._archived(ids)
        else:
            told = self._told(ids, self.tr("“{title}” is out of the archive.")) or self.tr(
                "%n chat(s) (is|are) out of the archive.", "", len(ids)
            )
        self._do(self._arranging.archive(ids, archived=archived), told)

    def delete(self) -> None:
        """Delete what is meant: chats at once, folders after asking what becomes of what lies in them."""
        picked = self._list.picked
        if picked.folders:
            self._ask_delete(picked)
        elif picked.chats:
            self._delete(picked, contents=False)

    def ask_where(self) -> None:
        """Ask for the folder that the chats and folders that are meant shall go to."""
        picked = self._list.picked
        dialog = MoveDialog(self._ui.theme, self._list.model.folders, picked, self._list.window())
        dialog.chosen.connect(partial(self._move, picked))
        dialog.made.connect(lambda name, parent: self._make(name, parent, picked.chats))
        dialog.open()

    def ask_tags(self) -> None:
        """Show the tags of the chats that are meant, to be changed."""
        ids = self._list.picked.chats
        self._ui.operations.run(self._arranging.tag_counts(), owner=self, on_done=partial(self._show_tags, ids))

    def new_chat(self) -> None:
        """Begin a new chat in the folder that is meant."""
        for folder_id in self._list.picked.folders[:1]:
            self._page().new_chat(folder_id)

    def new_folder(self, *, inside: bool = False) -> None:
        """Make a folder, beside all others or ``inside`` the one that is meant, and let its name be typed."""
        parent = next(iter(self._list.picked.folders), "") if inside else ""
        work = self._arranging.create_folder(self.tr("New folder"), parent)
        self._ui.operations.run(work, owner=self, on_done=self._name_new)

    def rename_folder(self, folder_id: str, name: str) -> None:
        """Give a folder another name."""
        new, self._new = self._new, None
        work = self._arranging.rename_folder(folder_id, name)
        if new is None or new.folder != folder_id or new.toast not in self._ui.notify.toasts.shown:
            self._do(work, texts.fill(self.tr("The folder is now called “{name}”."), name=name))
            return

        def named(change: Change) -> None:  # making and naming it was one thing to do
            if new.toast in self._ui.notify.toasts.shown:
                new.toast.leave()
            told = texts.fill(self.tr("The folder “{name}” is created."), name=name)
            self._ui.notify.undoable(told, partial(self._bring_back, [new.made, change], ""))

        self._ui.operations.run(work, owner=self, on_done=named)

    # What they do -----------------------------------------------------------------------------------------------------

    def _page(self) -> Any:
        return self.parent()

    def _all(self, ids: Sequence[str], true: Callable[[Any], bool]) -> bool:
        found = [chat for each in ids if (chat := self._list.model.conversation(each)) is not None]
        return all(map(true, found))

    def _told(self, ids: Sequence[str], sentence: str) -> str:
        """What is told of one chat; "" of several."""
        return texts.fill(sentence, title=self._title(ids[0])) if len(ids) == 1 else ""

    def _pinned(self, ids: Sequence[str]) -> str:
        one = self._told(ids, self.tr("“{title}” is pinned."))
        return one or self.tr("%n chat(s) (is|are) pinned.", "", len(ids))

    def _archived(self, ids: Sequence[str]) -> str:
        one = self._told(ids, self.tr("“{title}” is in the archive."))
        return one or self.tr("%n chat(s) (is|are) in the archive.", "", len(ids))

    def _title(self, conversation_id: str) -> str:
        found = self._list.model.conversation(conversation_id)
        title = (found.title if found is not None else "") or self.tr("New chat")
        return title if len(title) <= _TITLE else title[: _TITLE - 1] + "…"

    def _do(self, work: Coroutine[Any, Any, Change], told: str) -> None:
        self._ui.operations.run(work, owner=self, on_done=partial(self._done, told))

    def _done(self, told: str, change: Change) -> None:
        if change.count:
            self._ui.notify.undoable(told, partial(self._bring_back, [change], ""))

    def _move(self, picked: Picked, folder_id: str) -> None:
        work = self._arranging.move(picked.chats, folder_id, moved=picked.folders)
        self._do(work, self._moved(picked, folder_id))

    def _moved(self, picked: Picked, home: str) -> str:
        """What is told of things that are in a folder now, or in none."""
        count = len(picked.chats) + len(picked.folders)
        folder = self._list.model.folders.all.get(home)
        one = self._name(picked) if count == 1 else ""
        if folder is None:
            if one:
                return texts.fill(self.tr("“{title}” is in no folder now."), title=one)
            if not picked.folders:
                return self.tr("%n chat(s) (is|are) in no folder now.", "", count)
            return self.tr("%n item(s) (is|are) in no folder now.", "", count)
        if one:
            return texts.fill(self.tr("“{title}” is in “{folder}” now."), title=one, folder=folder.name)
        if picked.folders:
            said = self.tr("%n item(s) (is|are) in “{folder}” now.", "", count)
        else:
            said = self.tr("%n chat(s) (is|are) in “{folder}” now.", "", count)
        return texts.fill(said, folder=folder.name)

    def _name(self, picked: Picked) -> str:
        """What the one chat or folder that is meant is called."""
        if picked.chats:
            return self._title(picked.chats[0])
        folder = self._list.model.folders.all.get(picked.folders[0])
        return folder.name if folder is not None else ""

    def _make(self, name: str, parent_id: str, ids: Sequence[str]) -> None:
        told = texts.fill(self.tr("%n chat(s) (is|are) in “{folder}” now.", "", len(ids)), folder=name)
        work = self._arranging.create_folder(name, parent_id, holding=ids)
        self._ui.operations.run(work, owner=self, on_done=lambda made: self._done(told, made[1]))

    def _name_new(self, made: tuple[Any, Change]) -> None:
        folder, change = made
        self._page().keep_list(True)
        self._list.view.setFocus()
        self._list.rename_folder(folder.id)
        undo = partial(self._bring_back, [change], "")
        self._new = _New(folder.id, change, self._ui.notify.undoable(self.tr("The folder is created."), undo))

    def _drop(self, dragged: Dragged, home: str) -> None:
        chats, folders, _ = dragged
        picked = Picked(chats, folders)
        if home == PINNED:
            where, told = Place(pinned=True, archived=False), self._pinned(chats)
        elif home == ARCHIVE:
            where, told = Place(archived=True), self._archived(chats)
        else:
            where, told = Place(home, pinned=False, archived=False), self._moved(picked, home)
        self._do(self._arranging.place(chats, where, moved=folders), told)

    # Tags -------------------------------------------------------------------------------------------------------------

    def _show_tags(self, ids: Sequence[str], known: tuple[tuple[str, int], ...]) -> None:
        chats = [chat for each in ids if (chat := self._list.model.conversation(each)) is not None]
        if not chats:
            return
        dialog = TagsDialog(self._ui.theme, [chat.tags for chat in chats], known, self._list.window())
        dialog.changed.connect(partial(self._tag, ids))
        dialog.renamed.connect(self._rename_tag)
        dialog.deleted.connect(self._delete_tag)
        dialog.search_wanted.connect(lambda tag: self.search_wanted.emit(f"{written('tag', tag)} "))
        dialog.open()

    def _tag(self, ids: Sequence[str], add: Sequence[str], remove: Sequence[str]) -> None:
        told = self.tr("%n chat(s) (has|have) other tags now.", "", len(ids))
        self._do(self._arranging.tag(ids, add=add, remove=remove), told)

    def _rename_tag(self, old: str, new: str) -> None:
        told = texts.fill(self.tr("The tag {old} is called {new} now."), old=old, new=new)
        self._do(self._arranging.rename_tag(old, new), told)

    def _delete_tag(self, tag: str) -> None:
        told = texts.fill(self.tr("The tag {tag} is deleted."), tag=tag)
        self._do(self._arranging.delete_tag(tag), told)

    # Deleting ---------------------------------------------------------------------------------------------------------

    def _ask_delete(self, picked: Picked) -> None:
        model = self._list.model
        folders = picked.folders
        chats = sum(model.count(folder) for folder in folders)
        name = model.folders.all[folders[0]].name if folders[0] in model.folders else ""
        title = (
            texts.fill(self.tr("Delete the folder “{name}”?"), name=name)
            if len(folders) == 1
            else self.tr("Delete %n folder(s)?", "", len(folders))
        )
        inner = any(model.folders.inside.get(folder) for folder in folders)
        if not chats and not inner:
            self._delete(picked, contents=False)
            return
        text = self.tr("%n chat(s) (lies|lie) in it. They can stay, outside of it, or be deleted with it.", "", chats)
        dialog = Dialog(self._ui.theme, title, text, self._list.window(), width=480)
        dialog.add_button(self.tr("Cancel"))
        dialog.add_button(self.tr("Delete all"), partial(self._delete, picked, contents=True))
        keep = partial(self._delete, picked, contents=False)
        dialog.add_button(self.tr("Keep the chats"), keep, kind="primary", default=True)
        dialog.open()

    def _delete(self, picked: Picked, *, contents: bool) -> None:
        gone = frozenset(picked.chats)
        here = self._page().current
        if contents:
            inside = {each for folder in picked.folders for each in self._list.model.folders.under(folder)}
            if self._list.model.home(here) in inside:
                gone |= {here, *(chat for chat in self._list.model.ids() if self._list.model.home(chat) in inside)}
        folders = picked.folders
        told = (
            texts.fill(self.tr("“{title}” is deleted."), title=self._title(picked.chats[0]))
            if len(picked.chats) == 1 and not folders
            else self.tr("%n chat(s) (is|are) deleted.", "", len(picked.chats))
            if not folders
            else self.tr("%n folder(s) (is|are) deleted.", "", len(folders))
        )
        work = self._deleted(picked, contents=contents)
        self.leaving.emit(gone)

        def done(changes: list[Change]) -> None:
            if any(change.count for change in changes):
                self._ui.notify.undoable(told, lambda: self._bring_back(changes, here if here in gone else ""))

        self._ui.operations.run(work, owner=self, on_done=done)

    async def _deleted(self, picked: Picked, *, contents: bool) -> list[Change]:
        changes = [await self._arranging.delete(picked.chats)] if picked.chats else []
        for folder_id in picked.folders:
            if folder_id in self._list.model.folders:  # not gone with another one of them
                changes.append(await self._arranging.delete_folder(folder_id, contents=contents))
        return changes

    def _bring_back(self, changes: Sequence[Change], shown: str) -> None:
        async def back() -> None:
            for change in reversed(changes):
                await change.undo()

        if shown:
            self._ui.operations.run(back(), owner=self, on_done=lambda _: self.restored.emit(shown), wish=SHOWN)
        else:
            self._ui.operations.run(back(), owner=self)
