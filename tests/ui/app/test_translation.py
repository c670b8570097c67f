"""Which language the window speaks, in which direction it reads, and who writes its numbers."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from PySide6.QtCore import QCoreApplication, QLocale, Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QApplication

from qwen_desktop.core.paths import resources_folder
from qwen_desktop.ui import texts, translation
from qwen_desktop.ui.first_paint import FirstPaintWindow
from qwen_desktop.ui.window_state import WindowState
from tests import pseudo

LTR, RTL = Qt.LayoutDirection.LeftToRight, Qt.LayoutDirection.RightToLeft


@pytest.fixture(scope="module")
def resources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The resources, with an Arabic and a Russian translation."""
    folder = tmp_path_factory.mktemp("resources")
    shutil.copytree(resources_folder() / "translations", folder / "translations")
    for name in pseudo.LOCALES:
        pseudo.make(name, folder)
    return folder


@pytest.fixture
def app(qapp: QApplication) -> Iterator[QApplication]:
    """The application, which speaks as before when the test has ended."""
    before = QLocale()
    yield qapp
    QLocale.setDefault(before)
    qapp.setLayoutDirection(LTR)


@pytest.mark.parametrize(
    ("name", "direction", "said"),
    [
        ("ar", RTL, "٤٬٠٩٦ رسكهنق"),
        ("ar_EG", RTL, "٤٬٠٩٦ رسكهنق"),
        ("ru_RU", LTR, "[!! 4 096 ţöķéñš ~ !!]"),
        ("en_GB", LTR, "4,096 tokens"),
        ("de_AT", LTR, "4 096 tokens"),
        ("he_IL", LTR, "4,096 tokens"),  # no translation: English reads from left to right
        ("nonsense", LTR, "4,096 tokens"),
    ],
)
def test_a_users_language_is_spoken_where_there_is_one(
    app: QApplication, resources: Path, name: str, direction: Qt.LayoutDirection, said: str
) -> None:
    installed = translation.install(app, resources, name)
    try:
        assert texts.tokens(4096).replace("\xa0", " ") == said
        assert app.layoutDirection() == direction
    finally:
        for translator in installed:
            QCoreApplication.removeTranslator(translator)


def test_the_variable_names_another_language(
    app: QApplication, resources: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(translation.VARIABLE, "ar")
    for translator in translation.install(app, resources):
        QCoreApplication.removeTranslator(translator)
    assert app.layoutDirection() == RTL and QLocale().name() == "ar_EG"


@pytest.mark.parametrize("direction", [LTR, RTL])
def test_the_first_paint_has_the_rail_where_the_window_will_have_it(
    app: QApplication, tmp_path: Path, direction: Qt.LayoutDirection
) -> None:
    grounds = {"window": "#ffffff", "rail": "#ff0000", "border": "#0000ff"}
    state = tmp_path / "window.json"
    state.write_bytes(msgspec.json.encode(WindowState(grounds=grounds, rail=70)))
    app.setLayoutDirection(direction)
    frame = FirstPaintWindow(state)
    frame.resize(600, 500)
    picture = frame.grab().toImage()
    start = [QColor(picture.pixel(x, 250)).name() for x in (0, 69, 70)]
    end = [QColor(picture.pixel(599 - x, 250)).name() for x in (0, 69, 70)]
    wanted = ["#ff0000", "#0000ff", "#ffffff"]
    assert (end, start) == (wanted, ["#ffffff"] * 3) if direction == RTL else (start, end) == (wanted, ["#ffffff"] * 3)
    frame.deleteLater()
