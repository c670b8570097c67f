"""The smoke test on macOS: a disk image or the app itself, through System Events and LaunchServices.

Not yet run: it was written from the documentation of macOS. The terminal (or CI agent) that starts it needs the
permissions "Accessibility" and "Screen Recording", since keys are typed and the screen is read.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Mapping
from pathlib import Path

import product
import smoke_files
from dev_console import Failed
from smoke_picture import Picture, from_bmp
from smoke_platform import MARK, Installed, Platform, Room, kill, run

_REGISTER = "/System/Library/Frameworks/CoreServices.framework/Frameworks/LaunchServices.framework/Support/lsregister"
_KEYBOARD = {"quit": "q", "message box": "l", "palette": "k"}


class MacOS(Platform):
    """A .dmg or an .app."""

    def __init__(self, artefact: Path, room: Room, *, replace: bool = False, options: Mapping[str, str] = {}) -> None:
        super().__init__(artefact, room, replace=replace, options=options)
        self.app = room.prefix / f"{product.NAME}.app"
        self.data = room.home / product.ID
        self._mounted = False

    def prepare(self) -> None:
        if self.artefact.suffix not in (".dmg", ".app"):
            raise Failed(f"{self.artefact} is no .dmg and no .app.")
        place = Path("/Applications") / self.app.name
        if place.exists() and not self.replace:
            raise Failed(f"{place} is there already and may take the double clicks: remove it, or say --replace.")
        self.environment |= {"QWEN_DESKTOP_HOME": str(self.data), "TMPDIR": str(self.room.tmp)}
        self._script('tell application "System Events" to count processes')  # fails without the permission

    # The artefact -----------------------------------------------------------------------------------------------------

    def install(self) -> Installed:
        self.before = smoke_files.snapshot(self._watched())
        source = self.artefact
        if self.artefact.suffix == ".dmg":
            volume = self.room.top / "volume"
            volume.mkdir()
            self._must(["hdiutil", "attach", "-nobrowse", "-readonly", "-mountpoint", str(volume), str(self.artefact)])
            self._mounted = True
            found = sorted(volume.glob("*.app"))
            if len(found) != 1 or not (volume / "Applications").is_symlink():
                raise Failed("The disk image must show one app and a link to Applications.")
            source = found[0]
        self._must(["ditto", str(source), str(self.app)])
        self._detach()
        self._must([_REGISTER, "-f", str(self.app)])
        programs = self.app / "Contents" / "MacOS"
        window, console = (programs / name for name in (product.WINDOW_PROGRAM, product.CONSOLE_PROGRAM))
        notes = []
        signed = run(["codesign", "--verify", "--deep", "--strict", str(self.app)], 120)
        if signed.code != 0:
            notes.append(f"codesign: {signed.err.strip()[-200:]}")
        size = smoke_files.size_of([self.app])
        return Installed([str(window)], [str(console)], self.app, size, association="system", notes=notes)

    def _watched(self) -> list[Path]:
        """Where macOS and the app keep something for an app."""
        library = Path.home() / "Library"
        return [library / name for name in ("Application Support", "Preferences", "LaunchAgents", "Logs")]

    def uninstall(self) -> list[str]:
        run([_REGISTER, "-u", str(self.app)], 60)
        shutil.rmtree(self.app)
        found = smoke_files.differences(self.before, smoke_files.snapshot(self._watched()))
        names = (product.ID, product.NAME, product.APP_ID)
        return [path for path, how in found.items() if how == "new" and any(name in path for name in names)]

    def _detach(self) -> None:
        if self._mounted:
            self._must(["hdiutil", "detach", str(self.room.top / "volume")])
            self._mounted = False

    def close(self) -> None:
        for process in self.processes():
            kill(process)
        with contextlib.suppress(Failed):
            self._detach()
            if self.app.exists():
                run([_REGISTER, "-u", str(self.app)], 60)
        self.close_files()

    # The window -------------------------------------------------------------------------------------------------------

    def windows(self) -> list[tuple[str, int]]:
        script = f"""
            set answer to ""
            tell application "System Events"
                repeat with one in (processes whose name is "{product.NAME}")
                    repeat (count of windows of one) times
                        set answer to answer & (unix id of one) & " "
                    end repeat
                end repeat
            end tell
            return answer
        """
        return [(word, int(word)) for word in self._script(script).split()]

    def picture(self) -> Picture:
        target = self.room.top / "screen.bmp"
        self._must(["screencapture", "-x", "-t", "bmp", str(target)])
        return from_bmp(target.read_bytes())

    def focus(self, window: str) -> None:
        self._script(
            f'tell application "System Events" to set frontmost of (first process whose unix id is {window}) to true'
        )

    def type(self, text: str) -> None:
        quoted = text.replace("\\", "\\\\").replace('"', '\\"')
        self._script(f'tell application "System Events"\nkeystroke "{quoted}"\nkey code 36\nend tell')

    def press(self, key: str) -> None:
        self._script(f'tell application "System Events" to keystroke "{_KEYBOARD[key]}" using command down')

    def close_window(self, window: str) -> bool:
        process = f"first process whose unix id is {window}"
        button = f'first button of window 1 of ({process}) whose subrole is "AXCloseButton"'
        self._script(f'tell application "System Events" to click ({button})')
        return True

    def cover(self) -> bool:
        self._script('tell application "Finder" to activate')
        return True

    def in_front(self, window: str) -> bool:
        script = 'tell application "System Events" to get unix id of first process whose frontmost is true'
        return self._script(script) == window

    def uncover(self) -> None:
        """The Finder stays; our window is before it or was reported."""

    def double_click(self, file: Path) -> None:
        command = ["open"]
        for name in ("QWEN_DESKTOP_HOME", "TMPDIR", MARK):  # LaunchServices passes nothing on by itself
            command += ["--env", f"{name}={self.environment[name]}"]
        self._must([*command, str(file)])

    # Processes --------------------------------------------------------------------------------------------------------

    def _must(self, command: list[str]) -> str:
        done = run(command, 300)
        if done.code != 0:
            raise Failed(f"{command[0]} failed: {(done.err or done.out).strip()[-300:]}")
        return done.out.strip()

    def _script(self, text: str) -> str:
        return self._must(["osascript", "-e", text])

    def processes(self) -> list[int]:
        found = []
        for line in run(["ps", "-axww", "-o", "pid=,comm="], 30).out.splitlines():
            number, _, program = line.strip().partition(" ")
            if program.strip().startswith(f"{self.app}/") and number.isdigit():
                found.append(int(number))
        return found

    def memory(self, process: int) -> dict[str, int]:
        return {"rss": int(self._must(["ps", "-o", "rss=", "-p", str(process)])) * 1024}

    def mapped(self, process: int) -> list[str]:
        done = run(["lsof", "-n", "-P", "-F", "n", "-p", str(process)], 60)
        return [line[1:] for line in done.out.splitlines() if line.startswith("n/")]
