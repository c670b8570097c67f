"""Colours that can be read, fonts that scale, icons that exist."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtGui import QColor

from qwen_desktop.core.assistants import COLOURS
from qwen_desktop.core.paths import resources_folder
from qwen_desktop.ui import icons
from qwen_desktop.ui.theme import Mode, Theme

#: Text role -> grounds that it stands on somewhere in the window.
GROUNDS = {
    "text": (
        "window",
        "rail",
        "sidebar",
        "surface",
        "sunken",
        "hover",
        "pressed",
        "accent_soft",
        "good_soft",
        "warn_soft",
        "bad_soft",
        "note_soft",
        "user_message",
        "selection",
        "match",
        "current_match",
    ),
    "text_muted": ("window", "rail", "sidebar", "surface", "sunken", "hover", "note_soft", "good_soft", "warn_soft"),
    "text_faint": ("window", "sidebar", "surface", "sunken", "hover"),
    "accent": (
        "window",
        "rail",
        "sidebar",
        "surface",
        "accent_soft",
        "note_soft",
        "good_soft",
        "warn_soft",
        "bad_soft",
    ),
    "on_accent": ("accent",),
    "good": ("window", "surface", "good_soft"),
    "warn": ("window", "surface", "warn_soft"),
    "bad": ("window", "surface", "bad_soft"),
    "note": ("window", "note_soft"),
    **{f"tint_{name}": ("window", "surface", f"tint_{name}_soft") for name in COLOURS},
    "code_keyword": ("sunken",),
    "code_string": ("sunken",),
    "code_number": ("sunken",),
    "code_comment": ("sunken",),
    "code_function": ("sunken",),
}


def luminance(color: QColor) -> float:
    def linear(channel: float) -> float:
        return channel / 12.92 if channel <= 0.03928 else ((channel + 0.055) / 1.055) ** 2.4

    return 0.2126 * linear(color.redF()) + 0.7152 * linear(color.greenF()) + 0.0722 * linear(color.blueF())


def contrast(one: QColor, other: QColor) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.fixture
def theme(qapp: Any) -> Theme:
    return Theme(resources_folder())


@pytest.mark.parametrize("mode", ["light", "dark", "contrast"])
def test_all_text_passes_wcag_aa_on_each_of_its_grounds(theme: Theme, mode: Mode) -> None:
    theme.set_mode(mode)
    low = {
        f"{role} on {ground}": round(contrast(theme.color(role), theme.color(ground)), 2)
        for role, grounds in GROUNDS.items()
        for ground in grounds
        if contrast(theme.color(role), theme.color(ground)) < 4.5
    }
    assert low == {}


@pytest.mark.parametrize("mode", ["dark", "contrast"])
def test_a_tint_can_be_told_from_what_it_stands_on(theme: Theme, mode: Mode) -> None:
    theme.set_mode(mode)
    least = 3 if mode == "contrast" else 1.1
    for ground in ("sunken", "user_message", "accent_soft", "good_soft", "warn_soft", "bad_soft", "note_soft"):
        seen = max(contrast(color, theme.color("window")) for color in (theme.color(ground), theme.edge(ground)))
        assert seen >= least, ground
    theme.set_mode("light")
    assert theme.edge("sunken") == theme.color("sunken"), "in the light it has no line"


def test_high_contrast_goes_further(theme: Theme) -> None:
    theme.set_mode("contrast")
    assert contrast(theme.color("text"), theme.color("window")) >= 15
    assert contrast(theme.color("text_faint"), theme.color("surface")) >= 7


def test_a_choice_is_told_and_dark_knows_it(theme: Theme) -> None:
    seen: list[str] = []
    theme.changed.connect(lambda: seen.append(theme.name))
    theme.set_mode("dark")
    theme.set_mode("dark")
    theme.set_mode("light")
    assert seen == ["dark", "light"]
    assert not theme.dark


def test_fonts_and_controls_grow_with_the_text(theme: Theme) -> None:
    assert theme.font("message").pixelSize() == 15
    small = theme.scaled("control_height")
    theme.set_text_size(150)
    assert theme.font("message").pixelSize() == 22
    assert theme.scaled("control_height") > small
    assert theme.size("control_height") == 34


def test_motion_can_be_turned_off(theme: Theme) -> None:
    theme.set_motion("full")
    assert 120 <= theme.motion_ms() <= 160
    theme.set_motion("none")
    assert theme.motion_ms() == 0


def test_the_style_sheet_has_no_open_places_and_no_colour_of_its_own(theme: Theme) -> None:
    source = (resources_folder() / "themes" / "app.qss.in").read_text(encoding="utf-8")
    assert re.findall(r":\s*#[0-9a-fA-F]{3,8}", source) == []
    assert "$" not in theme.style_sheet()


def test_each_icon_that_the_window_names_exists_and_takes_its_colour(theme: Theme) -> None:
    folder = resources_folder() / "icons"
    files = {path.stem for path in folder.glob("*.svg")}
    assert (folder / "LICENSE").is_file()
    for name in files - {"app"}:
        text = (folder / f"{name}.svg").read_text(encoding="utf-8")
        assert 'stroke-width="1.75"' in text, name
        image = icons.pixmap(name, QColor("#ff0000"), 24, 2.0).toImage()
        assert image.width() == 48
        inks = {
            image.pixelColor(x, y).name() for x in range(48) for y in range(48) if image.pixelColor(x, y).alpha() > 250
        }
        assert inks == {"#ff0000"}, name
    code = "".join(p.read_text(encoding="utf-8") for p in Path(icons.__file__).parent.rglob("*.py"))
    unused = {name for name in files - {"app"} if f'"{name}"' not in code}
    assert unused == set()
