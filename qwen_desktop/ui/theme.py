"""Colours, sizes and fonts of the window, read from ``resources/themes``; the only place that knows literal values.

``tokens.json`` holds a colour set a theme and all sizes; ``app.qss.in`` is the style sheet with ``$role`` places.
Painters ask ``color``, ``size``, ``radius`` and ``font``, and repaint on ``changed``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from string import Template
from typing import Any, Literal, TypeAlias

import msgspec
from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QColor, QFont, QFontDatabase, QGuiApplication, QPalette
from PySide6.QtWidgets import QApplication, QWidget

Mode: TypeAlias = Literal["system", "light", "dark", "contrast"]
Motion: TypeAlias = Literal["system", "full", "none"]
FontRole: TypeAlias = Literal["caption", "small", "body", "message", "heading", "welcome", "code"]

#: Tried in this order before the system's own fixed font.
_CODE_FAMILIES = ("JetBrains Mono", "Cascadia Code", "SF Mono", "Menlo", "Consolas")
#: What Linux calls its font when no desktop has chosen one; Inter is nicer where it is installed.
_NO_CHOICE = frozenset({"", "sans", "sans serif", "sans-serif", "dejavu sans", "helvetica", "bitstream vera sans"})
_MOTION_MS = 140


class Theme(QObject):
    """The look in force. Built once by the bootstrap and handed to every widget that paints."""

    changed = Signal()

    def __init__(self, resources: Path, parent: QObject | None = None) -> None:
        super().__init__(parent)
        folder = resources / "themes"
        tokens: dict[str, Any] = msgspec.json.decode((folder / "tokens.json").read_bytes())
        self._colors: dict[str, dict[str, QColor]] = {
            name: {role: _color(text) for role, text in tokens[name].items()} for name in ("light", "dark", "contrast")
        }
        self._sizes: dict[str, Any] = tokens["size"]
        self._template = Template((folder / "app.qss.in").read_text(encoding="utf-8"))
        self._icons = resources / "icons"
        self._mode: Mode = "system"
        self._motion: Motion = "system"
        #: The user's text size in percent.
        self.text_size = 100
        self._app: QApplication | None = None
        #: The colour set in use: "light", "dark" or "contrast".
        self.name = self._wanted()

    # What painters ask ------------------------------------------------------------------------------------------------

    @property
    def dark(self) -> bool:
        """Whether light text stands on dark ground."""
        return self.name != "light"

    def color(self, role: str) -> QColor:
        """The colour of a role of ``tokens.json``; raises ``KeyError`` for an unknown role."""
        return QColor(self._colors[self.name][role])

    def edge(self, ground: str) -> QColor:
        """The colour of the line around a tint ("sunken", "user_message", "bad_soft", …): its own, but where the tint
        alone can hardly be seen (all in high contrast, and what is sunken in the dark) one that can."""
        tone, soft, _ = ground.partition("_soft")
        if self.name == "contrast":
            return self.color(tone if soft else "border")
        return self.color("border" if self.name == "dark" and ground == "sunken" else ground)

    def size(self, name: str) -> int:
        """A size in logical pixels: "control_height", "rail_width", …"""
        return int(self._sizes[name])

    def scaled(self, name: str) -> int:
        """``size`` grown with the text, for heights that hold a line of it; never below the size itself."""
        return self.grown(self.size(name))

    def grown(self, pixels: int) -> int:
        """So many pixels grown with the text, half as much as that: for signs beside it. Never fewer."""
        return max(pixels, round(pixels * (0.5 + self.text_size / 200)))

    def radius(self, name: str) -> int:
        """A corner's radius: "small", "control", "card" or "composer"."""
        return int(self._sizes["radius"][name])

    def line_height(self, name: Literal["ui", "message"]) -> float:
        """Line height as a multiple of the font size."""
        return float(self._sizes["line_height"][name])

    def font(self, role: FontRole, *, weight: int = 400, tabular: bool = False) -> QFont:
        """The font of a role at the user's text size. ``weight`` is 100 to 900; ``tabular`` keeps digits in line."""
        font = QFont(self._families[role == "code"])
        pixels: int = self._sizes["type"]["small" if role == "code" else role]
        font.setPixelSize(max(8, round(pixels * self.text_size / 100)))
        font.setWeight(QFont.Weight(weight))
        if role == "code":
            font.setFixedPitch(True)
            font.setStyleHint(QFont.StyleHint.Monospace)
        if tabular and hasattr(QFont.Tag, "fromString"):
            font.setFeature(QFont.Tag("tnum"), 1)
        return font

    def motion_ms(self) -> int:
        """How long a fade or slide takes in milliseconds; 0 where the user or the system asks for none."""
        if self._motion == "none" or (self._motion == "system" and _system_prefers("motionPreference", "Reduced")):
            return 0
        return _MOTION_MS

    # What the settings change -----------------------------------------------------------------------------------------

    def set_mode(self, mode: Mode) -> None:
        """Choose the colour set; "system" follows the system, live."""
        if mode != self._mode:
            self._mode = mode
            self._ask_platform()
            self._refresh()

    def set_text_size(self, percent: int) -> None:
        """Scale all text; 100 is normal."""
        if percent != self.text_size:
            self.text_size = percent
            self._refresh(force=True)

    def follow(self, fit: Callable[[], None]) -> None:
        """Call ``fit`` now and whenever the look changes."""
        self.changed.connect(fit)
        fit()

    def set_motion(self, motion: Motion) -> None:
        """Choose whether things move."""
        self._motion = motion

    def apply(self, app: QApplication) -> None:
        """Give ``app`` this look and keep it so while the system's changes."""
        self._app = app
        app.setStyle("Fusion")
        hints = app.styleHints()
        hints.colorSchemeChanged.connect(lambda _scheme: self._refresh())
        accessibility = getattr(hints, "accessibility", lambda: None)()
        if accessibility is not None and hasattr(accessibility, "contrastPreferenceChanged"):
            accessibility.contrastPreferenceChanged.connect(lambda _preference: self._refresh())
        self._ask_platform()
        self._refresh(force=True)

    # Inside -----------------------------------------------------------------------------------------------------------

    def _wanted(self) -> str:
        if self._mode != "system":
            return self._mode
        if QGuiApplication.instance() is None:
            return "light"
        if _system_prefers("contrastPreference", "HighContrast"):
            return "contrast"
        return "dark" if QGuiApplication.styleHints().colorScheme() == Qt.ColorScheme.Dark else "light"

    def _ask_platform(self) -> None:
        """Tell the platform too, so that title bars and native dialogs follow the choice (Qt 6.8 and later)."""
        if self._app is not None:
            scheme = {"light": Qt.ColorScheme.Light, "dark": Qt.ColorScheme.Dark, "contrast": Qt.ColorScheme.Dark}
            self._app.styleHints().setColorScheme(scheme.get(self._mode, Qt.ColorScheme.Unknown))

    def _refresh(self, *, force: bool = False) -> None:
        wanted = self._wanted()
        if wanted == self.name and not force:
            return
        self.name = wanted
        if self._app is not None:
            self._app.setPalette(self.palette())
            self._app.setFont(self.font("body"))
            self._app.setStyleSheet(self.style_sheet())
        self.changed.emit()

    def palette(self) -> QPalette:
        """The palette for what the style sheet does not reach."""
        p = QPalette()
        role = QPalette.ColorRole
        for source, targets in {
            "window": (role.Window,),
            "surface": (role.Base, role.Button, role.ToolTipBase, role.Light),
            "sunken": (role.AlternateBase,),
            "text": (role.WindowText, role.Text, role.ButtonText, role.HighlightedText, role.ToolTipText),
            "text_faint": (role.PlaceholderText,),
            "bad": (role.BrightText,),
            "selection": (role.Highlight,),
            "accent": (role.Link, role.LinkVisited, role.Accent),
            "hover": (role.Midlight,),
            "border": (role.Mid,),
            "border_strong": (role.Dark, role.Shadow),
        }.items():
            for target in targets:
                p.setColor(target, self.color(source))
        for target in (role.WindowText, role.Text, role.ButtonText):
            p.setColor(QPalette.ColorGroup.Disabled, target, self.color("disabled_text"))
        return p

    def style_sheet(self) -> str:
        """The style sheet of the controls for this look."""
        places = {role: _css(color) for role, color in self._colors[self.name].items()}
        places.update({f"radius_{k}": f"{v}px" for k, v in self._sizes["radius"].items()})
        places.update(
            {f"type_{k}": f"{max(8, round(v * self.text_size / 100))}px" for k, v in self._sizes["type"].items()}
        )
        chip = max(28, self.scaled("control_height") - 6)
        places["chip"], places["radius_chip"] = f"{chip - 4}px", f"{(chip - 2) // 2}px"
        places["chip_border"] = places["border" if self.dark else "sunken"]
        places["radius_ring"] = f"{self.radius('control') + 4}px"
        places["radius_round"] = f"{self.scaled('control_height') // 2 + 4}px"
        places["radius_send"] = f"{self.scaled('control_height') // 2}px"
        places["segment"] = f"{self.scaled('control_height') - 6}px"
        for state, factor in (("hover", 108), ("pressed", 118)):
            places[f"accent_{state}"] = _css(self.color("accent").darker(factor))
        places["control"] = f"{self.scaled('control_height') - 2}px"
        ltr = QGuiApplication.layoutDirection() is Qt.LayoutDirection.LeftToRight
        places["start"], places["end"] = ("left", "right") if ltr else ("right", "left")
        places["with_chevron"] = f"{self.grown(16) + 14}px"
        places["icons"] = self._icons.as_posix()
        return self._template.substitute(places)

    @cached_property
    def _families(self) -> tuple[str, str]:
        """The family of the window's words, and that of code."""
        family = QFontDatabase.systemFont(QFontDatabase.SystemFont.GeneralFont).family()
        if sys.platform.startswith("linux") and family.lower() in _NO_CHOICE and QFontDatabase.hasFamily("Inter"):
            family = "Inter"
        fixed = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont).family()
        return family, next((name for name in _CODE_FAMILIES if QFontDatabase.hasFamily(name)), fixed)


def mark(widget: QWidget, name: str, value: object) -> None:
    """Set a property of ``widget`` that the style sheet asks for."""
    if widget.property(name) != value:
        widget.setProperty(name, value)
        widget.style().unpolish(widget)
        widget.style().polish(widget)


def _color(text: str) -> QColor:
    """``#RRGGBB`` or ``#RRGGBBAA`` (as in the tokens; Qt itself would read the alpha first)."""
    if len(text) == 9:
        return QColor(f"#{text[7:]}{text[1:7]}")
    return QColor(text)


def _css(color: QColor) -> str:
    if color.alpha() == 255:
        return color.name()
    return f"rgba({color.red()}, {color.green()}, {color.blue()}, {color.alpha()})"


def _system_prefers(hint: str, value: str) -> bool:
    """Ask Qt's accessibility hints (6.10 and later); False where this Qt or platform does not say."""
    hints = QGuiApplication.styleHints()  # kept: the wrapper of its child dies with it
    accessibility = getattr(hints, "accessibility", lambda: None)()
    asked = getattr(accessibility, hint, None)
    return asked is not None and value in str(asked())
