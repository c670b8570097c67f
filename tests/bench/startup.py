"""Time until the window is painted, beside a bare ``QMainWindow`` program: run by hand, prints a ratio.

    python tests/bench/startup.py [--times 7]

Both programs run in turn (A B A B …) as fresh processes from the command line to the first paint of their main
window; the best of each is compared, since these figures only ever get worse by disturbance. Target: at most 2.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TARGET = 2.0

# The child replaces QApplication by one with an event filter, so the app itself carries no hook for this bench.
CHILD = """
import sys, time
started, kind = int(sys.argv[1]), sys.argv[2]
from PySide6 import QtCore, QtWidgets

class Filter(QtCore.QObject):
    def eventFilter(self, watched, event):
        if event.type() == QtCore.QEvent.Type.Paint and isinstance(watched, QtWidgets.QMainWindow):
            print("painted", time.time_ns() - started, flush=True)
            QtWidgets.QApplication.instance().removeEventFilter(self)
            import os
            os._exit(0)
        return False

class Timed(QtWidgets.QApplication):
    def __init__(self, *args):
        super().__init__(*args)
        self.filter = Filter()
        self.installEventFilter(self.filter)

QtWidgets.QApplication = Timed
if kind == "bare":
    app = Timed([])
    window = QtWidgets.QMainWindow()
    window.resize(1280, 820)
    window.show()
    app.exec()
else:
    from qwen_desktop.__main__ import window
    sys.argv = ["qwen-desktop-window"]
    window()
"""


def once(kind: str, home: str) -> float:
    """Seconds from the start of the process to the first paint."""
    environ = {**os.environ, "QWEN_DESKTOP_HOME": home}
    environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    out = subprocess.run(
        [sys.executable, "-c", CHILD, str(time.time_ns()), kind],
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    for line in out.stdout.splitlines():
        if line.startswith("painted"):
            return int(line.split()[1]) / 1e9
    raise SystemExit(f"{kind} never painted:\n{out.stdout}\n{out.stderr}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=7)
    times = parser.parse_args().times
    with tempfile.TemporaryDirectory() as folder:
        home = str(Path(folder) / "home")
        once("app", home)  # creates the data folder, warms the disk cache
        runs = [(once("bare", home), once("app", home)) for _ in range(times)]
    bare, app = zip(*runs, strict=True)
    for name, values in (("bare QMainWindow", bare), ("Qwen Desktop", app)):
        print(f"{name:18} best {min(values):.3f} s  median {statistics.median(values):.3f} s")
    ratio = min(app) / min(bare)
    print(f"ratio {ratio:.2f} (target at most {TARGET}): {'ok' if ratio <= TARGET else 'MISSED'}")
    return 0 if ratio <= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
