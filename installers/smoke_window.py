"""What the smoke test does with the window, the same on every system: open it, ask, read the answer, quit."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import smoke_files
from dev_console import Failed
from smoke_platform import Installed, Platform, ended, until
from smoke_report import Report

#: Fact of the guide -> a question about it.
QUESTIONS = {
    "new_chat": "How do I start a new chat?",
    "rename_chat": "How do I rename a chat?",
    "copy_answer": "How do I copy an answer?",
    "regenerate": "How do I get another answer?",
}
#: After this many seconds without input the window is idle.
_IDLE_S = 4.0
#: What the window process may take while it is idle, in bytes.
_IDLE_MEMORY = 150_000_000


@dataclass
class Run:
    """One run of the window. ``process`` is None where the system started it."""

    window: str
    number: int
    process: subprocess.Popen[bytes] | None
    name: str


class Desk:
    """The screen and what happens on it. ``program`` is set once it is installed."""

    program: Installed

    def __init__(self, platform: Platform, report: Report) -> None:
        self._platform = platform
        self._report = report
        self._room = platform.room
        self._pictures = 0

    def open(self, name: str, words: Sequence[str], what: str, *, folder: Path | None = None) -> Run:
        """Start the window and wait until it is there and shows something."""
        began = time.monotonic()
        process = self._platform.start([*self.program.window, *words], name, folder=folder)

        def look() -> tuple[str, int] | None:
            if process.poll() not in (None, 0):
                raise Failed(f"The window's program ended with exit code {process.returncode}.")
            return self._platform.window()

        window, number = until("The window", look, 60, every=0.01)
        self._report.figure(f"{what}, until the window", time.monotonic() - began, "s")
        run = Run(window, number, process, name)
        self.show(run)
        self._report.figure(f"{what}, until it has content", time.monotonic() - began, "s")
        return run

    def show(self, run: Run) -> None:
        """Give the window the keyboard and wait until it shows something."""
        until("The painting of the window", lambda: self._platform.picture().painted(), 40)
        self._give_keyboard(run)
        self.picture(run.name)

    def _give_keyboard(self, run: Run) -> None:
        def taken() -> bool:  # more than once: window managers let a window that is just coming up wait
            self._platform.focus(run.window)
            return self._platform.in_front(run.window)

        until("The window's getting the keyboard", taken, 15, every=0.2)

    def picture(self, name: str) -> None:
        """Keep what the screen shows."""
        self._pictures += 1
        place = self._room.pictures / f"{self._pictures:02} {re.sub(r'[^A-Za-z0-9, -]', '', name)}.png"
        with contextlib.suppress(OSError, ValueError):
            self._platform.picture().save(place)

    def ask(self, fact: str, what: str, *, guide: bool = False, model: Path | None = None) -> None:
        """Type the question about ``fact``; check the answer in the history and that the screen changes."""
        platform, must = self._platform, smoke_files.facts(fact)
        before = smoke_files.last_message(platform.database())
        seen = platform.picture()
        platform.type(QUESTIONS[fact])
        began = time.monotonic()

        def stored() -> smoke_files.Stored | None:
            found = smoke_files.last_message(platform.database())
            return found if found is not None and (before is None or found.seq > before.seq) else None

        def look() -> smoke_files.Stored | None:
            found = stored()
            return found if found and found.role == "assistant" and found.status != "streaming" else None

        until(f'The storing of the typed question "{QUESTIONS[fact]}"', stored, 20, every=0.02)
        answer = until(f'An answer to "{QUESTIONS[fact]}"', look, 60, every=0.02)
        self._report.figure(what, time.monotonic() - began, "s")
        if problem := smoke_files.wrong_with(answer, must):
            raise Failed(f'To "{QUESTIONS[fact]}" {problem}.')
        if guide and not answer.provenance.get("guide"):
            raise Failed(f"Not the guide answered, but {answer.provenance.get('model_path')}.")
        if model is not None and Path(answer.provenance.get("model_path", "")) != model:
            raise Failed(f"{answer.provenance.get('model_path')} answered instead of {model}.")
        until("A change on the screen after the answer", lambda: platform.picture().changed(seen) > 0.002, 15)
        time.sleep(0.5)  # the end of the text is drawn, and whoever looks at the picture wants it whole
        self.picture(what)
        self._report.right(f"{QUESTIONS[fact]} {answer.text[:80]}")

    def cover(self) -> bool:
        """Let another program be in front and used; False where this machine has none for it."""
        covered = self._platform.cover()
        if not covered:
            self._report.note("no other window could be opened here, so coming to the front was not checked")
        return covered

    def expect_front(self, run: Run, after: str) -> None:
        """The window comes to the front by itself. Where it does not, that is a fault, and it is brought there."""
        try:
            until("The window's coming to the front", lambda: self._platform.in_front(run.window), 5)
            self._report.right(f"{after} brought the window to the front")
        except Failed:
            self._report.wrong(f"After {after} the window did not come to the front.")
        self._platform.uncover()
        self._give_keyboard(run)

    def expect_model(self, file: Path) -> None:
        """Wait until the window has opened this file: it is the model of the settings then."""
        wanted = json.dumps(str(file), ensure_ascii=False)  # TOML's basic strings are JSON's
        settings = self._platform.settings()

        def look() -> bool:
            with contextlib.suppress(OSError):
                text = settings.read_text(encoding="utf-8")
                return wanted in text or f"'{file}'" in text
            return False

        until(f"The opening of {file.name}", look, 30)
        self._report.right(f"opened {file.name}")

    def memory(self, run: Run, what: str) -> None:
        """Let it rest, then measure its process."""
        time.sleep(_IDLE_S)
        for kind, count in self._platform.memory(run.number).items():
            self._report.size(f"memory of the window process, {what}, {kind.upper()}", count, _IDLE_MEMORY)

    def close(self, run: Run) -> None:
        """Press the close button of its frame."""
        if not self._platform.close_window(run.window):
            self._report.note("this machine has no way to press a close button: Ctrl+Q instead")
            self._platform.press("quit")

    def quit(self, run: Run, how: str, act: Callable[[], object]) -> None:
        """End the window as a user does, and see that it ends well."""
        began = time.monotonic()
        act()
        if run.process is not None:
            code = ended(run.process, f"The window after {how}", 15)
            if code != 0:
                raise Failed(f"After {how} the window's program ended with exit code {code}.")
        self.expect_no_processes(how)
        self._report.figure(f"quitting by {how}", time.monotonic() - began, "s")
        logs = self._platform.log_folder()
        if (logs / "crash.log").exists():
            self._report.wrong("A crash file is left after an orderly end.")
        for path in logs.glob("*.log"):
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
            if errors := [line for line in lines if " ERROR " in line or " CRITICAL " in line]:
                self._report.wrong(f"{path.name} holds an error: {errors[-1][:300]}")
        said = self._room.logs / f"{run.name}.txt"
        if said.is_file() and (text := said.read_text(encoding="utf-8", errors="replace").strip()):
            self._report.note(f"the window's program printed: {text[-300:]}")

    def expect_one_window(self, run: Run, after: str) -> None:
        """The window of this run is there, and no other."""
        found = self._platform.windows()
        if found != [(run.window, run.number)]:
            raise Failed(f"After {after} there are {len(found)} windows, or not the first one.")

    def expect_no_processes(self, after: str) -> None:
        """Window and workers end, all of them."""
        until(f"The end of all processes after {after}", lambda: not self._platform.processes(), 15)
