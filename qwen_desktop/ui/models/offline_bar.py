"""What stands above the models while the network is switched off, with the one click that ends it."""

from __future__ import annotations

from PySide6.QtWidgets import QWidget

from qwen_desktop.hub.access import is_offline, offline_variable
from qwen_desktop.services.events import SettingsChanged
from qwen_desktop.ui import texts
from qwen_desktop.ui.ui_context import UiContext
from qwen_desktop.ui.widgets.boxes import MIDDLE, row
from qwen_desktop.ui.widgets.buttons import TextButton
from qwen_desktop.ui.widgets.labels import IconLabel, Paragraph
from qwen_desktop.ui.widgets.surface import Card


class OfflineBar(Card):
    """Shows and hides itself with the setting. What the environment forbids no click allows."""

    def __init__(self, ui: UiContext, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._preferences = ui.services.preferences
        theme = ui.theme
        self.text = Paragraph(theme, "", self, role="small")
        self.button = TextButton(theme, self.tr("Go online"), self)
        on, run = self._preferences.set, ui.operations.run
        self.button.clicked.connect(lambda: run(on("downloads.offline", False), owner=self, busy=self.button))
        parts = ((IconLabel(theme, "info", self, size=18), MIDDLE), (self.text, 1), (self.button, MIDDLE))
        row(*parts, on=self, gap=12, margins=(16, 10, 10, 10)).setAlignment(self.text, MIDDLE)
        ui.services.bus.subscribe(SettingsChanged, self.tell, owner=self)
        self.tell()

    def tell(self, _event: SettingsChanged | None = None) -> None:
        """Say who switched the network off, or hide."""
        off = self.tr("The network is switched off for Qwen Desktop. Nothing is looked up, and downloads wait.")
        variable = offline_variable()
        if variable:
            more = self.tr("Remove {variable} from the environment, then start again, to go online.")
            off = f"{off} {texts.fill(more, variable=variable)}"
        self.text.setText(off)
        self.button.setVisible(not variable)
        self.setVisible(is_offline(self._preferences.settings.downloads))
