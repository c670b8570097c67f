"""A row of the list of all models: its verdict, its size and one button."""

from __future__ import annotations

from PySide6.QtWidgets import QWidget

from qwen_desktop.core.models import DownloadStatus
from qwen_desktop.ui import texts
from qwen_desktop.ui.models import model_texts
from qwen_desktop.ui.models.model_row import Face, ModelRow, RowButton
from qwen_desktop.ui.models.row_paint import width_of
from qwen_desktop.ui.models.state import Action, ModelsState, Row
from qwen_desktop.ui.theme import Theme


class CatalogueRow(ModelRow[Row]):
    """One model of the catalogue; ``action`` is what its button does."""

    def __init__(self, theme: Theme, state: ModelsState, parent: QWidget | None = None) -> None:
        super().__init__(theme, parent)
        self._state = state
        self.action: Action = "none"
        self.button = RowButton(theme, self)
        self.place_buttons(self.button)

    def show_row(self, row: Row) -> None:
        self.row = row
        model = row.model
        self.action = self._state.action(row)
        purposes = [model_texts.purpose_chip(value) for value in model.purposes[:1]]
        note = texts.catalogue(model.strengths or model.best_use) or model.repo
        chip, tone = model_texts.verdict(row.fit) if model.usable else (self.tr("not usable here yet"), "")
        size = model_texts.size(row.quant.size_bytes) if row.quant is not None else ""
        done = self._show_button(model.name)
        said = (model.name, *purposes, note, chip, size, self.label(), done)
        tip = model_texts.fit_sentence(row.fit) if row.fit is not None else ""
        self.say(Face(model.name, note, "".join(purposes), chip, tone, figure=size), model_texts.line(*said), tip)

    def label(self) -> str:
        """The word of the button."""
        return {
            "download": self.tr("Download"),
            "installed": self.tr("Installed"),
            "why": self.tr("Why?"),
            "running": self.tr("Downloading"),
            "none": self.tr("Details"),
        }[self.action]

    def _show_button(self, name: str) -> str:
        """Show the button, or how far the download is; returns that."""
        running = self.action == "running"
        icon = {"download": "download", "running": "download", "installed": "check"}.get(self.action, "")
        # A download's progress takes no more room than the button did.
        text = self.tr("Download") if running else self.label()
        self.button.show_face("" if self.tight and icon else text, icon, muted=self.action == "why")
        self.button.setAccessibleName(f"{self.label()}: {name}")
        download = self._state.download(self.row.model) if running else None
        if download is None:
            return ""
        percent = texts.percent(download.fraction)
        said = {DownloadStatus.FAILED: self.tr("stopped"), DownloadStatus.PAUSED: self.tr("paused")}
        role = "bad" if download.status is DownloadStatus.FAILED else "accent"
        shown = percent if self.tight else said.get(download.status, percent)
        self.button.show_progress(shown, download.fraction, role)
        self.button.setAccessibleName(f"{self.label()}: {name}, {shown}")
        return percent

    def _widest(self) -> float:
        return width_of(self.button.font(), self.tr("Download")) + self._theme.grown(18) + 38
