"""Children that do what drivers make of them."""

from __future__ import annotations

import sys

from qwen_desktop.core.hardware import Gpu
from qwen_desktop.core.packed import pack
from qwen_desktop.hardware import wire
from qwen_desktop.process import frames

_START = """
import os, signal, subprocess, sys, time
def say(data):
    os.write(1, data)
"""


def child(body: str) -> list[str]:
    """The command line of a child that runs ``body``; it can ``say`` bytes."""
    return [sys.executable, "-I", "-S", "-c", _START + body]


def listed(source: str, *gpus: Gpu) -> bytes:
    """The frame in which a child lists devices."""
    return frames.pack(pack(wire.Listed(source, gpus)))  # type: ignore[arg-type]


def devices(*gpus: Gpu, then: str = "") -> list[str]:
    """A child that lists ``gpus`` as ggml's, none as NVIDIA's, and then does something."""
    return child(f"say({listed('nvml')!r})\nsay({listed('ggml', *gpus)!r})\n{then}\n")


def speed(bytes_per_s: float, *, calm: bool = True) -> list[str]:
    """A child that has measured this."""
    return child(f"say({frames.pack(pack(wire.Measured(bytes_per_s, calm)))!r})\n")


CRASH = "os.kill(os.getpid(), signal.SIGSEGV)"
HANG = "time.sleep(60)"
