"""The disk below a folder, through partitions, encryption and mounts; and the battery."""

from __future__ import annotations

import os
import plistlib
from pathlib import Path

import pytest

from qwen_desktop.core.hardware import Battery
from qwen_desktop.hardware import battery, disk, disk_elsewhere
from tests.unit.hardware import trees

NUMBER = os.makedev(8, 3)


def block(root: Path, name: str, rotating: str, *, bus: str = "pci0000:00", model: str = "", parts: int = 0) -> Path:
    """A disk in /sys with its partitions; returns the folder of the last one, or of the disk."""
    place = f"sys/devices/{bus}/block/{name}"
    trees.write(root, {f"{place}/queue/rotational": rotating, f"{place}/device/model": model})
    found = root / place
    for part in range(1, parts + 1):
        found = root / place / f"{name}{part}"
        trees.write(root, {f"{place}/{name}{part}/partition": str(part)})
    return found


def numbered(root: Path, target: Path, number: str = "8:3") -> None:
    """Let ``target`` be the device ``number``."""
    link = root / "sys/dev/block" / number
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(target)


def kind(root: Path, folder: str = "/home/me/models", device: int = NUMBER) -> str:
    return disk.linux_kind(folder, device, root)


@pytest.mark.parametrize(
    ("name", "rotating", "how", "expected"),
    [
        ("nvme0n1", "0\n", {}, "ssd"),
        ("sda", "1\n", {"model": "WDC WD40EFRX"}, "hdd"),
        ("sda", "0\n", {}, "ssd"),
        ("mmcblk0", "0\n", {}, "ssd"),
        ("vda", "1\n", {}, "unknown"),  # virtual disks are called rotating whatever they lie on
        ("vda", "0\n", {}, "ssd"),
        ("sda", "1\n", {"model": "QEMU HARDDISK"}, "unknown"),
        ("sdb", "1\n", {"bus": "pci0000:00/usb1/1-2"}, "unknown"),  # and so are SSDs in USB boxes
        ("nbd0", "0\n", {}, "network"),
        ("zram0", "0\n", {}, "memory"),
        ("loop3", "1\n", {}, "unknown"),
        ("sda", "rubbish", {}, "unknown"),
        ("sda", "", {}, "unknown"),
    ],
)
def test_kinds(tmp_path: Path, name: str, rotating: str, how: dict[str, str], expected: str) -> None:
    numbered(tmp_path, block(tmp_path, name, rotating, parts=3, **how))  # type: ignore[arg-type]
    assert kind(tmp_path) == expected


def stacked(root: Path, *below: Path) -> Path:
    """An encrypted or joined volume over these."""
    top = root / "sys/devices/virtual/block/dm-0"
    trees.write(root, {"sys/devices/virtual/block/dm-0/queue/rotational": "0\n"})
    (top / "slaves").mkdir()
    for part in below:
        (top / "slaves" / part.name).symlink_to(part)
    return top


def test_encryption_over_an_ssd(tmp_path: Path) -> None:
    numbered(tmp_path, stacked(tmp_path, block(tmp_path, "nvme0n1", "0", parts=2)))
    assert kind(tmp_path) == "ssd"


def test_the_slowest_of_joined_disks_decides(tmp_path: Path) -> None:
    numbered(tmp_path, stacked(tmp_path, block(tmp_path, "nvme0n1", "0"), block(tmp_path, "sda", "1", model="WDC")))
    assert kind(tmp_path) == "hdd"


def test_a_volume_over_itself_does_not_end_the_world(tmp_path: Path) -> None:
    top = stacked(tmp_path)
    (top / "slaves" / "dm-0").symlink_to(top)
    numbered(tmp_path, top)
    assert kind(tmp_path) in ("ssd", "unknown")


@pytest.mark.parametrize(
    ("file_system", "expected"),
    [("nfs4", "network"), ("cifs", "network"), ("fuse.sshfs", "network"), ("9p", "network"), ("tmpfs", "memory"),
     ("overlay", "unknown"), ("zfs", "unknown")],
)  # fmt: skip
def test_mounts_without_a_disk(tmp_path: Path, file_system: str, expected: str) -> None:
    mounts = trees.mount("/", "ext4", "/dev/sda1", number="8:1") + trees.mount(
        "/home/me", file_system, "server:/home", number="0:77"
    )
    trees.write(tmp_path, {"proc/self/mountinfo": mounts})
    assert kind(tmp_path, device=os.makedev(0, 77)) == expected


def test_a_file_system_with_numbers_of_its_own_is_asked_for_its_device(tmp_path: Path) -> None:
    block(tmp_path, "nvme0n1", "0", parts=2)
    (tmp_path / "sys/class/block").mkdir(parents=True)
    part = tmp_path / "sys/devices/pci0000:00/block/nvme0n1/nvme0n12"
    (tmp_path / "sys/class/block/nvme0n1p2").symlink_to(part)
    mounts = trees.mount("/", "ext4", "/dev/sda1") + trees.mount(
        "/home", "btrfs", "/dev/nvme0n1p2", number="0:40", shown="/@home"
    )
    trees.write(tmp_path, {"proc/self/mountinfo": mounts})
    # subvolumes have numbers that no mount has
    assert kind(tmp_path, device=os.makedev(0, 99)) == "ssd"


def test_the_nearest_folder_that_exists_is_measured(tmp_path: Path) -> None:
    found = disk.read(str(tmp_path / "not" / "yet" / "there"), tmp_path / "empty", "linux")
    assert found.path == str(tmp_path / "not" / "yet" / "there")
    assert found.kind == "unknown"
    assert found.total_bytes is not None and found.free_bytes is not None
    assert 0 < found.free_bytes <= found.total_bytes


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (plistlib.dumps({"SolidState": True, "BusProtocol": "Apple Fabric"}), "ssd"),
        (plistlib.dumps({"SolidState": False, "BusProtocol": "SATA"}), "hdd"),
        (plistlib.dumps({"SolidState": True, "BusProtocol": "Disk Image"}), "unknown"),
        (plistlib.dumps({"BusProtocol": "USB"}), "unknown"),
        (plistlib.dumps(["odd"]), "unknown"),
        (b"", "unknown"),
        (b"Could not find disk", "unknown"),
        (b"<?xml version='1.0'?><plist><dict><key>SolidState</key>", "unknown"),
    ],
)
def test_diskutil(answer: bytes, expected: str) -> None:
    assert disk_elsewhere.diskutil_kind(answer) == expected


def supply(name: str, **values: str) -> dict[str, str | bytes]:
    return {f"sys/class/power_supply/{name}/{key}": f"{value}\n" for key, value in values.items()}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (supply("BAT0", type="Battery", capacity="81", status="Discharging"), Battery(81, plugged=False)),
        (supply("BAT0", type="Battery", capacity="81", status="Charging"), Battery(81, plugged=True)),
        (supply("BAT0", type="Battery", capacity="81", status="Unknown"), Battery(81, None)),
        (
            supply("BAT0", type="Battery", capacity="80", status="Full") | supply("AC", type="Mains", online="1"),
            Battery(80, plugged=True),
        ),
        (
            supply("BAT0", type="Battery", capacity="100", status="Full")
            | supply("BAT1", type="Battery", capacity="50", status="Discharging")
            | supply("AC", type="Mains", online="0"),
            Battery(75, plugged=False),
        ),
        (supply("hid-mouse", type="Battery", scope="Device", capacity="40", status="Discharging"), None),
        (supply("AC", type="Mains", online="1"), None),
        (supply("BAT0", type="Battery", capacity="rubbish"), None),
    ],
)  # fmt: skip
def test_batteries(tmp_path: Path, files: dict[str, str | bytes], expected: Battery | None) -> None:
    assert battery.read(trees.write(tmp_path, files), "linux") == expected


def test_where_nothing_is_told_of_batteries_it_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="power"):
        battery.read(tmp_path, "linux")
