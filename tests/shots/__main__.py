"""``python -m tests.shots``: the real window in all its states as pictures, and two folders of them compared.

``tools/dev.py shots`` calls it. Exit codes: 0, 1 when a state could not be drawn or pictures differ, 2 for usage.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from tests.shots.matrix import THEMES, Look, configure, looks

T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "build" / "shots"
#: A whole combination takes no longer than this, in seconds.
_LIMIT_S = 900.0


def _several(kind: Callable[[str], T]) -> Callable[[str], list[T]]:
    def read(text: str) -> list[T]:
        return [kind(word) for word in text.split(",") if word]

    read.__name__ = f"list of {kind.__name__}"
    return read


def _theme(text: str) -> str:
    if text not in THEMES:
        raise ValueError(text)
    return text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tools/dev.py shots",
        description="Draw every page, dialog and state of the window, or compare two folders of such pictures. Several "
        "values stand with commas between them; without any a usual choice of combinations is drawn.",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help=f"where to (default: {OUT.relative_to(ROOT)})")
    parser.add_argument("--theme", type=_several(_theme), default=[], help=", ".join(THEMES))
    parser.add_argument("--width", type=_several(int), default=[], metavar="N", help="of the window in px")
    parser.add_argument("--height", type=_several(int), default=[], metavar="N", help="of the window in px")
    parser.add_argument("--scale", type=_several(float), default=[], help="of the screen: 1, 1.5, 2")
    parser.add_argument(
        "--locale", type=_several(str), default=[], help="en, de, ar, …; long, rtl: languages that nobody speaks"
    )
    parser.add_argument("--only", default="", metavar="GLOB", help="only states of such names: 'chat-*'")
    parser.add_argument("--list", action="store_true", help="only name the states")
    parser.add_argument("--compare", nargs=2, type=Path, metavar=("OLD", "NEW"), help="compare two folders")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    return parser


def main(arguments: Sequence[str]) -> int:
    """Do what is asked for."""
    parser = _parser()
    asked = parser.parse_args(list(arguments))
    if asked.compare:
        return _compare(*asked.compare, asked.out)
    chosen = looks(asked.theme, asked.width, asked.height, asked.scale, asked.locale)
    out: Path = (asked.out or OUT).absolute()
    if asked.list:
        from tests.shots import table  # noqa: PLC0415 - it imports Qt

        print("\n".join(table.states(asked.only)))
        return 0
    if asked.one:
        return _draw(chosen[0], out, asked.only)
    return _all(chosen, out, asked.only)


def _all(chosen: Sequence[Look], out: Path, only: str) -> int:
    """A process for each combination, since Qt takes its scale once; one more at a time than there are processors."""
    began = time.monotonic()
    together = min(len(chosen), (os.cpu_count() or 1) + 1)  # each of them waits now and then
    with tempfile.TemporaryDirectory(prefix="qwen-desktop-shots-") as place, ThreadPoolExecutor(together) as pool:
        codes = list(pool.map(lambda look: _process(look, out, only, Path(place)), chosen))
    print(f"{out}: {len(chosen)} combinations, {time.monotonic() - began:.0f} s")
    return max(codes, default=0)


def _process(look: Look, out: Path, only: str, place: Path) -> int:
    values = (look.theme, look.width, look.height, f"{look.scale:g}", look.locale)
    names = ("theme", "width", "height", "scale", "locale")
    options = [f"--{name}={value}" for name, value in zip(names, values, strict=True)]
    command = [sys.executable, "-m", "tests.shots", "--one", "--out", str(out / look.name), "--only", only, *options]
    done = subprocess.run(
        command, cwd=place, env={**os.environ, **configure(look, place), "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=_LIMIT_S, check=False, text=True, errors="replace",
    )  # fmt: skip
    print(f"{look.name}: {done.stdout.strip() or 'ended without a word'}", flush=True)
    return int(done.returncode != 0)


def _draw(look: Look, out: Path, only: str) -> int:
    from tests.shots import still  # noqa: PLC0415

    still.freeze()  # before the app is imported
    from tests.shots.draw import draw  # noqa: PLC0415

    drawn, failed = draw(look, out, only)
    for name, reason in failed:
        print(f"\nFAILED {name}\n{reason}")
    print(
        f"{len(drawn)} states drawn"
        + (f", {len(failed)} failed: {', '.join(f.name for f in failed)}" if failed else "")
    )
    return int(bool(failed) or not drawn)


def _compare(old: Path, new: Path, out: Path | None) -> int:
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from PySide6.QtGui import QGuiApplication  # noqa: PLC0415 - drawing needs no Qt before

    from tests.shots.compare import compare, machines, report  # noqa: PLC0415

    app = QGuiApplication.instance() or QGuiApplication(["shots"])
    try:
        found = compare(old, new, out or new.with_name(f"{new.name}-compared"))
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    for line in (*machines(old, new), *report(found)):
        print(line)
    if found.different:
        print(f"The differences are drawn in {out or new.with_name(f'{new.name}-compared')}.")
    del app
    return int(not found.same)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
