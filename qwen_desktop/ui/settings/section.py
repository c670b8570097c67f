"""A card of rows for one section of the settings, with what differs from the defaults."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from qwen_desktop.core import settings as core
from qwen_desktop.core.setting import Setting
from qwen_desktop.core.settings import SECTION_TITLES, Settings
from qwen_desktop.ui import texts
from qwen_desktop.ui.settings.controls import FIELD_WIDTH
from qwen_desktop.ui.settings.rows import SettingRow
from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets.boxes import column, row
from qwen_desktop.ui.widgets.buttons import TextButton
from qwen_desktop.ui.widgets.labels import IconLabel, Label, Paragraph
from qwen_desktop.ui.widgets.select import Select
from qwen_desktop.ui.widgets.surface import Card, Line


class SettingsSection(QWidget):
    """The rows of one section. Signals as of the rows; ``reset_all`` carries the section's name."""

    changed = Signal(str, object)
    reset_wanted = Signal(str)
    reset_all = Signal(str)

    def __init__(
        self,
        theme: Theme,
        name: str,
        declared: Sequence[Setting],
        parent: QWidget | None = None,
        *,
        above: Callable[[QWidget], QWidget] | None = None,
    ) -> None:
        super().__init__(parent)
        self._extras: list[QWidget] = []
        if above is not None:  # made first, so that Tab comes to it first
            self._extras.append(above(self))
        self.rows: dict[str, SettingRow] = {}
        self._lines: dict[str, Line] = {}
        self.title = Label(theme, texts.marked(SECTION_TITLES[name]), self, role="heading", weight=700)
        self._card = Card(self)
        common, words = self._common(declared)
        self._note = Paragraph(theme, words, self, role="small", color="text_muted")
        self._note.setVisible(bool(words))
        inner = column(on=self._card, margins=(18, 3, 18, 3))
        for setting in declared:
            entry = SettingRow(theme, setting, self._card, common=common)
            entry.changed.connect(self.changed)
            entry.reset_wanted.connect(self.reset_wanted)
            self._lines[setting.key] = line = Line(self._card)
            self.rows[setting.key] = entry
            inner.addWidget(line)
            inner.addWidget(entry)
        theme.follow(self.even_out)
        self._foot = QWidget(self)
        # Wraps where the page is narrow for its text size, and is no wider than its words where it is not.
        self._differ = Paragraph(theme, "", self._foot, role="small", color="text_muted")
        self.reset_button = TextButton(theme, self.tr("Reset this page"), self._foot, kind="link")
        self.reset_button.clicked.connect(lambda: self.reset_all.emit(name))
        sign = IconLabel(theme, "rotate-ccw", self._foot, size=15)
        row(sign, self._differ, self.reset_button, None, on=self._foot, margins=(0, 4, 0, 0))
        self.extra = column(gap=16)
        column(self.title, *self._extras, self._note, self._card, self.extra, self._foot, on=self, gap=16)
        self.filter("")

    def even_out(self) -> None:
        """Give the fields of a section one width, that of the longest words in any of them."""
        fields = [field for entry in self.rows.values() for field in entry.control.findChildren(Select)]
        for field in fields:
            field.ensurePolished()
        widest = max((field.sizeHint().width() for field in fields), default=0)
        for field in fields:
            field.setMinimumWidth(max(widest, FIELD_WIDTH))

    def _common(self, declared: Sequence[Setting]) -> tuple[str, str]:
        """When changes apply, and that in words, where it is the same for nearly all of the section and not at once."""
        applies, count = Counter(setting.info.applies for setting in declared).most_common(1)[0]
        later = {
            "next load": self.tr("Changes apply when the model is loaded next: with your next message."),
            "next message": self.tr("Changes apply from your next message on."),
        }
        words = later.get(applies, "") if count >= len(declared) - 1 else ""
        return (applies if words else ""), words

    def add_extra(self, extra: QWidget) -> None:
        """Put what is no setting below the rows; its ``matches``, where it has one, takes part in the search."""
        self._extras.append(extra)
        self.extra.addWidget(extra)

    def show_settings(self, settings: Settings, keys: Sequence[str] | None = None) -> None:
        """Show the values in force; ``keys`` limits that to what changed."""
        for key, entry in self.rows.items():
            if keys is None or key in keys:
                entry.show_value(core.value(settings, key))
        count = sum(core.value(settings, key) != entry.setting.default for key, entry in self.rows.items())
        self._foot.setVisible(count > 0)
        self._differ.setText(self.tr("%n setting(s) (differs|differ) from (its default|their defaults).", "", count))

    def filter(self, words: str) -> int:
        """Show only the rows that match; returns how many do."""
        count = 0
        for key, entry in self.rows.items():
            shown = entry.matches(words)
            entry.setVisible(shown)
            self._lines[key].setVisible(shown and count > 0)
            count += shown
        self._card.setVisible(count > 0)
        for extra in self._extras:
            matches = getattr(extra, "matches", None)
            found = bool(words) and matches is not None and bool(matches(words))
            extra.setVisible(not words or found or (matches is None and count > 0))
            count += found
        return count
