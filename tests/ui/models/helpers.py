"""How the tests of the Models page look at it and touch it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QDialog, QLabel, QWidget

if TYPE_CHECKING:
    from qwen_desktop.ui.models.page import ModelsPage
    from qwen_desktop.ui.models.rows_list import RowsList
    from tests.ui.conftest import Ui


async def opened(ui: Ui, *, ready: bool = True) -> ModelsPage:
    """The page as its command opens it; ``ready`` waits until the catalogue is judged."""
    ui.window.actions_.trigger("view.models")
    page = ui.window.pages.built("view.models")
    assert page is not None
    if ready:
        await ui.until(lambda: page.state.rows is not None)
        await asyncio.sleep(0.01)
    return page


def services(ui: Ui) -> Any:
    """The scripted services behind the window."""
    return ui.app


def dialog(ui: Ui) -> Any:
    """The one dialog on show."""
    (found,) = [child for child in ui.window.findChildren(QDialog) if child.isVisible()]
    return found


def no_dialog(ui: Ui) -> bool:
    """Whether no dialog is on show."""
    return not [child for child in ui.window.findChildren(QDialog) if child.isVisible()]


def says(widget: QWidget) -> str:
    """All texts on show in a widget."""
    return "\n".join(label.text() for label in widget.findChildren(QLabel) if label.isVisible() and label.text())


def button(widget: QWidget, name: str) -> QAbstractButton:
    """The button that shows (or is called) ``name``."""
    for found in widget.findChildren(QAbstractButton):
        if found.isVisible() and name in (found.text(), found.toolTip()):
            return found
    raise AssertionError(f"no button {name!r} in {says(widget)}")


def names(page: ModelsPage) -> list[str]:
    """The models of the list, from above."""
    return [row.model.name for row in page.catalogue.list.rows]


def row_of(page: ModelsPage, name: str) -> int:
    """The place of a model in the list."""
    return names(page).index(name)


def click_part(view: RowsList[Any], row: int, part: str) -> None:
    """Click a button of a row, "" for the row itself."""
    widget: Any = view.row(row)
    target: QWidget = getattr(widget, part) if part else widget
    spot = target.rect().center() if part else QPoint(30, 20)
    QTest.mouseMove(target, spot)
    QTest.mouseClick(target, Qt.MouseButton.LeftButton, pos=spot)


def spoken(view: RowsList[Any], row: int) -> str:
    """What a screen reader says for a row."""
    return view.row(row).accessibleName()
