"""What the window's process takes with a conversation of 10,000 messages, in the real program, scrolled through.

    python tests/bench/window_memory.py

The conversation (prose, code, tables, formulas, thoughts, tools; no files) lies in the database of a fresh home. The
program is started with its workers, opens the conversation, and scrolls to the very top, page by page near both ends
and in strides between; all 10,000 messages are loaded by then. Printed is the resident memory of the window's process
alone (its workers are processes of their own) after the start, with the end on show, and with all of it; <= 200 MB.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parent)]

from msgspec import structs  # noqa: E402
from transcript_data import conversation  # noqa: E402

from qwen_desktop.core.chat import Conversation  # noqa: E402
from qwen_desktop.core.parts import FilePart, ImagePart  # noqa: E402
from qwen_desktop.services.events import EventBus  # noqa: E402
from qwen_desktop.services.history import History  # noqa: E402
from qwen_desktop.store.database import Database  # noqa: E402

COUNT = 10_000
LIMIT_MB = 200.0

# The app carries no hook for this bench: the child replaces QApplication by one that looks for the transcript.
CHILD = """
import json, sys, time
import psutil
from PySide6 import QtCore, QtWidgets

def memory():
    return psutil.Process().memory_info().rss / 1e6

class Driven(QtWidgets.QApplication):
    def __init__(self, *args):
        super().__init__(*args)
        self.steps = self.drive()
        self.timer = QtCore.QTimer(self, interval=15)
        self.timer.timeout.connect(lambda: next(self.steps, None))
        self.timer.start()

    def drive(self):
        from qwen_desktop.ui.chat.page import ChatPage
        def page():
            pages = (w for top in self.topLevelWidgets() for w in top.findChildren(ChatPage))
            return next((each for each in pages if each.sidelist.model.conversation("c") is not None), None)
        while page() is None:
            yield
        found, where = {"started": memory()}, page()
        where.open("c")
        view = where.pane.transcript
        view.resize(760, 700)
        while len(view.items) < 100 or not all(item.ready for item in view.visible_items()):
            yield
        found["end on show"] = memory()
        bar, pages, until = view.verticalScrollBar(), 0, time.monotonic() + 40
        while (len(view.items) < COUNT or bar.value()) and time.monotonic() < until:
            pages += 1
            far = pages > 60 and bar.value() > 30000
            view.scroll_by(-bar.value() if far and len(view.items) < COUNT else -20000 if far else -600)
            for _ in range(3 if far else 1):
                yield
        for _ in range(120):
            yield
        found |= {"all of it": memory(), "messages": len(view.items), "laid out": sum(i.laid_out for i in view.items)}
        print("found", json.dumps(found), flush=True)
        import os
        for child in psutil.Process().children(recursive=True):
            child.kill()
        os._exit(0)

QtWidgets.QApplication = Driven
from qwen_desktop.__main__ import window
sys.argv = ["qwen-desktop-window"]
window()
"""


async def store(home: Path) -> None:
    """Write the conversation, as a session before this one did."""
    db = Database(home / "history.sqlite3")
    await db.open(fallback=False)
    entries = [  # without the attached files themselves
        structs.replace(m, parts=tuple(p for p in m.parts if not isinstance(p, FilePart | ImagePart)))
        for m in conversation(COUNT)
    ]
    await History(db, EventBus()).add(entries, new=Conversation("c", "Long", 1.0, 1.0))
    await db.aclose()


def main() -> int:
    """Print the figures and a verdict; 1 when it is missed."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        home.mkdir()
        asyncio.run(store(home))
        environ = {"QT_QPA_PLATFORM": "offscreen", **os.environ, "QWEN_DESKTOP_HOME": str(home)}
        environ.setdefault("PYTHONPATH", str(Path(__file__).parents[2]))
        code = CHILD.replace("COUNT", str(COUNT))
        out = subprocess.run(
            [sys.executable, "-c", code], env=environ, capture_output=True, text=True, timeout=100, check=False
        )
    line = next((line for line in out.stdout.splitlines() if line.startswith("found ")), None)
    if line is None:
        raise SystemExit(f"never got there:\n{out.stdout}\n{out.stderr}")
    found = json.loads(line.removeprefix("found "))
    print(f"{found['messages']} messages, {found['laid out']} laid out; resident memory of the window's process:")
    for name in ("started", "end on show", "all of it"):
        print(f"  {name:12} {found[name]:6.1f} MB")
    good = found["all of it"] <= LIMIT_MB and found["messages"] == COUNT
    print(f"with all of it {found['all of it']:.1f} MB (<= {LIMIT_MB:.0f}): {'good' if good else 'MISSED'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
