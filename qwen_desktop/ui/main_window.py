"""The window: rail, pages, commands. It knows which page is open and nothing of what the pages do.

Adding a page: give it a ``view.*`` command in ``core.commands``, a line in ``Rail`` and a builder in ``_page``.
Adding a command: a row in ``core.commands`` and its line in ``_connect``.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, QRect, QSettings, Qt, Signal
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent, QKeySequence, QResizeEvent, QShortcut
from PySide6.QtWidgets import QDialog

from qwen_desktop.core.paths import APP
from qwen_desktop.core.text import is_text
from qwen_desktop.ui import texts
from qwen_desktop.ui.frame import Frame
from qwen_desktop.ui.local_files import path_of

if TYPE_CHECKING:
    from qwen_desktop.services import events
    from qwen_desktop.services.services import Services
    from qwen_desktop.ui.chat.page import ChatPage
    from qwen_desktop.ui.crash_report import CrashReport
    from qwen_desktop.ui.models.page import ModelsPage
    from qwen_desktop.ui.settings.page import SettingsPage
    from qwen_desktop.ui.theme import Theme
    from qwen_desktop.ui.welcome.page import WelcomePage
    from qwen_desktop.ui.widgets.dialog import Dialog

#: Under this width, in px, the side lists give way to the page.
NARROW = 1000
#: How long closing waits for what was just asked for (a rename, a setting), in seconds.
_SETTLE_S = 1.0
#: How long the first page waits for its conversation, in seconds.
_FIRST_S = 0.5
_TEXT_SIZES = (80, 200, 10)


class MainWindow(Frame):
    """Shown empty, then filled by ``build``, then brought to life by ``start`` inside the event loop.

    ``finished`` says that the app may end. With ``services`` and ``theme`` given it is built at once.
    """

    finished = Signal()

    def __init__(
        self, services: Services | None = None, theme: Theme | None = None, *, state_file: Path | None = None
    ) -> None:
        if state_file is None:
            if services is None:
                raise ValueError("A window without services needs the place of its state file.")
            state_file = services.paths.config / "window.json"
        super().__init__(state_file)
        self._closing: Dialog | None = None
        self._finished = False
        self._narrow: bool | None = None
        self._built = False
        self._chat: ChatPage | None = None
        self._settings: SettingsPage | None = None
        self._welcome: WelcomePage | None = None
        self.setWindowTitle(APP)
        if services is not None and theme is not None:
            self.build(services, theme)

    def build(self, services: Services, theme: Theme) -> None:
        """Fill the frame: rail, commands, an empty page. Call it once."""
        from qwen_desktop.ui.assembly import assemble  # noqa: PLC0415 - not before the first paint

        self._services = services
        self._theme = theme
        # Qt's own file dialog remembers folders: with our settings, and not in a file beside everybody's.
        dialogs = str(services.paths.config / "dialogs")
        if not is_text(dialogs):
            dialogs = os.devnull  # Qt cannot name such a folder: nothing is remembered
        QSettings.setPath(QSettings.Format.NativeFormat, QSettings.Scope.UserScope, dialogs)
        parts = assemble(self, services, theme, with_list=bool(self._state.conversation))
        self.shell = parts.shell
        self.collector = parts.collector
        self.rail = parts.rail
        self.pages = parts.pages
        self._skeleton = parts.skeleton
        self._models = parts.models
        self.notify = self.shell.notify
        self.actions_ = self.shell.actions
        self.operations = self.shell.operations
        self.notify.set_room(self._toast_room)
        self._connect()
        self._built = True
        self.setAcceptDrops(True)
        self.rail.mark("view.chat")
        self.rail_width = self.rail.minimumWidth()
        self.pages.currentChanged.connect(self._leave_skeleton)
        self._skeleton.box.setFocus()

    # Commands ---------------------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        slots: dict[str, Callable[[], object]] = {
            "chat.new": lambda: self._in_chat(lambda chat: chat.new_chat()),
            "chat.find": lambda: self._in_chat(lambda chat: chat.find_chat()),
            "chat.rename": lambda: self._in_chat(lambda chat: chat.rename()),
            "chat.delete": lambda: self._in_chat(lambda chat: chat.delete()),
            "chat.copy": lambda: self._with_chat(lambda chat: chat.copy_chat()),
            "chat.next": lambda: self._in_chat(lambda chat: chat.step(1)),
            "chat.previous": lambda: self._in_chat(lambda chat: chat.step(-1)),
            "answer.copy": lambda: self._with_chat(lambda chat: chat.copy_answer()),
            "answer.regenerate": lambda: self._in_chat(lambda chat: chat.regenerate()),
            "answer.stop": lambda: self._with_chat(lambda chat: chat.stop()),
            "composer.focus": lambda: self._in_chat(lambda chat: chat.focus_composer()),
            "thinking.cycle": lambda: self._in_chat(lambda chat: chat.cycle_thinking()),
            "model.open": lambda: self._with_chat(lambda chat: chat.ask_for_model()),
            "model.choose": lambda: self._in_chat(lambda chat: chat.choose_model()),
            "model.get": self.show_models,
            "model.guide": lambda: self._in_chat(lambda chat: chat.use_guide()),
            "view.chat": lambda: self._in_chat(lambda chat: chat.focus_composer()),
            "view.models": self.show_models,
            "view.settings": self.show_settings,
            "view.sidelist": self._toggle_list,
            "view.larger": lambda: self._scale(_TEXT_SIZES[2]),
            "view.smaller": lambda: self._scale(-_TEXT_SIZES[2]),
            "view.normal": lambda: self._scale(0),
            "view.fullscreen": self._full_screen,
            "network.online": self._go_online,
            "help.shortcuts": self._show_shortcuts,
            "help.welcome": self.show_welcome,
            "help.about": self._show_about,
            "app.quit": self.close,
        }
        for command, slot in slots.items():
            self.actions_.connect_to(command, slot)
        undo = QShortcut(QKeySequence(QKeySequence.StandardKey.Undo), self)
        undo.activated.connect(self.notify.undo_last)
        self.notify.action_requested.connect(self.actions_.trigger)
        from qwen_desktop.services import events  # noqa: PLC0415 - not before the first paint

        bus = self._services.bus
        bus.subscribe(events.Notified, self._told, owner=self)
        bus.subscribe(events.SettingsChanged, self._settings_changed, owner=self)
        self._models.use_wanted.connect(self._use_model)
        self._models.shown_wanted.connect(self.show_models)
        self._show_network()

    def _go_online(self) -> None:
        self.operations.run(self._services.preferences.set("downloads.offline", False), owner=self)

    def _show_network(self) -> None:
        """The way back stands in the menu only while the network is switched off."""
        self.actions_["network.online"].setVisible(self._services.preferences.settings.downloads.offline)

    def _in_chat(self, act: Callable[[ChatPage], object]) -> None:
        self.show_chat()
        act(self.chat)

    def _with_chat(self, act: Callable[[ChatPage], object]) -> None:
        act(self.chat)

    # Pages ------------------------------------------------------------------------------------------------------------

    @property
    def chat(self) -> ChatPage:
        """The chat page; built at the first time, which is after the window's first paint (``start``)."""
        if self._chat is None:
            from qwen_desktop.ui.chat.page import ChatPage  # noqa: PLC0415 - not before the first paint

            self._chat = ChatPage(self.shell)
            self._chat.command_wanted.connect(self.actions_.trigger)
            self._chat.list_shown.connect(self._keep_list)
            self._chat.model_opened.connect(self._use_model)
            self._chat.conversation_shown.connect(self._keep_conversation)
            self.pages.addWidget(self._chat)
            width = self._state.list_width
            self._chat.splitter.setSizes([width, max(400, self.width() - width)])
            self._fit_lists()
            self._models.put_into(self._chat.sidelist)
        return self._chat

    def show_chat(self) -> None:
        """Show the chat page; who comes from another one can write at once."""
        if self.pages.currentWidget() is not self.chat:
            self.pages.setCurrentWidget(self.chat)
            self.chat.focus_composer()
        self.rail.mark("view.chat")

    def show_settings(self) -> None:
        """Show the settings, building them at the first time."""
        if self._settings is None:
            from qwen_desktop.ui.settings.page import SettingsPage  # noqa: PLC0415 - not before the first paint

            self._settings = SettingsPage(self.shell)
            self.pages.addWidget(self._settings)
            self._fit_lists()
        self.pages.setCurrentWidget(self._settings)
        self.rail.mark("view.settings")
        self._settings.search.setFocus()

    def show_welcome(self) -> None:
        """Show the welcome page."""
        if self._welcome is None:
            from qwen_desktop.ui.welcome.page import WelcomePage  # noqa: PLC0415 - not before the first paint

            self._welcome = WelcomePage(self.shell, self._models.board, self._models.getting)
            self._welcome.asked.connect(self._ask_guide)
            self.pages.addWidget(self._welcome)
        self.pages.setCurrentWidget(self._welcome)
        self.rail.mark("view.chat")
        self._welcome.box.edit.setFocus()

    def show_models(self) -> None:
        """Show the models, building the page at the first time."""
        page = self._models.built()
        if self.pages.indexOf(page) < 0:
            self.pages.addWidget(page)
        self.pages.setCurrentWidget(page)
        self.rail.mark("view.models")
        page.search.setFocus()

    def _use_model(self, path: str) -> None:
        self._in_chat(lambda chat: chat.open_model(path))
        self.chat.focus_composer()

    @property
    def models_page(self) -> ModelsPage | None:
        """The models page once it was built."""
        return self._models.page

    @property
    def settings_page(self) -> SettingsPage | None:
        """The settings page once it was built."""
        return self._settings

    @property
    def welcome_page(self) -> WelcomePage | None:
        """The welcome page once it was built."""
        return self._welcome

    def _ask_guide(self, question: str) -> None:
        self._in_chat(lambda chat: chat.new_chat())
        self.chat.use_guide()
        self.chat.ask(question)

    def _keep_conversation(self, conversation_id: str) -> None:
        """The next start shows it again, also after a kill."""
        import asyncio  # noqa: PLC0415 - not before the first paint

        write = self.keep_conversation(conversation_id)
        if write is not None:
            self.operations.run(asyncio.to_thread(write), owner=self)

    def _leave_skeleton(self) -> None:
        """The first page is there: what was typed before belongs to it."""
        self.pages.currentChanged.disconnect(self._leave_skeleton)
        typed = self._skeleton.take()
        if self._welcome is not None and self.pages.currentWidget() is self._welcome:
            self._welcome.box.edit.set_text(typed)
        elif typed:
            from qwen_desktop.ui.chat.composer import Draft  # noqa: PLC0415 - not before the first paint

            self.chat.composer.restore(Draft.of(typed))

    # What the start and other starts ask ------------------------------------------------------------------------------

    async def start(self, files: tuple[str, ...] = ()) -> None:
        """Open ``files``, read the history, show the first page (``first_page`` says which) and tell what was wrong
        with the settings file.

        Failures are shown, not raised.
        """
        if files:
            self.open_files(files)
        try:
            await self._show_first()
            await self.chat.start()
        except Exception as error:  # the window stays usable for settings and for the report
            self.report_error(error)
            if self.pages.currentWidget() is self._skeleton:
                self.show_chat()
        for problem in self._services.preferences.problems:
            self.notify.toast(texts.problem(problem))
        self.notify.arrange()  # toasts of before stood where the page was not laid out yet
        self.collector.start()

    async def _show_first(self) -> None:
        """Read the list of chats and show the first page, unless the user has asked for another one meanwhile."""
        import asyncio  # noqa: PLC0415 - not before the first paint

        from qwen_desktop.ui.first_page import first_page  # noqa: PLC0415

        chats = await self._services.history.list()
        self.chat.show_list_of(chats)
        model = bool(chats) or not self._services.models.state.guide or await self._services.library.has_any()
        if self.pages.currentWidget() is not self._skeleton:
            return
        first = first_page(chats=chats, last=self._state.conversation, model=model)
        if first.welcome:
            self.show_welcome()
            return
        if (opening := self.chat.open(first.conversation)) is not None:
            await asyncio.wait({opening}, timeout=_FIRST_S)  # else the page would stand empty for a moment
        if self.pages.currentWidget() is self._skeleton:
            self.show_chat()

    def open_files(self, files: tuple[str, ...]) -> None:
        """Open a GGUF file that came with a start or was dropped; of several the first. Names only tell what is meant
        as one: what it is, the file itself says when it is opened."""
        models = [name for name in files if _may_be_model(Path(name).name)]
        if not models:
            self.notify.toast(self.tr("Only GGUF model files can be opened here."), kind="bad")
            return
        self._use_model(models[0])

    def offer_crash_report(self, report: CrashReport) -> None:
        """Tell that the last run crashed and offer its report."""
        self.notify.toast(
            self.tr("Qwen Desktop ended unexpectedly last time."),
            action=self.tr("Show report"),
            act=lambda: self._show_crash(report),
        )

    def report_error(self, error: BaseException) -> None:
        """Show a failure in one sentence."""
        from qwen_desktop.core.errors import problem_of  # noqa: PLC0415 - rare

        self.notify.problem(problem_of(error))

    def _toast_room(self) -> QRect:
        """Over the page, and on the chat page above the composer, so that nobody's typing is covered."""
        page = self.pages
        room = QRect(page.mapTo(self, QPoint(0, 0)), page.size()).adjusted(24, 24, -24, -24)
        if self._chat is not None and page.currentWidget() is self._chat:
            box = self.chat.composer
            corner = box.mapTo(self, QPoint(0, 0))
            room = QRect(corner.x(), room.top(), box.width(), max(80, corner.y() - 4 - room.top()))
        return room

    # View -------------------------------------------------------------------------------------------------------------

    def _toggle_list(self) -> None:
        page = self.pages.currentWidget()
        if page is self._settings and self._settings is not None:
            self._settings.show_list(self._settings.sidelist.isHidden())
        elif page is self._chat and self._chat is not None:
            self._keep_list(self._chat.sidelist.isHidden())

    def _keep_list(self, shown: bool) -> None:
        self.chat.show_list(shown)
        if not self._narrow and self._services.preferences.settings.appearance.sidelist != shown:
            self.operations.run(self._services.preferences.change({"appearance.sidelist": shown}), owner=self)

    def _scale(self, step: int) -> None:
        low, high, _ = _TEXT_SIZES
        now = self._services.preferences.settings.appearance.text_size
        wanted = max(low, min(high, now + step)) if step else 100
        if wanted != now:
            self.operations.run(self._services.preferences.change({"appearance.text_size": wanted}), owner=self)

    def _full_screen(self) -> None:
        self.setWindowState(self.windowState() ^ Qt.WindowState.WindowFullScreen)

    def _told(self, event: events.Notified) -> None:
        self.notify.told(event.text, event.action, event.hint)

    def _settings_changed(self, event: events.SettingsChanged) -> None:
        look = event.after.appearance
        self._theme.set_motion(look.motion)
        self._theme.set_mode(look.theme)
        self._theme.set_text_size(look.text_size)
        self.rail_width = self.rail.minimumWidth()
        self._show_network()

    def _show_shortcuts(self) -> None:
        from qwen_desktop.ui import dialogs  # noqa: PLC0415 - not before the first paint

        dialogs.shortcuts(self._theme, self).open()

    def _show_about(self) -> None:
        from qwen_desktop.ui import dialogs  # noqa: PLC0415 - not before the first paint

        dialogs.about(self._theme, self).open()

    def _show_crash(self, report: CrashReport) -> None:
        from qwen_desktop.ui import dialogs  # noqa: PLC0415 - rare

        dialogs.crash(self._theme, self, report.text).open()

    # Qt ---------------------------------------------------------------------------------------------------------------

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        narrow = event.size().width() < NARROW
        if narrow != self._narrow:
            self._narrow = narrow
            self._fit_lists()

    def _fit_lists(self) -> None:
        """Side lists stand beside the page only where there is room for both."""
        if self._chat is not None:
            self._chat.show_list(not self._narrow and self._services.preferences.settings.appearance.sidelist)
        if self._settings is not None:
            self._settings.show_list(not self._narrow)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if any(url.isLocalFile() for url in event.mimeData().urls()):
            event.setDropAction(Qt.DropAction.CopyAction)
            event.accept()

    def dropEvent(self, event: QDropEvent) -> None:
        event.setDropAction(Qt.DropAction.CopyAction)
        event.accept()
        self.open_files(tuple(path_of(url) for url in event.mimeData().urls() if url.isLocalFile()))

    def closeEvent(self, event: QCloseEvent) -> None:
        event.ignore()  # the owner hides the window once everything is saved and closed
        if not self._built:
            return
        if self._finished or self._closing is not None:
            return
        running = len(self._services.chat.running())
        if not running:
            self._finish()
            return
        self._closing = self.notify.ask(
            self.tr("(An answer is|%n answers are) still running", "", running),
            self.tr("Closing the window stops this; what was said so far is kept."),
            self.tr("Stop and close"),
            self._finish,
            no=self.tr("Go on"),
        )
        self._closing.finished.connect(self._answered)

    def _answered(self) -> None:
        self._closing = None

    def end(self, settle: float) -> None:
        """Close without a question, whatever is open: the session ends, and nobody may be there to answer.

        ``settle`` is how long what was just asked for is waited for, in seconds.
        """
        self._finish(settle)

    def _finish(self, settle: float = _SETTLE_S) -> None:
        if not self._finished:
            self._finished = True
            listed = self._chat is not None and not self._chat.sidelist.isHidden()
            width = self._chat.sidelist.width() if listed and self._chat is not None else 0
            self.keep_state(width, {role: self._theme.color(role).name() for role in ("window", "rail", "border")})
            self.operations.run(self._end(settle), owner=self)

    async def _end(self, settle: float) -> None:
        """Let what is being saved be saved, then say that the app may end."""
        focused = self.focusWidget()
        if focused is not None:
            focused.clearFocus()  # fields take over what was typed when they are left
        for asked in self.findChildren(QDialog):
            asked.reject()  # whoever waits for its answer gets one
        if self._chat is not None:
            self._chat.leave()
        await self.operations.settle(settle)
        self.operations.close()
        self.collector.stop()
        self.finished.emit()


def _may_be_model(name: str) -> bool:
    """Whether a file of this name is meant as a model: "x.gguf", a piece of one ("x.gguf.part1of2"), or a name without
    an ending, as other programs keep their models."""
    return ".gguf" in name.lower() or "." not in name
