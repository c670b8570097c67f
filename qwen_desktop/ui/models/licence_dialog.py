"""What to know before a model under other terms than Apache or MIT is fetched, or one that asks for permission."""

from __future__ import annotations

from PySide6.QtWidgets import QWidget

from qwen_desktop.core.models import CatalogModel
from qwen_desktop.ui import texts
from qwen_desktop.ui.models.dialog_body import link, web_page
from qwen_desktop.ui.texts import translate
from qwen_desktop.ui.ui_context import UiContext
from qwen_desktop.ui.widgets.boxes import START
from qwen_desktop.ui.widgets.dialog import Dialog
from qwen_desktop.ui.widgets.labels import Paragraph


class LicenceDialog(Dialog):
    """Accepted when the user agrees."""

    def __init__(self, ui: UiContext, model: CatalogModel, parent: QWidget | None) -> None:
        own = not model.open_licence
        said = translate("LicenceDialog", "The licence of {name}")
        if not own:
            said = translate("LicenceDialog", "{name} asks for permission")
        super().__init__(ui.theme, texts.fill(said, name=model.name), "", parent, width=500)
        if own:
            text = texts.fill(
                self.tr(
                    "It comes under “{licence}”, which is not an open licence such as Apache-2.0: it may limit "
                    "commercial use or the number of users. Read it before you use what the model writes."
                ),
                licence=model.licence or self.tr("its own licence"),
            )
            self.address = model.licence_url or web_page(model.base_repo or model.repo)
            self._say(ui, text, self.tr("Read the licence"), self.address)
        if model.gated:
            text = self.tr(
                "Its publisher gives access to accounts that asked for it. Ask on the model's page, then enter that "
                "account's access token in Settings, Downloads."
            )
            self._say(ui, text, self.tr("Open the model's page"), web_page(model.repo))
        self.add_button(self.tr("Cancel"))
        yes = self.tr("Agree and download") if own else self.tr("Download")
        self.agree = self.add_button(yes, lambda: None, kind="primary", default=True)

    def _say(self, ui: UiContext, text: str, more: str, address: str) -> None:
        self.body.addWidget(Paragraph(self._theme, text, self, color="text_muted"))
        button = link(self._theme, more, self, lambda: ui.notify.link(address))
        button.setToolTip(texts.tip(address))
        self.body.addWidget(button, 0, START)
