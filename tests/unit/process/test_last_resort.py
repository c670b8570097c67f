"""The end of a process that cannot end by itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

CHILD = """
import contextlib, threading, time
from qwen_desktop.process.last_resort import LastResort

def refused(self):
    raise RuntimeError("can't start new thread")

threading.Timer.start = refused
with contextlib.suppress(RuntimeError):
    LastResort().arm(0.05)
time.sleep(60)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such clock")
def test_a_process_that_can_start_no_thread_any_more_ends_in_time_all_the_same() -> None:
    done = subprocess.run([sys.executable, "-c", CHILD], timeout=50, check=False)
    assert done.returncode == -signal.SIGALRM
