"""Returning to a long conversation after the app was ended: how soon the first word comes, read from the disk or anew.

Writes the random-weight model of ``random_model`` (or takes ``--model``), has a conversation of 4,000 tokens, ends all,
and then asks one more question in it: through the services as the window does, and by ``chat --continue``; each with
what was kept and with the size of it set to nothing, in turns, always from the same state on the disk. The best of all
turns counts. Also says how long the end of the app takes with a model in memory and nothing to write::

    python -m tests.bench.returning --rounds 5

The verdict is "ok" where the first word comes after a twentieth of the time, both ways.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from msgspec import Struct

from qwen_desktop.cli.one_run import OneRunSettings
from qwen_desktop.core.chat import new_id
from qwen_desktop.core.engine import Stats, ThinkingMode
from qwen_desktop.core.parts import TextPart
from qwen_desktop.core.paths import find_paths
from qwen_desktop.engine.prompt_cache.files import Folder
from qwen_desktop.services.services import for_command
from tests.bench.random_model import cache_folder, write_model

TARGET = 20.0
QUESTION = "And what follows from that?"
_WORDS = "the cup of tea stands on a table near one window and cools while rain falls in long grey lines"


class Said(Struct):
    """An answer's figures, and how long the end of the app took after it, in seconds."""

    stats: Stats
    end_s: float


def settings(model: Path, *, keeps: bool) -> dict[str, Any]:
    return {
        "engine.model": str(model), "engine.context": 8192, "sampling.max_tokens": 4, "sampling.temperature": 0.0,
        "chat.titles": False, "storage.prompt_cache_gb": 16 if keeps else 0,
    }  # fmt: skip


async def ask(home: Path, model: Path, chat: str, text: str, *, new: bool, keeps: bool, waits: bool = False) -> Said:
    """Start, ask, end; with ``waits`` only when all is written."""
    paths = find_paths({"QWEN_DESKTOP_HOME": str(home)})
    wanted = settings(model, keeps=keeps)
    async with for_command(paths, history=True, settings_file=OneRunSettings(paths.settings_file, wanted)) as services:
        await services.chat.send((TextPart(text),), conversation_id=chat, new=new, thinking=ThinkingMode.DIRECT)
        await services.chat.ended(chat)
        (answer,) = await services.history.tail(chat, 1)
        folder, before = Folder(paths.prompt_cache), (-1, 0)
        while waits and ((now := folder.size()) != before or (keeps and not now[1])):  # it grows while it is written
            before = now
            await asyncio.sleep(1.0)
        began = time.perf_counter()
        await services.aclose()
        ended = time.perf_counter() - began
    assert answer.stats is not None
    return Said(answer.stats, ended)


async def prompt(home: Path, model: Path, tokens: int) -> str:
    """A text of about so many tokens."""
    paths = find_paths({"QWEN_DESKTOP_HOME": str(home)})
    words = _WORDS.split()
    text = " ".join(words[(n * 7 + n // 5) % len(words)] for n in range(2 * tokens))
    wanted = OneRunSettings(paths.settings_file, settings(model, keeps=False))
    async with (
        for_command(paths, history=False, settings_file=wanted) as services,
        services.engines.lease(services.models.ref) as engine,
    ):
        (count,), _ = await engine.count_texts((text,))
    return text[: len(text) * tokens // count]


def command(home: Path, model: Path, chat: str, *, keeps: bool) -> float:
    """Seconds to the first token by ``chat --continue``, as its figures say."""
    lines = [f"[engine]\nmodel = {json.dumps(str(model))}\ncontext = 8192\n"]
    lines.append(f"[storage]\nprompt_cache_gb = {16 if keeps else 0}\n")
    (home / "settings.toml").write_text("".join(lines), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "qwen_desktop", "chat", "--json", "--no-think", "--max-tokens", "4", "--temperature",
         "0", "--continue", chat, QUESTION],
        env={**os.environ, "QWEN_DESKTOP_HOME": str(home)}, capture_output=True, encoding="utf-8", check=True,
    )  # fmt: skip
    stats = json.loads(done.stdout)["stats"]
    print(f"  command, {'kept' if keeps else 'anew'}: {told(Stats(**{k: stats[k] for k in _FIGURES}))}", flush=True)
    return float(stats["ttft_s"])


_FIGURES = ("prompt_tokens", "cached_tokens", "restored_tokens", "evaluated_tokens", "ttft_s")


def told(stats: Stats) -> str:
    return (
        f"first word after {stats.ttft_s:7.3f} s, {stats.evaluated_tokens} of {stats.prompt_tokens} tokens read, "
        f"{stats.restored_tokens} from the disk"
    )


def copied(source: Path, target: Path) -> Path:
    """The same state again. Files that are never changed are the same ones."""
    shutil.rmtree(target, ignore_errors=True)
    same = ("cache" + os.sep,)

    def copy(first: str, second: str) -> str:
        inside = os.path.relpath(first, source).startswith(same) and first.endswith(".rows")
        if inside:
            os.link(first, second)
            return second
        return shutil.copy2(first, second)

    shutil.copytree(source, target, copy_function=copy)
    return target


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", type=Path, help="another file")
    parser.add_argument("--tokens", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    model = (chosen.model or write_model(cache_folder(), None)).absolute()
    best: dict[tuple[str, bool], float] = {}
    with tempfile.TemporaryDirectory(dir=cache_folder()) as place:
        home, again, chat = Path(place, "home"), Path(place, "again"), new_id()
        home.mkdir()
        text = asyncio.run(prompt(home, model, chosen.tokens))
        first = asyncio.run(ask(home, model, chat, text, new=True, keeps=True, waits=True))
        size = Folder(find_paths({"QWEN_DESKTOP_HOME": str(home)}).prompt_cache).size()[0]
        print(f"first: {told(first.stats)}; {size / 1e6:.0f} MB kept", flush=True)
        for number in range(chosen.rounds):
            for keeps in (False, True) if number % 2 else (True, False):
                said = asyncio.run(ask(copied(home, again), model, chat, QUESTION, new=False, keeps=keeps, waits=True))
                print(
                    f"  services, {'kept' if keeps else 'anew'}: {told(said.stats)}; end {said.end_s:.2f} s", flush=True
                )
                by_command = command(copied(home, again), model, chat, keeps=keeps)
                for way, reached in (
                    ("services", said.stats.ttft_s), ("command", by_command),
                    ("end", said.end_s),
                ):  # fmt: skip
                    best[way, keeps] = min(best.get((way, keeps), reached), reached)
    good = True
    for way in ("services", "command"):
        gain = best[way, False] / best[way, True]
        good &= gain >= TARGET
        print(f"{way}: {best[way, False]:.2f} s anew, {best[way, True]:.3f} s kept: {gain:.1f} times (>= {TARGET:.0f})")
    print(
        f"end of the app with nothing to write: {best['end', True]:.2f} s, without a folder {best['end', False]:.2f} s"
    )
    print("ok" if good else "NOT MET")
    return int(not good)


if __name__ == "__main__":
    raise SystemExit(main())
