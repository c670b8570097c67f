"""The window: rail, pages, commands. It knows which page is open and nothing of what the pages do.

Adding a page: a row in ``pages.PAGES``. Adding a command: a row in ``core.commands`` and its line in ``_connect``.
"""

# ruff: noqa: PLW0108 - the chat page is there only once a command has asked for it

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, cast

from PySide6.QtCore import QPoint, QRect, QSettings, Qt, Signal
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDragLeaveEvent, QDropEvent, QKeySequence, QShortcut
from PySide6.QtWidgets import QApplication, QWidget

from qwen_desktop.core.commands import ABOUT_MESSAGES
from qwen_desktop.core.paths import APP, Paths
from qwen_desktop.core.text import is_text
from qwen_desktop.ui.first_paint import FirstPaintWindow
from qwen_desktop.ui.pages import ASSISTANTS, CHAT, MODELS, PAGES, WELCOME, Pages

if TYPE_CHECKING:
    from qwen_desktop.services import events
    from qwen_desktop.services.services import Services
    from qwen_desktop.ui.answer_notices import AnswerNotices
    from qwen_desktop.ui.chat.page import ChatPage
    from qwen_desktop.ui.palette.palette import Palette
    from qwen_desktop.ui.theme import Theme
    from qwen_desktop.ui.welcome.page import WelcomePage
    from qwen_desktop.ui.widgets.skeleton import Skeleton

#: How long the first page waits for its conversation, in seconds.
_FIRST_S = 0.5
_SMALLEST, _LARGEST, _STEP = 80, 200, 10


class MainWindow(FirstPaintWindow):
    """Shown empty, then filled by ``build``, then brought to life by ``start`` inside the event loop.

    ``finished`` says that the app may end.
    """

    finished = Signal()

    def __init__(self, paths: Paths) -> None:
        super().__init__(paths.config / "window.json")
        self.setWindowTitle(APP)
        self.notices: AnswerNotices | None = None

    def build(self, services: Services, theme: Theme) -> None:
        """Fill the frame: rail, commands, an empty page. Call it once."""
        # Not before the first paint:
        from qwen_desktop.ui.actions import Actions  # noqa: PLC0415
        from qwen_desktop.ui.gc_timer import GcTimer  # noqa: PLC0415
        from qwen_desktop.ui.incoming_files import IncomingFiles  # noqa: PLC0415
        from qwen_desktop.ui.models.controller import ModelsController  # noqa: PLC0415
        from qwen_desktop.ui.notify import Notify  # noqa: PLC0415
        from qwen_desktop.ui.operation import Operations  # noqa: PLC0415
        from qwen_desktop.ui.quit import Quit  # noqa: PLC0415
        from qwen_desktop.ui.rail import Rail  # noqa: PLC0415
        from qwen_desktop.ui.ui_context import UiContext  # noqa: PLC0415
        from qwen_desktop.ui.widgets.boxes import row  # noqa: PLC0415
        from qwen_desktop.ui.widgets.focus_ring import FocusRing  # noqa: PLC0415

        self._services = services
        self._theme = theme
        # Qt's own file dialog remembers folders: with our settings, and not in a file beside everybody's.
        dialogs = str(services.paths.config / "dialogs")
        place = dialogs if is_text(dialogs) else os.devnull  # Qt cannot name such a folder: nothing is remembered
        QSettings.setPath(QSettings.Format.NativeFormat, QSettings.Scope.UserScope, place)
        self.notify = Notify(theme, self)
        self.actions_ = Actions(self)
        self.operations = Operations(self.notify, self)
        self.ui = UiContext(services, theme, self.actions_, self.notify, self.operations)
        self.rail = Rail(theme, self.actions_, self)
        self.pages = Pages(self)
        self._skeleton = self._early_page()
        self.pages.addWidget(self._skeleton)
        centre = QWidget(self)
        row(self.rail, (self.pages, 1), on=centre, gap=0)
        self.setCentralWidget(centre)
        if sys.platform == "darwin":
            self.actions_.fill(self.menuBar().addMenu(self.tr("Chat")), "chat")
            self.actions_.fill(self.menuBar().addMenu(APP), "app")
        app = QApplication.instance()
        if isinstance(app, QApplication) and app.findChild(FocusRing) is None:
            FocusRing(app)
        self.gc_timer = GcTimer(services.chat.running, self)
        self.models = ModelsController(self.ui, self.rail, self.pages, self)
        self.quitting = Quit(self)
        self.quitting.finished.connect(self.finished)
        self.notify.toasts.room = self._toast_room
        self._incoming = IncomingFiles(self)
        self._incoming.model_opened.connect(self.use_model)
        self._incoming.assistants_imported.connect(self._import_assistants)
        self._incoming.adapters_added.connect(self._add_adapters)
        self._incoming.files_attached.connect(lambda files: self._in_chat().pane.attaching.take(files))
        self._incoming.picture_attached.connect(lambda picture: self._in_chat().pane.attaching.take_picture(picture))
        self._connect()
        self.setAcceptDrops(True)
        self.rail.mark(CHAT)
        self.pages.currentChanged.connect(self._leave_skeleton)
        self._skeleton.box.setFocus()

    def _early_page(self) -> Skeleton:
        """What is on show until the first page is built, with a message box: nothing can be sent yet, so that Enter
        begins a new line."""
        from qwen_desktop.ui.chat.message_edit import MessageEdit  # noqa: PLC0415 - not before the first paint
        from qwen_desktop.ui.list_page import NARROW  # noqa: PLC0415
        from qwen_desktop.ui.widgets.skeleton import Skeleton  # noqa: PLC0415

        box = MessageEdit(self._theme, self)
        box.setAccessibleName(self.tr("Message"))
        box.send_wanted.connect(lambda: box.insertPlainText("\n"))
        box.long_paste.connect(box.insertPlainText)
        listed = bool(self.state.conversation) and self._services.preferences.settings.appearance.sidelist
        width = self.state.list_width if listed else 0
        return Skeleton(self._theme, box, self.pages, list_width=width, narrow=NARROW)

    # Commands ---------------------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        slots: dict[str, Callable[[], object]] = {
            "chat.new": lambda: self._in_chat().new_chat(),
            "chat.temporary": lambda: self._in_chat().new_temporary_chat(),
            "chat.keep": lambda: self._in_chat().keep_chat(),
            "chat.find": lambda: self._palette().open(),
            "palette.actions": lambda: self._palette().open(actions=True),
            "find.open": lambda: self._in_chat().pane.find_bar.open(),
            "find.next": lambda: self._in_chat().pane.find_bar.step(1),
            "find.previous": lambda: self._in_chat().pane.find_bar.step(-1),
            "chat.rename": lambda: self._in_chat().rename(),
            "chat.delete": lambda: self._in_chat().delete(),
            "chat.pin": lambda: self._in_chat().lists.pin(),
            "chat.move": lambda: self._in_chat().lists.ask_where(),
            "chat.tags": lambda: self._in_chat().lists.ask_tags(),
            "chat.archive": lambda: self._in_chat().lists.archive(),
            "folder.new": lambda: self._in_chat().lists.new_folder(),
            "folder.chat": lambda: self._in_chat().lists.new_chat(),
            "folder.inside": lambda: self._in_chat().lists.new_folder(inside=True),
            "folder.rename": lambda: self._in_chat().rename(),
            "folder.move": lambda: self._in_chat().lists.ask_where(),
            "folder.export": lambda: self._in_chat().export_folder(),
            "folder.delete": lambda: self._in_chat().delete(),
            "chat.copy": lambda: self.chat.copy_chat(),
            "chat.copy_thoughts": lambda: self.chat.copy_chat(thoughts=True),
            "chat.copy_markdown": lambda: self.chat.copy_chat_as(rich=False),
            "chat.copy_rich": lambda: self.chat.copy_chat_as(rich=True),
            "chat.export": lambda: self._in_chat().export(),
            "chats.import": self._import,
            "chats.export": lambda: self.chat.export_all(self),
            "chat.versions": lambda: self._in_chat().pane.versions.toggle(),
            "chat.instructions": lambda: self._in_chat().pane.instructions.toggle(),
            "chat.adapters": lambda: self._in_chat().pane.instructions.open_adapters(),
            "chat.assistant": lambda: self._in_chat().choose_assistant(),
            "chat.next": lambda: self._in_chat().step(1),
            "chat.previous": lambda: self._in_chat().step(-1),
            "answer.copy": lambda: self.chat.pane.copy_answer(),
            **{name: partial(self._about_message, name) for name in ABOUT_MESSAGES},
            "message.previous": lambda: self._in_chat().pane.messages.step(-1),
            "message.next": lambda: self._in_chat().pane.messages.step(1),
            "answer.stop": lambda: self.chat.pane.stop(),
            "composer.focus": lambda: self._in_chat().pane.setFocus(),
            "chat.attach": lambda: self._in_chat().pane.attaching.ask(),
            "thinking.cycle": lambda: self._in_chat().pane.setup.cycle_thinking(),
            "model.open": lambda: self.chat.ask_for_model(),
            "model.choose": lambda: self._in_chat().pane.choose_model(),
            "model.get": partial(self.show_page, MODELS),
            "model.guide": lambda: self._in_chat().use_guide(),
            **{row.command: partial(self.show_page, row.command) for row in PAGES},
            "view.sidelist": self._toggle_list,
            "view.next_area": lambda: self._step_area(1),
            "view.previous_area": lambda: self._step_area(-1),
            "view.larger": lambda: self._scale(_STEP),
            "view.smaller": lambda: self._scale(-_STEP),
            "view.normal": lambda: self._scale(0),
            "view.fullscreen": lambda: self.setWindowState(self.windowState() ^ Qt.WindowState.WindowFullScreen),
            "prompts.manage": self._manage_templates,
            "network.online": self._go_online,
            "help.slow": self._show_slow,
            "help.shortcuts": self._show_shortcuts,
            "help.about": self._show_about,
            "app.quit": self.quitting.ask,
        }
        self.actions_.connect_all(slots)
        undo = QShortcut(QKeySequence(QKeySequence.StandardKey.Undo), self)
        undo.activated.connect(self._undo)
        self.notify.action_requested.connect(self.actions_.trigger)
        from qwen_desktop.services import events  # noqa: PLC0415 - not before the first paint

        bus = self._services.bus
        bus.subscribe(events.Notified, self.notify.told, owner=self)
        bus.subscribe(events.SettingsChanged, self._settings_changed, owner=self)
        self.models.use_wanted.connect(self.use_model)
        self.models.shown_wanted.connect(partial(self.show_page, MODELS))
        self._show_network()

    def _about_message(self, name: str) -> None:
        self._in_chat().pane.messages.do(name)

    def _undo(self) -> None:
        """Take back what was done last: to a message of the chat on show, or what a toast still offers to undo."""
        messages = self.chat.pane.messages if self.pages.shows(CHAT) else None
        if messages is not None and messages.changed_at > self.notify.undoable_since:
            messages.undo()
        else:
            self.notify.undo_last()

    def can(self, command: str) -> bool:
        """Whether a command that is enabled would do anything now."""
        from qwen_desktop.ui.list_page import ListPage  # noqa: PLC0415 - not before the first paint

        if command == "view.sidelist":
            return isinstance(self.pages.currentWidget(), ListPage)
        return self.pages.built(CHAT) is None or self.chat.can(command)

    def _go_online(self) -> None:
        self.operations.run(self._services.preferences.set("downloads.offline", False), owner=self)

    def _show_network(self) -> None:
        """The way back stands in the menu only while the network is switched off."""
        self.actions_["network.online"].setVisible(self._services.preferences.settings.downloads.offline)

    # Pages ------------------------------------------------------------------------------------------------------------

    def show_page(self, command: str) -> None:
        """Show the page of a command, building it at the first time; the keyboard goes to where one begins there."""
        page = self.pages.page(command)
        self.pages.setCurrentWidget(page)
        self.rail.mark(command)
        page.setFocus()

    @property
    def chat(self) -> ChatPage:
        """The chat page; built at the first time, which is after the window's first paint (``start``)."""
        return cast("ChatPage", self.pages.page(CHAT))

    def _in_chat(self) -> ChatPage:
        """The chat page, on show; who comes from another one can write at once."""
        if not self.pages.shows(CHAT):
            self.show_page(CHAT)
        return self.chat

    def use_model(self, path: str) -> None:
        """Let a model file answer, and go to where it can be asked."""
        self.show_page(CHAT)
        self.chat.open_model(path)

    def ask_guide(self, question: str) -> None:
        """Ask the guide in a new chat."""
        chat = self._in_chat()
        chat.new_chat()
        chat.use_guide()
        chat.pane.ask(question)

    def get_model(self, name: str) -> None:
        """Show the model of this name where it can be got."""
        from qwen_desktop.ui.models.page import ModelsPage  # noqa: PLC0415 - not before the first paint

        self.show_page(MODELS)
        found = next((m for m in self._services.catalogue.models() if m.name.casefold() == name.casefold()), None)
        page = self.pages.page(MODELS)
        if isinstance(page, ModelsPage):
            if found is not None:
                page.details(found)
            else:
                page.search.setText(name)

    def chat_with(self, assistant_id: str) -> None:
        """Begin a new chat with an assistant."""
        chat = self._in_chat()
        chat.new_chat()
        chat.pane.setup.assist(assistant_id)

    def begin_chat(self, text: str) -> None:
        """Begin a new chat with a text in its box, before what may stand there."""
        from qwen_desktop.core.drafts import Draft  # noqa: PLC0415 - not before the first paint

        chat = self._in_chat()
        chat.new_chat()
        chat.pane.composer.take(Draft.of(text).before(chat.pane.composer.draft))

    def conversation_shown(self, conversation_id: str) -> None:
        """The next start shows it again, also after a kill."""
        import asyncio  # noqa: PLC0415 - not before the first paint

        from qwen_desktop.core.chat import is_temporary  # noqa: PLC0415 - as above

        write = None if is_temporary(conversation_id) else self.keep_conversation(conversation_id)
        if write is not None:
            self.operations.run(asyncio.to_thread(write), owner=self)
        if self.notices is not None:
            self.notices.shown(conversation_id)

    def folders_opened(self, folders: frozenset[str]) -> None:
        """The next start has these folders open."""
        import asyncio  # noqa: PLC0415 - not before the first paint

        write = self.keep_folders(tuple(sorted(folders)))
        if write is not None:
            self.operations.run(asyncio.to_thread(write), owner=self)

    def show_chat(self, conversation_id: str) -> None:
        """Show a chat, whatever page is on show."""
        self.show_page(CHAT)
        self.chat.open(conversation_id)

    def leave(self) -> None:
        """The window closes: nothing is read ahead any more."""
        if self.pages.built(CHAT) is not None:
            self.chat.pane.leave()

    def _leave_skeleton(self) -> None:
        """The first page is there: what was typed before belongs to it."""
        self.pages.currentChanged.disconnect(self._leave_skeleton)
        typed = self._skeleton.take()
        if self.pages.shows(WELCOME):
            cast("WelcomePage", self.pages.page(WELCOME)).box.edit.set_text(typed)
        elif typed:
            from qwen_desktop.core.drafts import Draft  # noqa: PLC0415 - not before the first paint

            composer = self.chat.pane.composer
            composer.take(composer.draft.before(Draft.of(typed)))

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
                self.show_page(CHAT)
        from qwen_desktop.ui import texts  # noqa: PLC0415 - not before the first paint

        for problem in self._services.preferences.problems:
            self.notify.toast(texts.problem(problem))
        self.notify.toasts.arrange()  # those of before stood where the page was not laid out yet
        from qwen_desktop.ui.answer_notices import AnswerNotices  # noqa: PLC0415 - not before the first paint

        self.notices = AnswerNotices(self)
        self.gc_timer.start()

    async def _show_first(self) -> None:
        """Read the list of chats and show the first page, unless the user has asked for another one meanwhile."""
        import asyncio  # noqa: PLC0415 - not before the first paint

        from qwen_desktop.ui.first_page import first_page  # noqa: PLC0415

        chats = await self._services.history.list()
        await self.chat.load(chats, self.state.folders)
        model = bool(chats) or not self._services.models.state.guide or await self._services.library.has_any()
        if self.pages.currentWidget() is not self._skeleton:
            return
        first = first_page(chats=chats, last=self.state.conversation, model=model)
        if first.command == CHAT and (opening := self.chat.open(first.conversation)) is not None:
            await asyncio.wait({opening}, timeout=_FIRST_S)  # else the page would stand empty for a moment
        if self.pages.currentWidget() is self._skeleton:
            self.show_page(first.command)

    def open_files(self, files: tuple[str, ...]) -> None:
        """Open files that came with a start."""
        self._incoming.open(files)

    def offer_crash_report(self, report: str) -> None:
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
        if page.shows(CHAT):
            box = self.chat.pane.composer
            corner = box.mapTo(self, QPoint(0, 0))
            room = QRect(corner.x(), room.top(), box.width(), max(80, corner.y() - 4 - room.top()))
        return room

    # View -------------------------------------------------------------------------------------------------------------

    def _toggle_list(self) -> None:
        from qwen_desktop.ui.list_page import ListPage  # noqa: PLC0415 - not before the first paint

        page = self.pages.currentWidget()
        if isinstance(page, ListPage):
            page.keep_list(page.list_hidden)

    def _step_area(self, way: int) -> None:
        from qwen_desktop.ui import areas  # noqa: PLC0415 - not before the first paint
        from qwen_desktop.ui.list_page import ListPage  # noqa: PLC0415

        page = self.pages.currentWidget()
        parts = page.areas if isinstance(page, ListPage) else [page]
        areas.step([self.rail, *parts], self.focusWidget(), way)

    def _scale(self, step: int) -> None:
        now = self._services.preferences.settings.appearance.text_size
        wanted = max(_SMALLEST, min(_LARGEST, now + step)) if step else 100
        if wanted != now:
            self.operations.run(self._services.preferences.change({"appearance.text_size": wanted}), owner=self)

    def _settings_changed(self, event: events.SettingsChanged) -> None:
        look = event.after.appearance
        self._theme.set_motion(look.motion)
        self._theme.set_mode(look.theme)
        self._theme.set_text_size(look.text_size)
        self._show_network()

    def _palette(self) -> Palette:
        """The palette, made at the first time."""
        from qwen_desktop.ui.palette.palette import Palette  # noqa: PLC0415 - not before the first paint

        return self.findChild(Palette) or Palette(self)

    def search(self, text: str) -> None:
        """Show the palette with what is to be looked for."""
        self._palette().look_for(text)

    def _show_shortcuts(self) -> None:
        from qwen_desktop.ui.shortcuts_dialog import ShortcutsDialog  # noqa: PLC0415 - not before the first paint

        send_with = self._services.preferences.settings.chat.send_with
        ShortcutsDialog(self._theme, self, send_with=send_with).open()

    def _manage_templates(self) -> None:
        from qwen_desktop.ui.chat.template_dialog import TemplatesDialog  # noqa: PLC0415 - not before the first paint

        TemplatesDialog(self.ui, self).open()

    def _show_slow(self) -> None:
        from qwen_desktop.ui.slow_dialog import SlowDialog  # noqa: PLC0415 - not before the first paint

        pane = self.chat.pane if self.pages.built(CHAT) is not None else None
        ref = pane.setup.model if pane is not None else None
        SlowDialog(self.ui, self, ref or self._services.models.ref).open()

    def _import(self) -> None:
        from qwen_desktop.ui.import_dialog import ask_for_chats  # noqa: PLC0415 - not before the first paint

        ask_for_chats(self.ui, self)

    def _show_about(self) -> None:
        from qwen_desktop.ui import dialogs  # noqa: PLC0415 - not before the first paint

        dialogs.about(self._theme, self).open()

    def _show_crash(self, report: str) -> None:
        from qwen_desktop.ui import dialogs  # noqa: PLC0415 - rare

        dialogs.crash(self._theme, self, report).open()

    # Qt ---------------------------------------------------------------------------------------------------------------

    def focusNextPrevChild(self, forward: bool) -> bool:
        from qwen_desktop.ui import tabbing  # noqa: PLC0415 - not before the first paint

        return tabbing.step(self, forward=forward)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        self._incoming.drag(event)

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        self._incoming.leave()
        super().dragLeaveEvent(event)

    def dropEvent(self, event: QDropEvent) -> None:
        self._incoming.drop(event)

    def _attach(self, name: str) -> None:
        self._in_chat().pane.attaching.take([name])

    def _add_adapters(self, names: tuple[str, ...]) -> None:
        for name in names:
            self._in_chat().pane.instructions.add_adapter(name)

    def _import_assistants(self, names: tuple[str, ...]) -> None:
        from qwen_desktop.ui.assistants.page import AssistantsPage  # noqa: PLC0415 - rare

        self.show_page(ASSISTANTS)
        page = self.pages.page(ASSISTANTS)
        if isinstance(page, AssistantsPage):
            page.import_files(names)

    def closeEvent(self, event: QCloseEvent) -> None:
        event.ignore()  # the owner hides the window once everything is saved and closed
        if self.centralWidget() is not None:  # built
            self.quitting.ask()  # a window that is closed ends the app, as long as there is no tray to keep it

    def save_state(self) -> None:
        """Keep for the next start where the window is and what it looks like."""
        chat = self.chat if self.pages.built(CHAT) is not None else None
        width = chat.sidelist.width() if chat is not None and not chat.list_hidden else 0
        grounds = {role: self._theme.color(role).name() for role in ("window", "rail", "border")}
        self.keep_state(width, self.rail.minimumWidth(), grounds)
