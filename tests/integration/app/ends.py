"""Real processes of the app that are told to end, and what they leave."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
from msgspec import Struct

from qwen_desktop.core.chat import Message
from qwen_desktop.core.parts import visible_text
from qwen_desktop.core.paths import find_paths
from qwen_desktop.services.events import EventBus
from qwen_desktop.services.history import History
from qwen_desktop.store.database import Database
from qwen_desktop.ui.crash_report import CrashWatch
from tests.smollm2 import model_path

CHILD = Path(__file__).with_name("end_child.py")


class Ended(Struct):
    """How one run ended. ``shown`` is what answers had said when the wish came; ``answers`` what is stored of them."""

    code: int
    seconds: float
    out: str
    err: str
    shown: list[str]
    answers: list[Message]
    crash: str | None
    left: list[str]

    def saved(self, shown: str) -> bool:
        """Whether an answer is stored that begins with what was shown."""
        return any(visible_text(message.parts).strip().startswith(shown.strip()) for message in self.answers)


def end_by(story: str, *numbers: signal.Signals, after: float = 0.0, pause: float = 0.05) -> Ended:
    """Bring the app into the state of ``story``, send it these signals and wait for its end."""
    command = [sys.executable, str(CHILD), story, str(model_path())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8") as process:
        assert process.stdout is not None and process.stderr is not None
        try:
            words = process.stdout.readline()
            assert words.startswith("ready") or not numbers, process.stderr.read()[-3000:]
            time.sleep(after)
            workers = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
            begun = time.monotonic()
            for number in numbers:
                process.send_signal(number)
                time.sleep(pause if number is not numbers[-1] else 0)
            code = process.wait(20)
            seconds = time.monotonic() - begun
            out, err = words + process.stdout.read(), process.stderr.read()
        finally:
            process.kill()
    _, alive = psutil.wait_procs(workers, timeout=3)
    answers, crash = look()
    shown = json.loads(words.removeprefix("ready")) if words.startswith("ready") else []
    return Ended(code, seconds, out, err, shown, answers, crash, [str(child) for child in alive])


def look() -> tuple[list[Message], str | None]:
    """What the next start would find: the answers, and whether it takes the last run for a crash."""
    return asyncio.run(_answers()), crashed()


def crashed() -> str | None:
    """What the next start would tell of the last run."""
    watch = CrashWatch(find_paths())
    crash = watch.begin()
    watch.end()
    return crash


async def _answers() -> list[Message]:
    database = Database(find_paths().database_file)
    await database.open(fallback=False)
    try:
        history = History(database, EventBus())
        return [(await history.tail(chat.id, 1))[-1] for chat in await history.list()]
    finally:
        await database.aclose()
