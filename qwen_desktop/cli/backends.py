"""What llama.cpp says of itself, asked in a worker that ends at once: drivers that crash take only it along."""

from __future__ import annotations

import subprocess
import tempfile
import threading
from typing import BinaryIO, cast

from qwen_desktop.core.errors import Bug
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text
from qwen_desktop.engine.wire import Hello, decode_reply
from qwen_desktop.process import frames
from qwen_desktop.process.spawn import windows_flags, worker_command, worker_environment


def ask(seconds: float) -> Hello:
    """Start an engine worker, return its greeting and end it. Raises ``Bug`` when it does not greet in time."""
    with (
        # Never the user's current folder. On Windows the program may hold it for a moment longer.
        tempfile.TemporaryDirectory(prefix="qwen-desktop-", ignore_cleanup_errors=True) as folder,
        subprocess.Popen(
            worker_command("engine"),
            cwd=folder,
            env=worker_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            creationflags=windows_flags(),
        ) as process,
    ):
        limit = threading.Timer(seconds, process.kill)
        limit.start()
        try:
            payload = frames.read(cast("BinaryIO", process.stdout))
        finally:
            limit.cancel()
            process.kill()
    greeting = decode_reply(payload) if payload else None
    if not isinstance(greeting, Hello):
        template = QT_TRANSLATE_NOOP("errors", "The engine does not start.")
        raise Bug(Text("engine.silent", template))
    return greeting
