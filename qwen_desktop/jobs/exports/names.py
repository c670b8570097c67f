"""Names of exported files that every system takes: Windows, macOS and Linux, and what unpacks archives there."""

from __future__ import annotations

import re
import unicodedata

from qwen_desktop.core.text import shown

#: Longest name without its ending, in bytes of UTF-8: with a folder before it a path stays under Windows' 260.
_LONGEST = 80
_REFUSED = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f\ufffd]+')
#: Windows opens devices for these, whatever ending they have.
_DEVICES = frozenset({"con", "prn", "aux", "nul", "conin$", "conout$", "clock$"}) | {
    f"{name}{digit}" for name in ("com", "lpt") for digit in "0123456789\u00b9\u00b2\u00b3"
}


def safe(name: str, otherwise: str) -> str:
    """``name`` as the name of a file without its ending, ``otherwise`` where nothing is left of it."""
    name = unicodedata.normalize("NFC", shown(name, 200))
    name = " ".join(_REFUSED.sub(" ", name).split())
    while len(name.encode()) > _LONGEST:
        name = name[:-1]
    name = name.strip(" .~")
    if name.split(".")[0].rstrip().casefold() in _DEVICES:
        name = f"_{name}"
    return name or otherwise


class Names:
    """Gives each file of an export a name of its own, also where upper and lower case are the same."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def of(self, folder: str, name: str, ending: str) -> str:
        """The path of a new file in ``folder`` ("" or a path with slashes), in the manner of an archive."""
        number = 1
        while True:
            path = "/".join(filter(None, (folder, f"{name}{ending}" if number == 1 else f"{name} ({number}){ending}")))
            folded = unicodedata.normalize("NFKC", path).casefold()
            if folded not in self._taken:
                self._taken.add(folded)
                return path
            number += 1
