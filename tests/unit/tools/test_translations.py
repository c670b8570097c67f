"""Every text of the package is found by Qt's lupdate in the context in which it is looked up, and nothing is shown that
nobody can translate."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import marks
import pytest
import translations


def test_what_lupdate_extracts_is_what_the_package_marks(tmp_path: Path) -> None:
    target = tmp_path / "qwen_desktop_ar.ts"
    translations.extract(target, "ar")
    found = {
        (context.findtext("name"), message.findtext("source"), message.get("numerus") == "yes")
        for context in ET.parse(target).iter("context")  # noqa: S314 - made just now
        for message in context.iter("message")
    }
    marked, _ = marks.read(translations.PACKAGE)
    assert len(found) > 700
    marked += marks.of_catalogue(translations.CATALOGUE)
    expected = {(mark.context, mark.source, mark.plural) for mark in marked}
    assert found == expected  # a tr() of something else is found in no context, or in a wrong one


def test_what_is_translated_stays(tmp_path: Path) -> None:
    target = tmp_path / "qwen_desktop_ar.ts"
    translations.extract(target, "ar")
    translations.translate(target, str.upper, lambda source, count: [f"{form} {source}" for form in range(count)])
    before = target.read_bytes()
    translations.extract(target, "ar")
    assert target.read_bytes() == before


def test_every_text_is_a_literal_at_a_call_that_lupdate_understands() -> None:
    assert marks.read(translations.PACKAGE)[1] == []


def test_nothing_is_shown_that_nobody_can_translate() -> None:
    assert list(marks.unmarked(translations.PACKAGE)) == []


@pytest.mark.parametrize(
    "line",
    [
        "tr('bare')",
        "other.tr('of another object')",
        "texts.translate(context, source)",
        "self.tr(variable)",
        "self.tr(f'{n} files')",
        "f\"{self.tr('inside')}\"",
        "self.tr('%n files')",
        "self.tr('files', '', n)",
        "self.tr('%n files', n=n)",
        "translate(context, 'text')",
        "translate('context', 'text' + more)",
        "translate('two words', 'text')",
        "QT_TRANSLATE_NOOP('context', text)",
        "[QT_TRANSLATE_NOOP('context', word) for word in ('a', 'b')]",
    ],
)
def test_a_call_that_lupdate_would_not_find_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "it.py").write_text(f"class It:\n    def show(self):\n        return {line}\n")
    _, faults = marks.read(tmp_path)
    assert [fault.where for fault in faults] == ["it.py:3"]


@pytest.mark.parametrize(
    "line", ["label.setText('Hello')", "QLabel(f'{n} files')", "Label(theme, 'Hello' if n else '', self)"]
)
def test_a_literal_that_is_shown_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "ui").mkdir()
    (tmp_path / "ui" / "it.py").write_text(line)
    assert [fault.where for fault in marks.unmarked(tmp_path)] == ["ui/it.py:1"]
    (tmp_path / "ui" / "it.py").write_text(
        "x.setText('·'), QLabel(text), log.info('Hello'), x.setText(self.tr('Hello'))"
    )
    assert list(marks.unmarked(tmp_path)) == []


def test_what_only_has_the_name_of_a_mark_is_none(tmp_path: Path) -> None:
    (tmp_path / "it.py").write_text("text.translate(table), painter.translate(0, height), tr, translate")
    assert marks.read(tmp_path) == ([], [])
