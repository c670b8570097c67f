"""The Settings page: sections at the left with a search over all of them, one section or the matches at the right.

Adding a section: declare it in ``core.settings``; it appears here. ``EXTRAS`` adds what is no setting below a section,
``_ABOVE`` above it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QListWidget, QWidget

from qwen_desktop.core.engine import LocalInfo, ModelInfo
from qwen_desktop.core.errors import UserFacing
from qwen_desktop.core.profile import Profile
from qwen_desktop.core.settings import SECTION_TITLES, declared, setting, value
from qwen_desktop.core.text import QT_TRANSLATE_NOOP
from qwen_desktop.services import events
from qwen_desktop.ui import texts
from qwen_desktop.ui.list_page import ListPage
from qwen_desktop.ui.settings.about import AboutSection
from qwen_desktop.ui.settings.backups import BackupsCard
from qwen_desktop.ui.settings.controls import AUTOMATIC
from qwen_desktop.ui.settings.downloads import DownloadsCard
from qwen_desktop.ui.settings.prompt_cache import PromptCacheCard
from qwen_desktop.ui.settings.rows import SettingRow
from qwen_desktop.ui.settings.section import SettingsSection
from qwen_desktop.ui.settings.speed import SpeedCard
from qwen_desktop.ui.settings.storage import ExchangeCard, StorageCard
from qwen_desktop.ui.settings.templates import TemplatesCard
from qwen_desktop.ui.settings.tuning import TuningCard
from qwen_desktop.ui.ui_context import UiContext
from qwen_desktop.ui.widgets.boxes import START, column, row
from qwen_desktop.ui.widgets.labels import Label
from qwen_desktop.ui.widgets.row_delegate import RowDelegate
from qwen_desktop.ui.widgets.scroll import ScrollArea
from qwen_desktop.ui.widgets.search_field import SearchField
from qwen_desktop.ui.widgets.select import Select

EXTRAS: dict[str, tuple[Callable[[UiContext, QWidget], QWidget], ...]] = {
    "chat": (TemplatesCard,),
    "engine": (SpeedCard,),
    "downloads": (DownloadsCard,),
    "storage": (PromptCacheCard, StorageCard, ExchangeCard, BackupsCard),
}
#: What stands above the rows of a section.
_ABOVE: dict[str, Callable[[UiContext, QWidget], QWidget]] = {"engine": TuningCard}
_ABOUT = "about"
_ON, _OFF = QT_TRANSLATE_NOOP("settings", "on"), QT_TRANSLATE_NOOP("settings", "off")
_LITTLE, _USUAL = QT_TRANSLATE_NOOP("settings", "little"), QT_TRANSLATE_NOOP("settings", "as usual")
_WITH_LITTLE, _NEVER = QT_TRANSLATE_NOOP("settings", "{n}, little memory"), QT_TRANSLATE_NOOP("settings", "never")
_MINUTES = QT_TRANSLATE_NOOP("settings", "%n minute(s)")
_FIRST = QT_TRANSLATE_NOOP("settings", "at first")
#: What an automatic value came to, by the setting's key.
_ACTUAL: dict[str, Callable[[ModelInfo, LocalInfo], str]] = {
    "engine.context": lambda info, _: texts.number(info.context_size),
    "engine.threads": lambda _, local: texts.number(local.threads),
    "engine.gpu_layers": lambda _, local: texts.number(local.gpu_layers),
    "engine.experts_on_cpu": lambda _, local: texts.number(local.experts_on_cpu),
    "engine.kv_type": lambda _, local: texts.marked(dict(setting("engine.kv_type").choices)[local.kv_type]),
    "engine.draft_model": lambda _, local: texts.isolated(local.draft_model),
    "engine.streams": lambda _, local: texts.number(local.parallel),
    "engine.flash_attention": lambda _, local: texts.marked(
        _ON if local.flash_attention else _FIRST if local.flash_until else _OFF  # how long is on the card above
    ),
}
#: What it means on this computer, by what it has of memory.
_PROFILE: dict[str, Callable[[Profile], str]] = {
    "engine.profile": lambda profile: texts.marked(_LITTLE if profile.low_memory else _USUAL),
    "engine.context": lambda profile: (
        texts.fill(texts.marked(_WITH_LITTLE), n=profile.context) if profile.context else ""
    ),
    "engine.unload_minutes": lambda profile: (
        texts.marked(_MINUTES, profile.unload_minutes).replace("%n", texts.number(profile.unload_minutes))
        if profile.unload_minutes
        else texts.marked(_NEVER)
    ),
}


class SettingsPage(ListPage):
    """Live: each change goes to the preferences at once, and each change made elsewhere is shown."""

    def __init__(self, ui: UiContext) -> None:
        super().__init__(ui)
        self._preferences = ui.services.preferences
        self._info: ModelInfo | None = None
        #: automatic values that are another one with the next load
        self._stale: set[str] = set()
        theme = ui.theme
        self.sections: dict[str, SettingsSection] = {}
        self._build_list()  # first, so that Tab goes from the list into the page
        self.area = ScrollArea(self)
        self.area.setObjectName("page")
        self._column = QWidget(self.area.body)
        row(None, (self._column, 1000), None, on=self.area.body, margins=(24, 22, 24, 32))
        self.jump = Select(theme, self.tr("Section"), self._column)
        self.jump.hide()
        self._build_sections()
        self._nothing = Label(theme, self.tr("No setting has that in its name."), self._column, color="text_muted")
        self._nothing.hide()
        column((self.jump, START), *self._pages.values(), self._nothing, None, on=self._column, gap=24)
        self._fill_list()
        self.split(self.sidelist, self.area, theme.size("settings_list_width"))
        self.setFocusProxy(self.search)
        theme.follow(self._fit)
        bus = ui.services.bus
        bus.subscribe(events.SettingsChanged, self._settings_changed, owner=self)
        bus.subscribe(events.ModelChanged, self._model_changed, owner=self)
        bus.subscribe(events.MachineChanged, lambda _event: self._show_automatic(), owner=self)
        self._model_changed(events.ModelChanged(ui.services.models.state))
        self.show_section(next(iter(self._pages)))

    def _fit(self) -> None:
        self._column.setMaximumWidth(self._ui.theme.scaled("settings_column"))

    def _build_sections(self) -> None:
        shown = [entry for entry in declared() if entry.shown]
        for name in SECTION_TITLES:
            entries = [entry for entry in shown if entry.section == name]
            above = partial(_ABOVE[name], self._ui) if name in _ABOVE else None
            section = SettingsSection(self._ui.theme, name, entries, self._column, above=above)
            section.changed.connect(self._change)
            section.reset_wanted.connect(self._reset)
            section.reset_all.connect(self._reset_section)
            section.show_settings(self._preferences.settings)
            for extra in EXTRAS.get(name, ()):
                section.add_extra(extra(self._ui, section))
            self.sections[name] = section
        self._pages: dict[str, QWidget] = {**self.sections, _ABOUT: AboutSection(self._ui, self._column)}

    def _build_list(self) -> None:
        theme = self._ui.theme
        self.sidelist = QWidget(self)
        self.sidelist.setObjectName("sidelist")
        self.sidelist.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.sidelist.setMinimumWidth(160)
        self.search = SearchField(theme, self.tr("Search settings"), self.sidelist)
        self.search.textChanged.connect(self._searched)
        self.search.left.connect(lambda: self.names.setFocus(Qt.FocusReason.TabFocusReason))
        self.names: QListWidget = QListWidget(self.sidelist)
        self.names.setAccessibleName(self.tr("Sections"))
        self.names.setProperty("ownFocus", True)
        self.names.setItemDelegate(RowDelegate(theme, self.names))
        self.names.setMouseTracking(True)
        column(self.search, (self.names, 1), on=self.sidelist, gap=10, margins=(12, 12, 12, 12))

    def _fill_list(self) -> None:
        for name in self._pages:
            title = self.tr("About") if name == _ABOUT else texts.marked(SECTION_TITLES[name])
            self.names.addItem(title)
            self.jump.addItem(title, name)
        self.names.currentRowChanged.connect(self._chosen)
        self.names.clicked.connect(lambda index: self._chosen(index.row()))
        self.jump.activated.connect(self._chosen)

    # Showing ----------------------------------------------------------------------------------------------------------

    @property
    def section(self) -> str:
        """The section on show."""
        return str(self.jump.currentData())

    def show_section(self, name: str) -> None:
        """Show one section."""
        place = list(self._pages).index(name)
        self.jump.setCurrentIndex(place)
        if self.search.text():
            self.search.clear()
        self.names.setCurrentRow(place)
        for other, page in self._pages.items():
            page.setVisible(other == name)
        self.area.verticalScrollBar().setValue(0)

    def show_list(self, shown: bool) -> None:
        """Show or hide the list; without it a choice field above the page leads to the sections."""
        super().show_list(shown)
        self.jump.setVisible(not shown)

    def _chosen(self, place: int) -> None:
        self.show_section(list(self._pages)[place])

    def _searched(self, words: str) -> None:
        words = words.strip()
        found = 0
        for name, page in self._pages.items():
            count = page.filter(words) if isinstance(page, SettingsSection) else 0
            found += count
            page.setVisible(count > 0 if words else name == self.section)
        self._nothing.setVisible(bool(words) and not found)

    # Changing ---------------------------------------------------------------------------------------------------------

    def row(self, key: str) -> SettingRow:
        """The row of a setting; raises ``KeyError`` for one that is not shown."""
        return self.sections[key.partition(".")[0]].rows[key]

    def _change(self, key: str, wanted: object) -> None:
        # In force or refused before anything else can be entered; only the file is waited for.
        entry = self.row(key)
        entry.show_problem("")
        try:
            self._ui.operations.run(self._preferences.change({key: wanted}), owner=self)
        except UserFacing as error:
            entry.show_problem(texts.problem(error.problem))

    def _reset(self, key: str) -> None:
        # A refused entry may stand in the field while the value in force is the default already.
        self.row(key).show_value(value(self._preferences.settings, key))
        self.row(key).control.setFocus()
        self._ui.operations.run(self._preferences.reset(key), owner=self)

    def _reset_section(self, name: str) -> None:
        self.sections[name].show_settings(self._preferences.settings)
        self._ui.operations.run(self._preferences.reset_section(name), owner=self)

    def _settings_changed(self, event: events.SettingsChanged) -> None:
        for section in self.sections.values():
            section.show_settings(event.after, event.keys)
        if changed := (_ACTUAL.keys() & set(event.keys)) | (set(_PROFILE) if "engine.profile" in event.keys else set()):
            self._stale |= changed  # what it comes to is known again when the model is loaded next
            self._show_automatic()

    def _model_changed(self, event: events.ModelChanged) -> None:
        """Say what "Automatic" came to for the loaded model."""
        if event.state.info != self._info:
            self._info = event.state.info
            self._stale = set()
            self._show_automatic()

    def _show_automatic(self) -> None:
        for key in {**_ACTUAL, **_PROFILE}:
            self.row(key).control.show_automatic(self._actual(key))
        self.sections["engine"].even_out()

    def _actual(self, key: str) -> str:
        """What an automatic value came to with the loaded model, else what it will by what this computer has."""
        if value(self._preferences.settings, key) not in (None, AUTOMATIC):
            return ""
        info = self._info
        if key in _ACTUAL and key not in self._stale and info is not None and info.local is not None:
            return _ACTUAL[key](info, info.local)
        return _PROFILE[key](self._ui.services.fits.profile) if key in _PROFILE else ""
