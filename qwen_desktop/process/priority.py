"""The priority of this process over other programs. Windows lets everybody raise it; Linux and macOS want rights."""

from __future__ import annotations

import logging
import os
import sys
from typing import Any

log = logging.getLogger(__name__)

#: Priority classes of Windows.
NORMAL, ABOVE_NORMAL, BELOW_NORMAL = 0x20, 0x8000, 0x4000
#: How far a process steps back elsewhere (0..19).
_NICER = 15


def put_above_others(wanted: bool, platform: str = sys.platform, process: Any = None) -> None:
    """Give this process one class more than others have (Windows), or take that back; elsewhere nothing happens.

    What somebody else chose for it stays. A refusal is only logged.
    """
    if platform != "win32":
        return
    import psutil  # noqa: PLC0415 - Windows only

    process = process or psutil.Process()
    try:
        before, after = (NORMAL, ABOVE_NORMAL) if wanted else (ABOVE_NORMAL, NORMAL)
        if process.nice() == before:
            process.nice(after)
    except (OSError, psutil.Error) as error:
        log.info("priority.refused kind=%s", type(error).__name__)


def put_below_others() -> None:
    """Let this process have what others leave: the window, and whatever the user does. A refusal is only logged."""
    try:
        if sys.platform == "win32":
            import psutil  # noqa: PLC0415 - Windows only

            psutil.Process().nice(BELOW_NORMAL)
        else:
            os.nice(_NICER)
    except Exception as error:  # whatever it is, it is no reason not to work
        log.info("priority.refused kind=%s", type(error).__name__)
