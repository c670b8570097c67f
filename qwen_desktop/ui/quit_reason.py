"""Who asks the app to quit. Only macOS needs to be asked: its log-out and the Dock's menu send the same event."""

from __future__ import annotations

import sys

#: ``kAEQuitReason``: an attribute that the event has when a log-out, a restart or a shutdown is behind it.
_REASON = int.from_bytes(b"why?", "big")


def session_ends() -> bool:
    """Whether the event that is being handled comes from the session's end, and not from a click."""
    return sys.platform != "darwin" or _has_reason()


def _has_reason() -> bool:
    """``[[[NSAppleEventManager sharedAppleEventManager] currentAppleEvent] attributeDescriptorForKeyword:'why?']``."""
    import ctypes  # noqa: PLC0415 - only macOS, and not before the first paint
    import ctypes.util  # noqa: PLC0415

    try:
        objc = ctypes.CDLL(ctypes.util.find_library("objc"))
        objc.objc_getClass.restype = objc.sel_registerName.restype = ctypes.c_void_p
        objc.objc_getClass.argtypes = objc.sel_registerName.argtypes = [ctypes.c_char_p]
        send = ("objc_msgSend", objc)
        plain = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)(send)
        keyed = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint32)(send)
        manager = plain(objc.objc_getClass(b"NSAppleEventManager"), objc.sel_registerName(b"sharedAppleEventManager"))
        event = plain(manager, objc.sel_registerName(b"currentAppleEvent"))
        return bool(event and keyed(event, objc.sel_registerName(b"attributeDescriptorForKeyword:"), _REASON))
    except (OSError, AttributeError, TypeError):
        return False
