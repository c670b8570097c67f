"""What the window is built of, once its frame is on the screen: joined here so that the frame need not import it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

from PySide6.QtWidgets import QApplication, QHBoxLayout, QWidget

from qwen_desktop.core.paths import APP
from qwen_desktop.ui.actions import Actions
from qwen_desktop.ui.chat.message_edit import MessageEdit
from qwen_desktop.ui.collector import Collector
from qwen_desktop.ui.list_page import NARROW
from qwen_desktop.ui.models.controller import ModelsController
from qwen_desktop.ui.notify import Notify
from qwen_desktop.ui.operation import Operations
from qwen_desktop.ui.pages import Pages
from qwen_desktop.ui.rail import Rail
from qwen_desktop.ui.shell import Shell
from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets.focus_ring import FocusRing
from qwen_desktop.ui.widgets.skeleton import Skeleton

if TYPE_CHECKING:
    from qwen_desktop.services.services import Services
    from qwen_desktop.ui.main_window import MainWindow


class Assembly(NamedTuple):
    """The parts that the window itself holds. ``skeleton`` is the page on show until the first one is built."""

    shell: Shell
    collector: Collector
    rail: Rail
    pages: Pages
    skeleton: Skeleton
    models: ModelsController


def assemble(window: MainWindow, services: Services, theme: Theme, *, list_width: int) -> Assembly:
    """Build the parts into ``window`` and join them. ``list_width`` is that of the list of chats that is going to be
    shown, in px, 0 where there is none."""
    notify = Notify(theme, window)
    actions = Actions(window)
    shell = Shell(services, theme, actions, notify, Operations(notify, window))
    rail = Rail(theme, actions, window)
    pages = Pages(window)
    skeleton = Skeleton(theme, _early_box(theme, pages), pages, list_width=list_width, narrow=NARROW)
    pages.addWidget(skeleton)
    centre = QWidget(window)
    row = QHBoxLayout(centre)
    row.setContentsMargins(0, 0, 0, 0)
    row.setSpacing(0)
    row.addWidget(rail)
    row.addWidget(pages, 1)
    window.setCentralWidget(centre)
    if sys.platform == "darwin":
        actions.fill(window.menuBar().addMenu(window.tr("Chat")), "chat")
        actions.fill(window.menuBar().addMenu(APP), "app")
    app = QApplication.instance()
    if isinstance(app, QApplication) and app.findChild(FocusRing) is None:
        FocusRing(app)
    collector = Collector(services.chat.running, window)
    return Assembly(shell, collector, rail, pages, skeleton, ModelsController(shell, rail, pages, window))


def _early_box(theme: Theme, parent: QWidget) -> MessageEdit:
    """A message box for before the first page: nothing can be sent yet, so that Enter begins a new line."""
    box = MessageEdit(theme, parent)
    box.setAccessibleName(box.tr("Message"))
    box.send_wanted.connect(lambda: box.insertPlainText("\n"))
    box.long_paste.connect(box.insertPlainText)
    return box
