"""What files need of Windows that Python does not give: thin calls of kernel32 and the shell, without decisions.

Importable everywhere; only to be called where ``sys.platform`` is "win32".
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path
from typing import Any

_FSCTL_SET_SPARSE = 0x900C4
_DELETE = 0x10000
_SHARE_ALL = 0x7
_OPEN_EXISTING = 3
_OPEN_LINK_ITSELF = 0x200000
_DISPOSITION = 4  # FileDispositionInfo
_INVALID = ctypes.c_void_p(-1).value
_NO_SIZE = 0xFFFFFFFF


def _library(name: str) -> Any:
    return getattr(ctypes, "WinDLL")(name, use_last_error=True)  # noqa: B009 - unknown elsewhere


def _last_error() -> int:
    return int(getattr(ctypes, "get_last_error")())  # noqa: B009 - as above


def _error(path: str = "") -> OSError:
    error: OSError = getattr(ctypes, "WinError")(_last_error())  # noqa: B009 - as above
    error.filename = path or None
    return error


def set_size(file: int, size: int) -> None:
    """Make the open file so long that what nobody has written takes neither time nor room. Raises ``OSError``.

    The C library would write zeros. A file system without sparse files (FAT) reserves the room instead.
    """
    if sys.platform == "win32":
        import msvcrt  # noqa: PLC0415 - Windows only

        kernel = _library("kernel32")
        handle = ctypes.c_void_p(msvcrt.get_osfhandle(file))
        done = ctypes.c_ulong()
        kernel.DeviceIoControl(handle, _FSCTL_SET_SPARSE, None, 0, None, 0, ctypes.byref(done), None)
        place = ctypes.c_longlong(size)
        if not kernel.SetFilePointerEx(handle, place, None, 0) or not kernel.SetEndOfFile(handle):
            raise _error()


def allocated(path: Path) -> int:
    """Bytes of the disk that the file takes. Raises ``OSError``."""
    kernel = _library("kernel32")
    kernel.GetCompressedFileSizeW.restype = ctypes.c_ulong
    high = ctypes.c_ulong()
    low = kernel.GetCompressedFileSizeW(ctypes.c_wchar_p(str(path)), ctypes.byref(high))
    if low == _NO_SIZE and _last_error():
        raise _error(str(path))
    return int((high.value << 32) | low)


def check_deletable(path: Path) -> None:
    """Raise the ``OSError`` with which deleting the file would fail: it is open, or mapped into memory. It stays.

    A mapped file can be renamed, but not marked for deletion; the mark is taken away again.
    """
    kernel = _library("kernel32")
    kernel.CreateFileW.restype = ctypes.c_void_p
    handle = kernel.CreateFileW(
        ctypes.c_wchar_p(str(path)), _DELETE, _SHARE_ALL, None, _OPEN_EXISTING, _OPEN_LINK_ITSELF, None
    )
    if handle == _INVALID:
        raise _error(str(path))
    opened = ctypes.c_void_p(handle)
    try:
        for mark in (1, 0):
            flag = ctypes.c_ubyte(mark)
            if not kernel.SetFileInformationByHandle(opened, _DISPOSITION, ctypes.byref(flag), 1):
                raise _error(str(path))
    finally:
        kernel.CloseHandle(opened)


def volume_of(path: Path) -> str:
    r"""Where the drive of ``path`` begins: "C:\", "\\server\share\", a mount point. Raises ``OSError``."""
    name = ctypes.create_unicode_buffer(1024)
    if not _library("kernel32").GetVolumePathNameW(ctypes.c_wchar_p(os.path.abspath(path)), name, len(name)):  # noqa: PTH100
        raise _error(str(path))
    return name.value


def drive_type(volume: str) -> int:
    """What ``GetDriveTypeW`` says: 2 removable, 3 fixed, 4 network, 5 disc, 6 memory."""
    return int(_library("kernel32").GetDriveTypeW(ctypes.c_wchar_p(volume)))


def has_bin(volume: str) -> bool:
    """Whether the shell knows a bin on this drive."""

    class Info(ctypes.Structure):
        _fields_ = (("size", ctypes.c_ulong), ("bytes", ctypes.c_longlong), ("items", ctypes.c_longlong))
        if ctypes.sizeof(ctypes.c_void_p) == 4:
            _pack_ = 1

    info = Info()
    info.size = ctypes.sizeof(Info)
    return int(_library("shell32").SHQueryRecycleBinW(ctypes.c_wchar_p(volume), ctypes.byref(info))) == 0


def bin_settings(volume: str) -> tuple[bool, int | None]:
    """What the user has set for the bin of this drive: whether everything is deleted at once, and how many bytes it
    may hold (None: unknown)."""
    if sys.platform == "win32":
        import winreg  # noqa: PLC0415 - Windows only

        name = ctypes.create_unicode_buffer(64)
        kernel = _library("kernel32")
        if not kernel.GetVolumeNameForVolumeMountPointW(ctypes.c_wchar_p(volume), name, len(name)):
            return False, None
        identity = name.value.removeprefix("\\\\?\\Volume").rstrip("\\")
        key = rf"Software\Microsoft\Windows\CurrentVersion\Explorer\BitBucket\Volume\{identity}"
        try:
            with winreg.OpenKey(winreg.HKEY_CURRENT_USER, key) as settings:
                return bool(_value(settings, "NukeOnDelete")), (
                    _value(settings, "MaxCapacity") or 0
                ) * 1_048_576 or None
        except OSError:
            pass
    return False, None


def _value(key: Any, name: str) -> int:
    if sys.platform == "win32":
        import winreg  # noqa: PLC0415 - Windows only

        try:
            return int(winreg.QueryValueEx(key, name)[0])
        except (OSError, ValueError):
            pass
    return 0
