"""The door for words and numbers, and that what is looked up is what lupdate has found."""

from __future__ import annotations

import importlib
import pkgutil
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import marks
import pytest
import translations
from PySide6.QtCore import QLocale, QObject
from PySide6.QtGui import Qt, QTextDocument
from PySide6.QtWidgets import QApplication

import qwen_desktop.ui
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text
from qwen_desktop.ui import texts


@pytest.mark.parametrize("text", ["<b>bold</b> & more", "&lt;i>", "<img src=/etc/hostname>", "1 < 2 & 3", "", "a\n  b"])
def test_a_tooltip_says_what_it_is_given(qapp: QApplication, text: str) -> None:
    shown = texts.tip(text)
    document = QTextDocument()
    (document.setHtml if Qt.mightBeRichText(shown) else document.setPlainText)(shown)
    assert document.toPlainText() == text
    assert len(texts.tip("x" * 10_000)) == 300


def test_nothing_sets_a_tooltip_that_could_be_read_as_markup() -> None:
    """Words of the interface are; all others go through ``tip``."""
    for path in Path(qwen_desktop.ui.__path__[0]).rglob("*.py"):
        for line in path.read_text(encoding="utf-8").splitlines():
            if "setToolTip(" in line or "ToolTipRole" in line or "QToolTip.showText(" in line:
                ours = re.search(r"\btip\(|self\.tr\(|translate\(|\.tooltip\(|setToolTip\((APP\)|\"\")", line)
                assert ours or "shown_path(path)" in line, f"{path.name}: {line.strip()}"  # a menu shows plain text


@pytest.fixture(params=["en_US", "de_DE", "ar_EG", "hi_IN", "fr_FR"])
def locale(request: pytest.FixtureRequest, qapp: QApplication) -> Iterator[QLocale]:
    """A user's way of writing numbers; the window speaks English."""
    before = QLocale()
    QLocale.setDefault(QLocale(request.param))
    yield QLocale()
    QLocale.setDefault(before)


def below(kind: type) -> Iterator[type]:
    for one in kind.__subclasses__():
        yield one
        yield from below(one)


def test_what_a_class_looks_up_is_what_lupdate_has_found_there() -> None:
    """``self.tr`` looks a text up by the classes of the object from its own one upwards, and takes the first that has
    it; one with a number counts as found in the first class of all."""
    for module in pkgutil.walk_packages(qwen_desktop.ui.__path__, "qwen_desktop.ui."):
        importlib.import_module(module.name)
    marked: dict[str, dict[str, marks.Mark]] = {}
    for mark in marks.read(translations.PACKAGE)[0]:
        marked.setdefault(mark.context, {})[mark.source] = mark
    # Another test may have had a module read again: the classes of before are not those of the window.
    ours = [
        kind
        for kind in set(below(QObject))
        if kind.__module__.startswith("qwen_desktop.")
        and getattr(sys.modules[kind.__module__], kind.__name__, kind) is kind
    ]
    assert len({kind.__name__ for kind in ours}) == len(ours), "two classes share a context"
    for kind in ours:
        own = marked.get(kind.__name__, {})
        heirs = [heir.__name__ for heir in set(below(kind))]
        numbered = [mark.where for mark in own.values() if mark.plural and mark.by_self]
        assert not (heirs and numbered), f"use translate() with {kind.__name__}, which has heirs: {numbered}"
        for heir in heirs:
            assert not set(own) & set(marked.get(heir, {})), f"{heir} has a text of {kind.__name__}"


def test_numbers_sizes_and_times_stand_as_the_user_writes_them(locale: QLocale) -> None:
    def n(value: float, decimals: int) -> str:
        return locale.toString(float(value), "f", decimals)

    assert texts.size(2_497_280_480) == f"{n(2.5, 1)} GB"
    assert texts.exact(2_497_280_480) == f"{n(2.5, 2)} GB"
    assert texts.exact(1) == f"{locale.toString(1)} byte"
    assert texts.of_size(1_612_000_000, 2_497_280_480) == f"{n(1.61, 2)} of {n(2.5, 2)} GB"
    assert texts.rate(7_400_000) == f"{n(7.4, 1)} MB/s"
    assert texts.tokens(262_144) == f"{locale.toString(262144)} tokens"
    assert texts.seconds(0.43) == f"{n(0.4, 1)} s"
    assert texts.duration(59.6) == f"{locale.toString(1)} min {locale.toString(0)} s"
    assert texts.seconds(7_800) == f"{locale.toString(2)} h {locale.toString(10)} min"
    assert texts.left(7_800) == f"{locale.toString(2)} h {locale.toString(10)} min left"
    assert texts.percent(0.999) == f"{locale.toString(99)} %"
    assert texts.ago(time.time() - 40 * 86400) == f"{locale.toString(40)} days ago"
    assert texts.parameters(1_720_574_976) == f"{n(1.7, 1)}B"


def test_a_sentence_from_below_is_said_with_its_numbers_and_places(locale: QLocale) -> None:
    source = QT_TRANSLATE_NOOP(
        "fit", "It fits with %n token(s) of context: it uses {needs} of memory; {free} are free now."
    )
    said = texts.text(Text("fit", source, {"n": 4096, "needs": "{free}", "free": 2.5}))
    number, free = locale.toString(4096), locale.toString(2.5, "f", 1)
    assert said == f"It fits with {number} tokens of context: it uses {{free}} of memory; {free} are free now."
    assert texts.text(Text("fit", source, {"n": 1})).startswith(f"It fits with {locale.toString(1)} token of")


def test_what_an_older_version_stored_is_shown_in_english() -> None:
    old = Text("x", QT_TRANSLATE_NOOP("", "There is no {a}."), {"a": "b"})
    assert old.context == "" and texts.text(old) == "There is no b."
