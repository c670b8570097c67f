"""Where the window system cannot blend, nothing that pops up leaves black corners."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint
from PySide6.QtWidgets import QApplication, QPlainTextEdit, QWidget
from pytestqt.qtbot import QtBot

from qwen_desktop.core.paths import resources_folder
from qwen_desktop.ui import blending
from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets import select
from qwen_desktop.ui.widgets.select import Menu, Select

CHILD = """
import ctypes
from PySide6.QtWidgets import QApplication, QWidget
from qwen_desktop.ui.blending import _Cookie, can_blend

app = QApplication([])
assert app.platformName() == "xcb"
print(can_blend())
xcb = ctypes.CDLL("libxcb.so.1")
server = ctypes.c_void_p(int(app.nativeInterface().connection()))
xcb.xcb_intern_atom.restype = _Cookie
xcb.xcb_intern_atom_reply.restype = ctypes.POINTER(ctypes.c_uint32)
asked = xcb.xcb_intern_atom(server, ctypes.c_uint8(0), ctypes.c_uint16(13), b"_NET_WM_CM_S0")
atom = xcb.xcb_intern_atom_reply(server, asked, None)[2]
owner = QWidget()
for window in (int(owner.winId()), 0):
    xcb.xcb_set_selection_owner(server, ctypes.c_uint32(window), ctypes.c_uint32(atom), ctypes.c_uint32(0))
    xcb.xcb_flush(server)
    print(can_blend())
"""


@pytest.fixture
def theme(qapp: QApplication, qtbot: QtBot) -> Theme:
    theme = Theme(resources_folder())
    theme.apply(qapp)
    return theme


def corners(popup: QWidget) -> set[int]:
    """The opacity of the four corners, 0 to 255."""
    image = popup.grab().toImage()
    places = [(x, y) for x in (0, image.width() - 1) for y in (0, image.height() - 1)]
    return {image.pixelColor(QPoint(x, y)).alpha() for x, y in places}


@pytest.mark.parametrize(("blends", "opacity"), [(True, 0), (False, 255)])
def test_a_menu_is_round_where_it_can_be_and_opaque_where_not(
    theme: Theme, qapp: QApplication, monkeypatch: pytest.MonkeyPatch, blends: bool, opacity: int
) -> None:
    menu = Menu()
    menu.addAction("Something to do")
    for now in (not blends, blends):  # a compositor may come and go
        monkeypatch.setattr(select, "can_blend", lambda now=now: now)
        menu.popup(QPoint(10, 10))
        shown = corners(menu)
        menu.close()
    assert shown == {opacity}
    qapp.setStyleSheet("")


def test_what_qt_pops_up_itself_is_opaque(theme: Theme, qapp: QApplication) -> None:
    edit = QPlainTextEdit()
    menu = edit.createStandardContextMenu()
    menu.popup(QPoint(10, 10))
    assert corners(menu) == {255}
    menu.close()
    choice = Select(theme, "Choice")
    choice.addItems(["One", "Two"])
    choice.show()
    choice.showPopup()
    assert corners(choice.view().window()) == {255}
    choice.hidePopup()
    choice.close()
    qapp.setStyleSheet("")


def test_other_window_systems_always_blend(qapp: QApplication) -> None:
    assert qapp.platformName() != "xcb"
    assert blending.can_blend()


@pytest.mark.skipif(shutil.which("Xvfb") is None, reason="needs an X server of its own")
def test_on_x11_a_compositor_is_seen_coming_and_going(tmp_path: Path) -> None:
    read, write = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", "640x480x24", "-nolisten", "tcp"],
        pass_fds=(write,),
        stderr=subprocess.DEVNULL,
    )
    try:
        os.close(write)
        number = os.read(read, 16).decode().strip()
        environ = {**os.environ, "DISPLAY": f":{number}", "QT_QPA_PLATFORM": "xcb"}
        child = [sys.executable, "-c", CHILD]
        found = subprocess.run(child, env=environ, capture_output=True, text=True, timeout=60, check=False)
        assert found.stdout.split() == ["False", "True", "False"], found.stderr
    finally:
        os.close(read)
        server.terminate()
        server.wait(10)
