"""The context menu of the transcript."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF

from qwen_desktop.ui.chat.blocks import translate
from qwen_desktop.ui.widgets.select import Menu

if TYPE_CHECKING:
    from qwen_desktop.ui.chat.transcript import TranscriptView


def menu_for(view: TranscriptView, point: QPointF) -> Menu:
    """A menu for what is at a point of the viewport; it deletes itself when it closes."""
    menu = Menu(view)
    copy = menu.addAction(translate("transcript", "Copy"), view.copy)
    copy.setEnabled(not view.selection.empty)
    menu.addAction(translate("transcript", "Select all"), view.select_all)
    item = view.item_at(point.y())
    if item is not None:
        target = item.target_at(view.inside(item, point))
        if target is not None and target.action == "link":
            menu.addAction(translate("transcript", "Copy link address"), lambda: view.put_on_clipboard(target.value))
        menu.addSeparator()
        menu.addAction(translate("transcript", "Copy message"), lambda: view.copy_message(item))
        if not item.user:
            menu.addAction(translate("transcript", "Copy as Markdown"), lambda: view.put_on_clipboard(item.source))
    menu.aboutToHide.connect(menu.deleteLater)
    return menu
