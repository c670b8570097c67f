"""Service events as Qt signals. One object a window; ``close`` ends the subscriptions."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from qwen_desktop.services import events


class Bridge(QObject):
    """Each signal carries the event it is named after."""

    conversation_changed = Signal(object)
    conversation_removed = Signal(object)
    branch_changed = Signal(object)
    message_added = Signal(object)
    message_changed = Signal(object)
    model_changed = Signal(object)
    settings_changed = Signal(object)
    notified = Signal(object)
    machine_changed = Signal(object)
    fits_changed = Signal(object)
    catalogue_changed = Signal(object)
    library_changed = Signal(object)
    download_changed = Signal(object)
    downloads_changed = Signal(object)

    def __init__(self, bus: events.EventBus, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._ends = [
            bus.subscribe(events.ConversationChanged, self.conversation_changed.emit),
            bus.subscribe(events.ConversationRemoved, self.conversation_removed.emit),
            bus.subscribe(events.BranchChanged, self.branch_changed.emit),
            bus.subscribe(events.MessageAdded, self.message_added.emit),
            bus.subscribe(events.MessageChanged, self.message_changed.emit),
            bus.subscribe(events.ModelChanged, self.model_changed.emit),
            bus.subscribe(events.SettingsChanged, self.settings_changed.emit),
            bus.subscribe(events.Notified, self.notified.emit),
            bus.subscribe(events.MachineChanged, self.machine_changed.emit),
            bus.subscribe(events.FitsChanged, self.fits_changed.emit),
            bus.subscribe(events.CatalogueChanged, self.catalogue_changed.emit),
            bus.subscribe(events.LibraryChanged, self.library_changed.emit),
            bus.subscribe(events.DownloadChanged, self.download_changed.emit),
            bus.subscribe(events.DownloadsChanged, self.downloads_changed.emit),
        ]

    def close(self) -> None:
        """Stop listening. Safe to call twice."""
        for end in self._ends:
            end()
        self._ends = []
