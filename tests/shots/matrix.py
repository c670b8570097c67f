"""Which pictures are drawn: combinations of theme, size, scale and locale."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

THEMES = {"light": "light", "dark": "dark", "high-contrast": "contrast"}
WIDTH, HEIGHT = 1280, 820


class Look(NamedTuple):
    """One combination. Width and height are those of the window in px of the look, before the scale."""

    theme: str = "light"
    width: int = WIDTH
    height: int = HEIGHT
    scale: float = 1.0
    locale: str = "en"

    @property
    def name(self) -> str:
        """The name of its folder: "light-1280x820", "dark-900x820-2x-de"."""
        scale = f"-{self.scale:g}x" if self.scale != 1 else ""
        locale = f"-{self.locale}" if self.locale != "en" else ""
        return f"{self.theme}-{self.width}x{self.height}{scale}{locale}"


#: What is drawn when nothing is chosen: the usual window, then one difference at a time.
USUAL = (
    Look(),
    Look(theme="dark"),
    Look(theme="high-contrast"),
    Look(width=900),
    Look(width=2560),
    Look(scale=2.0),
)


def looks(
    themes: Sequence[str],
    widths: Sequence[int],
    heights: Sequence[int],
    scales: Sequence[float],
    locales: Sequence[str],
) -> tuple[Look, ...]:
    """Every combination of what is chosen, the usual ones where nothing is; what is not chosen stays as usual."""
    if not (themes or widths or heights or scales or locales):
        return USUAL
    return tuple(
        Look(*values)
        for values in product(
            themes or ("light",), widths or (WIDTH,), heights or (HEIGHT,), scales or (1.0,), locales or ("en",)
        )
    )


def configure(look: Look, folder: Path) -> dict[str, str]:
    """The environment of a process that is started in ``folder``: Qt reads it before there is an application. The
    screen's description has no whole path, since a colon would end it."""
    screen = {"name": "shots", "x": 0, "y": 0, "logicalDpi": 96, "logicalBaseDpi": 96, "dpr": 1}
    size = {"width": round((look.width + 200) * look.scale), "height": round((look.height + 400) * look.scale)}
    file = folder / f"{look.name}.json"
    file.write_text(json.dumps({"synchronousWindowSystemEvents": False, "screens": [{**screen, **size}]}))
    return {
        "QT_QPA_PLATFORM": f"offscreen:configfile={file.name}",
        "QT_SCALE_FACTOR": f"{look.scale:g}",
        "QT_FONT_DPI": "96",
        "LC_ALL": "C.UTF-8",
        "PYTHONHASHSEED": "0",
        "XDG_CURRENT_DESKTOP": "",
    }
