"""Below the download settings: the models folder, which moves with its files, and the access token."""

from __future__ import annotations

import asyncio
from pathlib import Path

from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QLineEdit, QWidget

from qwen_desktop.core.errors import AppError, problem_of
from qwen_desktop.hub.access import HUGGING_FACE, endpoint_of, token_name
from qwen_desktop.hub.failures import host_of
from qwen_desktop.services.events import SettingsChanged
from qwen_desktop.ui import texts
from qwen_desktop.ui.file_dialogs import ask_for_folder
from qwen_desktop.ui.local_files import shown_path
from qwen_desktop.ui.operation import while_alive
from qwen_desktop.ui.ui_context import UiContext
from qwen_desktop.ui.widgets.boxes import MIDDLE, column, row
from qwen_desktop.ui.widgets.buttons import IconButton, TextButton
from qwen_desktop.ui.widgets.labels import ElidedLabel, Label, Paragraph, said
from qwen_desktop.ui.widgets.meter import Meter
from qwen_desktop.ui.widgets.surface import Card, Line

#: Looking for the token, saving and removing it are one wish: the last one's end is shown.
_TOKEN = "token"  # noqa: S105 - a name, no token


class DownloadsCard(Card):
    """Two rows that are no plain settings."""

    def __init__(self, ui: UiContext, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.folder = FolderRow(ui, self)
        self.token = TokenRow(ui, self)
        column(self.folder, Line(self), self.token, on=self, margins=(18, 3, 18, 3))

    def matches(self, asked: str) -> bool:
        """Whether a search in the settings means this card."""
        labels = (self.folder.title, self.folder.note, self.token.title, self.token.note)
        text = " ".join(label.text() for label in labels).casefold()
        return all(word in text for word in asked.casefold().split())


class FolderRow(QWidget):
    """Where models lie; Change moves them, with progress."""

    def __init__(self, ui: UiContext, parent: QWidget) -> None:
        super().__init__(parent)
        self._ui = ui
        self._library = ui.services.library
        self._task: asyncio.Task[object] | None = None
        theme = ui.theme
        self.title = Label(theme, self.tr("Models folder"), self, weight=500)
        self.place = ElidedLabel(theme, "", self, role="small", color="text_muted")
        note = self.tr("Changing it moves the models, also to another drive.")
        self.note = Paragraph(theme, note, self, role="small", color="text_muted")
        self.show_button = IconButton(theme, "folder-open", self.tr("Show folder"), self)
        self.show_button.clicked.connect(lambda: ui.notify.folder(self._library.folder))
        self.change = TextButton(theme, self.tr("Change…"), self)
        self.change.clicked.connect(self._choose)
        self.progress = QWidget(self)
        self.line = Label(theme, "", self.progress, role="small", color="text_muted", tabular=True)
        self.meter = Meter(self.tr("Moving the models"), self.progress)
        self.stop = TextButton(theme, self.tr("Stop moving"), self.progress, kind="link")
        self.stop.clicked.connect(self._stop)
        self.problem = Paragraph(theme, "", self, role="small", color="bad")
        self.problem.hide()
        self.progress.hide()
        words = said(theme, self, self.title, self.place, self.note)
        top = row((words, 1), (self.show_button, MIDDLE), (self.change, MIDDLE))
        column(row((self.line, 1), self.stop), self.meter, on=self.progress, gap=4)
        column(top, self.progress, self.problem, on=self, gap=8, margins=(0, 13, 0, 13))
        ui.services.bus.subscribe(SettingsChanged, self._show, owner=self)
        self._show()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._show()

    def _show(self, _event: SettingsChanged | None = None) -> None:
        self.place.setText(shown_path(self._library.folder))

    def _choose(self) -> None:
        title = self.tr("Choose the models folder")
        ask_for_folder(self.window(), title, self.ask, start=str(self._library.folder))

    def ask(self, chosen: str) -> None:
        """Ask before the models move to ``chosen``; without any there is nothing to ask."""
        target = Path(chosen)
        if target == self._library.folder:
            return
        mine = [model for model in self._library.models() if model.owned]
        if not mine:
            self._move(target)
            return
        size = texts.size(sum(model.size_bytes for model in mine))
        text = self.tr(
            "%n model(s), {size}, (moves|move) to {folder}. Nothing is lost if it is interrupted.", "", len(mine)
        )
        text = texts.fill(text, size=size, folder=shown_path(target))
        self._ui.notify.ask(self.tr("Move the models?"), text, self.tr("Move"), lambda: self._move(target))

    def _move(self, target: Path) -> None:
        self.problem.hide()
        self._report(0, 0)
        self.progress.show()
        self._task = self._ui.operations.run(
            self._library.move_folder(target, while_alive(self, self._report)),
            owner=self,
            busy=self.change,
            on_done=self._moved,
            on_error=self._failed,
            on_end=self._ended,
        )

    def _report(self, done: int, total: int) -> None:
        self.meter.show_share(done / total if total else 0.0)
        moved = texts.of_size(done, total)
        self.line.setText(texts.fill(self.tr("Moving {moved}"), moved=moved) if total else self.tr("Moving the models"))

    def _stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _ended(self) -> None:
        self._task = None
        self.progress.hide()
        self._show()

    def _moved(self, _result: object) -> None:
        self._ui.notify.toast(self.tr("The models are in their new folder."), kind="good")

    def _failed(self, error: BaseException) -> bool:
        if not isinstance(error, AppError | OSError):
            return False
        self.problem.setText(texts.problem(problem_of(error)))
        self.problem.show()
        return True


class TokenRow(QWidget):
    """The token for repositories that ask for an account's permission, of the hub in use: a mirror has one of its own.
    It is never shown again once it is saved."""

    def __init__(self, ui: UiContext, parent: QWidget) -> None:
        super().__init__(parent)
        self._ui = ui
        self._secrets = ui.services.secrets
        theme = ui.theme
        self.title = Label(theme, self.tr("Access token"), self, weight=500)
        self.note = Paragraph(theme, "", self, role="small", color="text_muted")
        self.field = QLineEdit(self)
        self.field.setEchoMode(QLineEdit.EchoMode.Password)
        self.field.setAccessibleName(self.tr("Access token"))
        self.field.setMaxLength(500)
        self.field.setMinimumWidth(176)
        self.field.textChanged.connect(lambda _text: self._enable())
        self.save = TextButton(theme, self.tr("Save"), self)
        self.save.clicked.connect(self._save)
        self.field.returnPressed.connect(self.save.click)
        self.remove = TextButton(theme, self.tr("Remove"), self)
        self.remove.setAccessibleName(self.tr("Remove the access token"))
        self.remove.clicked.connect(self._remove)
        words = said(theme, self, self.title, self.note)
        tail = [(part, MIDDLE) for part in (self.field, self.save, self.remove)]
        row((words, 1), *tail, on=self, margins=(0, 13, 0, 13))
        ui.services.bus.subscribe(SettingsChanged, self._settings_changed, owner=self)
        self._tell(None)

    @property
    def _endpoint(self) -> str:
        return endpoint_of(self._ui.services.preferences.settings.downloads)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._look()

    def _settings_changed(self, event: SettingsChanged) -> None:
        if "downloads.endpoint" in event.keys:
            self._look()

    def _look(self) -> None:
        self._ui.operations.run(
            self._secrets.get(token_name(self._endpoint)),
            owner=self,
            orphaned="quiet",
            on_done=self._tell,
            on_error=lambda _error: True,
            wish=_TOKEN,
        )

    def _tell(self, token: str | None) -> None:
        use = self.tr("For models whose publisher asks for an account's permission.")
        if self._endpoint != HUGGING_FACE:
            only = texts.fill(self.tr("It is for {host} and goes to no other."), host=host_of(self._endpoint))
            use = f"{use} {only}"
        kept = self.tr("It is kept in the system's keyring.")
        if not self._secrets.persistent:
            kept = self.tr("There is no keyring here: it is kept until the app is closed.")
        self.note.setText(f"{use} {kept}")
        self.field.setPlaceholderText(self.tr("Saved") if token else self.tr("hf_…"))
        self.remove.setVisible(bool(token))
        self._enable()

    def _enable(self) -> None:
        self.save.setEnabled(bool(self.field.text().strip()))

    def _save(self) -> None:
        token = self.field.text().strip()

        def done(_: object) -> None:
            self.field.clear()
            self._tell(token)
            self._ui.notify.toast(self.tr("The access token is saved."), kind="good")

        name = token_name(self._endpoint)
        self._ui.operations.run(self._secrets.set(name, token), owner=self, busy=self.save, on_done=done, wish=_TOKEN)

    def _remove(self) -> None:
        def done(_: object) -> None:
            self._tell(None)
            self._ui.notify.toast(self.tr("The access token is removed."))

        name = token_name(self._endpoint)
        self._ui.operations.run(self._secrets.delete(name), owner=self, busy=self.remove, on_done=done, wish=_TOKEN)
