"""Does data cost money here? Asked of the system before a download; where it does not say, it does not."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys

log = logging.getLogger(__name__)

#: The system gets so many seconds to answer.
PATIENCE_S = 3.0

#: NetworkManager's words: 1 yes, 2 no, 3 probably yes, 4 probably no.
_NETWORK_MANAGER = (
    "busctl", "--system", "get-property", "org.freedesktop.NetworkManager", "/org/freedesktop/NetworkManager",
    "org.freedesktop.NetworkManager", "Metered",
)  # fmt: skip
_NMCLI = ("nmcli", "--terse", "--fields", "GENERAL.METERED", "device", "show")
#: By its whole path and from there: a bare name is looked for in the current folder first, beside a clicked model.
_SYSTEM = os.environ.get("SYSTEMROOT") or "C:\\Windows"
_WINDOWS = (
    _SYSTEM + "\\System32\\WindowsPowerShell\\v1.0\\powershell.exe", "-NoProfile", "-NonInteractive", "-Command",
    "[void][Windows.Networking.Connectivity.NetworkInformation,Windows,ContentType=WindowsRuntime];"
    "[Windows.Networking.Connectivity.NetworkInformation]::GetInternetConnectionProfile()"
    ".GetConnectionCost().NetworkCostType",
)  # fmt: skip


async def metered() -> bool:
    """Whether the network in use is a metered one. Never raises; unknown is False (macOS does not tell)."""
    if sys.platform == "win32":
        return metered_by_windows(await _output(*_WINDOWS))
    if sys.platform == "darwin":
        return False
    answer = await _output(*_NETWORK_MANAGER)
    return metered_by_bus(answer) if answer else metered_by_nmcli(await _output(*_NMCLI))


def metered_by_bus(answer: str) -> bool:
    """``busctl`` prints "u 4"."""
    words = answer.split()
    return len(words) == 2 and words[1] in ("1", "3")


def metered_by_nmcli(answer: str) -> bool:
    """``nmcli`` prints a line for each device: "GENERAL.METERED:no (guessed)"; the first that says something counts."""
    for line in answer.splitlines():
        value = line.partition(":")[2].strip().lower()
        if value and value != "unknown":
            return value.startswith("yes")
    return False


def metered_by_windows(answer: str) -> bool:
    """The kind of cost: Unrestricted, Fixed, Variable or Unknown."""
    return answer.strip().lower() in ("fixed", "variable")


async def _output(*command: str) -> str:
    """What a program prints; "" when it is not there, fails or takes too long."""

    def run() -> str:
        import subprocess  # noqa: PLC0415

        with contextlib.suppress(OSError, subprocess.SubprocessError):
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=PATIENCE_S,
                check=False,
                cwd=_SYSTEM if sys.platform == "win32" else None,
                creationflags=int(getattr(subprocess, "CREATE_NO_WINDOW", 0)),
            )
            return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else ""
        log.info("network.unknown program=%s", command[0])
        return ""

    return await asyncio.to_thread(run)
