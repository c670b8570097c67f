"""Two languages that nobody speaks, made from what the package marks: texts 40 % longer in letters with accents, and
texts that read from right to left. Every Latin letter that is shown in them has passed no translation.

They borrow a real locale, with its numbers and its forms for them: Russian has three, Arabic six.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import marks
import translations
from PySide6.QtCore import QCoreApplication, QLocale, Qt
from PySide6.QtGui import QGuiApplication

from qwen_desktop.core.text import plural
from qwen_desktop.ui import translation
from tests.ui.models import scripted

#: What is asked for, and the locale that it borrows.
LOCALES = {"long": "ru", "rtl": "ar"}

_PLAIN = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_ACCENTED = "áƀçđéƒĝĥíĵķļɱñöþɋŕšţúṽŵẋýžÁƁÇĐÉƑĜĤÍĴĶĻṀÑÖÞɊŔŠŢÚṼŴẊÝŽ"
_ARABIC = "ابجدهوزحطيكلمنسعفصقرشتثخذضابجدهوزحطيكلمنسعفصقرشتثخذض"
#: What stays: places, the place of a number, and the mark of a key.
_KEPT = re.compile(r"(\{\w+\}|%n|&(?=\w))")


def long(text: str) -> str:
    """``text`` with accents, in brackets, 40 % longer, so that what is cut or put together shows."""
    more = "~" * max(1, round(len(text) * 0.4) - 10)
    return f"[!! {_written(text, _ACCENTED)} {more} !!]" if text.strip() else text


def rtl(text: str) -> str:
    """``text`` in Arabic letters."""
    return _written(text, _ARABIC)


def _written(text: str, letters: str) -> str:
    table = str.maketrans(_PLAIN, letters)
    return "".join(part if _KEPT.fullmatch(part) else part.translate(table) for part in _KEPT.split(text))


_LETTERS: dict[str, Callable[[str], str]] = {"long": long, "rtl": rtl}


def _of_tests() -> list[marks.Mark]:
    """What tests make up: the catalogue's words on models, and sentences in the context "tests"."""
    said = {text for model in scripted.catalogue() for text in (model.strengths, model.best_use)}
    catalogue = [marks.Mark("catalogue", text, False, False, "") for text in sorted(said)]
    here = Path(__file__).parent
    sentences = [mark for folder in ("ui", "shots") for mark in marks.read(here / folder)[0]]
    return catalogue + [mark for mark in sentences if mark.context == "tests"]


def make(name: str, resources: Path) -> None:
    """Write the ``.qm`` file of "long" or "rtl" into ``resources``, as the window's start looks for it."""
    folder = resources / "translations"
    folder.mkdir(parents=True, exist_ok=True)
    written = _LETTERS[name]
    path = folder / f"qwen_desktop_{LOCALES[name]}.ts"

    def forms(source: str, count: int) -> list[str]:
        return [written(plural(source, number)) for number in range(1, count + 1)]

    translations.extract(path, LOCALES[name], also=_of_tests())
    translations.translate(path, written, forms)
    translations.release(path, path.with_suffix(".qm"))


@contextmanager
def spoken(app: QGuiApplication, name: str) -> Iterator[None]:
    """Let ``app`` speak "long" or "rtl" for a while."""
    before, direction = QLocale(), app.layoutDirection()
    with TemporaryDirectory(prefix="qwen-desktop-pseudo-") as folder:
        make(name, Path(folder))
        installed = translation.install(app, Path(folder), LOCALES[name])
        try:
            yield
        finally:
            for translator in installed:
                QCoreApplication.removeTranslator(translator)
            QLocale.setDefault(before)
            app.setLayoutDirection(direction if direction is not None else Qt.LayoutDirection.LeftToRight)
