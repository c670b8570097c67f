"""What a language that nobody speaks shows: texts left in English, and what is cut off, in every state."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

from PySide6.QtWidgets import QApplication

from tests.ui.foreign import English, english, is_english
from tests.ui.looks import cut_off

_HERE = Path(__file__).resolve().parent
#: Those of ``tests.pseudo``, whose module needs the tools for translations.
LANGUAGES = ("long", "rtl")
FILE = "_left.txt"
sys.path.append(str(_HERE.parents[1] / "tools"))


class Left:
    """Collects it, each text once."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._told: set[English] = set()
        self._made_up = _literals()

    def look(self, state: str) -> None:
        """See what is on the screen."""
        for one in sorted(english() - self._told):
            self._told.add(one)
            if not self._is_made_up(one.text):
                self._lines.append(f"{state}: {one.module.removeprefix('qwen_desktop.ui.')} shows “{one.text}”")
        shown = [window for window in QApplication.topLevelWidgets() if window.isVisible()]
        self._lines += [f"{state}: {text}" for window in shown for text in cut_off(window)]

    def write(self, folder: Path) -> None:
        """Write what was found beside the pictures, and say how much that is."""
        (folder / FILE).write_text("".join(f"{line}\n" for line in self._lines), encoding="utf-8")
        print(f"{folder / FILE}: {len(self._lines)} texts in English or cut off")

    def _is_made_up(self, text: str) -> bool:
        """Whether ``text``, its beginning or a name in it is what the states have let people and models write."""
        start = text.partition("…")[0].strip()
        if len(start) > 3 and any(start in made for made in self._made_up):
            return True
        for made in self._made_up:
            text = text.replace(made, " ") if len(made) > 8 else text
        return not is_english(text)


def written(english: str) -> list[str]:
    """How the languages that nobody speaks write a text, once one of them is spoken."""
    pseudo = sys.modules.get("tests.pseudo")
    return [] if pseudo is None else [pseudo.long(english), pseudo.rtl(english)]


def _literals() -> list[str]:
    found = []
    for name in ("words", "seeds", "assistants_states", "list_states"):
        tree = ast.parse((_HERE / f"{name}.py").read_text(encoding="utf-8"))
        found += [
            node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
        ]
    return found
