"""Whether the window system blends translucent windows: on X11 only where a compositor runs, and Qt does not tell.

Where none does, what a window leaves transparent is black on the screen.
"""

from __future__ import annotations

import ctypes
import os
from typing import Any

from PySide6.QtGui import QGuiApplication


class _Cookie(ctypes.Structure):
    _fields_ = (("sequence", ctypes.c_uint),)


def can_blend() -> bool:
    """Ask now: a compositor may come and go while the app runs. Takes a fraction of a millisecond."""
    app = QGuiApplication.instance()
    if not isinstance(app, QGuiApplication) or app.platformName() != "xcb":
        return True
    connection = getattr(app.nativeInterface(), "connection", None)  # only on X11
    try:
        return connection is not None and _has_compositor(int(connection()))
    except (OSError, AttributeError):  # no such library: opaque is right everywhere
        return False


def _has_compositor(connection: int) -> bool:
    """Whether somebody owns the selection that compositors take for the screen of ``DISPLAY``."""
    xcb = ctypes.CDLL("libxcb.so.1")
    xcb.xcb_intern_atom.restype = xcb.xcb_get_selection_owner.restype = _Cookie
    server = ctypes.c_void_p(connection)
    screen = os.environ.get("DISPLAY", "").rpartition(":")[2].partition(".")[2] or "0"
    name = f"_NET_WM_CM_S{screen}".encode()
    asked = xcb.xcb_intern_atom(server, ctypes.c_uint8(0), ctypes.c_uint16(len(name)), name)
    atom = _answer(xcb.xcb_intern_atom_reply, server, asked)
    if not atom:
        return False
    asked = xcb.xcb_get_selection_owner(server, ctypes.c_uint32(atom))
    return _answer(xcb.xcb_get_selection_owner_reply, server, asked) != 0


def _answer(reply: Any, server: ctypes.c_void_p, asked: _Cookie) -> int:
    """The number in a reply, after its header of 8 bytes; 0 where there is none."""
    reply.restype = ctypes.POINTER(ctypes.c_uint32)
    found = reply(server, asked, None)
    if not found:
        return 0
    number = int(found[2])
    free = ctypes.CDLL(None).free
    free.argtypes = (ctypes.c_void_p,)
    free(found)
    return number
