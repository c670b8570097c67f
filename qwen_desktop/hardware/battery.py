"""The battery of this computer, not those of mice and headsets."""

from __future__ import annotations

import sys
from pathlib import Path

from qwen_desktop.core.hardware import Battery
from qwen_desktop.hardware import files


def read(root: Path = files.ROOT, platform: str = sys.platform) -> Battery | None:
    """The battery, None when there is none. Raises ``OSError`` when it cannot be told."""
    if not platform.startswith("linux"):
        import psutil  # noqa: PLC0415 - Linux does without

        if not hasattr(psutil, "sensors_battery"):
            raise OSError("this system tells nothing of batteries")
        found = psutil.sensors_battery()
        return None if found is None else Battery(float(found.percent), found.power_plugged)
    supplies = files.listing(root / "sys/class/power_supply")
    if supplies is None:
        raise OSError("there is no list of power supplies")
    mains: bool | None = None
    levels: list[int] = []
    states: set[str] = set()
    for supply in supplies:
        kind = files.text(supply / "type")
        if kind in ("Mains", "USB") and (online := files.number(supply / "online")) is not None:
            mains = bool(mains) or bool(online)
        elif kind == "Battery" and files.text(supply / "scope") != "Device":
            level = files.number(supply / "capacity")
            if level is not None and files.number(supply / "present") != 0:
                levels.append(min(100, max(0, level)))
                states.add(files.text(supply / "status") or "")
    if not levels:
        return None
    if "Discharging" in states:
        mains = mains or False
    elif mains is None and states <= {"Charging", "Full", "Not charging"}:
        mains = True
    return Battery(sum(levels) / len(levels), mains)
