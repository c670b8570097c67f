"""What the opened disk image looks like; dmgbuild runs this file with ``defines`` and reads the names it leaves."""

from __future__ import annotations

from pathlib import Path

_app: str = defines["app"]  # type: ignore[name-defined]  # noqa: F821 - dmgbuild's

format = "ULMO"  # lzma: the smallest, and macOS can since 10.15
filesystem = "HFS+"  # APFS cannot be shrunk to its content
icon: str = defines["icon"]  # type: ignore[name-defined]  # noqa: F821
files = [_app]
symlinks = {"Applications": "/Applications"}
icon_locations = {Path(_app).name: (150, 170), "Applications": (450, 170)}
# No picture behind the icons: Finder then takes its own colour, which fits light and dark.
background = None
window_rect = ((200, 200), (600, 380))
default_view = "icon-view"
show_icon_preview = False
show_status_bar = show_tab_view = show_toolbar = show_pathbar = show_sidebar = False
icon_size = 128
text_size = 13
