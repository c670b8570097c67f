"""An app without a window that the kill test ends by SIGKILL: real services and database, a scripted engine.

``python kill_child.py HOME SHOWN RATE PIECE LENGTH``: streams numbered text and, whenever some of it is published,
appends 8 bytes to the file SHOWN: how many characters the user has seen so far.
"""

from __future__ import annotations

import asyncio
import os
import struct
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))

from qwen_desktop.core.parts import PartDelta, TextPart, ThinkingPart  # noqa: E402 - the path comes first
from qwen_desktop.services.events import AnswerEvent  # noqa: E402 - the same
from tests.app import running_app  # noqa: E402 - the same
from tests.killing import CALL, THOUGHT  # noqa: E402 - the same
from tests.scripted_engine import Script, ScriptedEngine  # noqa: E402 - the same


def known_text(length: int) -> str:
    """The same text each time: a wrong or missing piece cannot go unseen."""
    return "".join(f"{number:07d}\n" for number in range(length // 8 + 1))[:length]


async def main(shown_file: str, rate: float, piece: int, length: int) -> None:
    parts = (ThinkingPart(THOUGHT), CALL, TextPart(known_text(length)))
    engine = ScriptedEngine(Script(parts=parts, rate=rate, piece=piece))
    shown = 0
    out = os.open(shown_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def on_delta(told: AnswerEvent) -> None:
        nonlocal shown
        if not isinstance(told.event, PartDelta) or told.event.index < 2:
            return
        shown += len(told.event.text)
        os.write(out, struct.pack("<q", shown))

    async with running_app(lambda: engine) as app:
        app.bus.subscribe(AnswerEvent, on_delta)
        await app.send("Count for me.")
        await app.chat.idle()
        await asyncio.sleep(60)  # an ended answer waits for its end as well


if __name__ == "__main__":
    os.environ["QWEN_DESKTOP_HOME"] = sys.argv[1]
    asyncio.run(main(sys.argv[2], float(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])))
