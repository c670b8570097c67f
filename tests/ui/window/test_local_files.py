"""Files whose names are no text, between Qt and the app."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from PySide6.QtCore import QUrl

from qwen_desktop.core.paths import find_paths
from qwen_desktop.ui import startup
from qwen_desktop.ui.local_files import path_of, shown_path, url_of

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="names are text there")

NAMES = (
    "plain.gguf",
    "Модель 水 é.gguf",
    "a b%41+#?&;.gguf",
    "two\nlines.gguf",
    "back\\slash.gguf",
    "mod\udce9le\udcff.gguf",
)


@pytest.mark.parametrize("name", NAMES)
def test_an_address_means_its_file_in_both_directions(tmp_path: Path, name: str) -> None:
    path = str(tmp_path / name)
    assert path_of(url_of(path)) == path
    assert path_of(QUrl.fromEncoded(url_of(path).toEncoded())) == path
    if "\udce9" not in name:
        assert path_of(QUrl.fromLocalFile(path)) == path
    assert "\n" not in shown_path(path) and shown_path(path).encode()


@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes there")
def test_a_name_that_qt_has_replaced_means_the_only_file_that_looks_so(tmp_path: Path) -> None:
    folder = tmp_path / "f\udcff\udcfeolder"
    folder.mkdir()
    (folder / "mod\udce9le.gguf").write_bytes(b"")
    asked = str(tmp_path / "f\ufffdolder" / "mod\ufffdle.gguf")
    assert path_of(QUrl.fromLocalFile(asked)) == str(folder / "mod\udce9le.gguf")
    (folder / "mod\udceale.gguf").write_bytes(b"")  # now two look so: none is guessed
    assert path_of(QUrl.fromLocalFile(asked)) == asked


@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes there")
def test_a_data_folder_whose_name_is_no_text_has_one_window(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "h\udce9m"
    home.mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("QWEN_DESKTOP_HOME", os.fspath(home))
    paths = find_paths()
    first = startup._lock(paths)
    assert first is not None and startup._lock(paths) is None
    first.unlock()
    again = startup._lock(paths)
    assert again is not None
    again.unlock()
