"""The disk that holds a folder: how much is free and what kind it is."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

from qwen_desktop.core.hardware import Disk, DiskKind
from qwen_desktop.hardware import files
from qwen_desktop.hardware.limits import mounts, unescaped

_NETWORK = frozenset((
    "nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "glusterfs", "afs", "lustre", "davfs", "ncpfs",
    "fuse.sshfs", "fuse.rclone", "fuse.glusterfs", "fuse.davfs2", "fuse.s3fs", "fuse.gvfsd-fuse", "fuse.ceph",
))  # fmt: skip
_MEMORY = frozenset(("tmpfs", "ramfs", "devtmpfs", "zram"))
#: Disks of virtual machines and USB boxes are called rotating whatever they are; their "not rotating" is meant.
_VIRTUAL_NAMES = re.compile(r"(vd|xvd|ubd)")
_VIRTUAL_MODELS = re.compile(r"qemu|vbox|vmware|virtual|msft", re.IGNORECASE)
_NAMED: tuple[tuple[str, DiskKind], ...] = (
    ("zram", "memory"), ("ram", "memory"), ("nbd", "network"), ("rbd", "network"), ("loop", "unknown"),
)  # fmt: skip
_DEEPEST = 8


def read(folder: str, root: Path = files.ROOT, platform: str = sys.platform) -> Disk:
    """The disk of ``folder``, or of the nearest folder above it that exists. May block for as long as a lost network
    drive does; raises ``OSError`` when nothing can be read."""
    nearest = existing(Path(folder))
    usage = shutil.disk_usage(nearest)
    kind: DiskKind = "unknown"
    if platform.startswith("linux"):
        kind = linux_kind(str(nearest), nearest.stat().st_dev, root)
    elif platform == "darwin":
        from qwen_desktop.hardware import disk_elsewhere  # noqa: PLC0415 - one system never needs the other's

        kind = disk_elsewhere.macos_kind(str(nearest))
    elif platform == "win32":
        from qwen_desktop.hardware import disk_elsewhere  # noqa: PLC0415

        kind = disk_elsewhere.windows_kind(str(nearest))
    return Disk(folder, usage.free, usage.total, kind)


def existing(folder: Path) -> Path:
    """``folder`` or the nearest one above it that is there."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder


def linux_kind(folder: str, device: int, root: Path = files.ROOT) -> DiskKind:
    """What holds ``folder``: ``device`` is its st_dev."""
    if sys.platform == "win32":
        return "unknown"
    number = f"{os.major(device)}:{os.minor(device)}"
    file_system, source = _mount(folder, number, root)
    if file_system in _NETWORK:
        return "network"
    if file_system in _MEMORY:
        return "memory"
    block = root / "sys/dev/block" / number
    if not block.exists():  # btrfs and others have device numbers of their own: ask for the device they lie on
        if not source.startswith("/dev/"):
            return "unknown"
        name = os.path.realpath(root / source.lstrip("/")) if source.startswith("/dev/mapper/") else source
        block = root / "sys/class/block" / Path(name).name
    return _block_kind(block, 0)


def _mount(folder: str, number: str, root: Path) -> tuple[str, str]:
    """File system and source of the mount that holds ``folder``: the longest mount point above it wins, the last
    mounted of equals, and one with the right device number before all others."""
    best: tuple[bool, int, str, str] = (False, -1, "", "")
    real = os.path.realpath(folder)
    for first, last in mounts(root):
        point = unescaped(first[4])
        if real == point or real.startswith(point.rstrip("/") + "/"):
            candidate = (first[2] == number, len(point), last[0], unescaped(last[1]))
            if candidate[:2] >= best[:2]:
                best = candidate
    return best[2], best[3]


def _block_kind(block: Path, depth: int) -> DiskKind:
    try:
        block = block.resolve()
    except (OSError, RuntimeError):
        return "unknown"
    if (block / "partition").exists():
        block = block.parent
    named = next((kind for prefix, kind in _NAMED if block.name.startswith(prefix)), None)
    if named is not None:
        return named
    below = files.listing(block / "slaves")
    if below and depth < _DEEPEST:  # encrypted, LVM or RAID: what lies below decides, the slowest of it
        kinds = {_block_kind(part, depth + 1) for part in below}
        return next((kind for kind in ("network", "hdd", "unknown") if kind in kinds), "ssd")
    rotating = files.number(block / "queue/rotational")
    if rotating == 0:
        return "ssd"
    return "hdd" if rotating == 1 and not _doubtful(block) else "unknown"


def _doubtful(block: Path) -> bool:
    words = " ".join(files.text(block / "device" / name) or "" for name in ("vendor", "model"))
    return bool(_VIRTUAL_NAMES.match(block.name) or _VIRTUAL_MODELS.search(words)) or "/usb" in str(block)
