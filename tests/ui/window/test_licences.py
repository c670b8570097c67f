"""About: the licences of all parts, from NOTICE or from what is installed."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from qwen_desktop.services import notices
from qwen_desktop.services.notices import Part
from qwen_desktop.ui.settings.about import AboutSection
from qwen_desktop.ui.settings.licences import LicencesDialog
from tests.ui.looks import stays_cut_off

if TYPE_CHECKING:
    from tests.ui.conftest import Make, Ui

PARTS = (
    Part("numpy", "2.4.6", "BSD-3-Clause AND MIT", "https://numpy.org", "", ("BSD text", "MIT text")),
    Part("Qt", "6.11.3", "LGPL-3.0-only", "https://www.qt.io", "You may change it.", ("LGPL text",)),
    Part("zlib", "", "Zlib"),
)


async def opened(ui: Ui, monkeypatch: pytest.MonkeyPatch) -> LicencesDialog:
    monkeypatch.setattr(notices, "load", lambda _resources: PARTS)
    ui.window.show_page("view.settings")
    page = ui.window.pages.built("view.settings")
    assert page is not None
    page.show_section("about")
    about = page._pages["about"]
    assert isinstance(about, AboutSection)
    about.licences.click()
    await ui.rest()
    dialog = ui.window.findChild(LicencesDialog)
    assert dialog is not None
    return dialog


async def test_the_first_part_is_shown_with_all_its_texts(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    ui = await make()
    dialog = await opened(ui, monkeypatch)
    assert dialog.names.count() == 3
    assert dialog.count.text() == "3 parts"
    assert dialog.name.text() == "numpy"
    assert dialog.facts.text() == "2.4.6 · BSD-3-Clause AND MIT"
    assert "BSD text" in dialog.text.toPlainText()
    assert "MIT text" in dialog.text.toPlainText()
    assert dialog.home.isVisible()
    dialog.close()


async def test_search_and_keys_lead_to_a_part(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    ui = await make()
    dialog = await opened(ui, monkeypatch)
    QTest.keyClicks(dialog.search, "lgpl")
    assert dialog.count.text() == "1 of 3 parts"
    assert dialog.name.text() == "Qt"
    assert dialog.note.text() == "You may change it."
    assert dialog.note.isVisible()
    dialog.search.clear()
    QTest.keyClick(dialog.search, Qt.Key.Key_Down)
    QTest.keyClick(dialog.names, Qt.Key.Key_End)
    assert dialog.facts.text() == "Zlib"
    assert "no text" in dialog.text.toPlainText()
    assert not dialog.home.isVisible()
    dialog.search.setText("xyzzy")
    assert dialog.count.text() == "No part has that in its name."
    assert dialog.text.toPlainText() == ""
    dialog.close()


@pytest.mark.parametrize("size", [(900, 640), (1280, 820)])
async def test_nothing_is_cut_off(make: Make, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]) -> None:
    ui = await make(size=size)
    dialog = await opened(ui, monkeypatch)
    assert dialog.width() <= size[0]
    assert dialog.height() <= size[1]
    assert await stays_cut_off(dialog) == []
    dialog.close()


def test_paragraphs_are_joined_and_nothing_else() -> None:
    text = (
        "                 THE TITLE\n\nCopyright (c) 2001 Somebody with quite a long name of his own\n"
        "Copyright (c) 2002 Another\n\nRedistribution and use in source and binary forms, with or\n"
        "without modification, are permitted.\n\n  * One entry of a list that is long enough to be wrapped\n"
        "    into the next line.\n  * Two\n"
    )
    joined = notices.reflowed(text)
    assert joined.split() == text.split()
    assert joined.splitlines()[2:] == [
        "Copyright (c) 2001 Somebody with quite a long name of his own",
        "Copyright (c) 2002 Another",
        "",
        "Redistribution and use in source and binary forms, with or without modification, are permitted.",
        "",
        "  * One entry of a list that is long enough to be wrapped into the next line.",
        "  * Two",
    ]


def test_without_notice_the_metadata_of_what_is_installed_are_shown(tmp_path: Path) -> None:
    parts = {part.name: part for part in notices.load(tmp_path)}
    assert parts["msgspec"].licence == "BSD-3-Clause"
    assert parts["msgspec"].version
    assert any("Redistribution" in text for text in parts["msgspec"].texts)
    if any(entry.name == "qwen-desktop" for entry in importlib.metadata.distributions()):
        assert "pytest" not in parts  # needed for development alone


def test_a_broken_notice_does_not_hide_the_licences(tmp_path: Path) -> None:
    (tmp_path / "NOTICE").write_text("=" * 78 + "\nnothing that a build writes\n", encoding="utf-8")
    assert notices.load(tmp_path) == notices.installed()
