"""What a row of the list of chats says beside its title: in its tooltip, and to a screen reader."""

from __future__ import annotations

from qwen_desktop.ui import texts
from qwen_desktop.ui.chat.list_nodes import Kind, Row
from qwen_desktop.ui.texts import translate


def sort(kind: Kind) -> str | None:
    """What sort of a row it is."""
    return {
        Kind.CHAT: translate("chat_list", "Chat"),
        Kind.HEADING: translate("chat_list", "Heading"),
        Kind.FOLDER: translate("chat_list", "Folder"),
    }.get(kind)


def spoken(row: Row) -> str:
    """What a screen reader says."""
    if row.kind is Kind.FOLDER:
        said = (
            translate("chat_list", "{name}, folder, %n chat(s), open", "", row.chats)
            if row.open
            else translate("chat_list", "{name}, folder, %n chat(s), closed", "", row.chats)
        )
        return texts.fill(said, name=row.title)
    return ", ".join((row.title, *_hints(row)))


def tip(row: Row) -> str:
    """Its tooltip, "" for none."""
    return texts.tip("\n".join((row.title, *_hints(row)))) if row.kind is Kind.CHAT else ""


def _hints(row: Row) -> list[str]:
    found = []
    if row.tags:
        found.append(texts.fill(translate("chat_list", "Tags: {tags}"), tags=", ".join(row.tags)))
    if row.folder:
        found.append(texts.fill(translate("chat_list", "In the folder {name}"), name=row.folder))
    if row.unsent:
        found.append(translate("chat_list", "Something is written and not sent"))
    return found
