"""The search over 100,000 messages: ``python tests/bench/search.py [--messages 100000] [--rounds 3]``.

A history of an older version (five languages, code, attachments; random words of a natural distribution) is opened by
the real window, offscreen, which builds the index behind itself: how long that takes, how large it gets, and how late a
5 ms heartbeat in the window's loop is meanwhile. Then queries are typed letter by
letter through ``Search.find`` beside an answer that is saved 20 times a second: p50 and p95 of the time until the hits
are there; each of several rounds types the same, and the best of them counts for a letter, since other programs share
the machine. Wanted: p95 <= 20 ms of the thread's own time (others use this computer; the clock's is printed
beside it), and p99 of the heartbeat while the index is built <= 8 ms beyond that of a bare QMainWindow, which beats at
the same time in a process of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import datetime as dt
import itertools
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

from _turns import Turns  # noqa: E402
from PySide6.QtCore import QTimer  # noqa: E402
from PySide6.QtWidgets import QApplication, QMainWindow  # noqa: E402
from stream import Heartbeat, percentile, show  # noqa: E402

from qwen_desktop.core.chat import Conversation, Message, Status  # noqa: E402
from qwen_desktop.core.parts import Role, TextPart  # noqa: E402
from qwen_desktop.store import messages, migrations, searching  # noqa: E402
from qwen_desktop.store.connection import connect  # noqa: E402
from qwen_desktop.ui.event_loop import EventLoop  # noqa: E402
from tests.window_driver import Driver  # noqa: E402

FIND_MS, LATE_MS = 20.0, 8.0
IN_CHAT = 20
_LATIN = "eeeeetttaaaoooiiinnnssshhrrddlcumwfgypbvk"
_ALPHABETS = {
    "en": (_LATIN, 30_000, 2, 10, " ", 5),
    "ru": ("оооеееааинтсрвлкмдпуяыьгзбчё", 20_000, 2, 11, " ", 2),
    "fr": ("eeeaaisnrtoluéèàçdcmp", 20_000, 2, 10, " ", 1),
    "zh": ("".join(map(chr, range(0x4E00, 0x5A00))), 3_000, 1, 2, "", 2),
    "ja": ("".join(map(chr, (*range(0x3041, 0x3094), *range(0x4E00, 0x5200)))), 2_000, 1, 2, "", 1),
}


class Words:
    """Texts of words as often as they come in a language: the n-th word one n-th as often as the first."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.words: dict[str, list[str]] = {}
        for name, (letters, count, least, most, _, _) in _ALPHABETS.items():
            self.words[name] = [
                "".join(self.chance.choices(letters, k=self.chance.randint(least, most))) for _ in range(count)
            ]
        self._shares = {
            name: list(itertools.accumulate(1 / (n + 2.7) for n in range(len(words))))
            for name, words in self.words.items()
        }

    def language(self) -> str:
        """One of them, some more often than others."""
        return self.chance.choices(list(_ALPHABETS), [spec[5] for spec in _ALPHABETS.values()])[0]

    def some(self, language: str, count: int) -> list[str]:
        """So many words."""
        return self.chance.choices(self.words[language], cum_weights=self._shares[language], k=count)

    def text(self, language: str, count: int) -> str:
        """A text of so many words."""
        return _ALPHABETS[language][4].join(self.some(language, count))


def fill(path: Path, count: int, words: Words) -> None:
    """A history as the version before the index left it."""
    chance = words.chance
    with contextlib.closing(connect(path)) as opened:
        migrations.migrate(opened, None, backups=0, migrations=migrations.MIGRATIONS[:4])
        opened.execute("BEGIN")
        now = time.time()
        for number in range(count // IN_CHAT):
            opened.execute(
                "INSERT INTO conversations (id, title, created, updated) VALUES (?, ?, ?, ?)",
                (f"{number:032x}", words.text(words.language(), 5), now - 1e7 + number, now - 1e7 + number),
            )
        for number in range(count):
            language = words.language()
            text = words.text(language, chance.choice([8, 20, 60, 150, 300]))
            if chance.random() < 0.15:
                one, two, three = words.some("en", 3)
                text += f"\n```python\ndef test_{one}_keeps({two}Value):\n    return {three}\n```\n"
            parts: list[dict[str, str]] = [{"type": "text", "text": text}]
            if chance.random() < 0.02:
                said = words.text(language, 5000)
                file = {"type": "file", "sha256": "", "media_type": "text/plain", "name": f"notes_{number}.txt"}
                parts.insert(0, {**file, "text": said})
            opened.execute(
                "INSERT INTO messages (id, conversation_id, parent_id, role, parts, created) VALUES (?, ?, ?, ?, ?, ?)",
                (
                    f"m{number}",
                    f"{number // IN_CHAT:032x}",
                    f"m{number - 1}" if number % IN_CHAT else None,
                    "assistant" if number % 2 else "user",
                    json.dumps(parts, ensure_ascii=False),
                    now - 1e7 + number * 90,
                ),
            )
        oldest = "SELECT id FROM conversations ORDER BY created LIMIT 300"
        opened.execute("INSERT INTO folders (id, name, parent_id) VALUES ('old', 'Old', '')")
        opened.execute(f"UPDATE conversations SET folder_id = 'old', tags = '[\"old\"]' WHERE id IN ({oldest})")  # noqa: S608
        opened.execute("COMMIT")


def bare(app: QApplication) -> None:
    """Beat in a bare window until standard input ends; print the delays, sorted, as JSON."""
    window = QMainWindow()
    window.show()
    heart = Heartbeat()
    heart.begin()
    waiting = threading.Thread(target=sys.stdin.read, daemon=True)
    waiting.start()
    look = QTimer()
    look.timeout.connect(lambda: None if waiting.is_alive() else app.exit())
    look.start(200)
    app.exec()
    print(json.dumps(heart.end()))


async def built(app: Driver, count: int, turns: Turns) -> tuple[list[float], list[float]]:
    """Wait until the index is there; the heartbeat from the first slice to the last, and a bare window's meanwhile."""
    database = app.services.database
    left = "SELECT (SELECT below FROM search_unread)"
    while True:
        below = await database.read(lambda c: c.execute(left).fetchone()[0])
        if below is None or below <= count:
            break
        await asyncio.sleep(0.1)
    child = await asyncio.to_thread(
        subprocess.Popen, [sys.executable, __file__, "--bare"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    await asyncio.sleep(1)
    started = time.perf_counter()
    heart = Heartbeat()
    heart.begin()
    turns.begin()
    while await database.scan(lambda c: c.execute(left).fetchone()[0]) is not None:  # noqa: ASYNC110
        await asyncio.sleep(0.5)
    late = heart.end()
    turns.end()
    plain = json.loads((await asyncio.to_thread(child.communicate))[0])
    index = await database.scan(lambda c: c.execute("SELECT sum(length(block)) FROM search_index_data").fetchone()[0])
    texts = await database.scan(
        lambda c: c.execute("SELECT sum(length(CAST(text AS BLOB))) FROM search_texts").fetchone()[0]
    )
    took = time.perf_counter() - started
    print(f"index built in {took:.0f} s: {index / 1e6:.0f} MB for {texts / 1e6:.0f} MB of text", flush=True)
    return late, plain


def typed(words: Words, count: int) -> list[str]:
    """What somebody types, each query letter by letter."""
    old, common = dt.date.fromtimestamp(time.time() - 9.8e6), words.words["en"][0]
    queries = ["test_keep", "has:code value", "has:file notes", "before:2030 te", '"keeps val', "-test keeps"]
    queries += [f"before:{old} {common}", f"folder:old {common}", f"tag:old {common}", f"after:2030 {common}"]
    queries += [f"{common} {words.words['en'][1]} -{words.words['en'][2]}", "has:image xqzxqz"]
    for _ in range(count):
        language = words.language()
        some = words.some(language, words.chance.choice([1, 2, 2, 3]))
        queries.append(_ALPHABETS[language][4].join(some) or "a")
    return [query[:end] for query in queries for end in range(1, len(query) + 1)]


@contextlib.contextmanager
def own_time() -> Iterator[list[float]]:
    """The processor's time that each query takes, in milliseconds, whatever else runs on this computer."""
    taken: list[float] = []
    find = searching.find

    def timed(*args: Any) -> Any:
        started = time.thread_time()
        try:
            return find(*args)
        finally:
            taken.append((time.thread_time() - started) * 1000)

    searching.find = timed  # type: ignore[assignment]
    yield taken
    searching.find = find


async def searched(app: Driver, words: Words, queries: list[str]) -> list[float]:
    """How long each letter takes until the hits are there, in milliseconds, beside an answer that is saved."""
    database, search = app.services.database, app.services.search
    entry = Message("live", "live", None, Role.ASSISTANT, (TextPart(""),), time.time(), Status.STREAMING)
    if await app.services.history.get("live") is None:
        await database.call(messages.add, (entry,), new=Conversation("live", "Live", 1.0, 1.0))

    async def stream() -> None:
        said = ""
        while True:
            said += words.text("en", 10) + " "
            now = Message("live", "live", None, Role.ASSISTANT, (TextPart(said),), entry.created, Status.STREAMING)
            await database.call(messages.save, now, durable=False)
            await asyncio.sleep(0.05)

    writer = asyncio.create_task(stream())
    times = []
    for query in queries:
        started = time.perf_counter()
        await search.find(query)
        times.append((time.perf_counter() - started) * 1000)
        await asyncio.sleep(0.01)
    writer.cancel()
    return times


async def measure(count: int, rounds: int, folder: Path) -> bool:
    """Measure and print; whether the goals are met."""
    os.environ["QWEN_DESKTOP_HOME"] = str(folder)
    words = Words(1)
    path = folder / "history.sqlite3"
    await asyncio.to_thread(fill, path, count, words)
    print(f"{count} messages, {path.stat().st_size / 1e6:.0f} MB")
    async with Driver() as app:
        turns = Turns()
        late, plain = await built(app, count, turns)
        print(f"all together {path.stat().st_size / 1e6:.0f} MB", flush=True)
        queries = typed(words, 40)
        with own_time() as own:
            times = [await searched(app, words, queries) for _ in range(rounds)]
    show("bare QMainWindow", plain)
    show("window, index being built", late)
    print(f"its loop meanwhile: {turns.told()}")
    each = [own[start : start + len(queries)] for start in range(0, len(own), len(queries))]
    for name, rows in (("clock", times), ("own time", each)):
        for found in (*map(sorted, rows), sorted(map(min, zip(*rows, strict=True)))):
            print(
                f"as you type, {name}: p50 {percentile(found, 0.5):.1f} ms, p95 {percentile(found, 0.95):.1f} ms, "
                f"max {found[-1]:.1f} ms ({len(found)} letters)"
            )
    best = sorted(map(min, zip(*each, strict=True)))
    slowest = sorted(zip(map(min, zip(*each, strict=True)), queries, strict=True))[-5:]
    print("slowest:", ", ".join(f"{query!r} {took:.1f} ms" for took, query in reversed(slowest)))
    p95 = percentile(best, 0.95)
    print(f"own p95 as you type, the best of {rounds} rounds each: {p95:.1f} ms (<= {FIND_MS:.0f})")
    beyond = percentile(late, 0.99) - percentile(plain, 0.99)
    print(f"heartbeat's p99 beyond the bare window's: {beyond:.2f} ms (<= {LATE_MS:.0f})")
    good = p95 <= FIND_MS and beyond <= LATE_MS
    print("PASS" if good else "FAIL")
    return good


def main() -> int:
    """Print the figures and a verdict; 1 when they are missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--bare", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    app = QApplication(sys.argv[:1])
    if options.bare:
        bare(app)
        return 0
    with tempfile.TemporaryDirectory(prefix="qwen-desktop-bench-") as name, EventLoop(app) as loop:
        return 0 if loop.run_until_complete(measure(options.messages, options.rounds, Path(name))) else 1


if __name__ == "__main__":
    sys.exit(main())
