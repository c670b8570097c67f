"""Tells that an answer has ended that nobody looks at: outside the window while another program is used, else in it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QGuiApplication

from qwen_desktop.core.chat import Message, Status, is_temporary
from qwen_desktop.core.parts import Role
from qwen_desktop.services import events
from qwen_desktop.ui import foreground, texts
from qwen_desktop.ui.desktop_notice import DesktopNotices
from qwen_desktop.ui.pages import CHAT

if TYPE_CHECKING:
    from qwen_desktop.ui.main_window import MainWindow

#: An answer that took longer is told inside the window, too, in seconds: one soon forgets that it runs.
LONG_S = 10.0


class AnswerNotices(QObject):
    """Names the model and the chat, never what was said."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window = window
        self._services = window.ui.services
        self._began: dict[str, float] = {}
        self.desktop = DesktopNotices(window)
        self.desktop.activated.connect(self._show)
        bus = self._services.bus
        bus.subscribe(events.RunChanged, self._run_changed, owner=self)
        bus.subscribe(events.MessageChanged, self._message_changed, owner=self)
        QGuiApplication.instance().applicationStateChanged.connect(self._seen)  # type: ignore[union-attr] # there is one

    def away(self) -> bool:
        """Whether another program is used, or none."""
        active = QGuiApplication.applicationState() is Qt.ApplicationState.ApplicationActive
        return not active or self._window.isMinimized()

    def shown(self, conversation_id: str) -> None:
        """This chat is on show now."""
        if not self.away():
            self.desktop.withdraw(conversation_id)

    def _seen(self, _state: object = None) -> None:
        if self._window.pages.shows(CHAT):
            self.shown(self._window.chat.current)

    def _run_changed(self, event: events.RunChanged) -> None:
        if event.conversation_id in self._services.chat.running():
            self._began.setdefault(event.conversation_id, time.monotonic())
        else:
            self._began.pop(event.conversation_id, None)

    def _message_changed(self, event: events.MessageChanged) -> None:
        message, where = event.message, event.message.conversation_id
        began = self._began.get(where)
        if began is None or message.role is not Role.ASSISTANT or message.status not in (Status.DONE, Status.FAILED):
            return
        if self._services.preferences.settings.chat.notify == "never":
            return
        if message.status is Status.DONE and self._services.queue.of(where) and not self._services.queue.waits(where):
            return  # the next one follows at once
        if self.away():
            self.desktop.show(where, self._said(message), self._title(where))
        elif not self._on_show(where) and time.monotonic() - began > LONG_S:
            told = texts.fill(self.tr("{said}: {chat}"), said=self._said(message), chat=self._title(where))
            self._window.notify.toast(told, action=self.tr("Show"), act=lambda: self._window.show_chat(where))

    def _on_show(self, conversation_id: str) -> bool:
        return self._window.pages.shows(CHAT) and self._window.chat.current == conversation_id

    def _said(self, message: Message) -> str:
        made = message.provenance
        failed = message.status is Status.FAILED
        if made is None or made.guide:
            return self.tr("The guide could not answer") if failed else self.tr("The guide has answered")
        said = self.tr("{name} could not answer") if failed else self.tr("{name} has answered")
        return texts.fill(said, name=made.model_name)

    def _title(self, conversation_id: str) -> str:
        if is_temporary(conversation_id):  # the desktop may keep what it was told
            return self.tr("Temporary chat")
        found = self._window.chat.sidelist.model.conversation(conversation_id)
        return found.title if found is not None else ""

    def _show(self, conversation_id: str, proof: str) -> None:
        foreground.bring(self._window, proof)
        self._window.show_chat(conversation_id)
