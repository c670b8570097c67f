"""The kind of a disk on macOS (``diskutil``) and Windows (drive type and seek penalty), as far as they tell."""

from __future__ import annotations

import ctypes
import ntpath
import plistlib
import subprocess
from typing import Any
from xml.parsers.expat import ExpatError

from qwen_desktop.core.hardware import DiskKind

_NETWORK_MOUNTS = ("smbfs", "nfs", "afpfs", "webdav", "cifs")
_DISKUTIL_S = 3.0
_REMOTE, _RAMDISK = 4, 6
_QUERY_PROPERTY = 0x2D1400  # IOCTL_STORAGE_QUERY_PROPERTY
_SEEK_PENALTY = 7  # StorageDeviceSeekPenaltyProperty


def macos_kind(folder: str) -> DiskKind:
    """What ``diskutil`` says of the volume of ``folder``; volumes of the network are not known to it."""
    import psutil  # noqa: PLC0415 - not on Linux

    real = max(
        (p for p in psutil.disk_partitions(all=True) if (folder + "/").startswith(p.mountpoint.rstrip("/") + "/")),
        key=lambda p: len(p.mountpoint),
        default=None,
    )
    if real is not None and real.fstype in _NETWORK_MOUNTS:
        return "network"
    try:
        done = subprocess.run(
            ["/usr/sbin/diskutil", "info", "-plist", real.mountpoint if real is not None else folder],
            capture_output=True, stdin=subprocess.DEVNULL, timeout=_DISKUTIL_S, check=False,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return diskutil_kind(done.stdout)


def diskutil_kind(answer: bytes) -> DiskKind:
    """The kind in the answer of ``diskutil info -plist``."""
    try:
        found = plistlib.loads(answer)
    except (plistlib.InvalidFileException, ExpatError, ValueError, OverflowError):
        return "unknown"
    if not isinstance(found, dict) or found.get("BusProtocol") == "Disk Image":
        return "unknown"
    solid = found.get("SolidState")
    return "unknown" if not isinstance(solid, bool) else "ssd" if solid else "hdd"


def windows_kind(folder: str) -> DiskKind:
    """What Windows says of the drive of ``folder``. Needs no rights: the drive is opened for questions only."""
    drive = ntpath.splitdrive(folder)[0]
    if drive.startswith("\\\\"):
        return "network"
    kernel = getattr(ctypes, "WinDLL")("kernel32", use_last_error=True)  # noqa: B009 - unknown to other systems
    kind = kernel.GetDriveTypeW(drive + "\\")
    if kind == _REMOTE:
        return "network"
    if kind == _RAMDISK:
        return "memory"
    return _seek_penalty(kernel, drive)


def _seek_penalty(kernel: Any, drive: str) -> DiskKind:
    kernel.CreateFileW.restype = ctypes.c_void_p
    handle = kernel.CreateFileW(f"\\\\.\\{drive}", 0, 3, None, 3, 0, None)  # shared, an existing one
    if handle in (None, ctypes.c_void_p(-1).value):
        return "unknown"
    try:
        query = (ctypes.c_uint32 * 3)(_SEEK_PENALTY, 0, 0)
        answer = ctypes.create_string_buffer(12)
        size = ctypes.c_uint32(0)
        done = kernel.DeviceIoControl(
            ctypes.c_void_p(handle), _QUERY_PROPERTY, query, ctypes.sizeof(query), answer, len(answer),
            ctypes.byref(size), None,
        )  # fmt: skip
        if not done or size.value < 9:
            return "unknown"
        return "hdd" if answer.raw[8] else "ssd"  # version and size, then the answer
    finally:
        kernel.CloseHandle(ctypes.c_void_p(handle))
