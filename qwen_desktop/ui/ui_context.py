"""What the window hands to its pages: one bundle instead of six parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from qwen_desktop.ui.actions import Actions
from qwen_desktop.ui.notify import Notify
from qwen_desktop.ui.operation import Operations
from qwen_desktop.ui.theme import Theme

if TYPE_CHECKING:
    from qwen_desktop.services.services import Services


class UiContext(NamedTuple):
    """The services, and the window's own helpers."""

    services: Services
    theme: Theme
    actions: Actions
    notify: Notify
    operations: Operations
