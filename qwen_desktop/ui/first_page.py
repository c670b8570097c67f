"""What is shown at a start without a file: decided here and nowhere else, from what there is and never from how the
last run ended. (A start with a model file shows a new chat with it, as a user who opens one does.)"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from qwen_desktop.core.chat import Conversation
from qwen_desktop.ui.pages import CHAT, WELCOME


class FirstPage(NamedTuple):
    """The command of the page, and the conversation that the chat page shows, "" for a new chat."""

    command: str
    conversation: str = ""


def first_page(*, chats: Collection[Conversation], last: str, model: bool) -> FirstPage:
    """The welcome page only where there is neither a chat nor a model; else the conversation that was open last, or a
    new chat where there is none.

    ``last`` is the id of the conversation that was open last; where it is not known or gone, it is the one with the
    newest message. ``model`` says whether one is chosen or installed.
    """
    if not chats:
        return FirstPage(CHAT if model else WELCOME)
    if any(chat.id == last for chat in chats):
        return FirstPage(CHAT, last)
    return FirstPage(CHAT, max(chats, key=lambda chat: (not chat.archived, chat.updated)).id)
